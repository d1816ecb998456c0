//! Checks and their targets, and the targets that are added while the watch runs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::super::House;
use super::super::caller::Caller;
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::super::take::{Body as Taken, Path, Query, within};
use super::asked::{missing, not_found};
use crate::access::Role;
use crate::control::{Body, CheckNow, CheckStatus, MachineChange, MachineNow, Rechecked, Reloaded, Request, TargetNow, Wanted};

/// A look that was asked for is waited for so long.
const LOOK: Duration = Duration::from_secs(20);
/// How often it is asked whether it was made.
const ASK: Duration = Duration::from_millis(100);

pub fn add(routes: Routes) -> Routes {
    routes
        .api(Role::Viewer, routes!(checks))
        .api(Role::Viewer, routes!(check))
        .api(Role::Operator, routes!(recheck))
        .api(Role::Viewer, routes!(machines))
        .api(Role::Admin, routes!(add_machine, change_machine, remove_machine))
        .api(Role::Admin, routes!(test_machine))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct TargetQuery {
    /// Those with this in their address or name
    #[serde(default)]
    filter: String,
    /// This one alone, with all its rules
    #[param(nullable = false)]
    target: Option<String>,
    /// Only those with a rule that is False
    #[serde(default)]
    failing: bool,
    /// So many are left out before the first that is listed
    #[serde(default)]
    #[param(minimum = 0, maximum = 10_000_000)]
    offset: u32,
    /// So many are listed
    #[serde(default = "most")]
    #[param(minimum = 1, maximum = 500, default = 500)]
    limit: u32,
}

fn most() -> u32 {
    500
}

/// One target of one check.
#[derive(Debug, Clone, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Machine {
    /// A check of the kind `metrics`, `http`, `tcp` or `ping`
    check: String,
    /// What is to be looked at, as the section of the check takes it: a URL, an address
    target: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MachineEdit {
    check: String,
    target: String,
    /// Whether it is not looked at for now
    paused: Option<bool>,
    /// What is looked at in its place: its counters begin anew, and its open incidents close
    new_target: Option<String>,
}

/// What became of a look that was asked for.
#[derive(Debug, Serialize, ToSchema)]
struct Look {
    /// `begun`, `under_way` or `just_now`
    look: &'static str,
}

/// All checks, in the order of the file
#[utoipa::path(get, path = "/api/checks", tag = "checks", responses((status = 200, body = Vec<CheckStatus>)))]
async fn checks(State(house): State<Arc<House>>) -> Result<Json<Vec<CheckStatus>>, Problem> {
    Ok(Json(house.status().await?.checks))
}

/// One check with its targets, the failing ones first
///
/// Each with its counters, its open incidents and what was seen last.
#[utoipa::path(get, path = "/api/checks/{name}", tag = "checks", params(("name" = String, Path), TargetQuery), responses(
    (status = 200, body = CheckNow),
    (status = 404, description = "There is no such check", body = Problem, content_type = "application/problem+json"),
))]
async fn check(
    State(house): State<Arc<House>>,
    Path(name): Path<String>,
    Query(query): Query<TargetQuery>,
) -> Result<Json<CheckNow>, Problem> {
    let TargetQuery { filter, target, failing, offset, limit } = query;
    let (offset, limit) = (within("offset", offset, 0..=10_000_000)?, within("limit", limit, 1..=most())?);
    let wanted = Wanted { name, filter, target, failing, offset: offset as usize, limit: Some(limit as usize) };
    Ok(Json(*house.check(wanted).await?))
}

/// Have a check look at once
#[utoipa::path(post, path = "/api/checks/{name}/recheck", tag = "checks", params(("name" = String, Path)), responses(
    (status = 202, body = Look),
    (status = 404, description = "There is no such check", body = Problem, content_type = "application/problem+json"),
))]
async fn recheck(State(house): State<Arc<House>>, Path(check): Path<String>) -> Result<(StatusCode, Json<Look>), Problem> {
    match house.command(Request::Recheck { check }).await.map_err(not_found)? {
        Body::Rechecked(rechecked) => Ok((StatusCode::ACCEPTED, Json(Look { look: word(rechecked) }))),
        _ => Err(Problem::silent()),
    }
}

/// Targets that were added beside those of the file
#[utoipa::path(get, path = "/api/machines", tag = "checks", responses((status = 200, body = Vec<MachineNow>)))]
async fn machines(State(house): State<Arc<House>>) -> Result<Json<Vec<MachineNow>>, Problem> {
    added(&house).await.map(Json)
}

/// Watch one more target
#[utoipa::path(post, path = "/api/machines", tag = "checks", request_body = Machine, responses((status = 201, description = "It is watched")))]
async fn add_machine(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Taken(machine): Taken<Machine>,
) -> Result<StatusCode, Problem> {
    change(&house, MachineChange::Add, machine, &caller).await.map(|()| StatusCode::CREATED)
}

/// Look at an added target no more for now, or again, or at another in its place
#[utoipa::path(patch, path = "/api/machines", tag = "checks", request_body = MachineEdit, responses((status = 204, description = "Changed")))]
async fn change_machine(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Taken(MachineEdit { check, target, paused, new_target }): Taken<MachineEdit>,
) -> Result<StatusCode, Problem> {
    let known = |machines: Vec<MachineNow>| machines.into_iter().find(|machine| machine.check == check && machine.target == target);
    let Some(before) = added(&house).await.map(known)? else {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "it is not among the machines that were added").field("target"));
    };
    let (mut machine, mut is_paused) = (Machine { check, target }, before.paused);
    if let Some(target) = new_target {
        let next = Machine { target, ..machine.clone() };
        // The old one goes when the new one is watched.
        change(&house, MachineChange::Add, next.clone(), &caller).await?;
        change(&house, MachineChange::Remove, machine, &caller).await?;
        (machine, is_paused) = (next, false);
    }
    let wanted = if paused.unwrap_or(before.paused) { MachineChange::Pause } else { MachineChange::Resume };
    if is_paused != (wanted == MachineChange::Pause) {
        change(&house, wanted, machine, &caller).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Watch an added target no more
#[utoipa::path(delete, path = "/api/machines", tag = "checks", params(Machine), responses(
    (status = 204, description = "Removed"),
    (status = 422, description = "It was not added", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_machine(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Query(machine): Query<Machine>,
) -> Result<StatusCode, Problem> {
    change(&house, MachineChange::Remove, machine, &caller).await.map(|()| StatusCode::NO_CONTENT)
}

/// Look at a target now, and say what was seen
///
/// Its whole check looks, as at any other time: counters count.
#[utoipa::path(post, path = "/api/machines/test", tag = "checks", request_body = Machine, responses(
    (status = 200, body = TargetNow),
    (status = 404, description = "There is no such check or target", body = Problem, content_type = "application/problem+json"),
))]
async fn test_machine(State(house): State<Arc<House>>, Taken(machine): Taken<Machine>) -> Result<Json<TargetNow>, Problem> {
    let Machine { check, target } = machine;
    let wanted = Wanted { name: check.clone(), target: Some(target), ..Wanted::default() };
    let before = looks(&house, &check).await?;
    house.command(Request::Recheck { check: check.clone() }).await.map_err(not_found)?;
    let until = Instant::now() + LOOK;
    while looks(&house, &check).await? == before && Instant::now() < until {
        sleep(ASK).await;
    }
    let seen = house.check(wanted).await?.targets.into_iter().next();
    seen.map(Json).ok_or_else(|| missing("the check has no such target"))
}

async fn added(house: &House) -> Result<Vec<MachineNow>, Problem> {
    match house.command(Request::Machines).await? {
        Body::Machines(machines) => Ok(machines),
        _ => Err(Problem::silent()),
    }
}

/// How often a check has looked.
async fn looks(house: &House, check: &str) -> Result<u64, Problem> {
    match house.ask(Request::Numbers).await {
        Some(Body::Numbers(numbers)) => Ok(numbers.checks.iter().find(|numbers| numbers.name == check).map_or(0, |numbers| numbers.looks)),
        _ => Err(Problem::silent()),
    }
}

async fn change(house: &House, change: MachineChange, machine: Machine, caller: &Caller) -> Result<(), Problem> {
    let Machine { check, target } = machine;
    match house.command(Request::Machine { change, check, target, by: caller.name.clone() }).await? {
        Body::Reloaded(Reloaded::Changes(_)) => Ok(()),
        Body::Reloaded(Reloaded::Problems(report)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, report).field("target")),
        _ => Err(Problem::silent()),
    }
}

fn word(rechecked: Rechecked) -> &'static str {
    match rechecked {
        Rechecked::Begun { .. } => "begun",
        Rechecked::UnderWay => "under_way",
        Rechecked::JustNow => "just_now",
    }
}
