//! A receiver of webhooks that misbehaves by a plan, and keeps a receipt of every request it took.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How one request is answered. Only 2xx and `TakeAndHang` take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This status with these words.
    Status(u16, String),
    /// This status with `Retry-After`, in seconds or with a date.
    Retry(u16, String),
    /// 302 to this address.
    Redirect(String),
    /// The request is taken, and no answer ever comes.
    TakeAndHang,
    /// Nothing is taken, and no answer ever comes.
    Hang,
    /// The connection is closed before an answer.
    Close,
    /// 500 with words that never end.
    Flood,
}

impl Step {
    fn takes(&self) -> bool {
        matches!(self, Step::Status(200..=299, _) | Step::Retry(200..=299, _) | Step::TakeAndHang)
    }
}

impl FromStr for Step {
    type Err = String;

    /// `ok`, `500`, `400=words`, `429:2`, `503:2026-11-21 12:00:00 UTC`, `redirect:URL`, `take-and-hang`, `hang`, `close`, `flood`
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no step of a plan");
        let code = |code: &str| code.parse().ok().filter(|code| StatusCode::from_u16(*code).is_ok()).ok_or_else(wrong);
        Ok(match text {
            "ok" => Step::Status(200, String::new()),
            "take-and-hang" => Step::TakeAndHang,
            "hang" => Step::Hang,
            "close" => Step::Close,
            "flood" => Step::Flood,
            _ => match (text.split_once('='), text.split_once(':')) {
                (_, Some(("redirect", url))) => Step::Redirect(url.to_owned()),
                (Some((status, words)), _) => Step::Status(code(status)?, words.to_owned()),
                (_, Some((status, after))) => Step::Retry(code(status)?, after.to_owned()),
                _ => Step::Status(code(text)?, String::new()),
            },
        })
    }
}

/// Steps separated by commas.
pub fn plan(text: &str) -> Result<VecDeque<Step>, String> {
    text.split(',').map(str::trim).filter(|step| !step.is_empty()).map(Step::from_str).collect()
}

#[derive(Debug, Default)]
pub struct Receiver {
    /// Answers to come; after its end every answer is 200.
    pub plan: VecDeque<Step>,
    /// One object for each request that was taken: `method`, `path`, `headers`, `body`, when it came (`at`, in µs) and whether
    /// it was `answered`.
    pub receipts: Vec<Value>,
    /// All requests, also those that were not taken.
    pub requests: usize,
    pub file: Option<File>,
    pub print: bool,
}

/// The state of the mock, shared with who looks at it.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Receiver>>);

impl Shared {
    pub fn new(receiver: Receiver) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Receiver> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until it is dropped. `POST /plan` with steps in the body adds to the plan; `GET /receipts` lists what was taken.
pub async fn serve(listener: TcpListener, receiver: Shared) -> io::Result<()> {
    let app = Router::new().route("/plan", post(add_to_plan)).route("/receipts", get(list_receipts)).fallback(receive).with_state(receiver);
    axum::serve(listener, app).await
}

async fn add_to_plan(State(receiver): State<Shared>, body: String) -> Response {
    match plan(&body) {
        Ok(steps) => {
            receiver.lock().plan.extend(steps);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

async fn list_receipts(State(receiver): State<Shared>) -> Response {
    let receipts = Value::from(receiver.lock().receipts.clone());
    ([(header::CONTENT_TYPE, "application/json")], receipts.to_string()).into_response()
}

async fn receive(State(receiver): State<Shared>, request: Request) -> Response {
    const LARGEST: usize = 1 << 20;
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: BTreeMap<_, _> = head.headers.iter().map(|(name, value)| (name.as_str(), text(value.as_bytes()))).collect();
    let receipt = json!({ "method": head.method.as_str(), "path": head.uri.to_string(), "headers": headers, "body": text(&body) });
    let step = receiver.lock().note(receipt);
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let with = |code, name: HeaderName, value: String| (status(code), [(name, value)]).into_response();
    match step {
        Step::Status(code, words) => (status(code), words).into_response(),
        Step::Retry(code, after) => with(code, header::RETRY_AFTER, after),
        Step::Redirect(url) => with(302, header::LOCATION, url),
        Step::TakeAndHang | Step::Hang => std::future::pending().await,
        Step::Close => Response::new(Body::from_stream(futures_util::stream::once(async {
            Err::<Vec<u8>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
        }))),
        Step::Flood => {
            let words = futures_util::stream::repeat_with(|| Ok::<_, io::Error>("no ".repeat(1000)));
            (StatusCode::INTERNAL_SERVER_ERROR, Body::from_stream(words)).into_response()
        }
    }
}

impl Receiver {
    /// Notes the request, in the file before the answer leaves.
    fn note(&mut self, mut receipt: Value) -> Step {
        self.requests += 1;
        let step = self.plan.pop_front().unwrap_or(Step::Status(200, String::new()));
        if self.print {
            println!("{} {} -> {step:?}\n{}", receipt["method"], receipt["path"], receipt["body"].as_str().unwrap_or_default());
        }
        if !step.takes() {
            return step;
        }
        receipt["at"] = json!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64);
        receipt["answered"] = json!(step != Step::TakeAndHang);
        if let Some(file) = &mut self.file {
            let written = file.write_all(format!("{receipt}\n").as_bytes()).and_then(|()| file.sync_data());
            if let Err(error) = written {
                eprintln!("the receipt is not written: {error}");
            }
        }
        self.receipts.push(receipt);
        step
    }
}
