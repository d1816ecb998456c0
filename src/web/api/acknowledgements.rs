//! Acknowledgements: somebody takes incidents on.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::super::House;
use super::super::caller::Caller;
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::super::take::{Body as Taken, Path};
use super::asked::not_found;
use crate::access::Role;
use crate::control::{Body, OpenIncident, Request};

pub fn add(routes: Routes) -> Routes {
    routes.api(Role::Operator, routes!(acknowledge)).api(Role::Operator, routes!(unacknowledge))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedAcknowledgement {
    /// The number of an open incident
    #[schema(minimum = 0)]
    incident: Option<u64>,
    /// `CHECK` or `CHECK/TARGET`: all that is open there
    about: Option<String>,
    #[serde(default)]
    note: String,
}

/// Take open incidents on
///
/// Nobody is reminded of them any more; recoveries are told.
#[utoipa::path(post, path = "/api/acknowledgements", tag = "incidents", request_body = WantedAcknowledgement, responses(
    (status = 200, description = "What was taken on", body = Vec<OpenIncident>),
))]
async fn acknowledge(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Taken(wanted): Taken<WantedAcknowledgement>,
) -> Result<Json<Vec<OpenIncident>>, Problem> {
    let (field, which) = match (wanted.incident, wanted.about) {
        (Some(number), None) => ("incident", format!("#{number}")),
        (None, Some(about)) => ("about", about),
        _ => return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "say which: either `incident` or `about`").field("incident")),
    };
    let asked = house.command(Request::Acknowledge { which: vec![which], by: caller.name, note: wanted.note }).await;
    match asked.map_err(|problem| problem.field(field))? {
        Body::Incidents(incidents) => Ok(Json(incidents)),
        _ => Err(Problem::silent()),
    }
}

/// Give an incident back
#[utoipa::path(delete, path = "/api/acknowledgements/{number}", tag = "incidents", params(("number" = u64, Path)), responses(
    (status = 204, description = "It is nobody's again"),
    (status = 404, description = "There is no such open incident", body = Problem, content_type = "application/problem+json"),
))]
async fn unacknowledge(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
) -> Result<StatusCode, Problem> {
    house.command(Request::Unacknowledge { which: vec![format!("#{number}")], by: caller.name }).await.map_err(not_found)?;
    Ok(StatusCode::NO_CONTENT)
}
