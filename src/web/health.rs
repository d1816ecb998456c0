//! `/healthz`: whether the watch makes progress, for a load balancer, systemd or a person.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{House, silent};
use crate::control::{Body, Request};

/// 200 while checks, messages and state make progress, else 503; the body says which does not.
pub async fn health(State(house): State<Arc<House>>) -> Response {
    match house.ask(Request::Health).await {
        Some(Body::Health(health)) => {
            let code = if health.is_good() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (code, Json(health)).into_response()
        }
        _ => silent(),
    }
}
