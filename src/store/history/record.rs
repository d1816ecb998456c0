//! What goes into history: looks with their numbers, incidents, and who was told what.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::incident::{ClosedBy, Incident, IncidentId};
use crate::domain::reading::{Metric, Outcome, Reading};
use crate::domain::text::{shortened, visible};
use crate::domain::watch::Severity;

/// Whether the target was good, 1 or 0, at every look that was possible.
pub const UP: &str = "up";
/// 0 for every look that was not possible.
pub const SEEN: &str = "seen";

/// Who closed an incident whose end was not seen.
pub const LOST: &str = "lost";
/// What is bigger is no measurement, and no database could take the mean of such.
const BIGGEST: f64 = 1e100;
/// Texts are cut to what the columns of every database hold.
const LONGEST_NAME: usize = 255;
const LONGEST_TARGET: usize = 400;
const LONGEST_REASON: usize = 2000;

/// One thing to keep.
#[derive(Debug, Clone)]
pub enum Record {
    Look(Look),
    Incident(IncidentRow),
    Told(ToldRow),
    /// A life begins: these incidents are open, and no other is.
    Begin(Vec<IncidentId>, DateTime<Utc>),
}

/// What one look of a check saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    pub check: Arc<str>,
    /// Milliseconds since 1970.
    pub time: i64,
    /// By target.
    pub numbers: Vec<(Box<str>, Numbers)>,
}

/// By name.
pub type Numbers = Vec<(Metric, f64)>;

impl Look {
    pub fn new(check: &Arc<str>, readings: &[Reading], at: DateTime<Utc>) -> Self {
        let numbers = readings.iter().map(|reading| (reading.target.key.clone(), numbers(reading))).collect();
        Self { check: check.clone(), time: at.timestamp_millis(), numbers }
    }

    pub fn rows(&self) -> usize {
        self.numbers.iter().map(|(_, numbers)| numbers.len()).sum()
    }
}

fn numbers(reading: &Reading) -> Numbers {
    let outcome = match reading.outcome {
        Outcome::Pass => (UP, 1.0),
        Outcome::Fail(_) => (UP, 0.0),
        Outcome::Unknown(_) => (SEEN, 0.0),
    };
    let own = [UP, SEEN];
    let values = reading.values.iter().filter(|(metric, value)| !own.contains(&metric.as_ref()) && value.abs() < BIGGEST);
    [(outcome.0.into(), outcome.1)].into_iter().chain(values.cloned()).collect()
}

/// An incident as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentRow {
    pub number: IncidentId,
    /// The kind of the check.
    pub kind: String,
    pub check: String,
    pub target: String,
    pub name: Option<String>,
    pub rule: String,
    pub severity: String,
    pub reason: String,
    pub value: Option<f64>,
    pub failures: u32,
    /// Milliseconds since 1970.
    pub since: i64,
    pub until: Option<i64>,
    pub closed_by: Option<String>,
}

impl IncidentRow {
    pub fn new(check: &str, kind: &str, incident: &Incident) -> Self {
        Self {
            number: incident.id,
            kind: kind.to_owned(),
            check: check.to_owned(),
            target: clean(&incident.target.key, LONGEST_TARGET),
            name: incident.target.name.as_ref().map(|name| clean(name, LONGEST_NAME)),
            rule: clean(&incident.rule, LONGEST_NAME),
            severity: match incident.severity {
                Severity::Warning => "warning".to_owned(),
                Severity::Critical => "critical".to_owned(),
            },
            reason: clean(&incident.reason, LONGEST_REASON),
            value: incident.value.filter(|value| value.abs() < BIGGEST),
            failures: incident.failures,
            since: incident.since.timestamp_millis(),
            until: incident.closed.map(|closing| closing.at.timestamp_millis()),
            closed_by: incident.closed.map(|closing| match closing.by {
                ClosedBy::Recovery => "recovery".to_owned(),
                ClosedBy::Removal => "removal".to_owned(),
            }),
        }
    }
}

/// A channel was told of an incident, or was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldRow {
    pub number: IncidentId,
    pub channel: String,
    /// `failed`, `recovered`, `reminder` or `digest`.
    pub kind: String,
    /// Milliseconds since 1970.
    pub time: i64,
    /// `taken`, `never` or `unsure`.
    pub outcome: String,
    pub cause: Option<String>,
}

impl ToldRow {
    pub fn new(number: IncidentId, channel: &str, kind: &str, at: DateTime<Utc>, outcome: &str, cause: Option<&str>) -> Self {
        let cause = cause.map(|cause| clean(cause, LONGEST_REASON));
        let (channel, kind, outcome) = (channel.to_owned(), kind.to_owned(), outcome.to_owned());
        Self { number, channel, kind, time: at.timestamp_millis(), outcome, cause }
    }
}

/// Records that are written together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub looks: Vec<Look>,
    /// The last about each.
    pub incidents: HashMap<IncidentId, IncidentRow>,
    pub told: Vec<ToldRow>,
    /// All other incidents of before this batch are over since this time, in milliseconds.
    pub only_open: Option<(Vec<IncidentId>, i64)>,
}

impl Batch {
    pub fn add(&mut self, record: Record) {
        match record {
            Record::Look(look) => self.looks.push(look),
            Record::Incident(row) => drop(self.incidents.insert(row.number, row)),
            Record::Told(row) => self.told.push(row),
            Record::Begin(open, at) => self.begin(open, at.timestamp_millis()),
        }
    }

    /// Adds what came later.
    pub fn append(&mut self, later: Self) {
        if let Some((open, at)) = later.only_open {
            self.begin(open, at);
        }
        self.looks.extend(later.looks);
        self.incidents.extend(later.incidents);
        self.told.extend(later.told);
    }

    /// What is here and not among the open ones is over; what comes later is not concerned.
    fn begin(&mut self, open: Vec<IncidentId>, at: i64) {
        let stays: HashSet<_> = open.iter().copied().collect();
        for row in self.incidents.values_mut().filter(|row| row.until.is_none() && !stays.contains(&row.number)) {
            (row.until, row.closed_by) = (Some(at), Some(LOST.to_owned()));
        }
        self.only_open = Some((open, at));
    }

    /// How many numbers of looks there are.
    pub fn numbers(&self) -> usize {
        self.looks.iter().map(Look::rows).sum()
    }

    /// Nobody waits for it.
    pub fn is_looks_only(&self) -> bool {
        self.incidents.is_empty() && self.told.is_empty() && self.only_open.is_none()
    }

    pub fn is_empty(&self) -> bool {
        self.looks.is_empty() && self.incidents.is_empty() && self.told.is_empty() && self.only_open.is_none()
    }
}

/// Without control characters, which not every database takes, and not too long.
pub fn clean(text: &str, longest: usize) -> String {
    shortened(&visible(text), longest).into_owned()
}

/// A name of a check or a metric as a column holds it.
pub fn name(text: &str) -> String {
    clean(text, LONGEST_NAME)
}

/// The key of a target as a column holds it.
pub fn target(text: &str) -> String {
    clean(text, LONGEST_TARGET)
}
