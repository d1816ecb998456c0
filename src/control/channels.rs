//! Channels, as they are asked for and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelNow {
    pub name: String,
    /// `telegram`, `console`, `webhook` or `email`.
    pub kind: String,
    /// Messages that it took since the watch began, and attempts that it did not.
    pub taken: u64,
    pub not_taken: u64,
    /// Incidents that it has still to hear of.
    pub waiting: usize,
}

/// What a channel answered to a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tested {
    pub taken: bool,
    /// Why it did not take it, or what it remarked.
    pub words: String,
}
