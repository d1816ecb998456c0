//! The page: how the watch is, at a glance, and why somebody was or was not told. It only shows; nothing can be changed here.

mod views;
mod words;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::House;
use crate::control::{Body, Request};
use crate::journal::{self, EVENTS, Tale, Wanted};
use words::Tongue;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing but what the binary holds, and nobody may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

pub async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}

/// What fails first, then all checks.
pub async fn overview(State(house): State<Arc<House>>, headers: HeaderMap) -> Response {
    let tongue = Tongue::of(&headers);
    match house.ask(Request::Status).await {
        Some(Body::Status(status)) => page(StatusCode::OK, views::overview(&status, tongue)),
        _ => silent(tongue),
    }
}

#[derive(Debug, Deserialize)]
pub struct CheckQuery {
    name: String,
    #[serde(default)]
    filter: String,
}

/// One check and its targets.
pub async fn check(State(house): State<Arc<House>>, headers: HeaderMap, Query(query): Query<CheckQuery>) -> Response {
    let tongue = Tongue::of(&headers);
    let (name, filter) = (query.name, query.filter);
    match house.ask(Request::Check { name: name.clone(), filter: filter.clone() }).await {
        Some(Body::Check(check)) => page(StatusCode::OK, views::check(&check, &filter, tongue)),
        Some(Body::Error(_)) => page(StatusCode::NOT_FOUND, views::nothing(&tongue.no_check(&name), tongue)),
        _ => silent(tongue),
    }
}

#[derive(Debug, Deserialize)]
pub struct IncidentQuery {
    number: u64,
}

/// What was decided about one incident, in order.
pub async fn incident(State(house): State<Arc<House>>, headers: HeaderMap, Query(query): Query<IncidentQuery>) -> Response {
    let tongue = Tongue::of(&headers);
    let folder = house.settings.log_dir.clone();
    let read = tokio::task::spawn_blocking(move || {
        let files = journal::files(&folder, EVENTS)?;
        Tale::read(&files, Wanted::Number(query.number))
    });
    match read.await {
        Ok(Ok(Some(tale))) => page(StatusCode::OK, views::incident(&tale, tongue)),
        Ok(Ok(None)) => page(StatusCode::NOT_FOUND, views::nothing(&tongue.no_incident(query.number), tongue)),
        Ok(Err(_)) | Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, views::nothing(tongue.no_events(), tongue)),
    }
}

fn silent(tongue: Tongue) -> Response {
    page(StatusCode::SERVICE_UNAVAILABLE, views::nothing(tongue.silent(), tongue))
}

fn page(code: StatusCode, html: maud::Markup) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (code, headers, html.into_string()).into_response()
}
