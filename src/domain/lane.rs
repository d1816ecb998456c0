//! A lane is one channel: one message at a time, and after a refusal nothing until its back-off is over.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Delivery;
use super::incident::IncidentId;
use super::ledger::Told;
use super::message::Kind;
use super::plan::{Held, back_off};
use super::time::{Now, Steady};

/// An attempt so long after the last back-off ended is no retry.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// A channel that someone has to mend is tried again this often.
const PROBE_BROKEN: Duration = Duration::from_secs(3600);

/// One channel and the message on its way to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lane {
    pub(super) sending: Option<Sending>,
    pub(super) refusals: Refusals,
}

/// What a channel did not take lately, and when it is tried again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refusals {
    /// Attempts in a row that the channel did not take.
    pub count: u32,
    pub since: Option<Steady>,
    /// Nothing is sent before, and why.
    pub retry: Option<(Steady, Arc<str>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sending {
    pub dispatch: u64,
    pub check: usize,
    pub kind: Kind,
    /// With what the ledger said before.
    pub incidents: Vec<(IncidentId, Told)>,
    /// Since when it was owed: its place among what waits, should it be refused.
    pub owed_since: Option<Steady>,
}

impl Lane {
    /// When the back-off ends, unless an answer is awaited.
    pub fn free_at(&self) -> Option<Steady> {
        match &self.sending {
            Some(_) => None,
            None => Some(self.refusals.retry.as_ref().map_or(Steady::default(), |(until, _)| *until)),
        }
    }

    pub(super) fn hold(&self, now: Now) -> Option<Held> {
        if self.sending.is_some() {
            return Some(Held::Busy);
        }
        let (until, cause) = self.refusals.retry.as_ref().filter(|(until, _)| *until > now.steady)?;
        Some(Held::Retry { until: *until, attempt: self.refusals.count + 1, cause: cause.clone() })
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
        self.count = attempts;
        self.since.get_or_insert(now);
        self.retry = Some((now + wait, cause.clone()));
        Some(wait)
    }
}
