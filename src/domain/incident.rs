//! An incident: one rule of one target of one check is False, from when to when, and why.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::acknowledgement::Acknowledgement;
use super::reading::{Reason, Target};
use super::rule::Unit;
use super::watch::Severity;

/// The number people see: `#1042`. Never used twice.
pub type IncidentId = u64;

#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    pub id: IncidentId,
    pub target: Arc<Target>,
    /// The identity of the rule.
    pub rule: Arc<str>,
    pub severity: Severity,
    /// The rule's own comment, where it has one.
    pub comment: Option<Arc<str>>,
    /// As of the last bad reading.
    pub reason: Reason,
    pub value: Option<f64>,
    pub unit: Unit,
    /// Bad readings in a row when it closed, or until now.
    pub failures: u32,
    /// When the first of those bad readings was.
    pub since: DateTime<Utc>,
    pub closed: Option<Closing>,
    /// While it is open and somebody has taken it on.
    pub acknowledged: Option<Acknowledgement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    pub at: DateTime<Utc>,
    pub by: ClosedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// Good readings.
    Recovery,
    /// The target, the rule or the check is not watched any more.
    Removal,
}

impl Incident {
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}
