//! Whether the watch makes progress, and the watch in numbers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::channels::ChannelNow;

/// Whether the watch makes progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Every check has looked when it was due, or is not later than it should be.
    pub checks: Progress,
    /// No message waits for its answer for too long.
    pub messages: Progress,
    /// What must not be forgotten can be written.
    pub state: Progress,
    /// What is kept to look back on can be written, where it is kept. It decides nothing, so that a watch without it is
    /// healthy all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub history: Option<Progress>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    pub good: bool,
    /// What is not good.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

impl Progress {
    pub fn unless(trouble: Option<String>) -> Self {
        Self { good: trouble.is_none(), trouble: trouble.unwrap_or_default() }
    }
}

impl Health {
    pub fn is_good(&self) -> bool {
        self.checks.good && self.messages.good && self.state.good
    }
}

/// The watch in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    pub checks: Vec<CheckNumbers>,
    pub channels: Vec<ChannelNow>,
    pub own: OwnNumbers,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckNumbers {
    pub name: String,
    pub status: bool,
    pub targets: usize,
    pub failing: usize,
    pub looks: u64,
    /// How long the last look took, in seconds.
    pub took: f64,
    /// How long it is overdue, in seconds.
    pub late: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryNumbers {
    /// Whether it can be written.
    pub good: bool,
    /// Numbers that wait in memory.
    pub waiting: usize,
    /// Bytes that wait in the spool.
    pub spooled: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnNumbers {
    pub incidents: usize,
    pub trouble: usize,
    pub silences: usize,
    /// Resident, in bytes.
    pub memory: u64,
    /// Seconds since 1970.
    pub since: i64,
    /// Whether the state can be written.
    pub state: bool,
    /// Nothing where no history is kept.
    pub history: Option<HistoryNumbers>,
}
