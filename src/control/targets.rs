//! One check and its targets, as somebody looks at them.

use std::collections::HashMap;

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::engine::Engine;
use crate::domain::incident::IncidentId;
use crate::domain::reading::{Outcome, Reading};
use crate::domain::snapshot::TargetState;

/// More are counted, not listed.
const MOST_LISTED: usize = 500;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckNow {
    pub name: String,
    pub status: bool,
    /// Failing ones first.
    pub targets: Vec<TargetNow>,
    /// How many more there are than are listed.
    pub more: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetNow {
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why the last look at it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the last look, in base units.
    pub values: Vec<ValueNow>,
    /// Those that are False, or count towards it.
    pub rules: Vec<RuleNow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueNow {
    pub metric: String,
    pub value: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleNow {
    pub rule: String,
    pub status: bool,
    pub failures: u32,
    /// How many failures, or how long, make it False.
    pub of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<FixedOffset>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
}

impl CheckNow {
    /// Nothing if there is no such check.
    pub fn new(engine: &Engine, name: &str, filter: &str, last: &[Reading], zone: Tz) -> Option<Self> {
        let (status, mut targets) = engine.targets(name)?;
        let filter = filter.to_lowercase();
        let is_wanted = |text: &str| text.to_lowercase().contains(&filter);
        targets.retain(|state| filter.is_empty() || is_wanted(&state.target.key) || state.target.name.as_deref().is_some_and(is_wanted));
        targets.sort_by_key(|state| (state.rules.iter().all(|rule| rule.up), state.rules.iter().all(|rule| rule.failures == 0)));
        let readings: HashMap<&str, &Reading> = last.iter().map(|reading| (&*reading.target.key, reading)).collect();
        let more = targets.len().saturating_sub(MOST_LISTED);
        let listed = targets.iter().take(MOST_LISTED).map(|state| TargetNow::new(state, readings.get(&*state.target.key).copied(), zone));
        Some(Self { name: name.to_owned(), status, targets: listed.collect(), more })
    }
}

impl TargetNow {
    fn new(state: &TargetState<'_>, reading: Option<&Reading>, zone: Tz) -> Self {
        let reason = reading.and_then(|reading| match &reading.outcome {
            Outcome::Pass => None,
            Outcome::Fail(reason) => Some(reason.to_string()),
            Outcome::Unknown(reason) => Some(format!("could not look: {reason}")),
        });
        let values = reading.map(|reading| &reading.values[..]).unwrap_or_default();
        let rules = state.rules.iter().filter(|rule| !rule.up || rule.failures > 0).map(|rule| RuleNow {
            rule: rule.identity.to_string(),
            status: rule.up,
            failures: rule.failures,
            of: rule.of.to_string(),
            since: rule.since.map(|since| since.with_timezone(&zone).fixed_offset()),
            incident: rule.incident,
        });
        Self {
            target: state.target.key.to_string(),
            name: state.target.name.as_deref().map(str::to_owned),
            reason,
            values: values.iter().map(|(metric, value)| ValueNow { metric: metric.to_string(), value: *value }).collect(),
            rules: rules.collect(),
        }
    }
}
