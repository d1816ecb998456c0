//! What a message is about, before it has words: the names and values every template knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;

use super::incident::{ClosedBy, IncidentId};
use super::reading::{Reason, Target};
use super::rule::Unit;
use super::watch::Severity;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// First, so that the end of an older incident is told before the start of a newer one.
    Recovered,
    /// What failed and was over before it could be told; after a long outage of the channel all that it missed.
    Digest,
    Failed,
    Reminder,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Recovered => "recovered",
            Kind::Failed => "failed",
            Kind::Reminder => "reminder",
            Kind::Digest => "digest",
        }
    }
}

/// All that one message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub kind: Kind,
    pub host: Arc<str>,
    /// Which it is about: at least one.
    pub checks: Vec<Arc<str>>,
    /// The check's comment and those of the rules involved, a line each.
    pub comment: String,
    /// The highest of its incidents.
    pub severity: Severity,
    pub labels: BTreeMap<String, String>,
    pub time: DateTime<Tz>,
    /// Targets of the checks that fail now.
    pub failing: usize,
    /// Targets of the checks.
    pub total: usize,
    /// This may be the second copy of a message.
    pub repeat: bool,
    /// At least one, oldest first.
    pub incidents: Vec<NoticeIncident>,
}

/// One incident as a message tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeIncident {
    pub id: IncidentId,
    pub check: Arc<str>,
    pub target: Arc<Target>,
    pub rule: Arc<str>,
    pub reason: Reason,
    pub value: Option<f64>,
    pub unit: Unit,
    pub since: DateTime<Tz>,
    pub until: Option<DateTime<Tz>>,
    /// From `since` to `until`, or to the time of the message.
    pub duration: Duration,
    pub failures: u32,
    pub closed_by: Option<ClosedBy>,
}

impl Notice {
    /// The same for every copy of this message, and for no other: one reminder is not another.
    pub fn key(&self) -> String {
        let first = self.incidents.first().map_or(0, |incident| incident.id);
        match self.kind {
            Kind::Reminder => format!("{first}-{}-{}", self.kind.name(), self.time.timestamp()),
            _ => format!("{first}-{}", self.kind.name()),
        }
    }
}
