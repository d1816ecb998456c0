//! Changes that are not durable yet: the last one about each thing, so that they never outgrow the state itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::incident::{Incident, IncidentId};
use crate::domain::lane::Refusals;
use crate::domain::ledger::Entry;
use crate::domain::reading::Target;
use crate::domain::silence::{Silence, SilenceId};
use crate::domain::state::{Change, State, TrackerKey};
use crate::domain::time::Now;
use crate::domain::tracker::Tracker;

/// Nothing as a value is a row that goes.
#[derive(Debug, Default)]
pub struct Pending {
    pub trackers: BTreeMap<TrackerKey, Option<(Arc<Target>, Tracker)>>,
    pub incidents: BTreeMap<IncidentId, Option<(Arc<str>, Incident)>>,
    pub ledger: BTreeMap<(IncidentId, Arc<str>), Entry>,
    pub refusals: BTreeMap<Arc<str>, Refusals>,
    pub silences: BTreeMap<SilenceId, Option<Silence>>,
    pub next_silence: Option<SilenceId>,
    pub next_incident: Option<IncidentId>,
    /// What the file held before is void.
    pub whole: bool,
    /// Counts what was taken in; a commit of this is a commit of all before it.
    pub number: u64,
    /// More than counters: someone waits for it.
    pub urgent: bool,
    /// The watch ends.
    pub closing: bool,
    /// Of the last change.
    pub now: Option<Now>,
}

impl Pending {
    pub fn add(&mut self, changes: Vec<Change>, now: Now) {
        self.number += 1;
        self.now = Some(now);
        for change in changes {
            self.urgent |= !matches!(change, Change::Tracker { .. });
            self.apply(change);
        }
    }

    pub fn replace(&mut self, state: State, now: Now) {
        *self = Self { whole: true, urgent: true, number: self.number + 1, closing: self.closing, now: Some(now), ..Self::default() };
        self.trackers = state.trackers.into_iter().map(|(key, value)| (key, Some(value))).collect();
        self.incidents = state.incidents.into_iter().map(|(id, value)| (id, Some(value))).collect();
        self.ledger = state.ledger;
        self.refusals = state.refusals;
        self.silences = state.silences.into_iter().map(|(id, silence)| (id, Some(silence))).collect();
        self.next_silence = Some(state.next_silence);
        self.next_incident = Some(state.next_incident);
    }

    /// What there is, and an empty one that counts on.
    pub fn take(&mut self) -> Self {
        let next = Self { number: self.number, closing: self.closing, ..Self::default() };
        std::mem::replace(self, next)
    }

    /// Puts back what could not be written; what came since then holds.
    pub fn put_back(&mut self, mut older: Self) {
        if self.whole {
            return;
        }
        older.ledger.retain(|(id, _), _| !matches!(self.incidents.get(id), Some(None)));
        older.trackers.append(&mut self.trackers);
        older.incidents.append(&mut self.incidents);
        older.ledger.append(&mut self.ledger);
        older.refusals.append(&mut self.refusals);
        older.silences.append(&mut self.silences);
        older.next_silence = older.next_silence.max(self.next_silence);
        older.next_incident = older.next_incident.max(self.next_incident);
        *self = Self { number: self.number, closing: self.closing, now: self.now.or(older.now), urgent: true, ..older };
    }

    pub fn is_empty(&self) -> bool {
        self.now.is_none()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Tracker { check, target, rule, tracker } => {
                let key = TrackerKey { check, target: target.key.clone(), rule };
                self.trackers.insert(key, tracker.map(|tracker| (target, tracker)));
            }
            Change::Incident { check, incident } => {
                self.next_incident = self.next_incident.max(Some(incident.id + 1));
                self.incidents.insert(incident.id, Some((check, incident)));
            }
            Change::Forgotten(id) => {
                self.incidents.insert(id, None);
                self.ledger.retain(|(incident, _), _| *incident != id);
            }
            Change::Ledger { incident, channel, entry } => {
                self.ledger.insert((incident, channel), entry);
            }
            Change::Refusals { channel, refusals } => {
                self.refusals.insert(channel, refusals);
            }
            Change::Silence { id, silence } => {
                self.next_silence = self.next_silence.max(Some(id + 1));
                self.silences.insert(id, silence);
            }
        }
    }
}
