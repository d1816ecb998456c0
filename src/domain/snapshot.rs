//! What the watch knows at one instant: for the status log, the page and the command line.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::engine::Engine;
use super::incident::IncidentId;
use super::reading::{Reason, Target};
use super::rule::Hold;

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
    pub since: DateTime<Utc>,
    pub failures: u32,
    pub reason: Reason,
    pub incident: IncidentId,
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

impl Engine {
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
                since: incident.since,
                failures: incident.failures,
                reason: incident.reason.clone(),
                incident: incident.id,
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
