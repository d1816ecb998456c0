//! One check and its targets, as somebody looks at them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Life;
use crate::domain::engine::Engine;
use crate::domain::incident::IncidentId;
use crate::domain::reading::{Outcome, Reading};
use crate::domain::rule::{Judge, Rule, Sentence};
use crate::domain::snapshot::TargetState;
use crate::domain::time::Now;

/// More are counted, not listed.
const MOST_LISTED: usize = 500;

/// Which targets of which check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    pub name: String,
    /// Those with this in their address or name.
    pub filter: String,
    /// This one alone, with all its rules.
    pub target: Option<String>,
    /// Those with a rule that is False.
    pub failing: bool,
    /// So many are left out before the first that is listed.
    pub offset: usize,
    /// So many are listed, 500 at most.
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckNow {
    pub name: String,
    pub status: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
    /// `warning` or `critical`.
    pub severity: String,
    pub labels: BTreeMap<String, String>,
    /// The channels that are told.
    pub notify: Vec<String>,
    /// The checks without which its failures count for nothing.
    pub needs: Vec<String>,
    pub rules: Vec<RuleAbout>,
    /// Seconds until it looks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_in: Option<u64>,
    /// How many targets it has, and how many of them fail.
    pub total: usize,
    pub failing: usize,
    /// How many of its targets were wanted; listed or not.
    pub found: usize,
    /// Failing ones first.
    pub targets: Vec<TargetNow>,
    /// How many more follow those that are listed.
    pub more: usize,
}

/// A rule as it stands in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleAbout {
    pub rule: String,
    /// `mem > 90% for 30m`; nothing for `up` and `seen`, which no file has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// How many failures, or how long, make it False.
    pub of: String,
    /// What it looks at, and the limit in base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metric: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub limit: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetNow {
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Whether all its rules are True.
    pub status: bool,
    /// Why the last look at it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Of the last look, in base units.
    pub values: Vec<ValueNow>,
    /// Those that are False, or count towards it; all of them where one target alone was asked for.
    pub rules: Vec<RuleNow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueNow {
    pub metric: String,
    pub value: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleNow {
    pub rule: String,
    pub status: bool,
    pub failures: u32,
    /// How many failures, or how long, make it False.
    pub of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub since: Option<DateTime<FixedOffset>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub incident: Option<IncidentId>,
}

impl CheckNow {
    /// Nothing if there is no such check.
    pub fn new(engine: &Engine, wanted: &Wanted, last: &[Reading], life: &Life<'_>, now: Now) -> Option<Self> {
        let (plan, status, mut targets) = engine.targets(&wanted.name)?;
        let is_up = |state: &TargetState<'_>| state.rules.iter().all(|rule| rule.up);
        let (total, failing) = (targets.len(), targets.iter().filter(|state| !is_up(state)).count());
        let filter = wanted.filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&filter);
        targets.retain(|state| {
            wanted.target.as_ref().is_none_or(|target| *target == *state.target.key)
                && (filter.is_empty() || has(&state.target.key) || state.target.name.as_deref().is_some_and(has))
                && (!wanted.failing || !is_up(state))
        });
        targets.sort_by_cached_key(|state| (is_up(state), state.rules.iter().all(|rule| rule.failures == 0)));
        let readings: HashMap<&str, &Reading> = last.iter().map(|reading| (&*reading.target.key, reading)).collect();
        let limit = wanted.limit.unwrap_or(MOST_LISTED).min(MOST_LISTED);
        let all_rules = wanted.target.is_some();
        let listed = targets
            .iter()
            .skip(wanted.offset)
            .take(limit)
            .map(|state| TargetNow::new(state, readings.get(&*state.target.key).copied(), all_rules, life.zone));
        Some(Self {
            name: wanted.name.clone(),
            status,
            comment: plan.comment.as_deref().map(str::to_owned),
            severity: plan.severity.name().to_owned(),
            labels: plan.labels.clone(),
            notify: plan.notify.iter().map(|route| route.channel.to_string()).collect(),
            needs: plan.needs.iter().map(ToString::to_string).collect(),
            rules: plan.rules.iter().map(RuleAbout::new).collect(),
            next_in: life.next_in(&wanted.name, now),
            total,
            failing,
            found: targets.len(),
            targets: listed.collect(),
            more: targets.len().saturating_sub(wanted.offset.saturating_add(limit)),
        })
    }
}

impl RuleAbout {
    fn new(rule: &Rule) -> Self {
        let threshold = match &rule.judge {
            Judge::Threshold(threshold) => Some(threshold),
            Judge::Up | Judge::Seen => None,
        };
        Self {
            rule: rule.identity.to_string(),
            text: threshold.map(|threshold| Sentence { threshold: threshold.clone(), hold: rule.fail_after }.to_string()),
            of: rule.fail_after.to_string(),
            metric: threshold.map(|threshold| threshold.metric.to_string()),
            limit: threshold.map(|threshold| threshold.limit.base),
        }
    }
}

impl TargetNow {
    fn new(state: &TargetState<'_>, reading: Option<&Reading>, all_rules: bool, zone: Tz) -> Self {
        let reason = reading.and_then(|reading| match &reading.outcome {
            Outcome::Pass => None,
            Outcome::Fail(reason) => Some(reason.to_string()),
            Outcome::Unknown(reason) => Some(format!("could not look: {reason}")),
        });
        let values = reading.map(|reading| &reading.values[..]).unwrap_or_default();
        let rules = state.rules.iter().filter(|rule| all_rules || !rule.up || rule.failures > 0).map(|rule| RuleNow {
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
            status: state.rules.iter().all(|rule| rule.up),
            reason,
            values: values.iter().map(|(metric, value)| ValueNow { metric: metric.to_string(), value: *value }).collect(),
            rules: rules.collect(),
        }
    }
}
