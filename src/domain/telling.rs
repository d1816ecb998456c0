//! The telling: which channel gets which message next, and what its answer changes.
//!
//! There is no queue of messages. A *desk* is the business of one check with one channel; it is worked out
//! anew from incidents and ledger whenever something about it may have changed. [`Lane`](super::lane::Lane)s
//! take from the desks what was owed first.

use std::collections::BTreeSet;
use std::time::Duration;

use super::engine::{Delivery, Dispatch, Effect, Engine, Event, own_target};
use super::incident::{ClosedBy, Incident, IncidentId};
use super::lane::{Lane, Sending};
use super::ledger::Told;
use super::message::{Kind, Notice, NoticeIncident};
use super::plan::{Because, Held, Standing, standing, window_hold};
use super::reading::Reading;
use super::state::Change;
use super::time::{Now, Steady};
use super::watch::{ChannelPlan, CheckPlan, Route};

/// A channel that has taken nothing for so long is told of through the others.
const SILENT_TOO_LONG: Duration = Duration::from_secs(600);
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeskKey {
    pub check: usize,
    pub channel: usize,
}

/// The business of one check with one channel, as far as it is not settled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desk {
    /// Something may have changed: work it out anew.
    pub dirty: bool,
    /// When to look again though nothing happens: a window opens, a reminder falls due.
    pub due: Option<Steady>,
    /// Since when something is owed that could be sent now.
    pub ready: Option<Steady>,
    /// Since when something is owed at all, hours aside: `group_wait` counts from here.
    pub(super) owed_since: Option<Steady>,
    /// The last reason for waiting that was written down.
    held: Option<Held>,
}

/// What one look at a desk found.
#[derive(Default)]
pub(super) struct Found {
    /// Owed and allowed now, by kind; the ledger's word with each.
    pub owed: std::collections::BTreeMap<Kind, Vec<(IncidentId, Told)>>,
    /// Owed, but outside the hours: each incident.
    pub held: Vec<(Kind, Held)>,
    due: Option<Steady>,
    over_untold: Vec<IncidentId>,
    done: Vec<IncidentId>,
}

impl Found {
    /// Until when more may join what is owed since then; a reminder waits for nobody.
    pub fn grouped_until(&self, since: Steady, group_wait: Duration) -> Steady {
        let only_reminders = self.owed.keys().all(|kind| *kind == Kind::Reminder);
        if only_reminders { since } else { since + group_wait }
    }
}

impl Engine {
    /// Sends what can be sent, and notes when to look again.
    pub(super) fn tell(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut channels = BTreeSet::new();
        let keys: Vec<DeskKey> = self
            .desks
            .iter()
            .filter(|(_, desk)| desk.dirty || desk.due.is_some_and(|due| due <= now.steady))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.look_at_desk(key, now, effects);
            channels.insert(key.channel);
        }
        channels.extend(self.desks.iter().filter(|(_, desk)| desk.ready.is_some()).map(|(key, _)| key.channel));
        for channel in channels {
            self.send_next(channel, now, effects);
        }
    }

    /// Works out what is owed at a desk and whether it can be sent.
    fn look_at_desk(&mut self, key: DeskKey, now: Now, effects: &mut Vec<Effect>) {
        let found = self.find(key, now);
        let (check, channel) = (self.watch.checks[key.check].name.clone(), self.watch.channels[key.channel].name.clone());
        for incident in &found.over_untold {
            effects.push(Effect::Log(Event::OverUntold { check: check.clone(), channel: channel.clone(), incident: *incident }));
        }
        self.forget_done(key.check, &found.done, effects);

        let group_wait = self.watch.checks[key.check].group_wait;
        let Some(desk) = self.desks.get_mut(&key) else { return };
        desk.dirty = false;
        desk.due = found.due;
        desk.ready = None;
        let count = found.owed.values().map(Vec::len).sum::<usize>();
        let mut held = found.held.last().map(|(_, why)| (found.held.len(), why.clone()));
        if count > 0 {
            let since = *desk.owed_since.get_or_insert(now.steady);
            let until = found.grouped_until(since, group_wait);
            if until > now.steady {
                desk.due = Some(desk.due.map_or(until, |due| due.min(until)));
                held = Some((count, Held::Grouping { until }));
            } else {
                desk.ready = Some(since);
                held = self.lanes[key.channel].hold(now).map(|why| (count, why)).or(held);
            }
        } else {
            desk.owed_since = None;
        }
        let why = held.as_ref().map(|(_, why)| why.clone()).filter(|why| *why != Held::Busy);
        if why != desk.held {
            desk.held = why;
            if let Some((count, why)) = held.filter(|(_, why)| *why != Held::Busy) {
                effects.push(Effect::Log(Event::Held { check, channel, count, why }));
            }
        }
        if desk.due.is_none() && desk.ready.is_none() {
            self.desks.remove(&key);
        }
    }

    /// Open incidents minus the ledger, for one check and one channel.
    pub(super) fn find(&self, key: DeskKey, now: Now) -> Found {
        let (plan, channel) = (&self.watch.checks[key.check], &self.watch.channels[key.channel]);
        let mut found = Found::default();
        for incident in self.board[key.check].incidents.values() {
            let route = self.route(key.check, incident, channel);
            let entry = self.ledger.entry(incident.id, &channel.name);
            let kind = match standing(incident, entry, route, channel, plan) {
                Standing::Owed(kind) => kind,
                Standing::DueAt(due) if due <= now.steady => Kind::Reminder,
                Standing::DueAt(due) => {
                    found.due = Some(found.due.map_or(due, |sooner| sooner.min(due)));
                    continue;
                }
                Standing::Sending | Standing::Told => continue,
                Standing::Done(because) => {
                    if !incident.is_open() {
                        found.done.push(incident.id);
                        if because == Because::OverUntold {
                            found.over_untold.push(incident.id);
                        }
                    }
                    continue;
                }
            };
            let Some(route) = route else { continue };
            match window_hold(plan, route, channel, now) {
                None => {
                    let told = match kind {
                        Kind::Failed => entry.failed,
                        Kind::Recovered | Kind::Digest => entry.recovered,
                        Kind::Reminder => entry.reminder,
                    };
                    found.owed.entry(kind).or_default().push((incident.id, told));
                }
                Some(hold) => {
                    if let Held::Window { until: Some(until), .. } = &hold {
                        let due = now.steady + (*until - now.wall).to_std().unwrap_or_default();
                        found.due = Some(found.due.map_or(due, |sooner| sooner.min(due)));
                    }
                    found.held.push((kind, hold));
                }
            }
        }
        found
    }

    /// How a channel comes to hear of an incident: by the rule's own list, else by the check's.
    fn route(&self, check: usize, incident: &Incident, channel: &ChannelPlan) -> Option<&Route> {
        let plan = &self.watch.checks[check];
        if check == self.own && incident.target.key == own_target(&channel.name).key {
            return None;
        }
        // Whoever heard that it failed hears that it is not watched any more, whatever the lists say now.
        let removed = incident.closed.is_some_and(|closing| closing.by == ClosedBy::Removal);
        if removed && self.ledger.entry(incident.id, &channel.name).failed != Told::No {
            return self.watch.checks[self.own].notify.iter().find(|route| route.channel == channel.name);
        }
        let rule = plan.rules.iter().find(|rule| rule.identity == incident.rule)?;
        rule.notify.as_ref().unwrap_or(&plan.notify).iter().find(|route| route.channel == channel.name)
    }

    /// Lets go of closed incidents that no channel has to hear of any more.
    fn forget_done(&mut self, check: usize, candidates: &[IncidentId], effects: &mut Vec<Effect>) {
        for id in candidates {
            let Some(incident) = self.board[check].incidents.get(id) else { continue };
            let plan = &self.watch.checks[check];
            let done = self.watch.channels.iter().all(|channel| {
                let route = self.route(check, incident, channel);
                matches!(standing(incident, self.ledger.entry(*id, &channel.name), route, channel, plan), Standing::Done(_))
            });
            if done {
                self.board[check].incidents.remove(id);
                self.ledger.forget(*id);
                effects.push(Effect::Save(Change::Forgotten(*id)));
            }
        }
    }

    /// Gives the channel its next message, if it can take one and one is owed.
    fn send_next(&mut self, channel: usize, now: Now, effects: &mut Vec<Effect>) {
        while self.lanes[channel].hold(now).is_none() {
            let ready = self.desks.iter().filter(|(key, _)| key.channel == channel);
            let Some((_, key)) = ready.filter_map(|(key, desk)| Some((desk.ready?, *key))).min() else { return };
            self.look_at_desk(key, now, effects);
            if self.desks.get(&key).is_none_or(|desk| desk.ready.is_none()) {
                continue;
            }
            let Some((kind, incidents)) = self.find(key, now).owed.into_iter().next() else { return };
            self.send(key, kind, incidents, now, effects);
        }
    }

    fn send(&mut self, key: DeskKey, kind: Kind, incidents: Vec<(IncidentId, Told)>, now: Now, effects: &mut Vec<Effect>) {
        let channel = self.watch.channels[key.channel].name.clone();
        let notice = self.notice(key.check, kind, &incidents, now);
        let ids: Vec<_> = incidents.iter().map(|(id, _)| *id).collect();
        for id in &ids {
            let entry = self.ledger.change(*id, &channel);
            *entry.told(kind) = Told::Sending;
            effects.push(Effect::Save(Change::Ledger { incident: *id, channel: channel.clone(), entry: *entry }));
        }
        let id = self.next_dispatch;
        self.next_dispatch += 1;
        let lane = &mut self.lanes[key.channel];
        let owed_since = self.desks.get(&key).and_then(|desk| desk.owed_since);
        lane.sending = Some(Sending { dispatch: id, check: key.check, kind, incidents, owed_since });
        let attempt = lane.refusals.count + 1;
        effects.push(Effect::Log(Event::Sending {
            check: notice.check.clone(),
            channel: channel.clone(),
            kind: kind.name(),
            incidents: ids,
            attempt,
        }));
        effects.push(Effect::Send(Dispatch { id, channel, attempt, notice }));
        if let Some(desk) = self.desks.get_mut(&key) {
            desk.owed_since = None;
            desk.dirty = true;
        }
    }

    /// Writes down what the channel answered.
    pub(super) fn settle(&mut self, dispatch: u64, outcome: Delivery, now: Now, effects: &mut Vec<Effect>) {
        let awaited = |lane: &Lane| lane.sending.as_ref().is_some_and(|sending| sending.dispatch == dispatch);
        let Some((index, lane)) = self.lanes.iter_mut().enumerate().find(|(_, lane)| awaited(lane)) else { return };
        let Some(Sending { check, kind, incidents, owed_since, .. }) = lane.sending.take() else { return };
        let before = lane.refusals.clone();
        let again_in = lane.refusals.count(&outcome, now.steady);
        let channel = self.watch.channels[index].name.clone();
        if lane.refusals != before {
            effects.push(Effect::Save(Change::Refusals { channel: channel.clone(), refusals: lane.refusals.clone() }));
        }
        for (id, before) in &incidents {
            let entry = self.ledger.change(*id, &channel);
            let after = match &outcome {
                // The next reminder is another one.
                Delivery::Taken | Delivery::Unsure { .. } | Delivery::Never { .. } if kind == Kind::Reminder => Told::No,
                Delivery::Taken => Told::Yes,
                Delivery::Later { .. } | Delivery::Broken { .. } => *before,
                Delivery::Unsure { .. } => Told::Unsure,
                Delivery::Never { .. } => Told::Never,
            };
            *entry.told(kind) = after;
            if matches!(kind, Kind::Failed | Kind::Reminder) && !matches!(outcome, Delivery::Later { .. } | Delivery::Broken { .. }) {
                entry.told_at = now.steady;
            }
            effects.push(Effect::Save(Change::Ledger { incident: *id, channel: channel.clone(), entry: *entry }));
        }
        let ids = incidents.iter().map(|(id, _)| *id).collect();
        effects.push(Effect::Log(match &outcome {
            Delivery::Taken => Event::Taken { channel: channel.clone(), kind: kind.name(), incidents: ids },
            _ => Event::NotTaken { channel: channel.clone(), kind: kind.name(), incidents: ids, outcome: outcome.clone(), again_in },
        }));
        let desk = self.desks.entry(DeskKey { check, channel: index }).or_default();
        desk.dirty = true;
        if outcome != Delivery::Taken {
            desk.owed_since = owed_since.or(desk.owed_since);
        }
        self.note_own_trouble(index, &outcome, now, effects);
    }

    /// A channel in trouble is an incident of the watch itself, which the other channels hear of.
    fn note_own_trouble(&mut self, index: usize, outcome: &Delivery, now: Now, effects: &mut Vec<Effect>) {
        let target = own_target(&self.watch.channels[index].name);
        let refusals = &self.lanes[index].refusals;
        let long = refusals.since.is_some_and(|since| now.steady.since(since) >= SILENT_TOO_LONG)
            || refusals.retry.as_ref().is_some_and(|(until, _)| until.since(now.steady) >= SILENT_TOO_LONG);
        match outcome {
            Delivery::Taken => self.note_own(&target.key, None, now, effects),
            Delivery::Never { cause } => {
                self.take_own(Reading::fail(&target, format!("refused a message for good: {cause}")), now, effects);
            }
            Delivery::Broken { cause } => {
                self.take_own(Reading::fail(&target, format!("takes no messages: {cause}")), now, effects);
            }
            Delivery::Later { cause, .. } | Delivery::Unsure { cause } if long => {
                self.take_own(Reading::fail(&target, format!("has taken no message for long: {cause}")), now, effects);
            }
            Delivery::Later { .. } | Delivery::Unsure { .. } => {}
        }
    }

    fn notice(&self, check: usize, kind: Kind, incidents: &[(IncidentId, Told)], now: Now) -> Notice {
        let (plan, board) = (&self.watch.checks[check], &self.board[check]);
        let incidents_of: Vec<&Incident> = incidents.iter().filter_map(|(id, _)| board.incidents.get(id)).collect();
        let zone = self.watch.zone;
        Notice {
            kind,
            host: self.watch.host.clone(),
            check: plan.name.clone(),
            comment: comments(plan, &incidents_of),
            severity: incidents_of.iter().map(|incident| incident.severity).max().unwrap_or_default(),
            labels: plan.labels.clone(),
            time: now.wall.with_timezone(&zone),
            failing: board.failing(),
            total: board.total(),
            repeat: incidents.iter().any(|(_, told)| *told == Told::Unsure),
            incidents: incidents_of
                .into_iter()
                .map(|incident| NoticeIncident {
                    id: incident.id,
                    target: incident.target.clone(),
                    rule: incident.rule.clone(),
                    reason: incident.reason.clone(),
                    value: incident.value,
                    unit: incident.unit,
                    since: incident.since.with_timezone(&zone),
                    until: incident.closed.map(|closing| closing.at.with_timezone(&zone)),
                    duration: (incident.closed.map_or(now.wall, |closing| closing.at) - incident.since).to_std().unwrap_or_default(),
                    failures: incident.failures,
                    closed_by: incident.closed.map(|closing| closing.by),
                })
                .collect(),
        }
    }
}

/// The check's comment, then those of the rules involved, each once.
fn comments(plan: &CheckPlan, incidents: &[&Incident]) -> String {
    let mut lines: Vec<&str> = plan.comment.as_deref().into_iter().collect();
    for comment in incidents.iter().filter_map(|incident| incident.comment.as_deref()) {
        if !lines.contains(&comment) {
            lines.push(comment);
        }
    }
    lines.join("\n")
}
