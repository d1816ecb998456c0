//! Targets that were added while the watch ran, as they are asked for and shown.

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to become of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineChange {
    Add,
    Pause,
    Resume,
    Remove,
}

/// A target beside those of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineNow {
    pub check: String,
    pub target: String,
    /// Not looked at for now.
    pub paused: bool,
    pub added: DateTime<FixedOffset>,
    pub by: String,
}

/// Who changed what, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditNow {
    pub time: DateTime<FixedOffset>,
    pub by: String,
    pub what: String,
    pub about: String,
}
