//! A Bot API that misbehaves as the real one does, by a plan, and keeps a receipt of every message it took.
//!
//! It knows `sendMessage`, `getMe` and `getUpdates`. Like Telegram it counts the text after its entities are parsed, in UTF-16
//! units, refuses markup it cannot parse, and ignores the case of the method's name.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How one request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Ok,
    /// 429 with `retry_after`.
    Retry(u32),
    /// 429 without parameters.
    Flood,
    /// An answer of the API with this code and description.
    Error(u16, String),
    /// 400 with `migrate_to_chat_id`.
    Moved(i64),
    /// A web page, as gateways answer.
    Html(u16),
    /// 200 with nothing in it.
    Empty,
    /// 200 and the message taken, but the answer breaks off.
    Truncated,
    /// The message is taken, and no answer ever comes.
    TakeAndHang,
    /// Nothing is taken, and no answer ever comes.
    Hang,
    /// The connection is closed before an answer.
    Close,
}

impl FromStr for Step {
    type Err = String;

    /// `ok`, `429:3`, `flood`, `moved:-100123`, `html:502`, `empty`, `truncated`, `take-and-hang`, `hang`, `close`, `403=Forbidden: bot was kicked …`
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| format!("`{text}` is not a number"));
        Ok(match text {
            "ok" => Step::Ok,
            "flood" => Step::Flood,
            "empty" => Step::Empty,
            "truncated" => Step::Truncated,
            "take-and-hang" => Step::TakeAndHang,
            "hang" => Step::Hang,
            "close" => Step::Close,
            _ => match text.split_once([':', '=']) {
                Some(("429", seconds)) => Step::Retry(number(seconds)? as u32),
                Some(("moved", chat)) => Step::Moved(number(chat)?),
                Some(("html", code)) => Step::Html(number(code)? as u16),
                Some((code, description)) if number(code).is_ok() => Step::Error(number(code)? as u16, description.to_owned()),
                _ => return Err(format!("`{text}` is no step of a plan")),
            },
        })
    }
}

/// Steps separated by commas; descriptions have none.
pub fn plan(text: &str) -> Result<VecDeque<Step>, String> {
    text.split(',').map(str::trim).filter(|step| !step.is_empty()).map(Step::from_str).collect()
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt(pub Value);

impl Receipt {
    pub fn text(&self) -> &str {
        self.0["text"].as_str().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub struct Bot {
    /// Answers to come; after its end every answer is `ok`.
    pub plan: VecDeque<Step>,
    pub receipts: Vec<Receipt>,
    /// All requests, also those that were not taken.
    pub requests: usize,
    /// The one token that is right; none: any is.
    pub token: Option<String>,
    /// What there is to get, as the Bot API has updates; `update_id` included.
    pub updates: Vec<Value>,
    /// Answers to come to who asks for updates; after its end every answer is `ok`.
    pub polls: VecDeque<Step>,
    pub file: Option<File>,
    pub print: bool,
}

impl Bot {
    /// A message from this chat is there to get.
    pub fn wrote(&mut self, chat: &Value) {
        let id = self.updates.len() + 1;
        let from = json!({ "id": 7, "is_bot": false, "first_name": "Anna" });
        self.updates.push(json!({
            "update_id": id,
            "message": { "message_id": id, "date": 1, "chat": chat, "from": from, "text": "/start" },
        }));
    }
}

/// The state of the mock, shared with who looks at it.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Bot>>);

impl Shared {
    pub fn new(bot: Bot) -> Self {
        Self(Arc::new(Mutex::new(bot)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Bot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until it is dropped. `POST /plan` with steps in the body adds to the plan, `POST /polls` to that of `getUpdates`,
/// `POST /updates` with a chat makes that chat write; `GET /receipts` lists what was taken.
pub async fn serve(listener: TcpListener, bot: Shared) -> io::Result<()> {
    let app = Router::new()
        .route("/plan", post(add_to_plan))
        .route("/polls", post(add_to_polls))
        .route("/updates", post(add_update))
        .route("/receipts", get(list_receipts))
        .route("/{bot}/{method}", any(call))
        .with_state(bot);
    axum::serve(listener, app).await
}

async fn add_to_plan(State(bot): State<Shared>, body: String) -> Response {
    match plan(&body) {
        Ok(steps) => {
            bot.lock().plan.extend(steps);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

async fn add_to_polls(State(bot): State<Shared>, body: String) -> Response {
    match plan(&body) {
        Ok(steps) => {
            bot.lock().polls.extend(steps);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

async fn add_update(State(bot): State<Shared>, body: String) -> Response {
    match serde_json::from_str(&body) {
        Ok(chat) => {
            bot.lock().wrote(&chat);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn list_receipts(State(bot): State<Shared>) -> Response {
    let receipts: Vec<Value> = bot.lock().receipts.iter().map(|receipt| receipt.0.clone()).collect();
    json_answer(StatusCode::OK, &Value::from(receipts))
}

async fn call(State(bot): State<Shared>, Path((token, method)): Path<(String, String)>, body: String) -> Response {
    if !token.starts_with("bot") || !token.contains(':') {
        return error(404, "Not Found", None);
    }
    let is_right = bot.lock().token.as_ref().is_none_or(|right| token.strip_prefix("bot") == Some(right));
    if !is_right {
        return error(401, "Unauthorized", None);
    }
    match method.to_ascii_lowercase().as_str() {
        "getme" => ok(&json!({
            "id": 1, "is_bot": true, "first_name": "Mock", "username": "mock_bot", "can_join_groups": true,
            "can_read_all_group_messages": false, "supports_inline_queries": false, "has_main_web_app": false,
        })),
        "getupdates" => get_updates(&bot, &body).await,
        "sendmessage" => send_message(&bot, &body).await,
        _ => error(404, "Not Found", None),
    }
}

async fn send_message(bot: &Shared, body: &str) -> Response {
    let Ok(message) = serde_json::from_str::<Value>(body) else { return error(400, "Bad Request: can't parse JSON", None) };
    let step = {
        let mut bot = bot.lock();
        bot.requests += 1;
        bot.plan.pop_front().unwrap_or(Step::Ok)
    };
    match step {
        Step::Ok => match refusal(&message) {
            Some(description) => error(400, &description, None),
            None => ok(&sent(take(bot, &message, true), &message)),
        },
        Step::Moved(chat) => {
            if message["chat_id"] == json!(chat) {
                return ok(&sent(take(bot, &message, true), &message));
            }
            let parameters = json!({ "migrate_to_chat_id": chat });
            error(400, "Bad Request: group chat was upgraded to a supergroup chat", Some(parameters))
        }
        Step::Truncated => {
            let id = take(bot, &message, false);
            (StatusCode::OK, format!("{{\"ok\":true,\"result\":{{\"message_id\":{id},\"da")).into_response()
        }
        Step::TakeAndHang => {
            take(bot, &message, false);
            std::future::pending().await
        }
        other => misbehave(other).await,
    }
}

/// The answers that are the same whatever was asked.
async fn misbehave(step: Step) -> Response {
    match step {
        Step::Retry(seconds) => {
            let parameters = json!({ "retry_after": seconds });
            error(429, &format!("Too Many Requests: retry after {seconds}"), Some(parameters))
        }
        Step::Flood => error(429, "Too Many Requests: slow down", None),
        Step::Error(code, description) => error(code, &description, None),
        Step::Html(code) => {
            let page = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";
            let code = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            (code, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Step::Empty => StatusCode::OK.into_response(),
        Step::Hang => std::future::pending().await,
        Step::Close => Response::new(Body::from_stream(futures_util::stream::once(async {
            Err::<Vec<u8>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
        }))),
        Step::Ok | Step::Moved(_) | Step::Truncated | Step::TakeAndHang => error(500, "Internal Server Error", None),
    }
}

/// Like Telegram it waits for as long as it is asked to, while there is nothing, and forgets what was confirmed.
async fn get_updates(bot: &Shared, body: &str) -> Response {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let step = bot.lock().polls.pop_front().unwrap_or(Step::Ok);
    if step != Step::Ok {
        return misbehave(step).await;
    }
    let (offset, patience) = (asked["offset"].as_u64().unwrap_or(0), asked["timeout"].as_u64().unwrap_or(0));
    let ends = tokio::time::Instant::now() + Duration::from_secs(patience);
    loop {
        let new: Vec<Value> = {
            let bot = bot.lock();
            bot.updates.iter().filter(|update| update["update_id"].as_u64() >= Some(offset)).cloned().collect()
        };
        if !new.is_empty() || tokio::time::Instant::now() >= ends {
            return ok(&Value::from(new));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Why Telegram itself would not take this message.
fn refusal(message: &Value) -> Option<String> {
    let text = message["text"].as_str().unwrap_or_default();
    let shown = match message["parse_mode"].as_str() {
        Some(mode) if mode.eq_ignore_ascii_case("html") => match parsed(text) {
            Ok(shown) => shown,
            Err(at) => return Some(format!("Bad Request: can't parse entities: unexpected tag at byte offset {at}")),
        },
        _ => text.to_owned(),
    };
    match shown.trim().encode_utf16().count() {
        0 => Some("Bad Request: message text is empty".to_owned()),
        1..=4096 => None,
        _ => Some("Bad Request: message is too long".to_owned()),
    }
}

/// The text without its tags, or where the markup is wrong: an unknown tag, one left open, a bare `<` or `&`.
fn parsed(html: &str) -> Result<String, usize> {
    const TAGS: [&str; 12] = ["b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler", "span"];
    const ENTITIES: [(&str, char); 4] = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')];
    let (mut shown, mut open, mut at) = (String::new(), Vec::new(), 0);
    while let Some(character) = html[at..].chars().next() {
        let rest = &html[at..];
        match character {
            '<' => {
                let end = rest.find('>').ok_or(at)?;
                let inner = &rest[1..end];
                if let Some(name) = inner.strip_prefix('/') {
                    if open.pop() != Some(name) {
                        return Err(at);
                    }
                } else {
                    let name = inner.split_whitespace().next().unwrap_or_default();
                    if !TAGS.contains(&name) {
                        return Err(at);
                    }
                    open.push(name);
                }
                at += end + 1;
            }
            '&' => {
                let (entity, stands_for) = ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity)).ok_or(at)?;
                shown.push(*stands_for);
                at += entity.len();
            }
            other => {
                shown.push(other);
                at += other.len_utf8();
            }
        }
    }
    if open.is_empty() { Ok(shown) } else { Err(html.len()) }
}

/// Notes the message, in the file before the answer leaves: when, what, and whether an answer says that it was taken.
fn take(bot: &Shared, message: &Value, answered: bool) -> usize {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let mut bot = bot.lock();
    let receipt = Receipt(json!({
        "at": at,
        "answered": answered,
        "chat_id": message["chat_id"],
        "topic": message["message_thread_id"],
        "text": message["text"],
        "html": !message["parse_mode"].is_null(),
        "silent": message["disable_notification"].as_bool().unwrap_or(false),
    }));
    if bot.print {
        println!("{}\n", receipt.text());
    }
    if let Some(file) = &mut bot.file {
        let written = file.write_all(format!("{}\n", receipt.0).as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            eprintln!("the receipt is not written: {error}");
        }
    }
    bot.receipts.push(receipt);
    bot.receipts.len()
}

fn sent(id: usize, message: &Value) -> Value {
    let chat = message["chat_id"].as_i64().unwrap_or(-100);
    json!({ "message_id": id, "date": 1, "chat": { "id": chat, "type": "supergroup", "title": "mock" }, "text": message["text"] })
}

fn ok(result: &Value) -> Response {
    json_answer(StatusCode::OK, &json!({ "ok": true, "result": result }))
}

fn error(code: u16, description: &str, parameters: Option<Value>) -> Response {
    let mut answer = json!({ "ok": false, "error_code": code, "description": description });
    if let Some(parameters) = parameters {
        answer["parameters"] = parameters;
    }
    json_answer(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &answer)
}

fn json_answer(code: StatusCode, body: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
