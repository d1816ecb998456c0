//! How numbers went.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::super::House;
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::super::take::{Query, within};
use super::asked::instant;
use crate::access::Role;
use crate::store::history::SeriesQuery;

pub fn add(routes: Routes) -> Routes {
    routes.api(Role::Viewer, routes!(series)).api(Role::Viewer, routes!(metrics))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SeriesParams {
    check: String,
    /// Empty: the check itself
    #[serde(default)]
    target: String,
    metric: String,
    #[param(nullable = false)]
    host: Option<String>,
    /// Default: a day before `to`
    #[param(nullable = false)]
    from: Option<DateTime<Utc>>,
    /// Default: now
    #[param(nullable = false)]
    to: Option<DateTime<Utc>>,
    /// At most so many points
    #[serde(default = "points")]
    #[param(minimum = 1, maximum = 5000, default = 500)]
    points: u32,
}

fn points() -> u32 {
    500
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct MetricParams {
    check: String,
    /// All targets where it is absent
    #[param(nullable = false)]
    target: Option<String>,
    #[param(nullable = false)]
    host: Option<String>,
}

/// How a number went.
#[derive(Debug, Serialize, ToSchema)]
struct SeriesNow {
    /// Seconds that one point stands for; 0 if each is one reading
    step: f64,
    points: Vec<PointNow>,
}

/// One reading, or several in one.
#[derive(Debug, Serialize, ToSchema)]
struct PointNow {
    /// Its beginning
    time: DateTime<FixedOffset>,
    count: i64,
    mean: f64,
    low: f64,
    high: f64,
}

/// A number that is kept, with its last value.
#[derive(Debug, Serialize, ToSchema)]
struct MetricNow {
    host: String,
    check: String,
    target: String,
    metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    time: Option<DateTime<FixedOffset>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<f64>,
}

/// How a number went, in as much detail as there is and as fits
#[utoipa::path(get, path = "/api/history", tag = "history", params(SeriesParams), responses(
    (status = 200, body = SeriesNow),
    (status = 404, description = "No history is kept", body = Problem, content_type = "application/problem+json"),
))]
async fn series(State(house): State<Arc<House>>, Query(query): Query<SeriesParams>) -> Result<Json<SeriesNow>, Problem> {
    let (now, zone) = (house.clock.now().wall, *house.status().await?.time.offset());
    let to = query.to.unwrap_or(now);
    let from = query.from.unwrap_or_else(|| to.checked_sub_signed(TimeDelta::days(1)).unwrap_or(DateTime::<Utc>::MIN_UTC));
    if from >= to {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "`from` is not before `to`").field("from"));
    }
    let wanted = SeriesQuery {
        host: query.host.as_deref(),
        check: &query.check,
        target: &query.target,
        metric: &query.metric,
        from: from.timestamp_millis(),
        to: to.timestamp_millis(),
        max_points: within("points", query.points, 1..=5000)? as usize,
    };
    let series = house.past.ask(async |reader| reader.series(&wanted, now.timestamp_millis()).await).await?;
    let points = series.points.iter().filter_map(|point| {
        let time = instant(point.time, zone)?;
        Some(PointNow { time, count: point.count, mean: point.mean, low: point.low, high: point.high })
    });
    Ok(Json(SeriesNow { step: series.step as f64 / 1000.0, points: points.collect() }))
}

/// Which numbers are kept of a check, with their last values by the minute
#[utoipa::path(get, path = "/api/history/metrics", tag = "history", params(MetricParams), responses(
    (status = 200, body = Vec<MetricNow>),
    (status = 404, description = "No history is kept", body = Problem, content_type = "application/problem+json"),
))]
async fn metrics(State(house): State<Arc<House>>, Query(query): Query<MetricParams>) -> Result<Json<Vec<MetricNow>>, Problem> {
    let zone = *house.status().await?.time.offset();
    let MetricParams { check, target, host } = &query;
    let latest = house.past.ask(async |reader| reader.latest(host.as_deref(), check, target.as_deref()).await).await?;
    let metric = latest.into_iter().map(|latest| MetricNow {
        time: latest.time.and_then(|time| instant(time, zone)),
        host: latest.host,
        check: latest.check,
        target: latest.target,
        metric: latest.metric,
        value: latest.value,
    });
    Ok(Json(metric.collect()))
}
