//! The watch itself: how it is, its channels, its file, what it decides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::super::problem::Problem;
use super::super::routes::Routes;
use super::super::take;
use super::super::{House, live};
use super::asked::not_found;
use crate::access::Role;
use crate::control::{AuditNow, Body, ChannelNow, Health, Reloaded, Request, Status, Tested};

pub fn add(routes: Routes) -> Routes {
    routes
        .api(Role::Viewer, routes!(status))
        .api(Role::Viewer, routes!(health))
        .api(Role::Viewer, routes!(version))
        .api(Role::Viewer, routes!(events))
        .api(Role::Viewer, routes!(channels))
        .api(Role::Admin, routes!(test_channel))
        .api(Role::Operator, routes!(config))
        .api(Role::Admin, routes!(reload))
        .api(Role::Admin, routes!(audit))
}

/// The program that answers.
#[derive(Debug, Serialize, ToSchema)]
struct Version {
    version: &'static str,
}

/// `checks.yaml` as people may see it: secrets are blotted out.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigNow {
    text: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedReload {
    /// Only say what it would change.
    #[serde(default)]
    dry_run: bool,
}

/// What an edited file changes.
#[derive(Debug, Serialize, ToSchema)]
struct Changes {
    /// A line each.
    changes: Vec<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// At most so many.
    #[serde(default = "some")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

fn some() -> u32 {
    100
}

/// Everything at a glance
///
/// Checks, open incidents, what somebody is owed and was not told yet, silences.
#[utoipa::path(get, path = "/api/status", tag = "watch", responses((status = 200, body = Status)))]
async fn status(State(house): State<Arc<House>>) -> Result<Json<Status>, Problem> {
    Ok(Json(*house.status().await?))
}

/// Whether the watch makes progress
#[utoipa::path(get, path = "/api/health", tag = "watch", responses((status = 200, body = Health)))]
async fn health(State(house): State<Arc<House>>) -> Result<Json<Health>, Problem> {
    match house.ask(Request::Health).await {
        Some(Body::Health(health)) => Ok(Json(health)),
        _ => Err(Problem::silent()),
    }
}

/// Which program answers
#[utoipa::path(get, path = "/api/version", tag = "watch", responses((status = 200, body = Version)))]
async fn version() -> Json<Version> {
    Json(Version { version: env!("VAKHTA_VERSION") })
}

/// Decisions as they are made
///
/// Server-sent events, each with a line of `events.jsonl` as its data; `status` says that a status turned, `missed` that
/// some were lost on a slow reader.
#[utoipa::path(get, path = "/api/events", tag = "watch", responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 503, description = "Too many follow already; `Retry-After` says when to come again", body = Problem, content_type = "application/problem+json"),
))]
async fn events(house: State<Arc<House>>, headers: HeaderMap) -> Response {
    live::live(house, headers).await
}

/// All channels
#[utoipa::path(get, path = "/api/channels", tag = "watch", responses((status = 200, body = Vec<ChannelNow>)))]
async fn channels(State(house): State<Arc<House>>) -> Result<Json<Vec<ChannelNow>>, Problem> {
    match house.command(Request::Numbers).await? {
        Body::Numbers(numbers) => Ok(Json(numbers.channels)),
        _ => Err(Problem::silent()),
    }
}

/// Send a test message to a channel
#[utoipa::path(post, path = "/api/channels/{name}/test", tag = "watch", params(("name" = String, Path)), responses(
    (status = 200, description = "What the channel answered", body = Tested),
    (status = 404, description = "There is no such channel", body = Problem, content_type = "application/problem+json"),
))]
async fn test_channel(State(house): State<Arc<House>>, take::Path(channel): take::Path<String>) -> Result<Json<Tested>, Problem> {
    match house.command(Request::TestChannel { channel }).await.map_err(not_found)? {
        Body::Tested(tested) => Ok(Json(tested)),
        _ => Err(Problem::silent()),
    }
}

/// The file that the watch runs with, without its secrets
#[utoipa::path(get, path = "/api/config", tag = "watch", responses((status = 200, body = ConfigNow)))]
async fn config(State(house): State<Arc<House>>) -> Result<Json<ConfigNow>, Problem> {
    match house.command(Request::Config).await? {
        Body::Config(text) => Ok(Json(ConfigNow { text })),
        _ => Err(Problem::silent()),
    }
}

/// Take up the edited file, or say what that would change
#[utoipa::path(post, path = "/api/reload", tag = "watch", request_body = WantedReload, responses((status = 200, body = Changes)))]
async fn reload(State(house): State<Arc<House>>, take::Body(wanted): take::Body<WantedReload>) -> Result<Json<Changes>, Problem> {
    match house.command(Request::Reload { dry_run: wanted.dry_run }).await? {
        Body::Reloaded(Reloaded::Changes(changes)) => Ok(Json(Changes { changes })),
        Body::Reloaded(Reloaded::Problems(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report)),
        _ => Err(Problem::silent()),
    }
}

/// Who changed what, newest first
#[utoipa::path(get, path = "/api/audit", tag = "watch", params(AuditQuery), responses((status = 200, body = Vec<AuditNow>)))]
async fn audit(State(house): State<Arc<House>>, take::Query(query): take::Query<AuditQuery>) -> Result<Json<Vec<AuditNow>>, Problem> {
    match house.command(Request::Audit { most: take::within("limit", query.limit, 1..=1000)? }).await? {
        Body::Audit(entries) => Ok(Json(entries)),
        _ => Err(Problem::silent()),
    }
}
