//! The API: what the page shows and does, for programs.

mod about;
mod acknowledgements;
mod asked;
mod checks;
mod history;
mod incidents;
mod people;
mod silences;
mod watch;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

use super::House;
use super::routes::Routes;
use crate::access::Role;
pub use about::about;

/// All of it; what a path takes and gives stands at its handler.
pub fn add(routes: Routes) -> Routes {
    let routes = acknowledgements::add(silences::add(incidents::add(checks::add(routes))));
    people::add(watch::add(history::add(routes))).plain(Role::Viewer, "/api/openapi.json", description)
}

/// The description of all this (OpenAPI 3.1).
async fn description(State(house): State<Arc<House>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], house.description()).into_response()
}
