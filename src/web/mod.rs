//! What the watch says over HTTP. It knows no engine: it asks the loop as everyone does, and shows the answers.

mod agent;
mod api;
mod caller;
mod certificate;
mod door;
mod first;
mod health;
mod incidents;
mod live;
mod login;
mod metrics;
mod origin;
mod page;
mod past;
mod patience;
mod problem;
mod routes;
mod seats;
mod take;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use door::{Web, WebError};
pub use routes::Route;

use crate::access::{Passwords, Role};
use crate::checks::Check;
use crate::clock::Clock;
use crate::config::WebSettings;
use crate::control::{self, Body, Feed, Question};
use crate::store::accounts::Accounts;
use crate::store::history::{Keep, Place};
use agent::Agent;
use past::Past;
use problem::Problem;
use routes::Routes;

/// A loop that answers later than this is in trouble.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the house is built of.
pub struct Ground {
    pub settings: WebSettings,
    /// Looks at this machine.
    pub look: Arc<dyn Check>,
    pub questions: mpsc::Sender<Question>,
    pub feed: Feed,
    /// Where history is, if any is kept.
    pub past: Option<(Place, Keep)>,
    pub state_dir: PathBuf,
    pub clock: Clock,
    /// In which times of the past are said.
    pub zone: Tz,
}

/// What every answer is made of.
pub struct House {
    questions: mpsc::Sender<Question>,
    settings: WebSettings,
    agent: Agent,
    past: Past,
    accounts: Accounts,
    passwords: Passwords,
    state_dir: PathBuf,
    clock: Clock,
    zone: Tz,
    feed: Feed,
    /// Room for those who follow it.
    followers: Arc<Semaphore>,
    /// The watch ends.
    closing: CancellationToken,
    /// Of the API, once the router is built.
    description: OnceLock<String>,
}

impl House {
    pub fn new(ground: Ground) -> Arc<Self> {
        let Ground { settings, look, questions, feed, past, state_dir, clock, zone } = ground;
        Arc::new(Self {
            questions,
            settings,
            agent: Agent::new(look),
            past: Past::new(past),
            accounts: Accounts::of(&state_dir),
            passwords: Passwords::default(),
            state_dir,
            clock,
            zone,
            feed,
            followers: Arc::new(Semaphore::new(live::FOLLOWERS)),
            closing: CancellationToken::new(),
            description: OnceLock::new(),
        })
    }

    /// How a browser on this machine reaches it.
    fn scheme(&self) -> &'static str {
        if self.settings.tls.is_some() { "https" } else { "http" }
    }

    fn description(&self) -> String {
        self.description.get().cloned().unwrap_or_default()
    }

    /// The watch's answer; nothing if it does not answer in time.
    async fn ask(&self, request: control::Request) -> Option<Body> {
        self.ask_within(PATIENCE, request).await
    }

    async fn ask_within(&self, patience: Duration, request: control::Request) -> Option<Body> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(Question { request, answer }).await.ok()?;
            answered.await.ok()
        };
        timeout(patience, asked).await.ok().flatten().map(|answer| answer.body)
    }
}

/// Every path there is.
pub fn router(house: Arc<House>) -> Router {
    let (router, description, _) = routes(house.clone()).into_parts();
    // It is built once; a description that cannot be written is empty.
    let _ = house.description.set(description.to_json().unwrap_or_default());
    let router = router.fallback(nowhere).method_not_allowed_fallback(not_so);
    router.layer(middleware::map_response(careful)).with_state(house)
}

/// All of them, with the role that each needs.
pub fn table(house: Arc<House>) -> Vec<Route> {
    routes(house).into_parts().2
}

fn routes(house: Arc<House>) -> Routes {
    let routes = Routes::new(house, api::about())
        .open(Method::GET, "/healthz", health::health)
        .plain(Role::Metrics, "/status", agent::status)
        .plain(Role::Metrics, "/metrics", metrics::metrics)
        .plain(Role::Viewer, "/live", live::live);
    api::add(login::add(page::add(routes)))
}

async fn not_so() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this is not done so; /docs says how")
}

/// There is no such path: said to people as a page, to programs as a problem.
async fn nowhere(headers: HeaderMap) -> Response {
    let is_person = headers.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok()).is_some_and(|kinds| kinds.contains("text/html"));
    let tongue = page::Tongue::of(&headers);
    match is_person {
        true => page::shown(StatusCode::NOT_FOUND, page::nothing(tongue.say("There is no such page.", "Такой страницы нет."), tongue)),
        false => Problem::new(StatusCode::NOT_FOUND, "there is no such path").into_response(),
    }
}

/// What no answer should do: be kept, be guessed at, be framed.
async fn careful(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The watch has not answered.
fn silent() -> Response {
    Problem::silent().into_response()
}
