//! A receiver of webhooks: prints each request, writes a receipt for it, and answers by a plan.
//!
//! ```text
//! cargo run --example webhook -- --port 9300 --receipts receipts.jsonl --plan "500,429:2,ok"
//! curl -d '{"message":"hello"}' http://127.0.0.1:9300/api/alert
//! ```
//!
//! The plan's first entry answers the first request, and so on; after its end every answer is 200.
//! An entry is a status code, a code with the seconds of its `Retry-After` (`429:2`), `ok`, or `hang` (no answer at all).

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use clap::Parser;
use serde_json::json;

#[derive(Parser)]
#[command(about = "A receiver of webhooks: prints each request, writes a receipt for it, and answers by a plan")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9300)]
    port: u16,
    /// The file that gets one JSON object a line for each request.
    #[arg(long, default_value = "receipts.jsonl")]
    receipts: PathBuf,
    /// How to answer, in turn: `500,429:2,hang,ok`; afterwards always 200.
    #[arg(long, default_value = "", value_parser = parse_plan)]
    plan: Plan,
}

type Plan = VecDeque<Answer>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status { code: StatusCode, retry_after: Option<u32> },
    Hang,
}

const OK: Answer = Answer::Status { code: StatusCode::OK, retry_after: None };

struct Receiver {
    plan: Plan,
    receipts: File,
}

type Shared = Arc<Mutex<Receiver>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let receipts = OpenOptions::new().create(true).append(true).open(&options.receipts)?;
    let app = Router::new().fallback(receive).with_state(Arc::new(Mutex::new(Receiver { plan: options.plan, receipts })));
    axum::serve(support::listen(options.port).await?, app).await
}

async fn receive(State(receiver): State<Shared>, request: Request) -> (StatusCode, HeaderMap) {
    const LARGEST: usize = 1 << 20;
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, HeaderMap::new());
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: BTreeMap<_, _> = head.headers.iter().map(|(name, value)| (name.as_str(), text(value.as_bytes()))).collect();
    let (method, path, body) = (head.method.as_str(), head.uri.to_string(), text(&body));
    let noted = receiver.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).note(method, &path, &headers, &body);
    match noted {
        Ok(Answer::Status { code, retry_after }) => {
            (code, retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))).into_iter().collect())
        }
        Ok(Answer::Hang) => std::future::pending().await,
        Err(error) => {
            println!("cannot write the receipt: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new())
        }
    }
}

impl Receiver {
    fn note(&mut self, method: &str, path: &str, headers: &BTreeMap<&str, String>, body: &str) -> io::Result<Answer> {
        let answer = self.plan.pop_front().unwrap_or(OK);
        let time = chrono::Local::now().to_rfc3339();
        let told = answer.to_string();
        let receipt = json!({ "time": time, "method": method, "path": path, "headers": headers, "body": body, "answer": told });
        writeln!(self.receipts, "{receipt}")?;
        println!("{method} {path} -> {told}\n{body}");
        Ok(answer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, retry_after: None } => write!(f, "{}", code.as_u16()),
            Self::Status { code, retry_after: Some(seconds) } => write!(f, "{}:{seconds}", code.as_u16()),
            Self::Hang => f.write_str("hang"),
        }
    }
}

fn parse_plan(text: &str) -> Result<Plan, String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(parse_answer).collect()
}

fn parse_answer(entry: &str) -> Result<Answer, String> {
    let wrong = || format!("`{entry}` is not one of `ok`, `hang`, `500` or `429:2`");
    let status = |code: &str| code.parse().map_err(|_| wrong());
    match (entry, entry.split_once(':')) {
        ("ok", _) => Ok(OK),
        ("hang", _) => Ok(Answer::Hang),
        (_, Some((code, seconds))) => Ok(Answer::Status { code: status(code)?, retry_after: Some(seconds.parse().map_err(|_| wrong())?) }),
        (code, None) => Ok(Answer::Status { code: status(code)?, retry_after: None }),
    }
}
