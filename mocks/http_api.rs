//! A service with a health page that can be switched while it runs.
//!
//! ```text
//! cargo run --example http-api -- --port 9200
//! curl http://127.0.0.1:9200/health                          {"state":"ok","queue":{"depth":12}}
//! curl -X PUT 'http://127.0.0.1:9200/switch?state=down'      ok, down, slow or garbage
//! curl -X PUT 'http://127.0.0.1:9200/switch?depth=2000'
//! ```

mod support;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Parser)]
#[command(about = "A service with a health page that can be switched while it runs")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9200)]
    port: u16,
    /// How the service is at the start.
    #[arg(long, value_enum, default_value_t = Health::Ok)]
    state: Health,
    /// How long an answer takes while the service is slow, in seconds.
    #[arg(long, default_value_t = 10.0)]
    delay: f64,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    /// Status 503.
    Down,
    /// The right answer, much later.
    Slow,
    /// Status 200 and something that is no JSON.
    Garbage,
}

#[derive(Clone, Copy)]
struct Service {
    health: Health,
    depth: i64,
    delay: Duration,
}

type Shared = Arc<Mutex<Service>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let service = Service { health: options.state, depth: 12, delay: Duration::from_secs_f64(options.delay) };
    let app =
        Router::new().route("/health", get(health)).route("/switch", put(switch).post(switch)).with_state(Arc::new(Mutex::new(service)));
    axum::serve(support::listen(options.port).await?, app).await
}

#[derive(Serialize)]
struct Page {
    state: &'static str,
    queue: Queue,
}

#[derive(Serialize)]
struct Queue {
    depth: i64,
}

async fn health(State(service): State<Shared>) -> Response {
    let Service { health, depth, delay } = current(&service);
    println!("asked for /health: {health:?}, queue {depth}");
    if let Health::Slow = health {
        tokio::time::sleep(delay).await;
    }
    let page = |state| Json(Page { state, queue: Queue { depth } });
    match health {
        Health::Ok | Health::Slow => page("ok").into_response(),
        Health::Down => (StatusCode::SERVICE_UNAVAILABLE, page("down")).into_response(),
        Health::Garbage => "<<< this is no JSON".into_response(),
    }
}

#[derive(Deserialize)]
struct Switch {
    state: Option<Health>,
    depth: Option<i64>,
}

async fn switch(State(service): State<Shared>, Query(to): Query<Switch>) -> String {
    let mut service = service.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    service.health = to.state.unwrap_or(service.health);
    service.depth = to.depth.unwrap_or(service.depth);
    let told = format!("switched to {:?}, queue {}\n", service.health, service.depth);
    print!("{told}");
    told
}

fn current(service: &Shared) -> Service {
    *service.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
