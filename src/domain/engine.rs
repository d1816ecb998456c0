//! The only brain: `step(now, input) -> effects`. The same inputs always give the same effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::board::{CheckState, Taken, Turned};
use super::incident::{Incident, IncidentId};
use super::lane::Lane;
use super::ledger::Ledger;
use super::message::Notice;
use super::plan::{Because, Held};
use super::reading::{Reading, Reason, Report, Target};
use super::rule::{Hold, Judge, Rule};
use super::silence::{Silence, SilenceId};
use super::state::Change;
use super::telling::{Desk, DeskKey};
use super::time::{Now, Steady};
use super::tracker::Turn;
use super::uplink::UPLINK_CHECK;
use super::watch::{CheckPlan, Route, Severity, Watch};

/// The name under which the watch tells of its own trouble.
pub const OWN: &str = "(vakhta)";

/// What happens to the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A check has looked, and took so long for it.
    Report {
        check: Arc<str>,
        report: Report,
        took: std::time::Duration,
    },
    /// A channel has answered.
    Delivered {
        dispatch: u64,
        outcome: Delivery,
    },
    /// The watch itself is in trouble with something, or not any more.
    Own {
        target: Arc<str>,
        trouble: Option<Reason>,
    },
    /// Nobody is to be told of something for a while; its number and its beginning are given by the engine.
    Silence(Silence),
    Unsilence(SilenceId),
    /// Somebody has taken these incidents on.
    Acknowledge {
        incidents: BTreeSet<IncidentId>,
        by: Arc<str>,
        note: Arc<str>,
    },
    /// Somebody takes that back.
    Unacknowledge {
        incidents: BTreeSet<IncidentId>,
        by: Arc<str>,
    },
    /// The configuration was edited.
    Reload(Watch),
    /// Time has passed.
    Tick,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Taken,
    /// Not taken; may be tried again, not before `after`.
    Later {
        after: Option<std::time::Duration>,
        cause: Arc<str>,
    },
    /// This message will never be taken.
    Never {
        cause: Arc<str>,
    },
    /// The channel takes nothing until someone mends it.
    Broken {
        cause: Arc<str>,
    },
    /// It may have been taken.
    Unsure {
        cause: Arc<str>,
    },
}

/// What the shell has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make durable, before any later `Send` leaves.
    Save(Change),
    /// Write down what was decided and why.
    Log(Event),
    /// A status has turned: write the status line now.
    StatusTurned,
    /// Give the words to a channel.
    Send(Dispatch),
}

/// A message for one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    pub id: u64,
    pub channel: Arc<str>,
    pub attempt: u32,
    pub notice: Notice,
}

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Opened {
        check: Arc<str>,
        incident: Incident,
    },
    Closed {
        check: Arc<str>,
        incident: Incident,
    },
    /// Something is owed and waits.
    Held {
        check: Arc<str>,
        channel: Arc<str>,
        count: usize,
        why: Held,
    },
    Sending {
        checks: Vec<Arc<str>>,
        channel: Arc<str>,
        kind: &'static str,
        incidents: Vec<IncidentId>,
        attempt: u32,
    },
    Taken {
        channel: Arc<str>,
        kind: &'static str,
        incidents: Vec<IncidentId>,
    },
    NotTaken {
        channel: Arc<str>,
        kind: &'static str,
        incidents: Vec<IncidentId>,
        outcome: Delivery,
        again_in: Option<std::time::Duration>,
    },
    /// Failures that count open no incident while a parent is False.
    NotOpened {
        check: Arc<str>,
        parent: Arc<str>,
        count: usize,
    },
    /// The channel is not to be told of these.
    NotOwed {
        check: Arc<str>,
        channel: Arc<str>,
        incidents: Vec<IncidentId>,
        why: Because,
    },
    /// It was over before the channel could be told.
    OverUntold {
        check: Arc<str>,
        channel: Arc<str>,
        incident: IncidentId,
    },
    Silenced(Silence),
    /// Its time was over, or somebody ended it.
    SilenceOver(Silence),
    /// Nobody is reminded of these any more.
    Acknowledged {
        incidents: Vec<IncidentId>,
        by: Arc<str>,
        note: Arc<str>,
    },
    /// Reminders go on.
    Unacknowledged {
        incidents: Vec<IncidentId>,
        by: Arc<str>,
    },
}

/// State and decisions of the watch.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Its checks are those of the file, then the watch's own, then those that are gone and not yet settled.
    pub(super) watch: Watch,
    /// The index of the watch's own check.
    pub(super) own: usize,
    /// By index of `watch.checks`.
    pub(super) board: Vec<CheckState>,
    pub(super) ledger: Ledger,
    /// By index of `watch.channels`.
    pub(super) lanes: Vec<Lane>,
    pub(super) desks: BTreeMap<DeskKey, Desk>,
    /// Those that are not over.
    pub(super) silences: BTreeMap<SilenceId, Silence>,
    pub(super) next_silence: SilenceId,
    pub(super) next_incident: IncidentId,
    pub(super) next_dispatch: u64,
    /// The wall clock minus the steady one at the last step: when it moves, hours are looked at anew.
    pub(super) offset: Option<i64>,
    /// When the uplink answered again.
    pub(super) back_since: Option<Steady>,
}

impl Engine {
    /// A watch that has seen nothing yet.
    pub fn new(mut watch: Watch) -> Self {
        let own = watch.checks.len();
        watch.checks.push(own_check(&watch));
        Self {
            own,
            board: watch.checks.iter().map(|_| CheckState::default()).collect(),
            lanes: watch.channels.iter().map(|_| Lane::default()).collect(),
            watch,
            ledger: Ledger::default(),
            desks: BTreeMap::new(),
            silences: BTreeMap::new(),
            next_silence: 1,
            next_incident: 1,
            next_dispatch: 1,
            offset: None,
            back_since: None,
        }
    }

    /// Takes one input in and says what is to be done.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.notice_clock_jump(now);
        self.end_silences(now, &mut effects);
        match input {
            Input::Report { check, report, took } => {
                if let Some(fail_after) = self.watch.cut_off_after.filter(|_| *check == *UPLINK_CHECK) {
                    self.take_uplink(fail_after, &report, now, &mut effects);
                } else if let Some(index) = self.watch.checks.iter().position(|plan| plan.name == check) {
                    self.take(index, report, took, now, &mut effects);
                }
            }
            Input::Delivered { dispatch, outcome } => self.settle(dispatch, outcome, now, &mut effects),
            Input::Own { target, trouble } => self.note_own(&target, trouble, now, &mut effects),
            Input::Silence(asked) => self.silence(asked, now, &mut effects),
            Input::Unsilence(id) => self.unsilence(id, &mut effects),
            Input::Acknowledge { incidents, by, note } => self.acknowledge(&incidents, by, note, now, &mut effects),
            Input::Unacknowledge { incidents, by } => self.unacknowledge(&incidents, by, &mut effects),
            Input::Reload(watch) => self.reload(watch, now, &mut effects),
            Input::Tick => {}
        }
        self.tell(now, &mut effects);
        effects
    }

    /// How long until a `Tick` is wanted, if nothing else happens before.
    pub fn idle_for(&self, now: Steady) -> Option<std::time::Duration> {
        let desks = self.desks.iter().flat_map(|(key, desk)| {
            let ready = desk.ready.and_then(|_| self.lanes[key.channel].free_at(self.watch.channels[key.channel].storm));
            desk.due.into_iter().chain(ready)
        });
        desks.min().map(|due| due.since(now))
    }

    /// Counts a report of the check at this index.
    fn take(&mut self, index: usize, report: Report, took: std::time::Duration, now: Now, effects: &mut Vec<Effect>) {
        if self.watch.checks[index].crosses_network && self.was_cut_off(took, now) {
            return;
        }
        let parent = self.parent_that_is_down(index);
        let taken = self.board[index].take(&self.watch.checks[index], report, now, parent.is_some(), &mut self.next_incident);
        let held_before = std::mem::replace(&mut self.board[index].held, taken.held);
        if let Some(parent) = parent.filter(|_| taken.held > 0 && held_before == 0) {
            let check = self.watch.checks[index].name.clone();
            effects.push(Effect::Log(Event::NotOpened { check, parent, count: taken.held }));
        }
        self.note(index, taken, effects);
    }

    /// Counts a reading of the watch's own trouble.
    pub(super) fn take_own(&mut self, reading: Reading, now: Now, effects: &mut Vec<Effect>) {
        let mut taken = Taken::default();
        self.board[self.own].look(&self.watch.checks[self.own], &reading, now, false, &mut self.next_incident, &mut taken);
        self.note(self.own, taken, effects);
    }

    /// The watch is in trouble with this, or not any more.
    pub(super) fn note_own(&mut self, target: &str, trouble: Option<Reason>, now: Now, effects: &mut Vec<Effect>) {
        match trouble {
            Some(reason) => self.take_own(Reading::fail(&Target::new(target), reason), now, effects),
            None if self.board[self.own].targets().any(|state| &*state.target.key == target) => {
                self.take_own(Reading::pass(&Target::new(target)), now, effects);
            }
            None => {}
        }
    }

    /// Hands on what a report changed, and has the desks of the check looked at if a status turned.
    pub(super) fn note(&mut self, index: usize, taken: Taken, effects: &mut Vec<Effect>) {
        effects.extend(taken.changes.into_iter().map(Effect::Save));
        if taken.turned.is_empty() {
            return;
        }
        let check = &self.watch.checks[index].name;
        for Turned { incident, turn } in &taken.turned {
            let Some(incident) = self.board[index].incidents.get(incident) else { continue };
            let (check, incident) = (check.clone(), incident.clone());
            effects.push(Effect::Save(Change::Incident { check: check.clone(), incident: incident.clone() }));
            effects.push(Effect::Log(match turn {
                Turn::Failed => Event::Opened { check, incident },
                Turn::Recovered | Turn::None | Turn::Held => Event::Closed { check, incident },
            }));
        }
        self.note_not_owed(index, &taken.turned, effects);
        effects.push(Effect::StatusTurned);
        self.look_again(index);
    }

    /// Has every desk of the check worked out anew.
    pub(super) fn look_again(&mut self, check: usize) {
        for channel in 0..self.watch.channels.len() {
            self.desks.entry(DeskKey { check, channel }).or_default().dirty = true;
        }
    }

    fn parent_that_is_down(&self, index: usize) -> Option<Arc<str>> {
        let needs = &self.watch.checks[index].needs;
        let is_down = |parent: &&Arc<str>| {
            let parent = self.watch.checks.iter().position(|plan| plan.name == **parent);
            parent.is_some_and(|parent| !self.board[parent].is_up())
        };
        needs.iter().find(is_down).cloned()
    }

    fn notice_clock_jump(&mut self, now: Now) {
        let offset = now.wall.timestamp_millis() - now.steady.0.as_millis() as i64;
        if self.offset.is_some_and(|last| (offset - last).abs() > 2_000) {
            self.desks.values_mut().for_each(|desk| desk.dirty = true);
            self.offset = Some(offset);
        }
        self.offset.get_or_insert(offset);
    }
}

/// The check of the watch itself: its targets are the channels, told of by the other channels, and what else it needs.
fn own_check(watch: &Watch) -> CheckPlan {
    let route =
        |channel: &super::watch::ChannelPlan| Route { channel: channel.name.clone(), window: None, min_severity: Severity::Warning };
    CheckPlan {
        name: OWN.into(),
        rules: vec![Rule {
            identity: "up".into(),
            judge: Judge::Up,
            fail_after: Hold::Count(1),
            recover_after: Hold::Count(1),
            comment: None,
            severity: None,
            notify: None,
        }],
        notify: watch.channels.iter().map(route).collect(),
        window: None,
        comment: None,
        severity: Severity::Critical,
        remind: None,
        group_wait: std::time::Duration::ZERO,
        needs: Vec::new(),
        crosses_network: false,
        labels: BTreeMap::new(),
    }
}

/// The target under which a channel's own trouble is kept.
pub(super) fn own_target(channel: &str) -> Arc<Target> {
    Target::new(format!("channel {channel}"))
}
