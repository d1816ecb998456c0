//! Every decision of the engine is written down once, with its reason.

use crate::domain::engine::{Delivery, Event};
use crate::domain::plan::Held;

/// More turns than this in one step are not written one by one.
const MANY_TURNS: usize = 20;

/// Writes one of several decisions of one step, of which so many were turns.
pub fn write_event(event: &Event, turns: usize) {
    match event {
        Event::Opened { check, incident } | Event::Closed { check, incident } if turns > MANY_TURNS => {
            tracing::debug!(%check, target = %incident.target.key, rule = %incident.rule, incident = incident.id, open = incident.is_open(), "turned");
        }
        Event::Opened { check, incident } => {
            tracing::warn!(%check, target = %incident.target.key, rule = %incident.rule, incident = incident.id, reason = %incident.reason, "failed");
        }
        Event::Closed { check, incident } => {
            tracing::info!(%check, target = %incident.target.key, rule = %incident.rule, incident = incident.id, "recovered");
        }
        Event::Held { check, channel, count, why } => write_hold(check, channel, *count, why),
        Event::Sending { checks, channel, kind, incidents, attempt } => {
            tracing::debug!(checks = checks.len(), %channel, kind, incidents = incidents.len(), attempt, "sending");
        }
        Event::Taken { channel, kind, incidents } => {
            tracing::info!(%channel, kind, incidents = %numbers(incidents), "told");
        }
        Event::NotTaken { channel, kind, incidents, outcome, again_in } => {
            let (word, cause) = match outcome {
                Delivery::Taken => return,
                Delivery::Later { cause, .. } => ("not taken", cause),
                Delivery::Never { cause } => ("refused for good", cause),
                Delivery::Broken { cause } => ("the channel takes nothing", cause),
                Delivery::Unsure { cause } => ("may or may not have been taken", cause),
            };
            tracing::error!(%channel, kind, incidents = %numbers(incidents), %cause, again_in = ?again_in.unwrap_or_default(), "{word}");
        }
        Event::OverUntold { check, channel, incident } => {
            tracing::info!(%check, %channel, incident, "over before it could be told, so not told");
        }
        Event::NotOpened { check, parent, count } => {
            tracing::info!(%check, %parent, count, "would have failed; a check it needs is False, so nothing opens");
        }
        Event::NotOwed { check, channel, incidents, why } => {
            tracing::debug!(%check, %channel, incidents = %numbers(incidents), why = %why, "not told");
        }
        Event::Silenced(silence) => {
            tracing::info!(silence = silence.id, about = %silence.scope, until = %silence.until.to_rfc3339(), by = %silence.by, comment = %silence.comment, "silenced");
        }
        Event::SilenceOver(silence) => tracing::info!(silence = silence.id, about = %silence.scope, "the silence is over"),
        Event::Acknowledged { incidents, by, note } => tracing::info!(incidents = %numbers(incidents), %by, %note, "acknowledged"),
        Event::Unacknowledged { incidents, by } => tracing::info!(incidents = %numbers(incidents), %by, "not acknowledged any more"),
    }
}

fn write_hold(check: &str, channel: &str, count: usize, why: &Held) {
    match why {
        Held::Window { by, until: Some(until) } => {
            tracing::info!(check, channel, count, window = %by, until = %until.to_rfc3339(), "held by a closed window");
        }
        Held::Window { by, until: None } => {
            tracing::warn!(check, channel, count, window = %by, "held by windows that are never open together");
        }
        Held::Silence { id, until } => {
            tracing::info!(check, channel, count, silence = id, until = %until.to_rfc3339(), "held by a silence")
        }
        Held::Storm { until: _ } => tracing::info!(check, channel, count, "many messages: what follows goes in one"),
        Held::Grouping { .. } => tracing::debug!(check, channel, count, "waiting for more to tell together"),
        Held::Retry { attempt, cause, .. } => tracing::debug!(check, channel, count, attempt, %cause, "waiting for the channel"),
        Held::Busy => {}
    }
}

/// `#1042 #1043 and 8 more`
fn numbers(incidents: &[u64]) -> String {
    let mut text = incidents.iter().take(5).map(|id| format!("#{id}")).collect::<Vec<_>>().join(" ");
    if incidents.len() > 5 {
        text.push_str(&format!(" and {} more", incidents.len() - 5));
    }
    text
}
