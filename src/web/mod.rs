//! What the watch says over HTTP. It knows no engine: it asks the loop as everyone does, and shows the answers.

mod agent;
mod door;
mod health;
mod metrics;
mod page;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub use door::{Web, WebError};

use crate::checks::Check;
use crate::config::WebSettings;
use crate::control::{self, Body, Question};
use agent::Agent;

/// A loop that answers later than this is in trouble.
const PATIENCE: Duration = Duration::from_secs(3);

/// What every answer is made of.
pub struct House {
    questions: mpsc::Sender<Question>,
    settings: WebSettings,
    agent: Agent,
}

impl House {
    pub fn new(settings: WebSettings, look: Arc<dyn Check>, questions: mpsc::Sender<Question>) -> Arc<Self> {
        Arc::new(Self { questions, settings, agent: Agent::new(look) })
    }

    /// The watch's answer; nothing if it does not answer in time.
    async fn ask(&self, request: control::Request) -> Option<Body> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(Question { request, answer }).await.ok()?;
            answered.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten().map(|answer| answer.body)
    }
}

/// Every path there is.
pub fn router(house: Arc<House>) -> Router {
    let with_a_token = Router::new()
        .route("/status", get(agent::status))
        .route("/metrics", get(metrics::metrics))
        .route("/", get(page::overview))
        .route("/check", get(page::check))
        .route("/incident", get(page::incident))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route_layer(middleware::from_fn_with_state(house.clone(), with_token));
    Router::new().route("/healthz", get(health::health)).merge(with_a_token).layer(middleware::map_response(careful)).with_state(house)
}

/// Programs show the token, where one is set; a browser asks its user for it, as the password of any name.
async fn with_token(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let Some(token) = &house.settings.token else { return next.run(request).await };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(shown);
    if shown.is_some_and(|shown| is_same(&shown, token.expose().as_bytes())) {
        return next.run(request).await;
    }
    let asks = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vakhta\", Bearer"))];
    let help = "show the token of `web: { token }`: `Authorization: Bearer …`, or as the password of any name\n";
    (StatusCode::UNAUTHORIZED, asks, help).into_response()
}

/// The token in `Bearer TOKEN`, or in `Basic` as the password (RFC 7617).
fn shown(value: &str) -> Option<Vec<u8>> {
    let (scheme, shown) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(shown.trim().as_bytes().to_vec()),
        "basic" => {
            let login = BASE64.decode(shown.trim()).ok()?;
            let colon = login.iter().position(|byte| *byte == b':')?;
            Some(login[colon + 1..].to_vec())
        }
        _ => None,
    }
}

/// Takes as long for a wrong token as for a right one.
fn is_same(shown: &[u8], right: &[u8]) -> bool {
    shown.len() == right.len() && shown.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
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
    (StatusCode::SERVICE_UNAVAILABLE, "the watch does not answer\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_same(b"abc", b"abc"));
        assert!(!is_same(b"abc", b"abd") && !is_same(b"ab", b"abc") && !is_same(b"", b"a"));
    }
}
