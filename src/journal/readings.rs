//! What a check saw, as a line, and back: a recording that can be replayed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::reading::{Others, Outcome, Reading, Report, Target};
use crate::domain::time::Now;

/// One line of `readings.jsonl`: one run of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportLine {
    pub time: DateTime<FixedOffset>,
    pub check: String,
    /// How long the run took, in seconds.
    pub took: f64,
    /// Absent when the whole run was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings: Option<Vec<ReadingLine>>,
    /// Of a check that finds its targets: those it did not find stay as they were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub others_kept: bool,
    /// Likewise: why those it did not find could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_missing: Option<String>,
    /// Why it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadingLine {
    pub target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it failed; neither this nor `unknown`: it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_way: bool,
    /// In base units: seconds, bytes, percent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, String>,
}

impl ReportLine {
    pub fn new(check: &str, report: &Report, took: Duration, zone: Tz, now: Now) -> Self {
        let lines = |readings: &[Reading]| Some(readings.iter().map(ReadingLine::new).collect());
        let (readings, others, lost) = match report {
            Report::Readings(readings) => (lines(readings), None, None),
            Report::Found { readings, others } => (lines(readings), Some(others), None),
            Report::Lost(reason) => (None, None, Some(reason.to_string())),
        };
        let others_kept = others == Some(&Others::Kept);
        let others_missing = match others {
            Some(Others::Missing(reason)) => Some(reason.to_string()),
            _ => None,
        };
        let time = now.wall.with_timezone(&zone).fixed_offset();
        Self { time, check: check.to_owned(), took: took.as_secs_f64(), readings, others_kept, others_missing, lost }
    }

    pub fn report(&self) -> Report {
        match &self.readings {
            Some(lines) => {
                let readings = lines.iter().map(ReadingLine::reading).collect();
                match &self.others_missing {
                    Some(reason) => Report::Found { readings, others: Others::Missing(reason.as_str().into()) },
                    None if self.others_kept => Report::Found { readings, others: Others::Kept },
                    None => Report::Readings(readings),
                }
            }
            None => Report::Lost(self.lost.as_deref().unwrap_or_default().into()),
        }
    }

    pub fn took(&self) -> Duration {
        Duration::try_from_secs_f64(self.took).unwrap_or_default()
    }
}

impl ReadingLine {
    fn new(reading: &Reading) -> Self {
        let (fail, unknown) = match &reading.outcome {
            Outcome::Pass => (None, None),
            Outcome::Fail(reason) => (Some(reason.to_string()), None),
            Outcome::Unknown(reason) => (None, Some(reason.to_string())),
        };
        Self {
            target: reading.target.key.to_string(),
            name: reading.target.name.as_deref().map(str::to_owned),
            fail,
            unknown,
            no_way: reading.no_way,
            values: reading.values.iter().map(|(metric, value)| (metric.to_string(), *value)).collect(),
            unreadable: reading.unreadable.iter().map(|(metric, reason)| (metric.to_string(), reason.to_string())).collect(),
        }
    }

    fn reading(&self) -> Reading {
        let target = Arc::new(Target { key: self.target.as_str().into(), name: self.name.as_deref().map(Into::into) });
        let outcome = match (&self.fail, &self.unknown) {
            (Some(reason), _) => Outcome::Fail(reason.as_str().into()),
            (None, Some(reason)) => Outcome::Unknown(reason.as_str().into()),
            (None, None) => Outcome::Pass,
        };
        let mut reading = Reading { outcome, no_way: self.no_way, ..Reading::pass(&target) };
        for (metric, value) in &self.values {
            reading = reading.with(metric.clone(), *value);
        }
        for (metric, reason) in &self.unreadable {
            reading = reading.without(metric.clone(), reason.as_str());
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Steady;

    #[test]
    fn what_was_seen_comes_back_as_it_was() {
        let now = Now { wall: "2026-11-20T12:00:00Z".parse().unwrap(), steady: Steady::default() };
        let named = Target::named("10.0.0.7", "till 3");
        let readings = vec![
            Reading::pass(&Target::itself()).with("cpu", 12.5).without("temp", "no such sensor"),
            Reading::fail(&named, "no reply").with("loss", 100.0),
            Reading::unknown(&named, "no permission").without_a_way(),
        ];
        let found = |others| Report::Found { readings: readings.clone(), others };
        let reports = [found(Others::Kept), found(Others::Missing("not listed".into())), Report::Lost("it broke down".into())];
        for report in reports.into_iter().chain([Report::Readings(readings)]) {
            let line = ReportLine::new("a", &report, Duration::from_millis(1500), Tz::UTC, now);
            let read: ReportLine = serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
            assert_eq!((read.report(), read.took()), (report, Duration::from_millis(1500)));
        }
    }
}
