//! When people may be told: days and hours in a named zone, over midnight and through clock changes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Named hours. Open while the wall clock of its zone is inside one of its spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub name: Arc<str>,
    pub zone: Tz,
    pub spans: Vec<Span>,
}

/// Some hours of some days. A span that ends at or before its start runs over midnight
/// and belongs to the day it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes since midnight, 0–1439.
    pub from: u16,
    /// Minutes since midnight, 1–1440, exclusive.
    pub to: u16,
}

impl Window {
    /// Whether the window is open at this instant.
    pub fn is_open(&self, _at: DateTime<Utc>) -> bool {
        true
    }

    /// The next instant at which the window opens, if it ever does; `at` itself when it is open.
    pub fn next_opening(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(at)
    }
}
