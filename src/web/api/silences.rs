//! Silences: nobody is told for a while.

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
use crate::control::{Body, Request, SilenceNow};

/// Whoever needs it for longer does not want the check.
const LONGEST: u64 = 366 * 86_400;

pub fn add(routes: Routes) -> Routes {
    routes.api(Role::Viewer, routes!(silences)).api(Role::Operator, routes!(silence)).api(Role::Operator, routes!(unsilence))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedSilence {
    /// `CHECK` or `CHECK/TARGET`; absent or null: everything but the watch's own trouble
    about: Option<String>,
    /// From now on
    #[schema(minimum = 1, maximum = 31_622_400, example = 3600)]
    seconds: u64,
    /// Why, for those who wonder
    #[serde(default)]
    comment: String,
}

/// Silences that are not over
#[utoipa::path(get, path = "/api/silences", tag = "incidents", responses((status = 200, body = Vec<SilenceNow>)))]
async fn silences(State(house): State<Arc<House>>) -> Result<Json<Vec<SilenceNow>>, Problem> {
    match house.command(Request::Silences).await? {
        Body::Silences(silences) => Ok(Json(silences)),
        _ => Err(Problem::silent()),
    }
}

/// Have nobody told of something for a while
///
/// It is looked at and counted all the same; what still fails at the end is told then.
#[utoipa::path(post, path = "/api/silences", tag = "incidents", request_body = WantedSilence, responses((status = 201, body = SilenceNow)))]
async fn silence(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Taken(wanted): Taken<WantedSilence>,
) -> Result<(StatusCode, Json<SilenceNow>), Problem> {
    let WantedSilence { about, seconds, comment } = wanted;
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a silence lasts from 1 s to 366 days").field("seconds"));
    }
    let asked = house.command(Request::Silence { about, seconds, by: caller.name, comment }).await;
    match asked.map_err(|problem| problem.field("about"))? {
        Body::Silences(mut silences) if silences.len() == 1 => Ok((StatusCode::CREATED, Json(silences.remove(0)))),
        _ => Err(Problem::silent()),
    }
}

/// End a silence before its time
#[utoipa::path(delete, path = "/api/silences/{number}", tag = "incidents", params(("number" = u64, Path)), responses(
    (status = 204, description = "It is over"),
    (status = 404, description = "There is no such silence", body = Problem, content_type = "application/problem+json"),
))]
async fn unsilence(State(house): State<Arc<House>>, Path(number): Path<u64>) -> Result<StatusCode, Problem> {
    let request = Request::Unsilence { number: Some(number), about: None };
    house.command(request).await.map_err(not_found)?;
    Ok(StatusCode::NO_CONTENT)
}
