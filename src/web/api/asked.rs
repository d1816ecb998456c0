//! The watch's answers, or the problem in their place.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::{DateTime, FixedOffset};

use super::super::House;
use super::super::problem::Problem;
use crate::control::{Body, CheckNow, Request, Status, Wanted};

/// What has to be read from files or told to a channel first.
const LONG: Duration = Duration::from_secs(25);

impl House {
    /// What is asked is refused with the watch's own words.
    pub async fn command(&self, request: Request) -> Result<Body, Problem> {
        match self.ask_within(LONG, request).await {
            Some(Body::Error(words)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words)),
            Some(body) => Ok(body),
            None => Err(Problem::silent()),
        }
    }

    pub async fn status(&self) -> Result<Box<Status>, Problem> {
        match self.ask(Request::Status).await {
            Some(Body::Status(status)) => Ok(Box::new(status)),
            _ => Err(Problem::silent()),
        }
    }

    pub async fn check(&self, wanted: Wanted) -> Result<Box<CheckNow>, Problem> {
        match self.ask(Request::Check(wanted)).await {
            Some(Body::Check(check)) => Ok(check),
            Some(Body::Error(words)) => Err(missing(words)),
            _ => Err(Problem::silent()),
        }
    }
}

/// What is named in the path is not there.
pub fn missing(words: impl Into<String>) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, words)
}

/// What is named in the path is not there, said by a command.
pub fn not_found(problem: Problem) -> Problem {
    if problem.is(StatusCode::UNPROCESSABLE_ENTITY) { missing(problem.detail()) } else { problem }
}

/// A time of history in the zone of the watch.
pub fn instant(millis: i64, zone: FixedOffset) -> Option<DateTime<FixedOffset>> {
    Some(DateTime::from_timestamp_millis(millis)?.with_timezone(&zone))
}
