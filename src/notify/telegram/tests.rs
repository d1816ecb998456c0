use std::sync::Arc;

use tokio::net::TcpListener;

use super::*;
use crate::net::Net;
use crate::settings::read;

#[path = "../../../mocks/bot_api/mod.rs"]
#[allow(dead_code)]
mod bot_api;

use bot_api::{Bot as FakeBot, Shared, plan};

/// A token that must be seen nowhere.
const CANARY: &str = "4200:CANARY-canary_CANARY";

fn context() -> BuildContext {
    BuildContext {
        name: "ops".into(),
        folder: ".".into(),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        net: Net::new(),
    }
}

fn build(section: &str) -> Result<Box<dyn Notifier>, Vec<String>> {
    let said = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>();
    let section = serde_yaml::from_str(section).unwrap();
    read::<TelegramSettings>(section).map_err(said)?.build(&context()).map_err(said)
}

/// A fake Bot API with this plan, and a channel that talks to it.
async fn channel(steps: &str, more: &str) -> (Box<dyn Notifier>, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bot = Shared::new(FakeBot { plan: plan(steps).unwrap(), ..FakeBot::default() });
    tokio::spawn(bot_api::serve(listener, bot.clone()));
    let notifier = build(&format!("{{ token: '{CANARY}', chat_id: -100123, api_url: '{url}', {more} }}"));
    (notifier.map_err(|problems| problems.join("; ")).unwrap(), bot)
}

fn message(html: &str) -> Message {
    Message { text: html.into(), plain: "plain words".into(), quiet: true, key: "1-failed".into(), facts: serde_json::Value::Null }
}

/// Sends one message; the outcome in words, and what the far side took.
async fn outcome(steps: &str, more: &str) -> (String, Vec<serde_json::Value>) {
    let (notifier, bot) = channel(steps, more).await;
    let outcome = match notifier.send(&message("<b>hi</b>")).await {
        Ok(Receipt { id, remark }) => format!("taken {} {}", id.unwrap_or_default(), remark.unwrap_or_default()),
        Err(SendError::Later { after, cause }) => format!("later {:?} {cause}", after.map(|after| after.as_secs())),
        Err(SendError::Never { cause }) => format!("never {cause}"),
        Err(SendError::Broken { cause }) => format!("broken {cause}"),
        Err(SendError::Unsure { cause }) => format!("unsure {cause}"),
    };
    assert!(!outcome.contains("CANARY"), "{outcome}");
    let receipts = bot.lock().receipts.iter().map(|receipt| receipt.0.clone()).collect();
    (outcome, receipts)
}

#[track_caller]
fn check(steps: &str, taken: usize, expect: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (outcome, receipts) = runtime.block_on(outcome(steps, ""));
    assert_eq!(outcome.trim(), expect, "{steps}");
    assert_eq!(receipts.len(), taken, "{steps}: what the far side took");
}

#[test]
fn sends_html_to_the_chat() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (said, receipts) = runtime.block_on(outcome("", "topic_id: 7, silent_recoveries: true"));
    assert_eq!(said.trim(), "taken 1");
    let at = receipts[0]["at"].clone();
    let expect = serde_json::json!(
        {"at": at, "answered": true, "chat_id": -100123, "topic": 7, "text": "<b>hi</b>", "html": true, "silent": true});
    assert_eq!(receipts, [expect]);
}

#[test]
fn waits_as_long_as_it_is_told() {
    check("429:3", 0, "later Some(3) Telegram asks to wait 3 s");
    check("429:13000", 0, "later Some(13000) Telegram asks to wait 13000 s");
    check("flood", 0, "later None Telegram says: Too Many Requests: slow down");
    check(
        "html:429",
        0,
        "later None Telegram answered with something else: <html><head><title>Bad Gateway</title></head><body>nginx</body></html>",
    );
}

#[test]
fn sends_plain_words_when_the_markup_is_refused() {
    check(
        "400=Bad Request: can't parse entities: unsupported start tag \"x\" at byte offset 0",
        1,
        "taken 1 sent without markup, because Telegram refused the text: Bad Request: can't parse entities: unsupported start tag \"x\" at byte offset 0",
    );
}

#[test]
fn follows_a_group_that_moved() {
    check("moved:-100999,moved:-100999", 1, "taken 1 the group has become a supergroup: write `chat_id: -100999` in the file");
}

#[test]
fn writes_to_the_chat_when_the_topic_is_gone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (said, receipts) = runtime.block_on(outcome("400=Bad Request: message thread not found", "topic_id: 7"));
    assert_eq!(said.trim(), "taken 1 sent to the chat itself, because of the topic: Bad Request: message thread not found");
    assert_eq!(receipts[0]["topic"], serde_json::Value::Null);
}

#[test]
fn knows_what_someone_has_to_mend() {
    for description in [
        "Forbidden: bot was blocked by the user",
        "Forbidden: bot was kicked from the supergroup chat",
        "Forbidden: bot is not a member of the channel chat",
        "Bad Request: chat not found",
        "Bad Request: group is deactivated",
        "Bad Request: not enough rights to send text messages to the chat",
    ] {
        check(&format!("403={description}"), 0, &format!("broken Telegram says: {description}"));
    }
    check("401=Unauthorized", 0, "broken Telegram says: Invalid bot token");
    check("404=Not Found", 0, "broken Telegram says: Invalid bot token");
    check("400=Bad Request: something new", 0, "never Telegram says: Bad Request: something new");
}

#[test]
fn knows_when_it_cannot_know() {
    check("truncated", 1, "taken  the answer of Telegram broke off after `ok`");
    check("empty", 0, "unsure Telegram's answer cannot be read: \"\"");
}

/// Runs in virtual time: the client's own waits of 10 and 17 seconds pass at once.
async fn in_virtual_time(steps: &str) -> (String, usize) {
    let (said, receipts) = outcome(steps, "").await;
    (said.trim().to_owned(), receipts.len())
}

#[tokio::test(start_paused = true)]
async fn tries_again_after_errors_of_the_server() {
    let (said, taken) = in_virtual_time("html:502").await;
    assert!(said.starts_with("later None Telegram answered with something else: <html>"), "{said}");
    assert_eq!(taken, 0);
    let (said, _) = in_virtual_time("200=No luck today").await;
    assert_eq!(said, "later None Telegram says: No luck today", "`ok: false`, whatever the status says");
    let (said, _) = in_virtual_time("500=Internal Server Error").await;
    assert_eq!(said, "later None Telegram says: Internal Server Error");
}

#[tokio::test(start_paused = true)]
async fn is_unsure_after_a_silence() {
    assert_eq!(in_virtual_time("take-and-hang").await, ("unsure no answer from Telegram in 17 s".to_owned(), 1));
    assert_eq!(in_virtual_time("hang").await, ("unsure no answer from Telegram in 17 s".to_owned(), 0));
}

#[tokio::test]
async fn a_closed_port_is_no_uncertainty() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let notifier = build(&format!("{{ token: '{CANARY}', chat_id: 1, api_url: '{url}' }}")).map_err(|p| p.join("; ")).unwrap();
    let error = notifier.send(&message("x")).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Later { after: None, cause } if cause.starts_with("cannot reach Telegram: Connection refused")),
        "{error:?}"
    );
}

#[test]
fn says_what_is_wrong_with_the_section() {
    let said = |section: &str| build(section).err().unwrap_or_default();
    assert_eq!(said("{ token: nonsense, chat_id: 0 }"), ["this is not a bot token", "no chat has the number 0"]);
    assert_eq!(said("{ token: '1:a', chat_id: ops }"), ["`ops` is not a chat"]);
    assert_eq!(
        said("{ token: '1:a', chat_id: 1, api_url: 'ftp://x', proxy: '::' }"),
        ["this is not an http or https address", "this is not a proxy's address"]
    );
    assert!(said("{ token: '1:a', chat_id: '@channel', proxy: 'socks5h://u:p@127.0.0.1:1' }").is_empty());
}

#[test]
fn shows_the_token_nowhere() {
    let settings: TelegramSettings = read(serde_yaml::from_str(&format!("{{ token: '{CANARY}', chat_id: 1 }}")).unwrap()).unwrap();
    assert!(!format!("{settings:?}").contains("CANARY"));
    let _ = Arc::new(settings);
}

/// What a finder hears of these updates, and how the next question goes on.
async fn heard(updates: serde_json::Value, steps: &str) -> (Vec<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let updates = updates.as_array().unwrap().clone();
    let bot = Shared::new(FakeBot { updates, ..FakeBot::default() });
    tokio::spawn(bot_api::serve(listener, bot.clone()));
    let mut finder = Finder::new(Secret::new(CANARY.into()), Some(&url), None, &Net::new()).map_err(|problem| problem.message).unwrap();
    let chats = finder.chats(Duration::ZERO).await.unwrap();
    let chats = chats.into_iter().map(|chat| format!("{} {:?} {}", chat.id, chat.topic, chat.name)).collect();
    bot.lock().polls = plan(steps).unwrap();
    let next = match finder.chats(Duration::ZERO).await {
        Ok(chats) => format!("{} more", chats.len()),
        Err(error) => format!("{error:?}"),
    };
    assert!(!next.contains("CANARY"), "{next}");
    (chats, next)
}

#[tokio::test]
async fn finds_the_chats_that_wrote() {
    let forum = serde_json::json!({ "id": -100, "type": "supergroup", "title": "Ops", "is_forum": true });
    let anna = serde_json::json!({ "id": 7, "type": "private", "first_name": "Anna", "last_name": "K", "username": "anna" });
    let from = serde_json::json!({ "id": 7, "is_bot": false, "first_name": "Anna" });
    let me = serde_json::json!({ "id": 1, "is_bot": true, "first_name": "Mock", "username": "mock_bot" });
    let updates = serde_json::json!([
        { "update_id": 5, "message": { "message_id": 1, "date": 1, "chat": forum, "from": from, "text": "/start" } },
        { "update_id": 6, "message": { "message_id": 2, "date": 1, "chat": anna, "from": from, "text": "hello" } },
        { "update_id": 7, "channel_post": { "message_id": 3, "date": 1, "chat": { "id": -300, "type": "channel", "title": "News", "username": "news" }, "text": "x" } },
        { "update_id": 8, "message": { "message_id": 4, "date": 1, "chat": forum, "from": from, "text": "/start", "message_thread_id": 9, "is_topic_message": true } },
        { "update_id": 9, "my_chat_member": { "chat": { "id": -400, "type": "group", "title": "New" }, "from": from, "date": 1,
            "old_chat_member": { "status": "left", "user": me }, "new_chat_member": { "status": "member", "user": me } } },
        { "update_id": 10, "something_new": { "chat": { "id": 1 } } },
    ]);
    let (chats, next) = heard(updates, "").await;
    assert_eq!(
        chats,
        ["-100 Some(9) the group Ops", "7 None Anna K (@anna)", "-300 None the channel News (@news)", "-400 None the group New"]
    );
    assert_eq!(next, "0 more", "what was seen is not asked for again");
}

#[tokio::test]
async fn says_why_it_hears_nothing() {
    for (steps, expect) in [
        ("401=Unauthorized", r#"Refused("Telegram says: Invalid bot token")"#),
        (
            "409=Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            r#"Taken("another program is given the messages of this bot (Conflict: terminated by other getUpdates request; make sure that only one bot instance is running)")"#,
        ),
        ("429:3", r#"Later(Some(3s), "Telegram asks to wait 3 s")"#),
        ("empty", r#"Later(None, "Telegram's answer cannot be read: \"\"")"#),
    ] {
        let (chats, next) = heard(serde_json::json!([]), steps).await;
        assert!(chats.is_empty());
        assert_eq!(next, expect);
    }
}
