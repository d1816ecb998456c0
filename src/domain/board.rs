//! The state of every (check, target, rule): what a report changes on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::incident::{ClosedBy, Closing, Incident, IncidentId};
use super::reading::{Others, Reading, Report, Target};
use super::rule::{Judge, Rule, Unit};
use super::state::Change;
use super::time::Now;
use super::tracker::{Tracker, Turn, Verdict};
use super::watch::CheckPlan;

/// The state of one check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckState {
    pub(super) targets: BTreeMap<Box<str>, TargetState>,
    /// Open ones, and closed ones of which someone has still to be told.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// How many trackers are False.
    pub(super) down: usize,
    /// How many were held by a parent in the last report.
    pub(super) held: usize,
    /// Counts reports, so that a target that is in no report any more is found.
    reports: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TargetState {
    pub target: Arc<Target>,
    /// One for each rule of the check, in its order.
    pub trackers: Box<[Tracker]>,
    pub(super) reported: u64,
    /// Has changes that can wait: a history grew, or what is False failed again.
    pub(super) unsaved: bool,
}

impl TargetState {
    /// All is well, as far as is known.
    pub fn new(target: Arc<Target>, rules: usize) -> Self {
        Self { target, trackers: (0..rules).map(|_| Tracker::default()).collect(), reported: 0, unsaved: false }
    }
}

/// What one report changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    pub turned: Vec<Turned>,
    /// Counters, for the store.
    pub changes: Vec<Change>,
    /// What would have turned False, but for a parent.
    pub held: usize,
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
    pub fn take(&mut self, plan: &CheckPlan, report: Report, now: Now, held: bool, next_id: &mut IncidentId) -> Taken {
        self.reports += 1;
        let mut taken = Taken::default();
        match report {
            Report::Readings(readings) => {
                for reading in &readings {
                    self.look(plan, reading, now, held, next_id, &mut taken);
                }
                self.drop_unreported(plan, now, &mut taken);
            }
            Report::Found { readings, others } => {
                for reading in &readings {
                    self.look(plan, reading, now, held, next_id, &mut taken);
                }
                for target in self.unreported() {
                    match (&others, self.targets.get_mut(&target.key)) {
                        (Others::Missing(reason), _) => {
                            self.look(plan, &Reading::unknown(&target, reason.clone()), now, held, next_id, &mut taken);
                        }
                        (Others::Kept, Some(state)) => state.reported = self.reports,
                        (Others::Kept, None) => {}
                    }
                }
                self.drop_unreported(plan, now, &mut taken);
            }
            Report::Lost(reason) => {
                let mut targets: Vec<_> = self.targets.values().map(|state| state.target.clone()).collect();
                if targets.is_empty() {
                    targets.push(Target::itself());
                }
                for target in &targets {
                    self.look(plan, &Reading::unknown(target, reason.clone()), now, held, next_id, &mut taken);
                }
            }
        }
        taken
    }

    /// Judges one reading by every rule, without regard to the other targets.
    pub fn look(&mut self, plan: &CheckPlan, reading: &Reading, now: Now, held: bool, next_id: &mut IncidentId, taken: &mut Taken) {
        if !self.targets.contains_key(&reading.target.key) {
            let state = TargetState::new(reading.target.clone(), plan.rules.len());
            self.targets.insert(reading.target.key.clone(), state);
        }
        let Some(state) = self.targets.get_mut(&reading.target.key) else { return };
        state.reported = self.reports;
        if !Arc::ptr_eq(&state.target, &reading.target) {
            state.target = reading.target.clone();
        }
        for (rule, tracker) in plan.rules.iter().zip(&mut state.trackers) {
            let before = tracker.counts();
            let (verdict, turn) = tracker.look(rule, reading, now, held);
            match turn {
                Turn::Failed => {
                    let id = *next_id;
                    *next_id += 1;
                    tracker.incident = Some(id);
                    self.down += 1;
                    self.incidents.insert(id, open(id, plan, rule, tracker, reading, verdict, now));
                    taken.turned.push(Turned { incident: id, turn });
                }
                Turn::Recovered => {
                    self.down -= 1;
                    if let Some(id) = tracker.incident.take() {
                        close(&mut self.incidents, id, now.wall, ClosedBy::Recovery);
                        taken.turned.push(Turned { incident: id, turn });
                    }
                }
                Turn::Held => taken.held += 1,
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
            if tracker.counts().may_wait_after(before) {
                state.unsaved |= tracker.counts() != before || tracker.has_history();
            } else {
                taken.changes.push(tracker.change(&plan.name, &state.target, rule));
            }
        }
    }

    /// What was not worth a write of its own until now.
    pub(super) fn linger(&mut self, plan: &CheckPlan, changes: &mut Vec<Change>) {
        for state in self.targets.values_mut().filter(|state| state.unsaved) {
            state.unsaved = false;
            for (rule, tracker) in plan.rules.iter().zip(&state.trackers).filter(|(_, tracker)| !tracker.up || tracker.has_history()) {
                changes.push(tracker.change(&plan.name, &state.target, rule));
                let incident = tracker.incident.and_then(|id| self.incidents.get(&id));
                changes.extend(incident.map(|incident| Change::Incident { check: plan.name.clone(), incident: incident.clone() }));
            }
        }
    }

    /// Targets that were found once and are not in the last report.
    fn unreported(&self) -> Vec<Arc<Target>> {
        let found = |state: &&TargetState| !state.target.key.is_empty() && !state.target.key.contains("://");
        let unreported = self.targets.values().filter(|state| state.reported != self.reports).filter(found);
        unreported.map(|state| state.target.clone()).collect()
    }

    fn drop_unreported(&mut self, plan: &CheckPlan, now: Now, taken: &mut Taken) {
        let current = self.reports;
        let gone: Vec<_> = self.targets.extract_if(.., |_, state| state.reported != current).collect();
        for (_, state) in gone {
            // A run that was lost before any target was known is over with the first that is not.
            let by = if state.target.key.is_empty() { ClosedBy::Recovery } else { ClosedBy::Removal };
            for (rule, tracker) in plan.rules.iter().zip(state.trackers) {
                self.retire(&plan.name, &state.target, &rule.identity, tracker, Closing { at: now.wall, by }, taken);
            }
        }
    }

    /// Lets go of a tracker whose target or rule is not watched any more.
    pub(super) fn retire(
        &mut self,
        check: &Arc<str>,
        target: &Arc<Target>,
        rule: &Arc<str>,
        tracker: Tracker,
        closing: Closing,
        taken: &mut Taken,
    ) {
        self.down -= usize::from(!tracker.up);
        if let Some(incident) = tracker.incident {
            close(&mut self.incidents, incident, closing.at, closing.by);
            taken.turned.push(Turned { incident, turn: Turn::Recovered });
        }
        if !tracker.is_at_rest() {
            let (check, target, rule) = (check.clone(), target.clone(), rule.clone());
            taken.changes.push(Change::Tracker { check, target, rule, tracker: None });
        }
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
        acknowledged: None,
    }
}

pub(super) fn close(incidents: &mut BTreeMap<IncidentId, Incident>, id: IncidentId, at: DateTime<Utc>, by: ClosedBy) {
    if let Some(incident) = incidents.get_mut(&id) {
        incident.closed = Some(Closing { at, by });
        incident.acknowledged = None;
    }
}
