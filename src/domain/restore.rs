//! What a new life or a new configuration keeps of what the watch knew.
//!
//! Everything hangs on names: the check's, the target's key, the rule's identity. What the configuration no longer
//! has is dropped, and its open incidents are closed, which is told where their failure was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::board::{CheckState, Taken, TargetState, Turned, close};
use super::engine::{Effect, Engine, own_target};
use super::incident::{ClosedBy, Closing, Incident};
use super::lane::Lane;
use super::ledger::Entry;
use super::reading::Target;
use super::rule::Rule;
use super::state::{Change, State, TrackerKey};
use super::telling::DeskKey;
use super::time::Now;
use super::tracker::{Tracker, Turn};
use super::uplink::UPLINK;
use super::watch::{ChannelPlan, CheckPlan, Severity, Watch};

/// What the watch itself needs besides its channels: targets of its own check.
pub const STATE: &str = "state";
pub const CONFIGURATION: &str = "configuration";
pub const WEB: &str = "web";
pub const HISTORY: &str = "history";
pub const HEARTBEAT: &str = "heartbeat";

impl Engine {
    /// A watch that goes on from what was kept. The effects are what the configuration no longer has.
    pub fn restore(watch: Watch, mut kept: State, now: Now) -> (Self, Vec<Effect>) {
        kept.ledger.values_mut().for_each(Entry::forget_answers);
        let (mut engine, mut effects) = (Self::new(watch), Vec::new());
        engine.next_incident = kept.next_incident;
        (engine.silences, engine.next_silence) = (kept.silences, kept.next_silence);
        engine.ledger.entries = kept.ledger;
        for (lane, channel) in engine.lanes.iter_mut().zip(&engine.watch.channels) {
            lane.refusals = kept.refusals.remove(&channel.name).unwrap_or_default();
        }
        let mut tracked = BTreeSet::new();
        for (key, (target, tracker)) in kept.trackers {
            let incident = tracker.incident;
            // False without an incident could never be told.
            let sound = tracker.up || incident.is_some_and(|id| kept.incidents.contains_key(&id));
            if sound && engine.is_watched(&key) && engine.place(&key, &target, tracker) {
                tracked.extend(incident);
            } else {
                let (check, rule) = (key.check, key.rule);
                effects.push(Effect::Save(Change::Tracker { check, target, rule, tracker: None }));
            }
        }
        let mut removed: BTreeMap<usize, Taken> = BTreeMap::new();
        for (id, (check, incident)) in kept.incidents {
            let index = engine.index(&check).unwrap_or_else(|| engine.add_gone(gone(check)));
            let open = incident.is_open();
            engine.board[index].incidents.insert(id, incident);
            if open && !tracked.contains(&id) {
                close(&mut engine.board[index].incidents, id, now.wall, ClosedBy::Removal);
                removed.entry(index).or_default().turned.push(Turned { incident: id, turn: Turn::Recovered });
            }
            engine.look_again(index);
        }
        for (index, taken) in removed {
            engine.note(index, taken, &mut effects);
        }
        (engine, effects)
    }

    /// All that has to be kept, as a store that saw every change has it.
    pub fn state(&self) -> State {
        let mut state = State { next_incident: self.next_incident, next_silence: self.next_silence, ..State::default() };
        for (plan, board) in self.watch.checks.iter().zip(&self.board) {
            for target in board.targets() {
                for (rule, tracker) in plan.rules.iter().zip(&target.trackers) {
                    state.apply(tracker.change(&plan.name, &target.target, rule));
                }
            }
            for incident in board.incidents.values() {
                state.apply(Change::Incident { check: plan.name.clone(), incident: incident.clone() });
            }
        }
        state.ledger = self.ledger.entries.clone();
        state.silences = self.silences.clone();
        for (channel, lane) in self.watch.channels.iter().zip(&self.lanes) {
            state.apply(Change::Refusals { channel: channel.name.clone(), refusals: lane.refusals.clone() });
        }
        state
    }

    /// Changes that were not worth a write of their own: to be saved now and then, and at the end.
    pub fn linger(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (plan, board) in self.watch.checks.iter().zip(&mut self.board) {
            board.linger(plan, &mut changes);
        }
        changes
    }

    /// Open incidents that this configuration would close, because it does not watch what they are about.
    pub fn closed_by(&self, watch: &Watch) -> Vec<(Arc<str>, &Incident)> {
        let mut closed = Vec::new();
        for (plan, board) in self.watch.checks.iter().zip(&self.board).take(self.own) {
            let kept = watch.checks.iter().find(|kept| kept.name == plan.name);
            let is_kept = |rule: &str| kept.is_some_and(|kept| kept.rules.iter().any(|kept| *kept.identity == *rule));
            let gone = board.incidents.values().filter(|incident| incident.is_open() && !is_kept(&incident.rule));
            closed.extend(gone.map(|incident| (plan.name.clone(), incident)));
        }
        closed
    }

    /// Takes up an edited configuration: what has the same names goes on as if nothing had happened.
    pub(super) fn reload(&mut self, watch: Watch, now: Now, effects: &mut Vec<Effect>) {
        let mut old = std::mem::replace(self, Self::new(watch));
        self.next_incident = old.next_incident;
        self.next_dispatch = old.next_dispatch;
        (self.silences, self.next_silence) = (std::mem::take(&mut old.silences), old.next_silence);
        self.offset = old.offset;
        self.back_since = old.back_since;
        self.ledger = std::mem::take(&mut old.ledger);
        let mut notes = Vec::new();
        let mut moved = Vec::new();
        for (plan, mut state) in old.watch.checks.into_iter().zip(std::mem::take(&mut old.board)) {
            let mut taken = Taken::default();
            let index = match self.index(&plan.name) {
                Some(index) => {
                    self.keep_targets(index, &plan, &mut state, now, &mut taken);
                    self.board[index] = state;
                    index
                }
                None => {
                    drop_targets(&plan, &mut state, now, &mut taken);
                    if state.incidents.is_empty() {
                        effects.extend(taken.changes.into_iter().map(Effect::Save));
                        moved.push(None);
                        continue;
                    }
                    let index = self.add_gone(CheckPlan { rules: Vec::new(), ..plan });
                    self.board[index] = state;
                    index
                }
            };
            moved.push(Some(index));
            notes.push((index, taken));
        }
        self.keep_lanes(&old.watch.channels, old.lanes, &moved, effects);
        for (key, desk) in old.desks {
            let channel = self.watch.channels.iter().position(|channel| channel.name == old.watch.channels[key.channel].name);
            if let (Some(check), Some(channel)) = (moved[key.check], channel) {
                self.desks.insert(DeskKey { check, channel }, desk);
            }
        }
        for (index, taken) in notes {
            self.note(index, taken, effects);
            if !self.board[index].incidents.is_empty() {
                self.look_again(index);
            }
        }
    }

    /// Sorts the trackers of every target by the rules there are now.
    fn keep_targets(&self, index: usize, old: &CheckPlan, state: &mut CheckState, now: Now, taken: &mut Taken) {
        let rules = &self.watch.checks[index].rules;
        for (key, mut target) in std::mem::take(&mut state.targets) {
            let watched = index != self.own || self.is_own_target(&key);
            let mut trackers: Vec<Tracker> = rules.iter().map(|_| Tracker::default()).collect();
            for (rule, tracker) in old.rules.iter().zip(target.trackers) {
                match rules.iter().position(|now| now.identity == rule.identity) {
                    Some(place) if watched => trackers[place] = tracker,
                    _ => state.retire(&old.name, &target.target, &rule.identity, tracker, removal(now), taken),
                }
            }
            if watched {
                target.trackers = trackers.into();
                state.targets.insert(key, target);
            }
        }
    }

    /// Channels keep their back-off and the message that is on its way to them.
    fn keep_lanes(&mut self, old: &[ChannelPlan], lanes: Vec<Lane>, moved: &[Option<usize>], effects: &mut Vec<Effect>) {
        for (channel, mut lane) in old.iter().zip(lanes) {
            for part in lane.sending.iter_mut().flat_map(|sending| &mut sending.parts) {
                // What is being told is not forgotten, so its check is somewhere.
                part.check = moved[part.check].unwrap_or(self.own);
            }
            if let Some(index) = self.watch.channels.iter().position(|now| now.name == channel.name) {
                self.lanes[index] = lane;
                continue;
            }
            // Nobody will hear the answer.
            for part in lane.sending.iter().flat_map(|sending| &sending.parts) {
                let entry = self.ledger.change(part.incident, &channel.name);
                entry.forget_answers();
                effects.push(Effect::Save(Change::Ledger { incident: part.incident, channel: channel.name.clone(), entry: *entry }));
            }
        }
    }

    fn index(&self, check: &Arc<str>) -> Option<usize> {
        self.watch.checks.iter().position(|plan| plan.name == *check)
    }

    fn is_watched(&self, key: &TrackerKey) -> bool {
        self.index(&key.check).is_some_and(|index| index != self.own || self.is_own_target(&key.target))
    }

    fn is_own_target(&self, key: &str) -> bool {
        let has_uplink = self.watch.cut_off_after.is_some();
        [STATE, CONFIGURATION, WEB, HISTORY, HEARTBEAT].contains(&key)
            || has_uplink && key == UPLINK
            || self.watch.channels.iter().any(|channel| *own_target(&channel.name).key == *key)
    }

    /// Puts a tracker where it belongs, if its rule is still there.
    fn place(&mut self, key: &TrackerKey, target: &Arc<Target>, tracker: Tracker) -> bool {
        let Some(index) = self.index(&key.check) else { return false };
        let rules: &[Rule] = &self.watch.checks[index].rules;
        let Some(rule) = rules.iter().position(|rule| rule.identity == key.rule) else { return false };
        let board = &mut self.board[index];
        board.down += usize::from(!tracker.up);
        let state = board.targets.entry(key.target.clone()).or_insert_with(|| TargetState::new(target.clone(), rules.len()));
        state.trackers[rule] = tracker;
        true
    }

    /// Keeps a check that is gone for as long as someone has to hear of it.
    fn add_gone(&mut self, plan: CheckPlan) -> usize {
        self.watch.checks.push(plan);
        self.board.push(CheckState::default());
        self.watch.checks.len() - 1
    }
}

fn drop_targets(plan: &CheckPlan, state: &mut CheckState, now: Now, taken: &mut Taken) {
    for target in std::mem::take(&mut state.targets).into_values() {
        for (rule, tracker) in plan.rules.iter().zip(target.trackers) {
            state.retire(&plan.name, &target.target, &rule.identity, tracker, removal(now), taken);
        }
    }
}

fn removal(now: Now) -> Closing {
    Closing { at: now.wall, by: ClosedBy::Removal }
}

/// A check of which only the name is known.
fn gone(name: Arc<str>) -> CheckPlan {
    CheckPlan {
        name,
        rules: Vec::new(),
        notify: Vec::new(),
        window: None,
        comment: None,
        severity: Severity::default(),
        remind: None,
        group_wait: std::time::Duration::ZERO,
        needs: Vec::new(),
        crosses_network: false,
        labels: BTreeMap::new(),
    }
}
