//! What is owed to whom, and if it is not told now, why not: open incidents minus the ledger,
//! through routes, severities and windows.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::incident::Incident;
use super::ledger::{Entry, Told};
use super::message::Kind;
use super::silence::SilenceId;
use super::time::{Now, Steady};
use super::watch::{ChannelPlan, CheckPlan, Route};
use super::window::Window;

/// Where one incident stands with one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The channel is to be told.
    Owed(Kind),
    /// A reminder falls due then.
    DueAt(Steady),
    /// A message about it is on its way.
    Sending,
    /// The channel knows what there is to know, as long as the incident stays open.
    Told,
    /// Nothing will ever be owed again.
    Done(Because),
}

/// Why a channel and an incident are done with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    NotRouted,
    BelowSeverity,
    /// Failed and recovered were both told.
    ToldAll,
    /// It was over before it could be told.
    OverUntold,
    RecoveriesOff,
    /// The channel refused it for good.
    Refused,
}

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Because::NotRouted => "not among those to be told",
            Because::BelowSeverity => "not severe enough for this channel",
            Because::ToldAll => "told",
            Because::OverUntold => "over before it could be told",
            Because::RecoveriesOff => "this channel wants no recoveries",
            Because::Refused => "refused for good",
        })
    }
}

/// What one channel is to be told of one incident, hours aside.
pub fn standing(incident: &Incident, entry: Entry, route: Option<&Route>, channel: &ChannelPlan, check: &CheckPlan) -> Standing {
    let Some(route) = route else { return Standing::Done(Because::NotRouted) };
    if incident.severity < route.min_severity {
        return Standing::Done(Because::BelowSeverity);
    }
    if entry.is_under_way() {
        return Standing::Sending;
    }
    if incident.is_open() {
        return match entry.failed {
            Told::No | Told::Missed | Told::Unsure | Told::Sending => Standing::Owed(Kind::Failed),
            Told::Never => Standing::Told,
            // Whoever has taken it on needs no reminder.
            Told::Yes if incident.acknowledged.is_some() => Standing::Told,
            Told::Yes => check.remind.map_or(Standing::Told, |every| Standing::DueAt(entry.told_at + every)),
        };
    }
    match (entry.failed, entry.recovered) {
        (Told::Never, _) | (_, Told::Never) => Standing::Done(Because::Refused),
        (_, Told::Yes) => Standing::Done(Because::ToldAll),
        (Told::Missed, _) => Standing::Owed(Kind::Digest),
        (Told::No | Told::Sending, _) if channel.digest => Standing::Owed(Kind::Digest),
        (Told::No | Told::Sending, _) => Standing::Done(Because::OverUntold),
        (Told::Yes | Told::Unsure, _) if !channel.recoveries => Standing::Done(Because::RecoveriesOff),
        (Told::Yes | Told::Unsure, _) => Standing::Owed(Kind::Recovered),
    }
}

/// Why something owed is not sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Outside the hours; nothing if the windows are never open together.
    Window { by: Arc<str>, until: Option<DateTime<Utc>> },
    /// Somebody asked for silence.
    Silence { id: SilenceId, until: DateTime<Utc> },
    /// More of this check may follow in the same message.
    Grouping { until: Steady },
    /// The channel did not take the last message.
    Retry { until: Steady, attempt: u32, cause: Arc<str> },
    /// The channel was told enough for now: what follows goes in one message.
    Storm { until: Steady },
    /// Another message is on its way to this channel.
    Busy,
}

/// The hours of telling: a check's window and a channel's must both be open.
pub fn window_hold(check: &CheckPlan, route: &Route, channel: &ChannelPlan, now: Now) -> Option<Held> {
    let windows = [check.window.as_ref(), route.window.as_ref().or(channel.window.as_ref())];
    let closed = windows.iter().flatten().find(|window| !window.is_open(now.wall))?;
    Some(Held::Window { by: closed.name.clone(), until: both_open(&windows, now.wall) })
}

/// The next instant at which all windows are open.
fn both_open(windows: &[Option<&Arc<Window>>; 2], from: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut at = from;
    // Windows repeat weekly; what has not met after so many openings never meets.
    for _ in 0..64 {
        let mut later = at;
        for window in windows.iter().flatten() {
            later = window.next_opening(later)?;
        }
        if later == at {
            return Some(at);
        }
        at = later;
    }
    None
}

/// How long to wait after so many attempts in vain: 1 s, doubling, at most 5 min.
pub fn back_off(attempts: u32) -> std::time::Duration {
    std::time::Duration::from_secs(1 << attempts.saturating_sub(1).min(9)).min(std::time::Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn back_off_doubles_up_to_five_minutes() {
        let seconds: Vec<u64> = [1, 2, 3, 9, 10, 4_000_000_000].map(|n| back_off(n).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300]);
        assert_eq!(back_off(0), Duration::from_secs(1));
    }
}
