//! What the engine has to know of the configuration: checks with their rules, and whom to tell when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use super::rule::{Hold, Rule};
use super::window::Window;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum Severity {
    Warning,
    #[default]
    Critical,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// The configuration as the engine sees it. Replaced as a whole by a reload.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// The name of this machine in messages.
    pub host: Arc<str>,
    /// In which the times of messages are written.
    pub zone: Tz,
    pub checks: Vec<CheckPlan>,
    pub channels: Vec<ChannelPlan>,
    /// How long nothing of the uplink must answer until the watch counts as cut off; nothing if there is no uplink.
    pub cut_off_after: Option<Hold>,
}

/// One check, without what it looks at: its rules and whom to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckPlan {
    pub name: Arc<str>,
    /// `up` and `seen` first, then those of the file.
    pub rules: Vec<Rule>,
    pub notify: Vec<Route>,
    /// When people may be told of this check; a channel's own window must be open too.
    pub window: Option<Arc<Window>>,
    pub comment: Option<Arc<str>>,
    pub severity: Severity,
    /// Tell again of what still fails, each so long.
    pub remind: Option<Duration>,
    /// Wait so long for more failures of this check before telling of the first.
    pub group_wait: Duration,
    /// Parents: while one of them is False, no incident of this check opens.
    pub needs: Vec<Arc<str>>,
    /// While the watch is cut off, what it sees counts for nothing.
    pub crosses_network: bool,
    pub labels: BTreeMap<String, String>,
}

/// One entry of a `notify` list.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub channel: Arc<str>,
    /// In place of the channel's own window.
    pub window: Option<Arc<Window>>,
    pub min_severity: Severity,
}

/// A channel as the engine sees it: its hours and whether it wants recoveries.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelPlan {
    pub name: Arc<str>,
    pub window: Option<Arc<Window>>,
    pub recoveries: bool,
    /// Whether it wants a list of what failed and was over before its hours began.
    pub digest: bool,
    /// How many messages in how long are too many to be sent one by one; nothing: never.
    pub storm: Option<Storm>,
    /// After so long without a channel that works, what is owed goes as one digest.
    pub max_age: Duration,
    /// Which channel is told in its place while it takes nothing.
    pub fallback: Option<Arc<str>>,
}

/// So many messages in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    pub messages: u32,
    pub per: Duration,
}
