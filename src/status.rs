//! A line of the status log: which checks are True, what fails, and what counts towards it.

use chrono::SecondsFormat;
use chrono_tz::Tz;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::domain::rule::Hold;
use crate::domain::snapshot::{Counting, Failing, Snapshot};
use crate::domain::time::Now;

/// The name of the log.
pub const STATUS: &str = "status";
/// The newest file is always to be found under this name.
pub const LATEST: &str = "status.jsonl";

/// A storm of ten thousand targets makes a line, not a disk full; the counts are whole.
const MOST_LISTED: usize = 1_000;

/// A line of the status log, as DESIGN has it.
#[derive(Debug, Serialize)]
pub struct StatusLine<'a> {
    time: String,
    host: &'a str,
    version: &'static str,
    status: Statuses<'a>,
    failing: Vec<FailingLine<'a>>,
    /// How many more there are than are listed.
    #[serde(skip_serializing_if = "is_zero")]
    failing_more: usize,
    counting: Vec<CountingLine<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    counting_more: usize,
}

impl<'a> StatusLine<'a> {
    pub fn new(snapshot: &'a Snapshot, host: &'a str, zone: Tz, now: Now) -> Self {
        let time = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Millis, false);
        let failing = snapshot.failing.iter().take(MOST_LISTED).map(|failing| FailingLine::new(failing, time(failing.since)));
        Self {
            time: time(now.wall),
            host,
            version: env!("CARGO_PKG_VERSION"),
            status: Statuses(&snapshot.status),
            failing: failing.collect(),
            failing_more: snapshot.failing.len().saturating_sub(MOST_LISTED),
            counting: snapshot.counting.iter().take(MOST_LISTED).map(CountingLine::new).collect(),
            counting_more: snapshot.counting.len().saturating_sub(MOST_LISTED),
        }
    }
}

/// One boolean a check, in the order of the file.
#[derive(Debug)]
struct Statuses<'a>(&'a [(std::sync::Arc<str>, bool)]);

impl Serialize for Statuses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (check, up) in self.0 {
            map.serialize_entry(check.as_ref(), up)?;
        }
        map.end()
    }
}

#[derive(Debug, Serialize)]
struct FailingLine<'a> {
    check: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    rule: &'a str,
    since: String,
    failures: u32,
    reason: &'a str,
    incident: u64,
}

impl<'a> FailingLine<'a> {
    fn new(failing: &'a Failing, since: String) -> Self {
        Self {
            check: &failing.check,
            target: &failing.target.key,
            name: failing.target.name.as_deref(),
            rule: &failing.rule,
            since,
            failures: failing.failures,
            reason: &failing.reason,
            incident: failing.incident,
        }
    }
}

#[derive(Debug, Serialize)]
struct CountingLine<'a> {
    check: &'a str,
    target: &'a str,
    rule: &'a str,
    failures: u32,
    of: Limit,
}

/// `3`, or `"10m"`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Limit {
    Count(u32),
    Lasting(String),
}

impl<'a> CountingLine<'a> {
    fn new(counting: &'a Counting) -> Self {
        let of = match counting.of {
            Hold::Count(count) => Limit::Count(count),
            hold @ Hold::Lasting(_) => Limit::Lasting(hold.to_string()),
        };
        Self { check: &counting.check, target: &counting.target.key, rule: &counting.rule, failures: counting.failures, of }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::domain::reading::Target;
    use crate::domain::time::Steady;
    use crate::domain::watch::Severity;

    fn snapshot(failing: usize) -> Snapshot {
        let failing = (0..failing).map(|number| Failing {
            check: "terminals".into(),
            target: Target::named(format!("10.0.0.{number}"), "till\n3"),
            rule: "up".into(),
            severity: Severity::Critical,
            since: Utc.with_ymd_and_hms(2026, 11, 20, 9, 2, 10).unwrap(),
            failures: 5,
            reason: "no reply\u{1b}".into(),
            value: None,
            incident: 1042 + number as u64,
            acknowledged: None,
        });
        let counting = Counting {
            check: "billing api".into(),
            target: Target::itself(),
            rule: "up".into(),
            failures: 2,
            of: Hold::Lasting(std::time::Duration::from_secs(600)),
        };
        let status = vec![("this machine".into(), true), ("terminals".into(), false)];
        Snapshot { status, failing: failing.collect(), counting: vec![counting] }
    }

    fn line(snapshot: &Snapshot) -> String {
        let now = Now { wall: Utc.timestamp_millis_opt(1_795_165_330_512).unwrap(), steady: Steady::default() };
        serde_json::to_string(&StatusLine::new(snapshot, "srv-01", chrono_tz::Europe::Moscow, now)).unwrap()
    }

    #[test]
    fn a_line_is_as_it_is_documented() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            line(&snapshot(1)),
            format!(
                r#"{{"time":"2026-11-20T12:02:10.512+03:00","host":"srv-01","version":"{version}","status":{{"this machine":true,"terminals":false}},"failing":[{{"check":"terminals","target":"10.0.0.0","name":"till\n3","rule":"up","since":"2026-11-20T12:02:10.000+03:00","failures":5,"reason":"no reply\u001b","incident":1042}}],"counting":[{{"check":"billing api","target":"","rule":"up","failures":2,"of":"10m"}}]}}"#
            )
        );
    }

    #[test]
    fn a_storm_is_one_line_that_says_how_much_it_leaves_out() {
        let line: serde_json::Value = serde_json::from_str(&line(&snapshot(10_000))).unwrap();
        assert_eq!((line["failing"].as_array().unwrap().len(), &line["failing_more"]), (1000, &9000.into()));
    }
}
