//! What the watch knows at one instant: for the status log, the page and the command line.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::acknowledgement::Acknowledgement;
use super::engine::Engine;
use super::incident::IncidentId;
use super::message::Kind;
use super::plan::Held;
use super::reading::{Reason, Target};
use super::rule::Hold;
use super::telling::DeskKey;
use super::time::Now;
use super::watch::{CheckPlan, Severity};

/// Everything that is not in order, and which checks are.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// In the order of the file: True unless any rule on any target is False.
    pub status: Vec<(Arc<str>, bool)>,
    pub failing: Vec<Failing>,
    pub counting: Vec<Counting>,
}

/// A rule that is False.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    pub check: Arc<str>,
    pub target: Arc<Target>,
    pub rule: Arc<str>,
    pub severity: Severity,
    pub since: DateTime<Utc>,
    pub failures: u32,
    pub reason: Reason,
    pub value: Option<f64>,
    pub incident: IncidentId,
    pub acknowledged: Option<Acknowledgement>,
}

/// A rule that is still True and has bad readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Counting {
    pub check: Arc<str>,
    pub target: Arc<Target>,
    pub rule: Arc<str>,
    pub failures: u32,
    pub of: Hold,
}

/// One check and its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckNow {
    pub name: Arc<str>,
    /// True unless any rule on any target is False.
    pub up: bool,
    /// Targets with a rule that is False.
    pub failing: usize,
    pub targets: usize,
    /// Its label of this name.
    pub group: Option<Arc<str>>,
}

/// What a channel is to be told of a check and was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub check: Arc<str>,
    pub channel: Arc<str>,
    pub kind: Kind,
    /// How many incidents.
    pub count: usize,
    /// Why it is not told now; nothing while the message is on its way.
    pub why: Option<Held>,
}

/// A target and its rules.
#[derive(Debug, Clone)]
pub struct TargetState<'a> {
    pub target: &'a Arc<Target>,
    pub rules: Vec<RuleState<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub struct RuleState<'a> {
    pub identity: &'a Arc<str>,
    pub up: bool,
    pub failures: u32,
    pub of: Hold,
    pub since: Option<DateTime<Utc>>,
    pub incident: Option<IncidentId>,
}

impl Engine {
    /// A check as it stands in the file, whether it is True, and its targets; nothing if there is no such check.
    pub fn targets(&self, check: &str) -> Option<(&CheckPlan, bool, Vec<TargetState<'_>>)> {
        let index = self.watch.checks.iter().position(|plan| *plan.name == *check)?;
        let (plan, board) = (&self.watch.checks[index], &self.board[index]);
        let targets = board.targets().map(|state| TargetState {
            target: &state.target,
            rules: plan
                .rules
                .iter()
                .zip(&state.trackers)
                .map(|(rule, tracker)| RuleState {
                    identity: &rule.identity,
                    up: tracker.up,
                    failures: tracker.failures,
                    of: rule.fail_after,
                    since: tracker.failing_since(),
                    incident: tracker.incident,
                })
                .collect(),
        });
        Some((plan, board.is_up(), targets.collect()))
    }

    /// The checks of the file, in its order.
    pub fn checks(&self) -> impl Iterator<Item = CheckNow> {
        self.watch.checks.iter().zip(&self.board).take(self.own).map(|(plan, state)| CheckNow {
            name: plan.name.clone(),
            up: state.is_up(),
            failing: state.failing(),
            targets: state.total(),
            group: plan.labels.get("group").map(|group| group.as_str().into()),
        })
    }

    /// Everything that is owed to somebody and not told yet, with the reasons that the log gets.
    pub fn waiting(&self, now: Now) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for check in (0..self.board.len()).filter(|check| !self.board[*check].incidents.is_empty()) {
            for channel in 0..self.watch.channels.len() {
                let entry = |kind, count, why| Waiting {
                    check: self.watch.checks[check].name.clone(),
                    channel: self.watch.channels[channel].name.clone(),
                    kind,
                    count,
                    why,
                };
                if let Some(sending) = &self.lanes[channel].sending {
                    let parts = sending.parts.iter().filter(|part| part.check == check).count();
                    waiting.extend((parts > 0).then(|| entry(sending.kind, parts, None)));
                }
                waiting
                    .extend(self.held(DeskKey { check, channel }, now).into_iter().map(|(kind, count, why)| entry(kind, count, Some(why))));
            }
        }
        waiting
    }

    /// What one desk owes, by kind and reason.
    fn held(&self, key: DeskKey, now: Now) -> Vec<(Kind, usize, Held)> {
        let found = self.find(key, now);
        let since = self.desks.get(&key).and_then(|desk| desk.owed_since).unwrap_or(now.steady);
        let until = found.grouped_until(since, self.watch.checks[key.check].group_wait);
        let why = match until > now.steady {
            true => Held::Grouping { until },
            // A channel that is free takes it with the next step.
            false => self.lane_hold(key.channel, now).unwrap_or(Held::Busy),
        };
        let mut held: Vec<_> = found.owed.iter().map(|(kind, incidents)| (*kind, incidents.len(), why.clone())).collect();
        for (kind, why) in found.held {
            match held.iter_mut().find(|(other, _, reason)| *other == kind && *reason == why) {
                Some((_, count, _)) => *count += 1,
                None => held.push((kind, 1, why)),
            }
        }
        held
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { status: Vec::new(), failing: Vec::new(), counting: Vec::new() };
        for (index, (plan, state)) in self.watch.checks.iter().zip(&self.board).enumerate() {
            let of_the_file = index < self.own;
            if of_the_file {
                snapshot.status.push((plan.name.clone(), state.is_up()));
            }
            let open = state.incidents.values().filter(|incident| incident.is_open());
            snapshot.failing.extend(open.map(|incident| Failing {
                check: plan.name.clone(),
                target: incident.target.clone(),
                rule: incident.rule.clone(),
                severity: incident.severity,
                since: incident.since,
                failures: incident.failures,
                reason: incident.reason.clone(),
                value: incident.value,
                incident: incident.id,
                acknowledged: incident.acknowledged.clone(),
            }));
            for target in state.targets().filter(|_| of_the_file) {
                let counting = plan.rules.iter().zip(&target.trackers).filter(|(_, tracker)| tracker.up && tracker.failures > 0);
                snapshot.counting.extend(counting.map(|(rule, tracker)| Counting {
                    check: plan.name.clone(),
                    target: target.target.clone(),
                    rule: rule.identity.clone(),
                    failures: tracker.failures,
                    of: rule.fail_after,
                }));
            }
        }
        snapshot
    }
}
