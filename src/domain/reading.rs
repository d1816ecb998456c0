//! What a check saw: one reading per target, an outcome and named numbers.

use std::borrow::Cow;
use std::sync::Arc;

/// The name of a number in a reading: `cpu`, `rtt`, `latency`, or one the user chose.
pub type Metric = Cow<'static, str>;

/// Why something failed or could not be seen, in words for a person. Shared, because
/// thousands of targets often fail alike.
pub type Reason = Arc<str>;

/// What a check looks at: an address, a mount point, a machine.
///
/// The key is the identity (counters and incidents hang on it); the name is only shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub key: Box<str>,
    pub name: Option<Box<str>>,
}

impl Target {
    pub fn new(key: impl Into<Box<str>>) -> Arc<Self> {
        Arc::new(Self { key: key.into(), name: None })
    }

    pub fn named(key: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Arc<Self> {
        Arc::new(Self { key: key.into(), name: Some(name.into()) })
    }

    /// The check itself, when it looks at one thing that needs no name (this machine).
    pub fn itself() -> Arc<Self> {
        Self::new("")
    }
}

/// How a look at one target went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    /// The target answered wrongly or not at all.
    Fail(Reason),
    /// We could not look: no permission, no memory, our own deadline. Says nothing of the target.
    Unknown(Reason),
}

/// One look at one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub target: Arc<Target>,
    pub outcome: Outcome,
    /// Base units: seconds, bytes, percent 0–100, plain counts. Always finite.
    pub values: Vec<(Metric, f64)>,
    /// Numbers that were asked for and could not be read, with the reason. Never a 0.
    pub unreadable: Vec<(Metric, Reason)>,
    /// Could not look because this machine's own network has no way to the target.
    pub no_way: bool,
}

impl Reading {
    pub fn pass(target: &Arc<Target>) -> Self {
        Self { target: target.clone(), outcome: Outcome::Pass, values: Vec::new(), unreadable: Vec::new(), no_way: false }
    }

    pub fn fail(target: &Arc<Target>, reason: impl Into<Reason>) -> Self {
        Self { outcome: Outcome::Fail(reason.into()), ..Self::pass(target) }
    }

    pub fn unknown(target: &Arc<Target>, reason: impl Into<Reason>) -> Self {
        Self { outcome: Outcome::Unknown(reason.into()), ..Self::pass(target) }
    }

    /// Adds a number; one that is not finite is noted as unreadable instead.
    pub fn with(mut self, metric: impl Into<Metric>, value: f64) -> Self {
        let metric = metric.into();
        if value.is_finite() {
            self.values.push((metric, value));
        } else {
            self.unreadable.push((metric, "not a finite number".into()));
        }
        self
    }

    /// Notes that a number could not be read.
    pub fn without(mut self, metric: impl Into<Metric>, reason: impl Into<Reason>) -> Self {
        self.unreadable.push((metric.into(), reason.into()));
        self
    }

    /// Notes that our own network has no way there.
    pub fn without_a_way(self) -> Self {
        Self { no_way: true, ..self }
    }

    pub fn value(&self, metric: &str) -> Option<f64> {
        self.values.iter().find(|(name, _)| name == metric).map(|(_, value)| *value)
    }
}

/// The result of one run of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// One reading for every target the check has now; a target that is not among them is gone.
    Readings(Vec<Reading>),
    /// Readings of a check that finds its targets in answers, and what is to be thought of those it knew and has none of.
    Found { readings: Vec<Reading>, others: Others },
    /// The whole run was lost (panic, deadline): no target could be looked at.
    Lost(Reason),
}

impl Report {
    /// What was seen, unless the run was lost.
    pub fn readings(&self) -> Option<&[Reading]> {
        match self {
            Self::Readings(readings) | Self::Found { readings, .. } => Some(readings),
            Self::Lost(_) => None,
        }
    }
}

/// Targets that were found by earlier looks, perhaps in an earlier life of the watch, and not by this one.
/// A key with `://` in it is what was asked, never what was found: when it is in no report, it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// They stay as they are: what would have told of them did not answer.
    Kept,
    /// They should have been found, so they could not be looked at.
    Missing(Reason),
}
