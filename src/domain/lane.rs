//! A lane is one channel: one message at a time, and after a refusal nothing until its back-off is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Delivery;
use super::incident::IncidentId;
use super::ledger::Told;
use super::message::Kind;
use super::plan::{Held, back_off};
use super::time::{Now, Steady};
use super::watch::Storm;

/// An attempt so long after the last back-off ended is no retry.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// A channel that someone has to mend is tried again this often.
const PROBE_BROKEN: Duration = Duration::from_secs(3600);

/// One channel and the message on its way to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lane {
    pub(super) sending: Option<Sending>,
    pub(super) refusals: Refusals,
    /// When it took its last messages, as many as a storm may have.
    taken: VecDeque<Steady>,
}

/// What a channel did not take lately, and when it is tried again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refusals {
    /// Attempts in a row that the channel did not take.
    pub count: u32,
    pub since: Option<Steady>,
    /// Nothing is sent before, and why.
    pub retry: Option<(Steady, Arc<str>)>,
    /// It takes nothing until someone mends it.
    pub broken: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sending {
    pub dispatch: u64,
    pub kind: Kind,
    pub parts: Vec<Part>,
    /// Since when it was owed: its place among what waits, should it be refused.
    pub owed_since: Option<Steady>,
}

/// One incident of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub check: usize,
    pub incident: IncidentId,
    /// What is owed of it; a digest holds all sorts.
    pub owed: Kind,
    /// What the ledger said before.
    pub before: Told,
}

impl Lane {
    /// When back-off and storm end, unless an answer is awaited.
    pub fn free_at(&self, storm: Option<Storm>) -> Option<Steady> {
        let retry = self.refusals.retry.as_ref().map(|(until, _)| *until);
        let free = retry.max(self.calm_at(storm)).unwrap_or_default();
        self.sending.is_none().then_some(free)
    }

    pub(super) fn hold(&self, storm: Option<Storm>, now: Now) -> Option<Held> {
        if self.sending.is_some() {
            return Some(Held::Busy);
        }
        if let Some((until, cause)) = self.refusals.retry.as_ref().filter(|(until, _)| *until > now.steady) {
            return Some(Held::Retry { until: *until, attempt: self.refusals.count + 1, cause: cause.clone() });
        }
        let until = self.calm_at(storm).filter(|until| *until > now.steady)?;
        Some(Held::Storm { until })
    }

    /// Whether so many more messages would be a storm.
    pub(super) fn is_too_much(&self, storm: Option<Storm>, more: usize, now: Steady) -> bool {
        let Some(storm) = storm else { return false };
        let recent = self.taken.iter().filter(|at| now.since(**at) < storm.per).count();
        recent + more > storm.messages as usize
    }

    /// Notes that the channel has, or may have, taken a message.
    pub(super) fn note_taken(&mut self, storm: Option<Storm>, now: Steady) {
        self.taken.push_back(now);
        while self.taken.len() > storm.map_or(0, |storm| storm.messages as usize) {
            self.taken.pop_front();
        }
    }

    /// When one more message is no storm any more.
    fn calm_at(&self, storm: Option<Storm>) -> Option<Steady> {
        let storm = storm?;
        let last = self.taken.len().checked_sub(storm.messages as usize)?;
        self.taken.get(last).map(|at| *at + storm.per)
    }
}

impl Refusals {
    /// Counts an answer and starts the back-off it asks for.
    pub(super) fn count(&mut self, outcome: &Delivery, now: Steady) -> Option<Duration> {
        // What was owed then was over before the next attempt: this is a new row of failures.
        if self.retry.as_ref().is_some_and(|(until, _)| now.since(*until) > FORGIVEN_AFTER) {
            *self = Self::default();
        }
        let attempts = self.count.saturating_add(1);
        let (wait, cause) = match outcome {
            // A message refused for good says nothing against the next one.
            Delivery::Taken | Delivery::Never { .. } => {
                *self = Self::default();
                return None;
            }
            Delivery::Later { after, cause } => (after.unwrap_or_else(|| back_off(attempts)), cause),
            Delivery::Unsure { cause } => (back_off(attempts), cause),
            Delivery::Broken { cause } => (PROBE_BROKEN, cause),
        };
        self.broken = matches!(outcome, Delivery::Broken { .. });
        self.count = attempts;
        self.since.get_or_insert(now);
        self.retry = Some((now + wait, cause.clone()));
        Some(wait)
    }
}
