//! One rule on one target: its status, its counters, and when it turns.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::reading::{Metric, Outcome, Reading, Reason, Target};
use super::rule::{Aggregate, Hold, Judge, Rule, Span, Threshold};
use super::state::Change;
use super::time::{Now, Steady};

/// Status and counters of one (check, target, rule).
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    /// True until the failure counter reaches the rule's limit.
    pub up: bool,
    /// Bad readings in a row; one good reading puts it back to 0.
    pub failures: u32,
    /// Good readings in a row while the status is False.
    pub goods: u32,
    /// When the row of bad readings began, by both clocks.
    pub failing_since: Option<Now>,
    /// When the row of good readings began.
    pub good_since: Steady,
    pub history: Option<Box<History>>,
    /// The incident that is open because of this tracker.
    pub incident: Option<u64>,
}

impl Default for Tracker {
    fn default() -> Self {
        Self { up: true, failures: 0, goods: 0, failing_since: None, good_since: Steady::default(), history: None, incident: None }
    }
}

/// A tracker without its history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counts {
    up: bool,
    failures: u32,
    goods: u32,
    failing_since: Option<Now>,
    incident: Option<u64>,
}

impl Counts {
    /// Whether what changed since then can be lost without harm: how often it failed after it was told.
    pub fn may_wait_after(&self, before: Counts) -> bool {
        *self == before || *self == Counts { failures: self.failures, ..before } && !self.up
    }
}

/// What one reading means to one rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Good,
    Bad {
        /// Nothing when what was said before still stands.
        reason: Option<Reason>,
        value: Option<f64>,
    },
    /// Nothing can be said: status and counters stay as they are.
    Unknown,
}

/// Whether the status turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    None,
    /// It would have turned False, but for a parent that is False.
    Held,
    Failed,
    Recovered,
}

impl Tracker {
    /// Judges a reading and counts it. With `held`, a status that would turn False waits for the next bad reading.
    pub fn look(&mut self, rule: &Rule, reading: &Reading, now: Now, held: bool) -> (Verdict, Turn) {
        let verdict = match &rule.judge {
            Judge::Up => up(reading),
            Judge::Seen => seen(reading),
            Judge::Threshold(threshold) => self.threshold(threshold, rule.fail_after, reading, now.steady),
        };
        let turn = self.count(rule, &verdict, now, held);
        (verdict, turn)
    }

    /// When what is failing now began to fail.
    pub fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.failing_since.map(|since| since.wall)
    }

    /// Nothing about it has to be kept.
    pub fn is_at_rest(&self) -> bool {
        self.history.is_none() && self.counts() == Self::default().counts()
    }

    pub fn has_history(&self) -> bool {
        self.history.is_some()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { up: self.up, failures: self.failures, goods: self.goods, failing_since: self.failing_since, incident: self.incident }
    }

    /// What a store has to know of it.
    pub(super) fn change(&self, check: &Arc<str>, target: &Arc<Target>, rule: &Rule) -> Change {
        let tracker = (!self.is_at_rest()).then(|| self.clone());
        Change::Tracker { check: check.clone(), target: target.clone(), rule: rule.identity.clone(), tracker }
    }

    fn count(&mut self, rule: &Rule, verdict: &Verdict, now: Now, held: bool) -> Turn {
        match verdict {
            Verdict::Unknown => Turn::None,
            Verdict::Bad { .. } => {
                self.goods = 0;
                let since = *self.failing_since.get_or_insert(now);
                let failures = self.failures.saturating_add(1);
                let turns = self.up && reached(rule.fail_after, failures, now.steady, since.steady);
                if turns && held {
                    return Turn::Held;
                }
                self.failures = failures;
                if turns {
                    self.up = false;
                    return Turn::Failed;
                }
                Turn::None
            }
            Verdict::Good => {
                self.failures = 0;
                if self.up {
                    self.failing_since = None;
                    return Turn::None;
                }
                if self.goods == 0 {
                    self.good_since = now.steady;
                }
                self.goods = self.goods.saturating_add(1);
                if !reached(rule.recover_after, self.goods, now.steady, self.good_since) {
                    return Turn::None;
                }
                self.up = true;
                self.goods = 0;
                self.failing_since = None;
                Turn::Recovered
            }
        }
    }

    fn threshold(&mut self, threshold: &Threshold, hold: Hold, reading: &Reading, now: Steady) -> Verdict {
        let Some(raw) = reading.value(&threshold.metric) else { return Verdict::Unknown };
        let value = match threshold.over {
            None => raw,
            Some((aggregate, span)) => {
                let history = self.history.get_or_insert_default();
                history.push(now, raw, span);
                match history.aggregate(aggregate, span, now) {
                    Some(value) => value,
                    None => return Verdict::Unknown,
                }
            }
        };
        let broken = threshold.op.holds(value, threshold.limit.base);
        let waits = !self.up && threshold.until.is_some_and(|(op, limit)| !op.holds(value, limit.base));
        if !broken && !waits {
            return Verdict::Good;
        }
        Verdict::Bad { reason: broken.then(|| why(threshold, hold, value).into()), value: Some(value) }
    }
}

fn up(reading: &Reading) -> Verdict {
    match &reading.outcome {
        Outcome::Pass => Verdict::Good,
        Outcome::Fail(reason) => Verdict::Bad { reason: Some(reason.clone()), value: None },
        Outcome::Unknown(_) => Verdict::Unknown,
    }
}

fn seen(reading: &Reading) -> Verdict {
    let reason = match (&reading.outcome, reading.unreadable.first()) {
        (Outcome::Unknown(reason), _) => format!("cannot look: {reason}").into(),
        (_, Some((metric, reason))) => unreadable(metric, reason),
        _ => return Verdict::Good,
    };
    Verdict::Bad { reason: Some(reason), value: None }
}

fn unreadable(metric: &Metric, reason: &Reason) -> Reason {
    format!("cannot read {metric}: {reason}").into()
}

fn reached(hold: Hold, count: u32, now: Steady, since: Steady) -> bool {
    match hold {
        Hold::Count(limit) => count >= limit,
        Hold::Lasting(length) => now.since(since) >= length,
    }
}

/// `mem 93.2% > 90% for 30m`: the rule with what was seen in it.
fn why(threshold: &Threshold, hold: Hold, value: f64) -> String {
    let unit = threshold.limit.unit;
    let mut why = format!("{} {}{unit} {} {}", threshold.value(), rounded(unit.from_base(value)), threshold.op, threshold.limit);
    match hold {
        Hold::Count(0 | 1) => {}
        hold => why.push_str(&format!(" for {hold}")),
    }
    why
}

/// A number for a person: four digits that matter, no more.
fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let digits = (3 - number.abs().log10().floor() as i32).clamp(0, 15);
    let scale = 10f64.powi(digits);
    (number * scale).round() / scale
}

/// The last readings of a metric, as far back as one aggregate needs them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    pub readings: VecDeque<(Steady, f64)>,
    /// Since when readings have come without a gap as long as the span.
    pub unbroken_since: Steady,
}

impl History {
    fn push(&mut self, now: Steady, value: f64, span: Span) {
        match span {
            Span::Readings(count) => {
                while self.readings.len() >= count as usize {
                    self.readings.pop_front();
                }
            }
            Span::Lasting(length) => {
                if self.readings.back().is_none_or(|(last, _)| now.since(*last) > length) {
                    self.unbroken_since = now;
                }
                while self.readings.front().is_some_and(|(first, _)| now.since(*first) > length) {
                    self.readings.pop_front();
                }
            }
        }
        self.readings.push_back((now, value));
    }

    /// The aggregate, or nothing while the window is not full yet.
    fn aggregate(&self, aggregate: Aggregate, span: Span, now: Steady) -> Option<f64> {
        let full = match span {
            Span::Readings(count) => self.readings.len() >= count as usize,
            Span::Lasting(length) => now.since(self.unbroken_since) >= length,
        };
        if !full {
            return None;
        }
        let values = self.readings.iter().map(|(_, value)| *value);
        match aggregate {
            Aggregate::Average => Some(values.sum::<f64>() / self.readings.len() as f64),
            Aggregate::Minimum => values.reduce(f64::min),
            Aggregate::Maximum => values.reduce(f64::max),
        }
    }
}
