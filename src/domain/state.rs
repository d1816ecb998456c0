//! What a watch must not forget, and the differences that keep a copy of it true.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::incident::{Incident, IncidentId};
use super::lane::Refusals;
use super::ledger::Entry;
use super::reading::Target;
use super::silence::{Silence, SilenceId};
use super::tracker::Tracker;

/// Which rule on which target of which check. Thresholds are no part of it: editing one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerKey {
    pub check: Arc<str>,
    pub target: Box<str>,
    pub rule: Arc<str>,
}

/// A difference of durable state. The last one about a thing holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A rule on a target; nothing when it is at rest.
    Tracker { check: Arc<str>, target: Arc<Target>, rule: Arc<str>, tracker: Option<Tracker> },
    /// Opened, closed or changed.
    Incident { check: Arc<str>, incident: Incident },
    /// Everyone is done with it.
    Forgotten(IncidentId),
    /// What the channel knows of the incident.
    Ledger { incident: IncidentId, channel: Arc<str>, entry: Entry },
    /// What the channel refused lately.
    Refusals { channel: Arc<str>, refusals: Refusals },
    /// Begun; nothing when it is over.
    Silence { id: SilenceId, silence: Option<Silence> },
}

/// All that a watch takes with it from one life to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Trackers that are not at rest.
    pub trackers: BTreeMap<TrackerKey, (Arc<Target>, Tracker)>,
    /// Open ones, and closed ones of which someone has still to be told; with the check of each.
    pub incidents: BTreeMap<IncidentId, (Arc<str>, Incident)>,
    pub ledger: BTreeMap<(IncidentId, Arc<str>), Entry>,
    /// Of channels that did not take the last message.
    pub refusals: BTreeMap<Arc<str>, Refusals>,
    pub silences: BTreeMap<SilenceId, Silence>,
    pub next_silence: SilenceId,
    pub next_incident: IncidentId,
}

impl Default for State {
    fn default() -> Self {
        Self {
            trackers: BTreeMap::new(),
            incidents: BTreeMap::new(),
            ledger: BTreeMap::new(),
            refusals: BTreeMap::new(),
            silences: BTreeMap::new(),
            next_silence: 1,
            next_incident: 1,
        }
    }
}

impl State {
    /// Brings the copy up to date, as a store does.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Tracker { check, target, rule, tracker } => {
                let key = TrackerKey { check, target: target.key.clone(), rule };
                match tracker {
                    Some(tracker) => self.trackers.insert(key, (target, tracker)),
                    None => self.trackers.remove(&key),
                };
            }
            Change::Incident { check, incident } => {
                self.next_incident = self.next_incident.max(incident.id + 1);
                self.incidents.insert(incident.id, (check, incident));
            }
            Change::Forgotten(id) => {
                self.incidents.remove(&id);
                self.ledger.retain(|(incident, _), _| *incident != id);
            }
            Change::Ledger { incident, channel, entry } => {
                self.ledger.insert((incident, channel), entry);
            }
            Change::Refusals { channel, refusals } => {
                if refusals == Refusals::default() {
                    self.refusals.remove(&channel);
                } else {
                    self.refusals.insert(channel, refusals);
                }
            }
            Change::Silence { id, silence } => {
                self.next_silence = self.next_silence.max(id + 1);
                match silence {
                    Some(silence) => self.silences.insert(id, silence),
                    None => self.silences.remove(&id),
                };
            }
        }
    }
}
