//! Incidents, open and over, with their stories.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, FixedOffset, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::super::House;
use super::super::incidents::as_kept;
use super::super::page::quoted;
use super::super::past::NoPast;
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::super::take::{Path, Query, within};
use super::asked::{instant, missing};
use crate::access::Role;
use crate::control::{AcknowledgedNow, OpenIncident};
use crate::store::history::{IncidentFilter, KeptIncident, KeptTold, Page};

pub fn add(routes: Routes) -> Routes {
    routes.api(Role::Viewer, routes!(incidents)).api(Role::Viewer, routes!(incidents_flat)).api(Role::Viewer, routes!(incident))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    Open,
    Closed,
    #[default]
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Warning,
    Critical,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
struct IncidentQuery {
    /// Where it is absent: all
    #[param(inline)]
    state: Which,
    #[param(nullable = false)]
    check: Option<String>,
    /// Exactly this target
    #[param(nullable = false)]
    target: Option<String>,
    /// With this in the target or its name
    #[param(nullable = false)]
    text: Option<String>,
    #[param(inline, nullable = false)]
    severity: Option<Severity>,
    /// The machine that looked, where several keep their history together
    #[param(nullable = false)]
    host: Option<String>,
    /// Those that began then or later
    #[param(nullable = false)]
    since: Option<DateTime<Utc>>,
    /// Those that began before
    #[param(nullable = false)]
    before: Option<DateTime<Utc>>,
    /// Where the page before ended; the header `Link` of its answer has it
    #[param(nullable = false, pattern = "^[0-9]{1,15}-[0-9]{1,15}$")]
    after: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100, nullable = false)]
    limit: Option<u32>,
}

/// An incident, open or over.
#[derive(Debug, Serialize, ToSchema)]
struct IncidentNow {
    number: u64,
    host: String,
    check: String,
    /// Empty: the check itself
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    rule: String,
    /// `warning` or `critical`
    severity: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<f64>,
    failures: u64,
    since: DateTime<FixedOffset>,
    /// Absent while it is open
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until: Option<DateTime<FixedOffset>>,
    /// `recovery`, `removal`, or `lost` if its end was not seen
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    closed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    acknowledged: Option<AcknowledgedNow>,
}

/// An incident with all that was decided about it.
#[derive(Debug, Serialize, ToSchema)]
struct IncidentStory {
    /// Absent where no history is kept
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    incident: Option<IncidentNow>,
    /// Which channel was told what, and how that went
    told: Vec<ToldNow>,
    /// Why somebody was or was not told, a sentence each
    tale: Vec<Sentence>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ToldNow {
    channel: String,
    /// `failed`, `recovered`, `reminder` or `digest`
    kind: String,
    time: DateTime<FixedOffset>,
    /// `taken`, `never` or `unsure`
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cause: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Sentence {
    /// In the zone of the watch: `2026-11-20 12:02:10`
    time: String,
    sentence: String,
}

/// Incidents, newest first
///
/// One flat list. Where there are more, the header `Link` names the next page (RFC 8288). Without history only what is open
/// is known.
#[utoipa::path(get, path = "/api/incidents", tag = "incidents", params(IncidentQuery), responses((status = 200, body = Vec<IncidentNow>)))]
async fn incidents(
    State(house): State<Arc<House>>,
    Query(query): Query<IncidentQuery>,
) -> Result<(HeaderMap, Json<Vec<IncidentNow>>), Problem> {
    list(&house, query).await
}

/// Incidents, newest first, under the path with a slash
#[utoipa::path(get, path = "/api/incidents/", tag = "incidents", params(IncidentQuery), responses((status = 200, body = Vec<IncidentNow>)))]
async fn incidents_flat(
    State(house): State<Arc<House>>,
    Query(query): Query<IncidentQuery>,
) -> Result<(HeaderMap, Json<Vec<IncidentNow>>), Problem> {
    list(&house, query).await
}

async fn list(house: &House, query: IncidentQuery) -> Result<(HeaderMap, Json<Vec<IncidentNow>>), Problem> {
    let status = house.status().await?;
    let after = query.after.as_deref().map(cursor).transpose()?;
    let limit = within("limit", query.limit.unwrap_or(100), 1..=1000)?;
    let filter = IncidentFilter {
        host: query.host.as_deref(),
        check: query.check.as_deref(),
        target: query.target.as_deref(),
        text: query.text.as_deref(),
        severity: query.severity.map(Severity::name),
        since: query.since.map(|since| since.timestamp_millis()),
        before: query.before.map(|before| before.timestamp_millis()),
        open: query.state == Which::Open,
        closed: query.state == Which::Closed,
        ..IncidentFilter::default()
    };
    let mut listed = house.incidents(&filter, Page { after, limit }, &status.host).await;
    // What is open is known all the same.
    if let Some(away) = listed.without.take_if(|why| query.state != Which::Open && matches!(why, NoPast::Away(_))) {
        return Err(away.into());
    }
    let mut headers = HeaderMap::new();
    if let Some(last) = listed.incidents.last().filter(|_| listed.incidents.len() == limit as usize) {
        let next = format!("<{}>; rel=\"next\"", link(&query, limit, last));
        headers.extend(next.parse().ok().map(|next| (header::LINK, next)));
    }
    let zone = *status.time.offset();
    Ok((headers, Json(listed.incidents.iter().map(|kept| IncidentNow::new(kept, listed.now(kept), zone)).collect())))
}

/// One incident and its story
///
/// Who was told what, and why somebody was not. The story is in the watch's own log, as long as its files are kept.
#[utoipa::path(get, path = "/api/incidents/{number}", tag = "incidents", params(("number" = u64, Path)), responses(
    (status = 200, body = IncidentStory),
    (status = 404, description = "There is no such incident", body = Problem, content_type = "application/problem+json"),
))]
async fn incident(State(house): State<Arc<House>>, Path(number): Path<u64>) -> Result<Json<IncidentStory>, Problem> {
    let status = house.status().await?;
    let zone = *status.time.offset();
    // The story is told all the same.
    let (kept, told) = house.kept_incident(number, &status.host).await.ok().flatten().unzip();
    let unreadable = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the events cannot be read; the log says why");
    let tale = house.tale(number).await.map_err(unreadable)?;
    let open = house.open_incident(number).await;
    if kept.is_none() && tale.is_none() && open.is_none() {
        return Err(missing("there is no such incident"));
    }
    let kept = kept.or_else(|| open.as_ref().map(|open| as_kept(open, &status.host)));
    let incident = kept.map(|kept| IncidentNow::new(&kept, open.as_ref(), zone));
    let tale = tale.map(|tale| tale.sentences()).unwrap_or_default();
    Ok(Json(IncidentStory {
        incident,
        told: told.unwrap_or_default().into_iter().map(|told| ToldNow::new(told, zone)).collect(),
        tale: tale.into_iter().map(|(time, sentence)| Sentence { time, sentence }).collect(),
    }))
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl IncidentNow {
    fn new(kept: &KeptIncident, open: Option<&OpenIncident>, zone: FixedOffset) -> Self {
        Self {
            number: kept.number.unsigned_abs(),
            host: kept.host.clone(),
            check: kept.check.clone(),
            target: kept.target.clone(),
            name: kept.name.clone(),
            rule: kept.rule.clone(),
            severity: kept.severity.clone(),
            reason: kept.reason.clone(),
            value: kept.value,
            failures: open.map_or(kept.failures.unsigned_abs(), |open| open.failures.into()),
            since: instant(kept.since, zone).unwrap_or_default(),
            until: kept.until.and_then(|until| instant(until, zone)),
            closed_by: kept.closed_by.clone(),
            acknowledged: open.and_then(|open| open.acknowledged.clone()),
        }
    }
}

impl ToldNow {
    fn new(told: KeptTold, zone: FixedOffset) -> Self {
        let time = instant(told.time, zone).unwrap_or_default();
        Self { channel: told.channel, kind: told.kind, time, outcome: told.outcome, cause: told.cause }
    }
}

/// `1763640130000-1042`: when an incident began, and its number.
fn cursor(text: &str) -> Result<(i64, i64), Problem> {
    let parts = text.split_once('-').and_then(|(since, number)| Some((since.parse().ok()?, number.parse().ok()?)));
    parts.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "take it from the header `Link` of the page before").field("after"))
}

fn link(query: &IncidentQuery, limit: u32, last: &KeptIncident) -> String {
    let mut link = format!("/api/incidents?limit={limit}&after={}-{}", last.since, last.number);
    let state = match query.state {
        Which::Open => Some("open"),
        Which::Closed => Some("closed"),
        Which::All => None,
    };
    let severity = query.severity.map(Severity::name);
    let times = [query.since, query.before].map(|time| time.map(|time| time.to_rfc3339()));
    let texts = [&query.check, &query.target, &query.text, &query.host].map(Option::as_deref);
    let named = ["check", "target", "text", "host"].into_iter().zip(texts);
    let rest = [("state", state), ("severity", severity), ("since", times[0].as_deref()), ("before", times[1].as_deref())];
    for (name, value) in named.chain(rest) {
        if let Some(value) = value {
            link.push_str(&format!("&{name}={}", quoted(value)));
        }
    }
    link
}
