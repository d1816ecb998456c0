//! The watch at one instant: statuses, open incidents, and what somebody was not told yet.

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SilenceNow;
use crate::domain::engine::{Engine, OWN};
use crate::domain::incident::IncidentId;
use crate::domain::plan::Held;
use crate::domain::silence::SilenceId;
use crate::domain::snapshot::Failing;
use crate::domain::time::{Now, Steady};

/// A storm of ten thousand targets is counted, not listed.
const MOST_LISTED: usize = 1_000;

/// The watch at one instant; times are in its own zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    pub host: String,
    /// Of the program.
    pub vakhta: String,
    pub time: DateTime<FixedOffset>,
    /// When this life of the watch began.
    pub since: DateTime<FixedOffset>,
    /// In the order of the file.
    pub checks: Vec<CheckStatus>,
    /// Open ones, oldest number first in each check.
    pub incidents: Vec<OpenIncident>,
    /// How many more there are than are listed.
    pub incidents_more: usize,
    /// What the watch itself is in trouble with.
    pub trouble: Vec<OpenIncident>,
    /// What somebody is owed and was not told yet.
    pub waiting: Vec<Waiting>,
    #[serde(default)]
    pub silences: Vec<SilenceNow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckStatus {
    pub name: String,
    pub status: bool,
    /// Targets with a rule that is False.
    pub failing: usize,
    /// None before the first look.
    pub targets: usize,
    /// Its label `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub group: Option<String>,
    /// Seconds until it looks again; absent before its first look and while a look takes longer than it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_in: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpenIncident {
    #[schema(value_type = u64)]
    pub number: IncidentId,
    pub check: String,
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    pub rule: String,
    /// `warning` or `critical`.
    #[serde(default)]
    pub severity: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub value: Option<f64>,
    pub since: DateTime<FixedOffset>,
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub acknowledged: Option<AcknowledgedNow>,
}

/// Who has taken an incident on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AcknowledgedNow {
    pub by: String,
    pub at: DateTime<FixedOffset>,
    pub note: String,
}

/// What one channel is to be told of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    pub channel: String,
    pub check: String,
    /// `failed`, `recovered`, `reminder` or `digest`.
    pub kind: String,
    /// How many incidents.
    pub count: usize,
    #[serde(flatten)]
    pub why: Why,
}

/// Why it was not told yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// The message is on its way.
    Sending,
    /// Outside the hours; without `until` the windows are never open together.
    Window { window: String, until: Option<DateTime<FixedOffset>> },
    /// Somebody asked for it.
    Silence {
        #[schema(value_type = u64)]
        number: SilenceId,
        until: DateTime<FixedOffset>,
    },
    /// The channel had many messages; what follows goes in one.
    Storm { seconds: u64 },
    /// More of the check may follow in the same message.
    Grouping { seconds: u64 },
    /// The channel did not take the last message.
    Retry { attempt: u32, seconds: u64, cause: String },
    /// Another message to the channel goes first.
    Busy,
}

/// What the engine does not know of this life of the watch.
#[derive(Clone, Copy)]
pub struct Life<'a> {
    pub host: &'a str,
    /// In which times are said.
    pub zone: Tz,
    pub since: DateTime<chrono::Utc>,
    /// When each check is due again.
    pub due: &'a dyn Fn(&str) -> Option<Steady>,
}

impl Life<'_> {
    /// Seconds until a check looks again.
    pub(super) fn next_in(&self, check: &str, now: Now) -> Option<u64> {
        (self.due)(check).filter(|next| *next >= now.steady).map(|next| next.since(now.steady).as_secs())
    }
}

impl Status {
    pub fn new(engine: &Engine, life: &Life<'_>, now: Now) -> Self {
        let local = |at: DateTime<chrono::Utc>| at.with_timezone(&life.zone).fixed_offset();
        let (trouble, failing): (Vec<Failing>, Vec<Failing>) =
            engine.snapshot().failing.into_iter().partition(|failing| &*failing.check == OWN);
        let open = |failing: &Failing| OpenIncident::new(failing, life.zone);
        let checks = engine.checks().map(|check| CheckStatus {
            name: check.name.to_string(),
            status: check.up,
            failing: check.failing,
            targets: check.targets,
            group: check.group.as_deref().map(str::to_owned),
            next_in: life.next_in(&check.name, now),
        });
        let waiting = engine.waiting(now).into_iter().map(|waiting| Waiting {
            channel: waiting.channel.to_string(),
            check: waiting.check.to_string(),
            kind: waiting.kind.name().to_owned(),
            count: waiting.count,
            why: waiting.why.map_or(Why::Sending, |why| Why::new(why, &local, now)),
        });
        Self {
            host: life.host.to_owned(),
            vakhta: env!("CARGO_PKG_VERSION").to_owned(),
            time: local(now.wall),
            since: local(life.since),
            checks: checks.collect(),
            incidents: listed(&failing).map(open).collect(),
            incidents_more: failing.len().saturating_sub(MOST_LISTED),
            trouble: trouble.iter().map(open).collect(),
            waiting: waiting.collect(),
            silences: engine.silences().map(|silence| SilenceNow::new(silence, life.zone)).collect(),
        }
    }

    /// Whether every check is True and the watch itself is well.
    pub fn is_good(&self) -> bool {
        self.trouble.is_empty() && self.checks.iter().all(|check| check.status)
    }
}

/// So many that all checks together are [`MOST_LISTED`] at most; a check with many leaves room for those with few.
fn listed(failing: &[Failing]) -> impl Iterator<Item = &Failing> {
    let mut checks: Vec<&[Failing]> = failing.chunk_by(|a, b| a.check == b.check).collect();
    let mut counts: Vec<usize> = checks.iter().map(|check| check.len()).collect();
    counts.sort_unstable();
    let (mut room, mut share) = (MOST_LISTED, MOST_LISTED);
    for (index, count) in counts.iter().enumerate() {
        share = room / (counts.len() - index);
        if *count > share {
            break;
        }
        room -= count;
    }
    for check in &mut checks {
        *check = &check[..check.len().min(share.max(1))];
    }
    checks.into_iter().flatten().take(MOST_LISTED)
}

impl OpenIncident {
    pub fn new(failing: &Failing, zone: Tz) -> Self {
        let local = |at: DateTime<chrono::Utc>| at.with_timezone(&zone).fixed_offset();
        let acknowledged = failing.acknowledged.as_ref();
        Self {
            number: failing.incident,
            check: failing.check.to_string(),
            target: failing.target.key.to_string(),
            name: failing.target.name.as_deref().map(str::to_owned),
            rule: failing.rule.to_string(),
            severity: failing.severity.name().to_owned(),
            reason: failing.reason.to_string(),
            value: failing.value,
            since: local(failing.since),
            failures: failing.failures,
            acknowledged: acknowledged.map(|taken| AcknowledgedNow {
                by: taken.by.to_string(),
                at: local(taken.at),
                note: taken.note.to_string(),
            }),
        }
    }
}

impl Why {
    pub(crate) fn new(why: Held, local: &dyn Fn(DateTime<chrono::Utc>) -> DateTime<FixedOffset>, now: Now) -> Self {
        // What is still to come is never in 0 s.
        let whole_seconds = |until: Steady| until.since(now.steady).as_millis().div_ceil(1000) as u64;
        match why {
            Held::Window { by, until } => Why::Window { window: by.to_string(), until: until.map(local) },
            Held::Silence { id, until } => Why::Silence { number: id, until: local(until) },
            Held::Storm { until } => Why::Storm { seconds: whole_seconds(until) },
            Held::Grouping { until } => Why::Grouping { seconds: whole_seconds(until) },
            Held::Retry { until, attempt, cause } => Why::Retry { attempt, seconds: whole_seconds(until), cause: cause.to_string() },
            Held::Busy => Why::Busy,
        }
    }
}
