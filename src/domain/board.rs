//! The state of every (check, target, rule): what a report changes on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::incident::{ClosedBy, Closing, Incident, IncidentId};
use super::reading::{Reading, Report, Target};
use super::rule::{Judge, Rule, Unit};
use super::time::Now;
use super::tracker::{Tracker, Turn, Verdict};
use super::watch::CheckPlan;

/// The state of one check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckState {
    targets: BTreeMap<Box<str>, TargetState>,
    /// Open ones, and closed ones of which someone has still to be told.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// How many trackers are False.
    down: usize,
    /// Counts reports, so that a target that is in no report any more is found.
    reports: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TargetState {
    pub target: Arc<Target>,
    /// One for each rule of the check, in its order.
    pub trackers: Box<[Tracker]>,
    reported: u64,
}

/// A status that turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    pub incident: IncidentId,
    pub turn: Turn,
}

impl CheckState {
    /// True unless any rule on any target is False.
    pub fn is_up(&self) -> bool {
        self.down == 0
    }

    pub fn total(&self) -> usize {
        self.targets.len()
    }

    /// Targets with at least one rule that is False.
    pub fn failing(&self) -> usize {
        if self.down == 0 { 0 } else { self.targets.values().filter(|state| state.trackers.iter().any(|tracker| !tracker.up)).count() }
    }

    pub fn targets(&self) -> impl Iterator<Item = &TargetState> {
        self.targets.values()
    }

    /// Counts a report. With `held` (a parent is down) no incident opens.
    pub fn take(&mut self, plan: &CheckPlan, report: Report, now: Now, held: bool, next_id: &mut IncidentId) -> Vec<Turned> {
        self.reports += 1;
        let mut turned = Vec::new();
        match report {
            Report::Readings(readings) => {
                for reading in &readings {
                    self.look(plan, reading, now, held, next_id, &mut turned);
                }
                self.drop_unreported(now, &mut turned);
            }
            Report::Lost(reason) => {
                let mut targets: Vec<_> = self.targets.values().map(|state| state.target.clone()).collect();
                if targets.is_empty() {
                    targets.push(Target::itself());
                }
                for target in &targets {
                    self.look(plan, &Reading::unknown(target, reason.clone()), now, held, next_id, &mut turned);
                }
            }
        }
        turned
    }

    /// Judges one reading by every rule, without regard to the other targets.
    pub fn look(&mut self, plan: &CheckPlan, reading: &Reading, now: Now, held: bool, next_id: &mut IncidentId, turned: &mut Vec<Turned>) {
        if !self.targets.contains_key(&reading.target.key) {
            let trackers = plan.rules.iter().map(|_| Tracker::default()).collect();
            let state = TargetState { target: reading.target.clone(), trackers, reported: 0 };
            self.targets.insert(reading.target.key.clone(), state);
        }
        let Some(state) = self.targets.get_mut(&reading.target.key) else { return };
        state.reported = self.reports;
        if !Arc::ptr_eq(&state.target, &reading.target) {
            state.target = reading.target.clone();
        }
        for (rule, tracker) in plan.rules.iter().zip(&mut state.trackers) {
            let (verdict, turn) = tracker.look(rule, reading, now, held);
            match turn {
                Turn::Failed => {
                    let id = *next_id;
                    *next_id += 1;
                    tracker.incident = Some(id);
                    self.down += 1;
                    self.incidents.insert(id, open(id, plan, rule, tracker, reading, verdict, now));
                    turned.push(Turned { incident: id, turn });
                }
                Turn::Recovered => {
                    self.down -= 1;
                    if let Some(id) = tracker.incident.take() {
                        close(&mut self.incidents, id, now.wall, ClosedBy::Recovery);
                        turned.push(Turned { incident: id, turn });
                    }
                }
                Turn::None => {
                    if let (Verdict::Bad { reason, value }, Some(id)) = (verdict, tracker.incident)
                        && let Some(incident) = self.incidents.get_mut(&id)
                    {
                        if let Some(reason) = reason {
                            incident.reason = reason;
                        }
                        incident.value = value;
                        incident.failures = tracker.failures;
                    }
                }
            }
        }
    }

    fn drop_unreported(&mut self, now: Now, turned: &mut Vec<Turned>) {
        let current = self.reports;
        let (incidents, down) = (&mut self.incidents, &mut self.down);
        self.targets.retain(|_, state| {
            if state.reported == current {
                return true;
            }
            // A run that was lost before any target was known is over with the first that is not.
            let by = if state.target.key.is_empty() { ClosedBy::Recovery } else { ClosedBy::Removal };
            for tracker in &state.trackers {
                *down -= usize::from(!tracker.up);
                if let Some(id) = tracker.incident {
                    close(incidents, id, now.wall, by);
                    turned.push(Turned { incident: id, turn: Turn::Recovered });
                }
            }
            false
        });
    }
}

fn open(id: IncidentId, plan: &CheckPlan, rule: &Rule, tracker: &Tracker, reading: &Reading, verdict: Verdict, now: Now) -> Incident {
    let (reason, value) = match verdict {
        Verdict::Bad { reason, value } => (reason.unwrap_or_default(), value),
        Verdict::Good | Verdict::Unknown => ("".into(), None),
    };
    Incident {
        id,
        target: reading.target.clone(),
        rule: rule.identity.clone(),
        severity: rule.severity.unwrap_or(plan.severity),
        comment: rule.comment.clone(),
        reason,
        value,
        unit: match &rule.judge {
            Judge::Threshold(threshold) => threshold.limit.unit,
            Judge::Up | Judge::Seen => Unit::None,
        },
        failures: tracker.failures,
        since: tracker.failing_since().unwrap_or(now.wall),
        closed: None,
    }
}

fn close(incidents: &mut BTreeMap<IncidentId, Incident>, id: IncidentId, at: DateTime<Utc>, by: ClosedBy) {
    if let Some(incident) = incidents.get_mut(&id) {
        incident.closed = Some(Closing { at, by });
    }
}
