//! A rule is a sentence about readings: `mem > 90% for 30m until < 85%`.

mod grammar;
mod notation;

use std::sync::Arc;
use std::time::Duration;

pub use grammar::{LONGEST_SPAN, Misread, Sentence};

use super::reading::Metric;
use super::watch::{Route, Severity};

/// How long something must last before it counts: so many readings in a row, or so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// At least 1.
    Count(u32),
    /// Every reading for this long.
    Lasting(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// Units a threshold may be written in; it also says how the metric's value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    None,
    Percent,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Days,
    KiB,
    MiB,
    GiB,
    TiB,
}

/// A number in base units (seconds, bytes, percent) and the unit it was written in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    pub base: f64,
    pub unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Average,
    Minimum,
    Maximum,
}

/// How far an aggregate looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Readings(u32),
    Lasting(Duration),
}

/// `value op limit [until op limit]`
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    pub metric: Metric,
    pub over: Option<(Aggregate, Span)>,
    pub op: Op,
    pub limit: Quantity,
    /// Hysteresis: once False, good again only when this holds.
    pub until: Option<(Op, Quantity)>,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Judge {
    /// The outcome was not Fail.
    Up,
    /// The outcome was not Unknown and every number could be read.
    Seen,
    Threshold(Threshold),
}

/// One rule of a check, ready to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `up`, `seen`, the given name, or the value text (`mem`, `avg(cpu, 60)`). Never the thresholds.
    pub identity: Arc<str>,
    pub judge: Judge,
    /// When it turns False: `fail_after` for `up`, `unknown_after` for `seen`, `for` (default 1) for the others.
    pub fail_after: Hold,
    /// When it turns True again.
    pub recover_after: Hold,
    /// Overrides of the check's own.
    pub comment: Option<Arc<str>>,
    pub severity: Option<Severity>,
    pub notify: Option<Vec<Route>>,
}
