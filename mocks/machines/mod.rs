//! Machines with scripted loads behind metrics endpoints: all of them in one answer, or one endpoint for each.
//!
//! Time is the count of answers that an endpoint has given, so a plan has the same end however fast it is played.

use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// What one machine or the endpoint does differently, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    what: What,
    /// The first answer it is about, counted from 1, and the last.
    from: usize,
    to: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// A machine's metric stands at a value, or goes from one to another.
    Load {
        machine: usize,
        metric: String,
        from: Value,
        to: Option<f64>,
    },
    /// The machine is not in the list.
    Gone(usize),
    /// The machine's record has no name.
    Nameless(usize),
    /// The machine's record is a text.
    Bad(usize),
    /// The answer comes late.
    Slow(Duration),
    /// A status and no list.
    Status(u16),
    /// The answer breaks off in the middle.
    Truncated,
    /// A web page with status 200.
    Html,
    Empty,
}

impl FromStr for Order {
    type Err = String;

    /// `WHAT`, `WHAT @FROM` or `WHAT @FROM-TO`, where WHAT is `3 cpu 95`, `3 cpu 20..95`, `3 gone`, `3 nameless`, `3 bad`,
    /// `slow 5`, `status 500`, `truncated`, `html` or `empty`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (what, when) = text.trim().split_once('@').unwrap_or((text.trim(), "1-"));
        let (from, to) = when.trim().split_once('-').unwrap_or((when.trim(), when.trim()));
        let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number"));
        let words: Vec<&str> = what.split_whitespace().collect();
        let what = match words[..] {
            ["slow", seconds] => {
                What::Slow(Duration::from_secs_f64(seconds.parse().map_err(|_| format!("`{seconds}` is no number of seconds"))?))
            }
            ["status", code] => What::Status(code.parse().map_err(|_| format!("`{code}` is not a status"))?),
            ["truncated"] => What::Truncated,
            ["html"] => What::Html,
            ["empty"] => What::Empty,
            [machine, "gone"] => What::Gone(number(machine)?),
            [machine, "nameless"] => What::Nameless(number(machine)?),
            [machine, "bad"] => What::Bad(number(machine)?),
            [machine, metric, load] => {
                let (from, to) = match load.split_once("..") {
                    Some((from, to)) => (from, Some(to.parse().map_err(|_| format!("`{to}` is not a number"))?)),
                    None => (load, None),
                };
                let from = from.parse::<f64>().map_or(json!(from), |from| json!(from));
                What::Load { machine: number(machine)?, metric: metric.to_owned(), from, to }
            }
            _ => return Err(format!("`{what}` is no order; write `3 cpu 95 @4-6`, `3 gone @5`, `status 500 @2` …")),
        };
        Ok(Self { what, from: number(from)?, to: if to.is_empty() { usize::MAX } else { number(to)? } })
    }
}

/// Orders with commas between them.
pub fn plan(text: &str) -> Result<Vec<Order>, String> {
    text.split(',').filter(|order| !order.trim().is_empty()).map(str::parse).collect()
}

#[derive(Debug, Default)]
pub struct Farm {
    pub machines: usize,
    pub plan: Vec<Order>,
    /// How many answers the list has given.
    pub answers: usize,
    /// What the list is asked with has to have this token.
    pub bearer: Option<String>,
    /// Print a line for each answer.
    pub print: bool,
}

#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Farm>>);

impl Shared {
    pub fn new(farm: Farm) -> Self {
        Self(Arc::new(Mutex::new(farm)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Farm> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/machines`, `/machines/3`, and `/plan`, which takes more orders.
pub async fn serve(listener: TcpListener, farm: Shared) -> std::io::Result<()> {
    let app = Router::new().route("/machines", get(list)).route("/machines/{machine}", get(one)).route("/plan", any(add)).with_state(farm);
    axum::serve(listener, app).await
}

async fn list(State(farm): State<Shared>, headers: axum::http::HeaderMap) -> Response {
    let (orders, body) = {
        let mut farm = farm.lock();
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if farm.bearer.as_ref().is_some_and(|token| given != format!("Bearer {token}")) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        farm.answers += 1;
        if farm.print {
            println!("answer {}", farm.answers);
        }
        let listed: Vec<Value> = (0..farm.machines).filter_map(|machine| farm.record(machine, true)).collect();
        (farm.now(), Value::from(listed))
    };
    given(orders, body).await
}

async fn one(State(farm): State<Shared>, Path(machine): Path<usize>) -> Response {
    let (orders, record) = {
        let mut farm = farm.lock();
        // The endpoints of single machines are asked side by side: the first begins a new answer.
        farm.answers += usize::from(machine == 0);
        (farm.now(), farm.record(machine, false).filter(|_| machine < farm.machines))
    };
    match record {
        Some(record) => given(orders, record).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn add(State(farm): State<Shared>, body: String) -> Response {
    match plan(&body) {
        Ok(orders) => {
            farm.lock().plan.extend(orders);
            "added\n".into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error + "\n").into_response(),
    }
}

async fn given(orders: Vec<What>, body: Value) -> Response {
    let mut bytes = body.to_string().into_bytes();
    for order in orders {
        match order {
            What::Slow(time) => tokio::time::sleep(time).await,
            What::Status(code) => return StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT).into_response(),
            What::Html => return ([(header::CONTENT_TYPE, "text/html")], "<html><body>we will be back</body></html>").into_response(),
            What::Truncated => bytes.truncate(bytes.len() / 2),
            What::Empty => bytes = b"[]".to_vec(),
            _ => {}
        }
    }
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

impl Farm {
    /// What is so at this answer.
    fn now(&self) -> Vec<What> {
        self.plan.iter().filter(|order| self.covers(order)).map(|order| order.what.clone()).collect()
    }

    fn covers(&self, order: &Order) -> bool {
        (order.from..=order.to).contains(&self.answers)
    }

    /// A machine as it reports itself; nothing when it is gone.
    fn record(&self, machine: usize, named: bool) -> Option<Value> {
        let mut record = Map::new();
        if named {
            record.insert("machine_ip".into(), name(machine).into());
        }
        let usual = [("cpu", json!(20 + machine % 30)), ("mem", json!(format!("{}%", 30 + machine % 20))), ("disk", json!("43%"))];
        record.extend(usual.map(|(metric, value)| (metric.to_owned(), value)));
        record.insert("uptime".into(), format!("{}d 2h 37m 6s", 1 + machine % 300).into());
        for order in self.plan.iter().filter(|order| self.covers(order)) {
            match &order.what {
                What::Gone(of) if *of == machine => return None,
                What::Bad(of) if *of == machine => return Some(json!("out of order")),
                What::Nameless(of) if *of == machine => drop(record.remove("machine_ip")),
                What::Load { machine: of, metric, from, to } if *of == machine => {
                    let steps = (order.to - order.from).clamp(1, 100) as f64;
                    let done = ((self.answers - order.from) as f64 / steps).min(1.0);
                    let value = match (from.as_f64(), to) {
                        (Some(from), Some(to)) => json!(from + (to - from) * done),
                        _ => from.clone(),
                    };
                    record.insert(metric.clone(), value);
                }
                _ => {}
            }
        }
        Some(Value::Object(record))
    }
}

/// Machine 7 is `10.20.0.7`.
pub fn name(machine: usize) -> String {
    format!("10.20.{}.{}", machine / 256, machine % 256)
}
