use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::*;
use crate::net::Net;
use crate::net::testing::{Authority, closed_port};
use crate::notify::text::sample;
use crate::settings::{BuildContext, Problem, Settings, read};

#[path = "../../../mocks/smtp/mod.rs"]
#[allow(dead_code)]
mod smtp;

use smtp::{MailServer, Shared, plan};

fn build(section: &str) -> Result<Box<dyn Notifier>, Vec<String>> {
    let at = BuildContext {
        name: "mail".into(),
        folder: "/nowhere".into(),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        net: Net::new(),
    };
    let said = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>();
    read::<EmailSettings>(serde_yaml::from_str(section).unwrap()).map_err(said)?.build(&at).map_err(said)
}

fn good(section: &str) -> Box<dyn Notifier> {
    build(section).map_err(|problems| problems.join("; ")).unwrap()
}

async fn start(server: MailServer) -> (SocketAddr, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Shared::new(server);
    tokio::spawn(smtp::serve(listener, server.clone()));
    (address, server)
}

const LOGIN: &str = "vakhta@example.com:CANARY@/#%40";
const PLAIN: &str = "starttls: none, from: Vakhta <vakhta@example.com>, to: [ops@example.com, Boss <boss@example.com>]";

async fn channel(steps: &str, more: &str) -> (Box<dyn Notifier>, Shared) {
    let (address, server) = start(MailServer { plan: plan(steps).unwrap(), ..MailServer::default() }).await;
    (good(&format!("{{ smtp: 'smtp://{LOGIN}@{address}', {more} }}")), server)
}

fn message(at: usize) -> Message {
    sample::messages().unwrap().remove(at).1
}

fn told(outcome: Result<Receipt, SendError>) -> String {
    let told = match outcome {
        Ok(Receipt { remark, .. }) => format!("taken {}", remark.unwrap_or_default()).trim().to_owned(),
        Err(SendError::Later { after, cause }) => format!("later {:?} {cause}", after.map(|after| after.as_secs())),
        Err(SendError::Never { cause }) => format!("never {cause}"),
        Err(SendError::Broken { cause }) => format!("broken {cause}"),
        Err(SendError::Unsure { cause }) => format!("unsure {cause}"),
    };
    assert!(!told.contains("CANARY"), "{told}");
    told
}

async fn check(steps: &str, taken: usize, expect: &str) {
    let (notifier, server) = channel(steps, PLAIN).await;
    assert_eq!(told(notifier.send(&message(0)).await), expect, "{steps}");
    assert_eq!(server.lock().receipts.len(), taken, "{steps}: what the far side took");
    assert_eq!(server.lock().conversations, 1, "{steps}: one conversation");
}

fn letter(server: &Shared, at: usize) -> String {
    server.lock().receipts[at]["letter"].as_str().unwrap().to_owned()
}

/// A header of a letter with its folded lines joined.
fn header(letter: &str, name: &str) -> String {
    let head = letter.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn delivers_a_letter_to_everyone() {
    let (notifier, server) = channel("", PLAIN).await;
    assert_eq!(told(notifier.send(&message(0)).await), "taken");
    let receipt = server.lock().receipts[0].clone();
    assert_eq!((receipt["from"].as_str(), receipt["tls"].as_bool()), (Some("vakhta@example.com"), Some(false)));
    assert_eq!(receipt["to"], serde_json::json!(["ops@example.com", "boss@example.com"]));
    let login = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, receipt["login"].as_str().unwrap()).unwrap();
    assert_eq!(login, b"\0vakhta@example.com\0CANARY@/#%40", "user and password as they are");
    let letter = letter(&server, 0);
    assert_eq!(header(&letter, "From"), "Vakhta <vakhta@example.com>");
    assert_eq!(header(&letter, "To"), "ops@example.com, Boss <boss@example.com>");
    assert_eq!(header(&letter, "Auto-Submitted"), "auto-generated");
    assert!(letter.contains("Content-Type: text/plain") && letter.contains("Content-Type: text/html"), "{letter}");
}

#[tokio::test]
async fn makes_a_thread_that_a_repeat_is_part_of() {
    let (notifier, server) = channel("", PLAIN).await;
    for at in [0, 0, 3] {
        assert_eq!(told(notifier.send(&message(at)).await), "taken");
    }
    let of = |at, name| header(&letter(&server, at), name);
    assert_eq!(of(0, "Message-ID"), "<1-failed.0@srv-01.vakhta>");
    assert_eq!(of(1, "Message-ID"), of(0, "Message-ID"), "a repeat is the same letter");
    assert_eq!(of(2, "Message-ID"), "<1-recovered.0@srv-01.vakhta>");
    assert_eq!((of(0, "In-Reply-To"), of(2, "In-Reply-To")), (String::new(), of(0, "Message-ID")));
    assert_eq!(of(2, "References"), of(0, "References"), "what they have in common");
}

#[tokio::test]
async fn no_target_writes_a_header() {
    let (notifier, server) = channel("", &format!("{PLAIN}, subject: '{{{{ reason }}}}'")).await;
    let mut hostile = message(0);
    hostile.facts["reason"] = "x\r\nBcc: evil@example.com\r\n\r\nhello".into();
    hostile.facts["host"] = "a\r\nb <c>".into();
    hostile.plain = "y\r\n.\r\nMAIL FROM:<evil@example.com>\r\n..\r\n".into();
    assert_eq!(told(notifier.send(&hostile).await), "taken");
    let letter = letter(&server, 0);
    assert_eq!(header(&letter, "Subject"), "x  Bcc: evil@example.com    hello");
    assert_eq!(header(&letter, "Bcc"), "");
    assert_eq!(header(&letter, "Message-ID"), "<1-failed.0@a--b--c-.vakhta>");
    assert_eq!(server.lock().conversations, 1);
    assert_eq!(server.lock().receipts.len(), 1, "the dot did not end the letter");
    assert!(letter.contains("evil@example.com"), "it is text: {letter}");
}

#[tokio::test]
async fn the_first_line_is_the_subject() {
    let (notifier, server) = channel("", PLAIN).await;
    let plain = "🔴 srv-01 · память\nthe rest".to_owned();
    assert_eq!(told(notifier.send(&Message { plain, ..message(0) }).await), "taken");
    let subject = header(&letter(&server, 0), "Subject");
    assert!(subject.starts_with("=?utf-8?b?"), "{subject}");
}

#[tokio::test]
async fn takes_every_answer_for_what_it_means() {
    check("greeting=421 too many connections", 0, "later None 127.0.0.1 says: 421 too many connections").await;
    check("greeting=554 go away", 0, "broken 127.0.0.1 says: 554 go away").await;
    check("auth=535 5.7.8 bad password CANARY@/#%40", 0, "broken 127.0.0.1 says: 535 5.7.8 bad password ***").await;
    check("auth=454 try later", 0, "later Some(300) 127.0.0.1 says: 454 try later").await;
    check("mail=550 not your address", 0, "broken 127.0.0.1 says: 550 not your address").await;
    check("mail=452 disk full", 0, "later Some(300) 127.0.0.1 says: 452 disk full").await;
    check("data=554 no", 0, "never 127.0.0.1 says: 554 no").await;
    check("data=451 busy", 0, "later Some(300) 127.0.0.1 says: 451 busy").await;
    check("end=554 this is spam", 0, "never 127.0.0.1 says: 554 this is spam").await;
    check("end=451 queue trouble", 0, "later Some(300) 127.0.0.1 says: 451 queue trouble").await;
    check("rcpt=421 closing", 0, "later None 127.0.0.1 says: 421 closing").await;
    let all = "not to ops@example.com: 127.0.0.1 says: 550 no; not to boss@example.com: 127.0.0.1 says: 550 no";
    check("rcpt=550 no", 0, &format!("never {all}")).await;
    check("rcpt=450 wait", 0, &format!("later Some(300) {}", all.replace("550 no", "450 wait"))).await;
    check("mail=250 \u{1b}[2J\u{202e}", 1, "taken").await;
    check("greeting=hello", 0, "later None 127.0.0.1: not the answer of a mail server").await;
}

#[tokio::test]
async fn is_unsure_only_after_the_last_dot() {
    check("mail=close", 0, "later None 127.0.0.1: the connection was closed early").await;
    check("end=close", 0, "unsure lost before the letter was confirmed: 127.0.0.1: the connection was closed early").await;
    check("end=take-and-close", 1, "unsure lost before the letter was confirmed: 127.0.0.1: the connection was closed early").await;
}

#[tokio::test]
async fn waits_neither_for_ever_nor_too_short() {
    for (steps, taken, expect) in [
        ("greeting=hang", 0, "later None 127.0.0.1 did not go on in 45 s"),
        ("data=hang", 0, "later None 127.0.0.1 did not go on in 45 s"),
        ("end=hang", 0, "unsure the letter was not confirmed in 60 s"),
        ("end=take-and-hang", 1, "unsure the letter was not confirmed in 60 s"),
    ] {
        let (notifier, server) = channel(steps, PLAIN).await;
        let sending = tokio::spawn(async move { notifier.send(&message(0)).await });
        let hangs = server.lock().hangs.clone();
        hangs.notified().await;
        // From here on nothing but the clock moves.
        tokio::time::pause();
        assert_eq!(told(sending.await.unwrap()), expect, "{steps}");
        assert_eq!(server.lock().receipts.len(), taken, "{steps}: what the far side took");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn one_bad_recipient_takes_nothing_from_the_others() {
    let (notifier, server) = channel("", "starttls: none, from: a@example.com, to: [ops@example.com, nobody@example.com]").await;
    let said = told(notifier.send(&message(0)).await);
    assert_eq!(said, "taken not to nobody@example.com: 127.0.0.1 says: 550 5.1.1 no such user");
    assert_eq!(server.lock().receipts[0]["to"], serde_json::json!(["ops@example.com"]));
}

#[tokio::test]
async fn nobody_waits_for_one_who_was_put_off() {
    let (notifier, server) = channel("", "starttls: none, from: a@example.com, to: [grey@example.com, ops@example.com]").await;
    let said = told(notifier.send(&message(0)).await);
    assert_eq!(said, "taken not to grey@example.com: 127.0.0.1 says: 450 4.2.0 greylisted");
    assert_eq!(server.lock().receipts[0]["to"], serde_json::json!(["ops@example.com"]));
    let (notifier, server) = channel("", "starttls: none, from: a@example.com, to: [grey@example.com]").await;
    let said = told(notifier.send(&message(0)).await);
    assert_eq!(said, "later Some(300) not to grey@example.com: 127.0.0.1 says: 450 4.2.0 greylisted");
    assert_eq!(told(notifier.send(&message(0)).await), "taken", "when it comes back it is let in");
    assert_eq!(server.lock().receipts.len(), 1);
}

#[tokio::test]
async fn speaks_tls_as_it_is_told() {
    let authority = Authority::new();
    let ca = authority.file();
    let people = format!("from: a@example.com, to: [ops@example.com], ca: {}", ca.display());
    let server =
        |from_the_start| MailServer { tls: Some(authority.good_server()), tls_from_the_start: from_the_start, ..MailServer::default() };
    let (address, smtps) = start(server(true)).await;
    assert_eq!(told(good(&format!("{{ smtp: 'smtps://{LOGIN}@{address}', {people} }}")).send(&message(0)).await), "taken");
    assert_eq!(smtps.lock().receipts[0]["tls"], true);
    let (address, starttls) = start(server(false)).await;
    for mode in ["", ", starttls: opportunistic"] {
        assert_eq!(told(good(&format!("{{ smtp: 'smtp://{LOGIN}@{address}', {people}{mode} }}")).send(&message(0)).await), "taken");
    }
    assert!(starttls.lock().receipts.iter().all(|receipt| receipt["tls"] == true && receipt["login"].is_string()));
    // An authority that nobody knows.
    let people = people.split(", ca").next().unwrap();
    let said = told(good(&format!("{{ smtp: 'smtp://{LOGIN}@{address}', {people} }}")).send(&message(0)).await);
    assert!(said.starts_with("later None 127.0.0.1: the TLS handshake failed: invalid peer certificate: UnknownIssuer"), "{said}");
    let said = told(good(&format!("{{ smtp: 'smtp://{LOGIN}@{address}', {people}, insecure: true }}")).send(&message(0)).await);
    assert_eq!(said, "taken");
}

#[tokio::test]
async fn sends_no_password_in_clear_unless_told_to() {
    let (notifier, server) = channel("", "from: a@example.com, to: [ops@example.com]").await;
    let said = told(notifier.send(&message(0)).await);
    assert_eq!(said, "broken 127.0.0.1 offers no STARTTLS: mend the server, or write `starttls: none`");
    let (notifier, other) = channel("", "from: a@example.com, to: [ops@example.com], starttls: opportunistic").await;
    let said = told(notifier.send(&message(0)).await);
    assert_eq!(said, "broken 127.0.0.1 offers no STARTTLS, and no password goes out in clear");
    assert!(server.lock().receipts.is_empty() && other.lock().receipts.is_empty());
}

#[tokio::test]
async fn a_closed_port_is_no_uncertainty() {
    let notifier = good(&format!("{{ smtp: 'smtp://{}', {PLAIN} }}", closed_port().await));
    let said = told(notifier.send(&message(0)).await);
    assert_eq!(said, "later None 127.0.0.1: connection refused");
}

#[test]
fn says_what_is_wrong_with_the_section() {
    let said = |section: &str| build(section).err().unwrap_or_default();
    assert_eq!(
        said("{ smtp: 'mail.example.com', from: a, to: [] }"),
        ["this is not the address of a mail server", "`a` is not a mail address", "nobody would get the letters"]
    );
    let smtp = |smtp: &str| {
        said(&format!("{{ smtp: '{smtp}', from: a@example.com, to: ['x\r\n@y', 'имя@example.com'], subject: '{{{{ hots }}}}' }}"))
    };
    assert_eq!(
        smtp("http://x"),
        [
            "the address begins with neither `smtp://` nor `smtps://`",
            "`x @y` is not a mail address",
            "`имя@example.com` has letters that not every mail server takes; write the domain as `xn--…`",
            "a message has no `hots`; did you mean `host`?"
        ]
    );
    assert_eq!(smtp("smtp://u:@x")[0], "the address has a user without a password");
    assert_eq!(smtp("smtp://u:p@")[0], "the address has no host, or a bad one");
    let section = "{ smtp: 'smtps://x', from: a@example.com, to: [b@example.com], starttls: required, ca: nowhere.pem }";
    assert_eq!(
        said(section),
        ["`smtps://` has TLS from the start", "cannot use /nowhere/nowhere.pem: No such file or directory (os error 2)"]
    );
}
