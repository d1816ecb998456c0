//! `vakhta init`, answered by a pipe, against the fake bot.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::bot::FakeBot;
use crate::program::{PATIENCE, Place, until};

/// Must be seen nowhere but in its own file.
const TOKEN: &str = "4200:CANARY-canary";

/// An empty folder and a bot that knows the token.
fn begin() -> (Place, FakeBot) {
    let place = Place::new("");
    fs::remove_file(place.path("checks.yaml")).unwrap();
    let bot = FakeBot::start("");
    bot.knows_only(TOKEN);
    (place, bot)
}

fn command(place: &Place, bot: &FakeBot, arguments: &[&str]) -> Command {
    let mut command = place.command(&["init", "--api-url", &bot.url]);
    for name in ["TELEGRAM_TOKEN", "TELEGRAM_PROXY", "LANG", "LC_ALL", "LC_MESSAGES"] {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code and all that it said, after these answers and the end of the input.
fn answered(mut command: Command, answers: &[&str]) -> (i32, String) {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for answer in answers {
        // It may have ended before it asked.
        let _ = writeln!(stdin, "{answer}");
    }
    drop(stdin);
    ended(child)
}

fn ended(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains("CANARY"), "{said}");
    (output.status.code().unwrap_or(-1), said)
}

fn files(place: &Place) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn group() -> serde_json::Value {
    json!({ "id": -100123, "type": "supergroup", "title": "Ops\u{1b}[31m" })
}

/// Token, chat, language, zone, hours, days, what is left out, test message.
const ANSWERS: [&str; 8] = [TOKEN, "", "ru", "Europe/Moscow", "09:00-18:00", "", "", ""];

#[test]
fn a_person_answers_and_the_channel_works() {
    let (place, bot) = begin();
    // The first question for messages is refused for a moment, the next waits: somebody writes only then.
    bot.answers_polls("429:1,ok");
    let mut child = command(&place, &bot, &[]).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(["4200:wrong", "nonsense"].iter().chain(&ANSWERS).map(|line| format!("{line}\n")).collect::<String>().as_bytes())
        .unwrap();
    until("it asks for messages", || (bot.polls_left() == 0).then_some(()));
    bot.hears_from(&group());
    let (code, said) = ended(child);
    assert_eq!(code, 0, "{said}");
    for line in [
        "Telegram says: Invalid bot token",
        "this is not a bot token",
        "This is the bot @mock_bot.",
        "write /start to @mock_bot",
        " 1  the group Ops·[31m, number -100123",
        "telegram_token, which only you can read",
        "vakhta run ",
    ] {
        assert!(said.contains(line), "{line} | {said}");
    }
    let text = fs::read_to_string(place.path("checks.yaml")).unwrap();
    assert!(text.contains(r#"ops: { telegram: { token: "${file:telegram_token}", chat_id: -100123, api_url: "#), "{text}");
    assert!(text.contains("window: working_hours") && text.contains("days: mon-fri, hours: \"09:00-18:00\""), "{text}");
    assert!(text.contains("language: ru") && text.contains("timezone: Europe/Moscow") && !text.contains("CANARY"), "{text}");
    assert_eq!(fs::read_to_string(place.path("telegram_token")).unwrap(), format!("{TOKEN}\n"));
    assert_eq!(fs::metadata(place.path("telegram_token")).unwrap().permissions().mode() & 0o777, 0o600);
    let test = bot.texts(1);
    assert!(test[0].contains("a test message from vakhta"), "{test:?}");
    let (code, out, err) = place.run(&["validate"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("this machine  host"), "{out}");
}

#[test]
fn whoever_stops_answering_has_nothing_written() {
    let (place, bot) = begin();
    bot.hears_from(&group());
    for count in 0..ANSWERS.len() {
        let (code, said) = answered(command(&place, &bot, &[]), &ANSWERS[..count]);
        assert_eq!(code, 2, "after {count}: {said}");
        assert!(said.contains("ended; nothing was written"), "after {count}: {said}");
        assert_eq!(files(&place), [""; 0], "after {count}");
    }
    assert!(bot.receipts().is_empty());
    // Nobody reads what it says.
    let mut unheard = command(&place, &bot, &["--yes"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, said) = answered(
        {
            unheard.stdout(writer);
            unheard
        },
        &[],
    );
    assert_eq!((code, files(&place).len()), (2, 0), "{said}");
}

#[test]
fn a_script_takes_all_proposals_once() {
    let (place, bot) = begin();
    place.write("token", &format!("{TOKEN}\n"));
    let arguments = [
        "--yes",
        "--telegram-token-file",
        "token",
        "--chat",
        "-100123",
        "--hours",
        "08:00-20:00",
        "--days",
        "mon-sat",
        "--timezone",
        "UTC",
    ];
    let (code, said) = answered(command(&place, &bot, &arguments), &[]);
    assert_eq!(code, 0, "{said}");
    let text = fs::read_to_string(place.path("checks.yaml")).unwrap();
    assert!(text.contains("/token}\", chat_id: -100123") && text.contains("days: mon-sat, hours: \"08:00-20:00\""), "{text}");
    assert_eq!(bot.texts(1).len(), 1);
    assert_eq!(files(&place), ["checks.yaml", "token"]);

    let (code, said) = answered(command(&place, &bot, &arguments), &[]);
    assert_eq!(code, 2);
    assert!(said.contains("checks.yaml is there already; --force replaces it"), "{said}");
    let (code, said) = answered(command(&place, &bot, &["--yes", "--force"]), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(!fs::read_to_string(place.path("checks.yaml")).unwrap().contains("/token}"));
    assert_eq!(place.run(&["validate"]).0, 0);
    assert_eq!(files(&place), ["checks.yaml", "token"]);
}

#[test]
fn the_token_of_the_environment_stays_there() {
    let (place, bot) = begin();
    bot.hears_from(&json!({ "id": 77, "type": "private", "first_name": "Anna", "username": "anna" }));
    let mut command = command(&place, &bot, &["--yes", "--output", "other.yaml", "--language", "ru"]);
    command.env("TELEGRAM_TOKEN", TOKEN);
    let (code, said) = answered(command, &[]);
    assert_eq!(code, 0, "{said}");
    let text = fs::read_to_string(place.path("other.yaml")).unwrap();
    assert!(text.contains("# To Anna (@anna).") && text.contains(r#"token: "${TELEGRAM_TOKEN}", chat_id: 77"#), "{text}");
    assert!(said.contains("vakhta run -c other.yaml"), "{said}");
    assert_eq!(files(&place), ["other.yaml"]);
}

/// What is said when it cannot be done; nothing is written.
#[track_caller]
fn check_refusal(token: &str, arguments: &[&str], prepare: impl Fn(&FakeBot), expect: &str) {
    let (place, bot) = begin();
    prepare(&bot);
    let mut command = command(&place, &bot, &[&["--yes"], arguments].concat());
    command.env("TELEGRAM_TOKEN", token);
    let (code, said) = answered(command, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(expect), "{expect} | {said}");
    assert_eq!(files(&place), [""; 0]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let nothing = |_: &FakeBot| {};
    check_refusal("4200:CANARY-other", &[], nothing, "Telegram says: Invalid bot token");
    check_refusal("", &["--chat", "1"], nothing, "--chat is of no use without a token: set TELEGRAM_TOKEN");
    check_refusal("CANARY", &[], nothing, "the variable TELEGRAM_TOKEN: this is not a bot token");
    check_refusal(TOKEN, &["--wait", "1s"], nothing, "nobody wrote to the bot; name the chat with --chat");
    check_refusal(TOKEN, &["--chat", "ops"], nothing, "`ops` is not a chat: write its number");
    check_refusal(TOKEN, &["--chat", "1", "--hours", "9-18"], nothing, "--hours: `9` is not a time of day");
    check_refusal(TOKEN, &["--chat", "1", "--days", "someday"], nothing, "--days: `someday` is not a day");
    check_refusal(TOKEN, &["--chat", "1", "--timezone", "Moscow"], nothing, "`Moscow` is not a time zone");
    check_refusal(TOKEN, &["--proxy", "http://u:CANARY@127.0.0.1:1"], nothing, "put it into the variable TELEGRAM_PROXY");
    check_refusal(TOKEN, &["--output", "/dev/null", "--force"], nothing, "/dev/null is no plain file");
    check_refusal(TOKEN, &["--output", ".", "--force"], nothing, ". is no plain file");
    check_refusal(TOKEN, &["--output", "nowhere/checks.yaml"], nothing, "there is no folder nowhere");
    let conflict = "409=Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    check_refusal(TOKEN, &[], |bot| bot.answers_polls(conflict), "another program is given the messages of this bot");
    let webhook = "409=Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    check_refusal(TOKEN, &[], |bot| bot.answers_polls(webhook), "another program is given the messages of this bot");
    let two = |bot: &FakeBot| {
        bot.hears_from(&group());
        bot.hears_from(&json!({ "id": 77, "type": "private", "first_name": "Mallory" }));
    };
    check_refusal(TOKEN, &[], two, "several chats wrote to the bot; name one with --chat");
}

#[test]
fn a_bot_that_nobody_writes_to_is_waited_for_again() {
    let (place, bot) = begin();
    bot.answers_polls("empty");
    let answers = [TOKEN, "", "ops", "@ops_channel", "", "", "", "", "n"];
    let started = std::time::Instant::now();
    let (code, said) = answered(command(&place, &bot, &["--wait", "1s"]), &answers);
    assert!(started.elapsed() < PATIENCE, "the wait is bounded");
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("Now write /start").count(), 2, "{said}");
    assert!(said.contains("`ops` is not a chat"), "{said}");
    assert!(fs::read_to_string(place.path("checks.yaml")).unwrap().contains(r#"chat_id: "@ops_channel""#));
    assert!(bot.receipts().is_empty());
}
