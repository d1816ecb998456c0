//! The telling: which channel gets which message next, and what its answer changes.
//!
//! There is no queue of messages. A *desk* is the business of one check with one channel; it is worked out
//! anew from incidents and ledger whenever something about it may have changed. [`Lane`](super::lane::Lane)s
//! take from the desks what was owed first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::board::{CheckState, Turned};
use super::engine::{Delivery, Dispatch, Effect, Engine, Event, own_target};
use super::incident::{ClosedBy, Incident, IncidentId};
use super::lane::{Lane, Part, Sending};
use super::ledger::Told;
use super::message::{Kind, Notice, NoticeIncident};
use super::plan::{Because, Held, Standing, standing, window_hold};
use super::reading::Reading;
use super::state::Change;
use super::time::{Now, Steady};
use super::watch::{ChannelPlan, CheckPlan, Route};

/// Of what was over before a channel could be told it hears the last ones: a dead channel must not fill the memory.
const MOST_DIGESTED: usize = 30;
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
    /// Over, and more than a digest of this check holds.
    too_old: Vec<IncidentId>,
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
        for incident in found.over_untold.iter().chain(&found.too_old) {
            effects.push(Effect::Log(Event::OverUntold { check: check.clone(), channel: channel.clone(), incident: *incident }));
        }
        self.forget_done(key.check, &found.done, effects);
        // Said once, however long other channels have still to hear of it.
        for incident in found.over_untold.iter().chain(&found.too_old) {
            if self.board[key.check].incidents.contains_key(incident) {
                self.mark(*incident, &channel, Kind::Digest, Told::Never, effects);
            }
        }

        let group_wait = self.watch.checks[key.check].group_wait;
        let hold = self.lane_hold(key.channel, now);
        let Some(desk) = self.desks.get_mut(&key) else { return };
        // What was let go of may have been the last thing that somebody had to hear of.
        desk.dirty = !found.too_old.is_empty();
        desk.due = found.due;
        desk.ready = None;
        let count = found.owed.values().map(Vec::len).sum::<usize>();
        let mut held = found.held.last().map(|(_, why)| (found.held.len(), why.clone()));
        let mut missed = false;
        if count > 0 {
            let since = *desk.owed_since.get_or_insert(now.steady);
            let until = found.grouped_until(since, group_wait);
            if until > now.steady {
                desk.due = Some(desk.due.map_or(until, |due| due.min(until)));
                held = Some((count, Held::Grouping { until }));
            } else {
                desk.ready = Some(since);
                missed = hold.is_some();
                held = hold.map(|why| (count, why)).or(held);
            }
        } else {
            desk.owed_since = None;
        }
        let why = held.as_ref().map(|(_, why)| why.clone()).filter(|why| *why != Held::Busy);
        if why != desk.held {
            desk.held = why;
            if let Some((count, why)) = held.filter(|(_, why)| *why != Held::Busy) {
                effects.push(Effect::Log(Event::Held { check, channel: channel.clone(), count, why }));
            }
        }
        if desk.due.is_none() && desk.ready.is_none() && !desk.dirty {
            self.desks.remove(&key);
        }
        // What could be told if only the channel took it is told even if it is over by then.
        for (incident, told) in found.owed.get(&Kind::Failed).into_iter().flatten() {
            if missed && *told == Told::No {
                self.mark(*incident, &channel, Kind::Failed, Told::Missed, effects);
            }
        }
    }

    fn mark(&mut self, incident: IncidentId, channel: &Arc<str>, kind: Kind, told: Told, effects: &mut Vec<Effect>) {
        let entry = self.ledger.change(incident, channel);
        *entry.told(kind) = told;
        effects.push(Effect::Save(Change::Ledger { incident, channel: channel.clone(), entry: *entry }));
    }

    /// Open incidents minus the ledger, for one check and one channel.
    pub(super) fn find(&self, key: DeskKey, now: Now) -> Found {
        let (plan, channel) = (&self.watch.checks[key.check], &self.watch.channels[key.channel]);
        let (mut found, mut digests) = (Found::default(), Vec::new());
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
            if kind == Kind::Digest {
                digests.push(incident.id);
            }
            let silence = self.silence_hold(key.check, &incident.target.key);
            match silence.or_else(|| window_hold(plan, route, channel, now)) {
                None => {
                    let told = match kind {
                        Kind::Failed => entry.failed,
                        Kind::Recovered | Kind::Digest => entry.recovered,
                        Kind::Reminder => entry.reminder,
                    };
                    found.owed.entry(kind).or_default().push((incident.id, told));
                }
                Some(hold) => {
                    if let Held::Window { until: Some(until), .. } | Held::Silence { until, .. } = &hold {
                        let due = now.steady + (*until - now.wall).to_std().unwrap_or_default();
                        found.due = Some(found.due.map_or(due, |sooner| sooner.min(due)));
                    }
                    found.held.push((kind, hold));
                }
            }
        }
        let too_many = digests.len().saturating_sub(MOST_DIGESTED);
        if too_many > 0 {
            found.too_old = digests.drain(..too_many).collect();
            if let Some(owed) = found.owed.get_mut(&Kind::Digest) {
                owed.retain(|(incident, _)| digests.contains(incident));
            }
        }
        found
    }

    /// Writes down which channels are not to be told of what has just turned, and why.
    pub(super) fn note_not_owed(&self, check: usize, turned: &[Turned], effects: &mut Vec<Effect>) {
        let plan = &self.watch.checks[check];
        for channel in &self.watch.channels {
            let mut not_owed: BTreeMap<Because, Vec<IncidentId>> = BTreeMap::new();
            for incident in turned.iter().filter_map(|turned| self.board[check].incidents.get(&turned.incident)) {
                let route = self.route(check, incident, channel);
                let why = match standing(incident, self.ledger.entry(incident.id, &channel.name), route, channel, plan) {
                    Standing::Done(why @ (Because::NotRouted | Because::BelowSeverity)) if incident.is_open() => why,
                    Standing::Done(why @ Because::RecoveriesOff) => why,
                    _ => continue,
                };
                not_owed.entry(why).or_default().push(incident.id);
            }
            let events = not_owed.into_iter().map(|(why, incidents)| {
                Effect::Log(Event::NotOwed { check: plan.name.clone(), channel: channel.name.clone(), incidents, why })
            });
            effects.extend(events);
        }
    }

    /// How a channel comes to hear of an incident: by the rule's own list, else by the check's.
    fn route(&self, check: usize, incident: &Incident, channel: &ChannelPlan) -> Option<&Route> {
        let plan = &self.watch.checks[check];
        if check == self.own && incident.target.key == own_target(&channel.name).key {
            return None;
        }
        // Whoever heard that it failed hears that it is not watched any more, whatever the lists say now.
        let removed = incident.closed.is_some_and(|closing| closing.by == ClosedBy::Removal);
        if removed && !matches!(self.ledger.entry(incident.id, &channel.name).failed, Told::No | Told::Missed) {
            return self.watch.checks[self.own].notify.iter().find(|route| route.channel == channel.name);
        }
        let rule = plan.rules.iter().find(|rule| rule.identity == incident.rule)?;
        let routes = rule.notify.as_ref().unwrap_or(&plan.notify);
        let own = routes.iter().find(|route| route.channel == channel.name);
        own.or_else(|| self.stand_in(routes, incident, channel))
    }

    /// The route of another channel that this one stands in for.
    fn stand_in<'a>(&'a self, routes: &'a [Route], incident: &Incident, channel: &ChannelPlan) -> Option<&'a Route> {
        let begun = self.ledger.entry(incident.id, &channel.name).failed != Told::No;
        self.watch.channels.iter().zip(&self.lanes).find_map(|(other, lane)| {
            let refused = lane.refusals.broken || self.ledger.entry(incident.id, &other.name).failed == Told::Never;
            let needed = other.fallback.as_ref() == Some(&channel.name) && (refused || begun);
            routes.iter().find(|route| needed && route.channel == other.name)
        })
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

    /// Why the channel takes no message now.
    pub(super) fn lane_hold(&self, channel: usize, now: Now) -> Option<Held> {
        self.lanes[channel].hold(self.watch.channels[channel].storm, now)
    }

    /// Gives the channel its next message, if it can take one and one is owed.
    fn send_next(&mut self, channel: usize, now: Now, effects: &mut Vec<Effect>) {
        while self.lane_hold(channel, now).is_none() {
            let ready = self.desks.iter().filter(|(key, _)| key.channel == channel);
            let mut ready: Vec<(Steady, DeskKey)> = ready.filter_map(|(key, desk)| Some((desk.ready?, *key))).collect();
            ready.sort_unstable();
            let Some((_, first)) = ready.first().copied() else { return };
            self.look_at_desk(first, now, effects);
            if self.desks.get(&first).is_none_or(|desk| desk.ready.is_none()) {
                continue;
            }
            let owed = self.find(first, now).owed;
            let Some((kind, incidents)) = owed.into_iter().next() else { return };
            let lane = &self.lanes[channel];
            let plan = &self.watch.channels[channel];
            let away = lane.refusals.since.is_some_and(|since| now.steady.since(since) >= plan.max_age);
            if away && kind != Kind::Reminder {
                self.send(channel, Kind::Digest, self.all_owed(&ready, now), now, effects);
            } else if lane.is_too_much(plan.storm, ready.len(), now.steady) {
                self.send(channel, kind, self.owed_alike(&ready, kind, now), now, effects);
            } else {
                let part = |(incident, before)| Part { check: first.check, incident, owed: kind, before };
                self.send(channel, kind, incidents.into_iter().map(part).collect(), now, effects);
            }
        }
    }

    /// What every desk owes first, as far as it is of this kind: the order within a check is kept.
    fn owed_alike(&self, ready: &[(Steady, DeskKey)], kind: Kind, now: Now) -> Vec<Part> {
        let mut parts = Vec::new();
        for (_, key) in ready {
            if let Some((owed, incidents)) = self.find(*key, now).owed.into_iter().next().filter(|(owed, _)| *owed == kind) {
                parts.extend(incidents.into_iter().map(|(incident, before)| Part { check: key.check, incident, owed, before }));
            }
        }
        parts
    }

    /// All that the channel missed; reminders follow by themselves.
    fn all_owed(&self, ready: &[(Steady, DeskKey)], now: Now) -> Vec<Part> {
        let mut parts = Vec::new();
        for (_, key) in ready {
            for (owed, incidents) in self.find(*key, now).owed.into_iter().filter(|(owed, _)| *owed != Kind::Reminder) {
                parts.extend(incidents.into_iter().map(|(incident, before)| Part { check: key.check, incident, owed, before }));
            }
        }
        parts.sort_unstable_by_key(|part| part.incident);
        parts
    }

    fn send(&mut self, index: usize, kind: Kind, parts: Vec<Part>, now: Now, effects: &mut Vec<Effect>) {
        let channel = self.watch.channels[index].name.clone();
        let notice = self.notice(kind, &parts, now);
        for part in &parts {
            let entry = self.ledger.change(part.incident, &channel);
            *entry.told(part.owed) = Told::Sending;
            effects.push(Effect::Save(Change::Ledger { incident: part.incident, channel: channel.clone(), entry: *entry }));
        }
        let mut owed_since: Option<Steady> = None;
        for check in checks_of(&parts) {
            if let Some(desk) = self.desks.get_mut(&DeskKey { check, channel: index }) {
                owed_since = owed_since.into_iter().chain(desk.owed_since.take()).min();
                desk.dirty = true;
            }
        }
        let id = self.next_dispatch;
        self.next_dispatch += 1;
        let lane = &mut self.lanes[index];
        let incidents = parts.iter().map(|part| part.incident).collect();
        lane.sending = Some(Sending { dispatch: id, kind, parts, owed_since });
        let attempt = lane.refusals.count + 1;
        effects.push(Effect::Log(Event::Sending {
            checks: notice.checks.clone(),
            channel: channel.clone(),
            kind: kind.name(),
            incidents,
            attempt,
        }));
        effects.push(Effect::Send(Dispatch { id, channel, attempt, notice }));
    }

    /// Writes down what the channel answered.
    pub(super) fn settle(&mut self, dispatch: u64, outcome: Delivery, now: Now, effects: &mut Vec<Effect>) {
        let awaited = |lane: &Lane| lane.sending.as_ref().is_some_and(|sending| sending.dispatch == dispatch);
        let Some((index, lane)) = self.lanes.iter_mut().enumerate().find(|(_, lane)| awaited(lane)) else { return };
        let Some(Sending { kind, parts, owed_since, .. }) = lane.sending.take() else { return };
        let before = lane.refusals.clone();
        let again_in = lane.refusals.count(&outcome, now.steady);
        if matches!(outcome, Delivery::Taken | Delivery::Unsure { .. }) {
            lane.note_taken(self.watch.channels[index].storm, now.steady);
        }
        let channel = self.watch.channels[index].name.clone();
        if lane.refusals != before {
            effects.push(Effect::Save(Change::Refusals { channel: channel.clone(), refusals: lane.refusals.clone() }));
        }
        for part in &parts {
            let entry = self.ledger.change(part.incident, &channel);
            let after = match &outcome {
                // The next reminder is another one.
                Delivery::Taken | Delivery::Unsure { .. } | Delivery::Never { .. } if part.owed == Kind::Reminder => Told::No,
                Delivery::Taken => Told::Yes,
                Delivery::Later { .. } | Delivery::Broken { .. } if part.owed == Kind::Failed && part.before == Told::No => Told::Missed,
                Delivery::Later { .. } | Delivery::Broken { .. } => part.before,
                Delivery::Unsure { .. } => Told::Unsure,
                Delivery::Never { .. } => Told::Never,
            };
            *entry.told(part.owed) = after;
            let reached = !matches!(outcome, Delivery::Later { .. } | Delivery::Broken { .. });
            if reached && matches!(part.owed, Kind::Failed | Kind::Reminder) {
                entry.told_at = now.steady;
            }
            effects.push(Effect::Save(Change::Ledger { incident: part.incident, channel: channel.clone(), entry: *entry }));
        }
        let ids = parts.iter().map(|part| part.incident).collect();
        effects.push(Effect::Log(match &outcome {
            Delivery::Taken => Event::Taken { channel: channel.clone(), kind: kind.name(), incidents: ids },
            _ => Event::NotTaken { channel: channel.clone(), kind: kind.name(), incidents: ids, outcome: outcome.clone(), again_in },
        }));
        for check in checks_of(&parts) {
            let desk = self.desks.entry(DeskKey { check, channel: index }).or_default();
            desk.dirty = true;
            if outcome != Delivery::Taken {
                desk.owed_since = owed_since.or(desk.owed_since);
            }
        }
        self.note_own_trouble(index, &outcome, now, effects);
        if matches!(outcome, Delivery::Never { .. } | Delivery::Broken { .. }) && self.watch.channels[index].fallback.is_some() {
            self.look_everywhere();
        }
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

    fn notice(&self, kind: Kind, parts: &[Part], now: Now) -> Notice {
        let incidents: Vec<(&CheckPlan, &Incident)> = parts
            .iter()
            .filter_map(|part| Some((&self.watch.checks[part.check], self.board[part.check].incidents.get(&part.incident)?)))
            .collect();
        let checks = checks_of(parts);
        let sum = |of: fn(&CheckState) -> usize| checks.iter().map(|check| of(&self.board[*check])).sum();
        let (first, alone) = (&self.watch.checks[checks.first().copied().unwrap_or(self.own)], checks.len() == 1);
        let zone = self.watch.zone;
        Notice {
            kind,
            host: self.watch.host.clone(),
            checks: checks.iter().map(|check| self.watch.checks[*check].name.clone()).collect(),
            comment: if alone { comments(first, &incidents) } else { String::new() },
            severity: incidents.iter().map(|(_, incident)| incident.severity).max().unwrap_or_default(),
            labels: if alone { first.labels.clone() } else { BTreeMap::new() },
            time: now.wall.with_timezone(&zone),
            failing: sum(CheckState::failing),
            total: sum(CheckState::total),
            repeat: parts.iter().any(|part| part.before == Told::Unsure),
            incidents: incidents
                .into_iter()
                .map(|(plan, incident)| NoticeIncident {
                    id: incident.id,
                    check: plan.name.clone(),
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

/// Each once, in the order of the file.
fn checks_of(parts: &[Part]) -> BTreeSet<usize> {
    parts.iter().map(|part| part.check).collect()
}

/// The check's comment, then those of the rules involved, each once.
fn comments(plan: &CheckPlan, incidents: &[(&CheckPlan, &Incident)]) -> String {
    let mut lines: Vec<&str> = plan.comment.as_deref().into_iter().collect();
    for comment in incidents.iter().filter_map(|(_, incident)| incident.comment.as_deref()) {
        if !lines.contains(&comment) {
            lines.push(comment);
        }
    }
    lines.join("\n")
}
