use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::net::Net;
use crate::net::testing::{Authority, answer, closed_port, serve, serve_tls};
use crate::notify::text::sample;
use crate::settings::{BuildContext, Problem, Settings, read};

#[path = "../../../mocks/hook/mod.rs"]
#[allow(dead_code)]
mod hook;

use hook::{Receiver, Shared, plan};

fn build(section: &str) -> Result<Box<dyn Notifier>, Vec<String>> {
    let at = BuildContext {
        name: "hook".into(),
        folder: "/nowhere".into(),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        net: Net::new(),
    };
    let said = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>();
    read::<WebhookSettings>(serde_yaml::from_str(section).unwrap()).map_err(said)?.build(&at).map_err(said)
}

fn good(section: &str) -> Box<dyn Notifier> {
    build(section).map_err(|problems| problems.join("; ")).unwrap()
}

fn failure() -> Message {
    sample::messages().unwrap().remove(0).1
}

/// A receiver with this plan, and a channel that sends to it.
async fn channel(steps: &str, more: &str) -> (Box<dyn Notifier>, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/CANARY-path?key=CANARY-key", listener.local_addr().unwrap());
    let receiver = Shared::new(Receiver { plan: plan(steps).unwrap(), ..Receiver::default() });
    tokio::spawn(hook::serve(listener, receiver.clone()));
    (good(&format!("{{ url: '{url}', headers: {{ Authorization: 'Bearer CANARY-token' }}, {more} }}")), receiver)
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
    let (notifier, receiver) = channel(steps, "").await;
    assert_eq!(told(notifier.send(&failure()).await), expect, "{steps}");
    assert_eq!(receiver.lock().receipts.len(), taken, "{steps}: what the far side took");
    assert_eq!(receiver.lock().requests, 1, "{steps}: asked once");
}

#[tokio::test]
async fn sends_a_body_to_the_letter() {
    let (notifier, receiver) = channel("", r#"body: '{"message":"memory_limit_alarm","mem_usage_percent":{{ value }}}'"#).await;
    assert_eq!(told(notifier.send(&failure()).await), "taken");
    let receipt = receiver.lock().receipts[0].clone();
    assert_eq!(receipt["body"], r#"{"message":"memory_limit_alarm","mem_usage_percent":75.2}"#);
    assert_eq!((&receipt["method"], &receipt["path"]), (&json!("POST"), &json!("/CANARY-path?key=CANARY-key")));
    let headers = ["content-type", "idempotency-key", "authorization"].map(|name| receipt["headers"][name].clone());
    assert_eq!(headers, ["application/json", "1-failed", "Bearer CANARY-token"]);
}

#[tokio::test]
async fn sends_everything_unless_told_otherwise() {
    let (notifier, receiver) = channel("", "method: put").await;
    let (_, message) = sample::messages().unwrap().remove(2);
    assert_eq!(told(notifier.send(&message).await), "taken");
    let receipt = receiver.lock().receipts[0].clone();
    assert_eq!((&receipt["method"], &receipt["headers"]["content-type"]), (&json!("PUT"), &json!("application/json")));
    let body: Value = serde_json::from_str(receipt["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["kind"], &body["count"], &body["key"]), (&json!("failed"), &json!(3), &json!("1-failed")));
    assert_eq!(body["incidents"][2]["target"], "192.0.2.3");
    assert_eq!(body["text"], json!(message.plain));
}

#[tokio::test]
async fn a_body_that_fails_on_the_way_does_not_hold_the_message_back() {
    let (notifier, receiver) = channel("", r#"body: '{"x":{% if seconds > 5 %}oops{% else %}1{% endif %}}'"#).await;
    let mut message = failure();
    message.facts["seconds"] = json!(60);
    assert_eq!(told(notifier.send(&message).await), "taken the body would not have been JSON here: everything went out instead");
    assert!(receiver.lock().receipts[0]["body"].as_str().unwrap().contains("\"check\""));
}

#[tokio::test]
async fn signs_what_it_sends() {
    let (notifier, receiver) = channel("", "secret: 'It is a Secret', signature: standard").await;
    assert_eq!(told(notifier.send(&failure()).await), "taken");
    let headers = receiver.lock().receipts[0]["headers"].clone();
    assert_eq!(headers["webhook-id"], "1-failed");
    assert_eq!(headers["webhook-timestamp"], "0", "the time of the message");
    assert!(headers["webhook-signature"].as_str().unwrap().starts_with("v1,"), "{headers}");
}

#[tokio::test]
async fn takes_every_status_for_what_it_means() {
    check("ok", 1, "taken").await;
    check("204", 1, "taken").await;
    check("429:7", 0, "later Some(7) the answer is 429 Too Many Requests").await;
    check("503:99999999", 0, "later Some(3600) the answer is 503 Service Unavailable").await;
    check("503:soon", 0, "later None the answer is 503 Service Unavailable").await;
}

#[tokio::test]
async fn shows_no_secret_that_a_server_echoes() {
    check("500=Bearer CANARY-token for /CANARY-path", 0, "later None the answer is 500 Internal Server Error: *** for ***").await;
    check("500=no such key=CANARY-key", 0, "later None the answer is 500 Internal Server Error: no such ***").await;
}

#[tokio::test]
async fn knows_what_someone_has_to_mend() {
    for (code, words) in [(401, "Unauthorized"), (403, "Forbidden"), (404, "Not Found"), (405, "Method Not Allowed"), (410, "Gone")] {
        check(&code.to_string(), 0, &format!("broken the answer is {code} {words}")).await;
    }
    for (code, words) in [(400, "Bad Request"), (413, "Payload Too Large"), (422, "Unprocessable Entity")] {
        check(&code.to_string(), 0, &format!("never the answer is {code} {words}")).await;
    }
    check("400=field\n\u{202e}x", 0, r"never the answer is 400 Bad Request: field\n\u{202e}x").await;
}

#[tokio::test]
async fn follows_no_redirect() {
    check("redirect:http://127.0.0.2/CANARY", 0, "broken redirect (302) to http://127.0.0.2, not followed: mend `url`").await;
    check("redirect:http://", 0, "broken redirect (302) that leads nowhere: mend `url`").await;
}

#[tokio::test]
async fn reads_no_more_than_a_line_of_a_flood() {
    check("flood", 0, &format!("later None the answer is 500 Internal Server Error: {}…", "no ".repeat(20))).await;
}

#[tokio::test]
async fn waits_until_a_date_by_the_clock_of_the_server() {
    let head = "HTTP/1.1 503 Busy\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\n\r\n";
    let address = serve(move |stream| answer(stream, head.as_bytes())).await;
    let notifier = good(&format!("{{ url: 'http://{address}' }}"));
    assert_eq!(told(notifier.send(&failure()).await), "later Some(120) the answer is 503 Service Unavailable");
}

#[tokio::test]
async fn is_sure_of_what_never_left() {
    let notifier = good(&format!("{{ url: 'http://{}/CANARY' }}", closed_port().await));
    assert_eq!(told(notifier.send(&failure()).await), "later None connection refused");
    let notifier = good("{ url: 'http://nobody.invalid/CANARY' }");
    let said = told(notifier.send(&failure()).await);
    assert!(said.starts_with("later None ") && said.contains("nobody.invalid"), "{said}");
    let address = serve_tls(Authority::new().good_server(), |stream| answer(stream, b"HTTP/1.1 200 OK\r\n\r\n")).await;
    let notifier = good(&format!("{{ url: 'https://{address}/CANARY' }}"));
    assert_eq!(told(notifier.send(&failure()).await), "later None the certificate's authority is not trusted: CN=Test Authority");
    let notifier = good(&format!("{{ url: 'https://{address}/CANARY', insecure: true }}"));
    assert_eq!(told(notifier.send(&failure()).await), "taken");
}

#[tokio::test]
async fn is_unsure_after_a_lost_answer() {
    let address = serve(|stream| answer(stream, b"")).await;
    let notifier = good(&format!("{{ url: 'http://{address}' }}"));
    assert_eq!(told(notifier.send(&failure()).await), "unsure the connection was closed before the answer was complete");
}

#[tokio::test(start_paused = true)]
async fn is_unsure_after_a_silence() {
    check("take-and-hang", 1, "unsure no answer in 15 s").await;
    check("hang", 0, "unsure no answer in 15 s").await;
    let silent = serve(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    });
    let notifier = good(&format!("{{ url: 'https://{}' }}", silent.await));
    assert_eq!(told(notifier.send(&failure()).await), "later None no connection in 5 s", "the handshake never ended");
}

#[test]
fn says_what_is_wrong_with_the_section() {
    let said = |section: &str| build(section).err().unwrap_or_default();
    let bad = |body: &str| said(&format!("{{ url: 'http://127.0.0.1', body: {} }}", serde_json::to_string(body).unwrap())).remove(0);
    assert_eq!(said("{}"), ["`url` is missing"]);
    assert_eq!(
        said(
            "{ url: 'ftp://x', method: GET, headers: { 'a b': c, d: \"e\\nf\", Idempotency-Key: '1' }, signature: standard, proxy: '::' }"
        ),
        [
            "the address is neither `http:` nor `https:`",
            "`GET` sends no message; write `POST`, `PUT` or `PATCH`",
            "`Idempotency-Key` is set by each message",
            "`a b` is not the name of a header",
            "the value of `d` has a line's end or another control character in it",
            "nothing can be signed without `secret`",
            "this is not a proxy's address",
        ]
    );
    assert_eq!(said("{ url: 'http://u:p@127.0.0.1' }"), ["the address has a user or a password in it"]);
    assert_eq!(bad("{{ hots }}"), "a message has no `hots`; did you mean `host`?");
    assert_eq!(bad(r#"{"a": {{ check }}}"#), "the body of a failure with a value is not JSON: expected value at line 1 column 7");
    assert_eq!(
        bad(r#"{"n":{{ count }}{% if count > 1 %},{% endif %}}"#),
        "the body of several failures is not JSON: key must be a string at line 1 column 8"
    );
    assert_eq!(
        bad(r#"{"a": {{ value * 2 }}}"#),
        "the body of a failure without a value cannot be filled in: tried to use * operator on unsupported types none and number"
    );
    assert_eq!(bad(r#"{"a": "{{ labels.team }}"}"#), "the body of a failure with a value cannot be filled in: undefined value");
    assert!(
        said(
            r#"{ url: 'http://127.0.0.1', body: '{"text":"{{ text }}","team":"{{ labels.team|default("none") }}","all":{{ incidents }}}' }"#
        )
        .is_empty()
    );
}
