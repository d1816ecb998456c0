//! A decision of the engine as a line, with its reason by name.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, SubsecRound, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::control::Why;
use crate::domain::engine::{Delivery, Event};
use crate::domain::incident::{ClosedBy, Incident, IncidentId};
use crate::domain::time::Now;

/// One line of `events.jsonl`; times are in the watch's own zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    pub time: DateTime<FixedOffset>,
    #[serde(flatten)]
    pub what: Happened,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    /// An incident has opened.
    Failed {
        incident: IncidentId,
        check: String,
        target: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        rule: String,
        severity: String,
        /// The first bad reading of those that count.
        since: DateTime<FixedOffset>,
        failures: u32,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<f64>,
    },
    /// It has closed: by good readings (`recovery`), or because nothing watches it any more (`removal`).
    Recovered {
        incident: IncidentId,
        check: String,
        target: String,
        rule: String,
        since: DateTime<FixedOffset>,
        failures: u32,
        by: String,
    },
    /// Something is owed and waits.
    Held {
        check: String,
        channel: String,
        count: usize,
        #[serde(flatten)]
        why: Why,
    },
    /// A message leaves.
    Sending {
        checks: Vec<String>,
        channel: String,
        kind: String,
        incidents: Numbers,
        attempt: u32,
    },
    /// The channel has taken it.
    Told {
        channel: String,
        kind: String,
        incidents: Numbers,
    },
    /// The channel has not, or nobody knows: `later`, `never`, `broken`, `unsure`.
    NotTold {
        channel: String,
        kind: String,
        incidents: Numbers,
        answer: String,
        cause: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_in: Option<u64>,
    },
    /// It was over before the channel could be told.
    NeverTold {
        check: String,
        channel: String,
        incident: IncidentId,
    },
    /// Failures that count open no incident while a check that is needed is False.
    NotOpened {
        check: String,
        parent: String,
        count: usize,
    },
    /// The channel is not to be told of these.
    NotOwed {
        check: String,
        channel: String,
        incidents: Numbers,
        why_not: String,
    },
    Silenced {
        silence: u64,
        about: String,
        until: DateTime<FixedOffset>,
        by: String,
        comment: String,
    },
    SilenceOver {
        silence: u64,
        about: String,
    },
    /// Somebody has taken these on: nobody is reminded of them.
    Acknowledged {
        incidents: Numbers,
        by: String,
        note: String,
    },
    /// That was taken back.
    Unacknowledged {
        incidents: Numbers,
        by: String,
    },
}

impl Happened {
    /// As `event` of its line.
    pub fn name(&self) -> &'static str {
        match self {
            Happened::Failed { .. } => "failed",
            Happened::Recovered { .. } => "recovered",
            Happened::Held { .. } => "held",
            Happened::Sending { .. } => "sending",
            Happened::Told { .. } => "told",
            Happened::NotTold { .. } => "not_told",
            Happened::NeverTold { .. } => "never_told",
            Happened::NotOpened { .. } => "not_opened",
            Happened::NotOwed { .. } => "not_owed",
            Happened::Silenced { .. } => "silenced",
            Happened::SilenceOver { .. } => "silence_over",
            Happened::Acknowledged { .. } => "acknowledged",
            Happened::Unacknowledged { .. } => "unacknowledged",
        }
    }
}

impl EventLine {
    pub fn new(event: &Event, zone: Tz, now: Now) -> Self {
        let local = |at: DateTime<Utc>| at.trunc_subsecs(3).with_timezone(&zone).fixed_offset();
        Self { time: local(now.wall), what: happened(event, &local, now) }
    }
}

fn happened(event: &Event, local: &dyn Fn(DateTime<Utc>) -> DateTime<FixedOffset>, now: Now) -> Happened {
    match event {
        Event::Opened { check, incident } => failed(check, incident, local),
        Event::Closed { check, incident } => Happened::Recovered {
            incident: incident.id,
            check: check.to_string(),
            target: incident.target.key.to_string(),
            rule: incident.rule.to_string(),
            since: local(incident.since),
            failures: incident.failures,
            by: match incident.closed.map(|closing| closing.by) {
                Some(ClosedBy::Removal) => "removal",
                Some(ClosedBy::Recovery) | None => "recovery",
            }
            .to_owned(),
        },
        Event::Held { check, channel, count, why } => {
            Happened::Held { check: check.to_string(), channel: channel.to_string(), count: *count, why: Why::new(why.clone(), local, now) }
        }
        Event::Sending { checks, channel, kind, incidents, attempt } => Happened::Sending {
            checks: checks.iter().map(ToString::to_string).collect(),
            channel: channel.to_string(),
            kind: (*kind).to_owned(),
            incidents: Numbers(incidents.clone()),
            attempt: *attempt,
        },
        Event::Taken { channel, kind, incidents } => {
            Happened::Told { channel: channel.to_string(), kind: (*kind).to_owned(), incidents: Numbers(incidents.clone()) }
        }
        Event::NotTaken { channel, kind, incidents, outcome, again_in } => {
            let (answer, cause) = match outcome {
                Delivery::Taken => ("taken", None),
                Delivery::Later { cause, .. } => ("later", Some(cause)),
                Delivery::Never { cause } => ("never", Some(cause)),
                Delivery::Broken { cause } => ("broken", Some(cause)),
                Delivery::Unsure { cause } => ("unsure", Some(cause)),
            };
            Happened::NotTold {
                channel: channel.to_string(),
                kind: (*kind).to_owned(),
                incidents: Numbers(incidents.clone()),
                answer: answer.to_owned(),
                cause: cause.map(ToString::to_string).unwrap_or_default(),
                again_in: again_in.as_ref().map(Duration::as_secs),
            }
        }
        Event::OverUntold { check, channel, incident } => {
            Happened::NeverTold { check: check.to_string(), channel: channel.to_string(), incident: *incident }
        }
        Event::NotOpened { check, parent, count } => {
            Happened::NotOpened { check: check.to_string(), parent: parent.to_string(), count: *count }
        }
        Event::NotOwed { check, channel, incidents, why } => Happened::NotOwed {
            check: check.to_string(),
            channel: channel.to_string(),
            incidents: Numbers(incidents.clone()),
            why_not: why.to_string(),
        },
        Event::Silenced(silence) => Happened::Silenced {
            silence: silence.id,
            about: silence.scope.to_string(),
            until: local(silence.until),
            by: silence.by.to_string(),
            comment: silence.comment.to_string(),
        },
        Event::SilenceOver(silence) => Happened::SilenceOver { silence: silence.id, about: silence.scope.to_string() },
        Event::Acknowledged { incidents, by, note } => {
            Happened::Acknowledged { incidents: Numbers(incidents.clone()), by: by.to_string(), note: note.to_string() }
        }
        Event::Unacknowledged { incidents, by } => Happened::Unacknowledged { incidents: Numbers(incidents.clone()), by: by.to_string() },
    }
}

fn failed(check: &str, incident: &Incident, local: &dyn Fn(DateTime<Utc>) -> DateTime<FixedOffset>) -> Happened {
    Happened::Failed {
        incident: incident.id,
        check: check.to_owned(),
        target: incident.target.key.to_string(),
        name: incident.target.name.as_deref().map(str::to_owned),
        rule: incident.rule.to_string(),
        severity: incident.severity.name().to_owned(),
        since: local(incident.since),
        failures: incident.failures,
        reason: incident.reason.to_string(),
        value: incident.value.map(|base| incident.unit.from_base(base)),
    }
}

/// Numbers of incidents; three and more in a row are written as `"7-9"`, or a storm would fill the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers(pub Vec<IncidentId>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Run {
    One(IncidentId),
    Many(String),
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut numbers = self.0.clone();
        numbers.sort_unstable();
        let runs = numbers.chunk_by(|a, b| *b == *a + 1).flat_map(|run| match run {
            [first, .., last] if run.len() > 2 => vec![Run::Many(format!("{first}-{last}"))],
            few => few.iter().map(|number| Run::One(*number)).collect(),
        });
        serializer.collect_seq(runs)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut numbers = Vec::new();
        for run in Vec::<Run>::deserialize(deserializer)? {
            match run {
                Run::One(number) => numbers.push(number),
                Run::Many(text) => {
                    let ends = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
                    let (first, last): (IncidentId, IncidentId) =
                        ends.ok_or_else(|| serde::de::Error::custom("expected a row like 7-9"))?;
                    // No message is about more.
                    numbers.extend((first..=last).take(10_000_000));
                }
            }
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_named_as_it_is_written() {
        let all = [
            Happened::NeverTold { check: "a".into(), channel: "ops".into(), incident: 1 },
            Happened::NotOpened { check: "a".into(), parent: "b".into(), count: 1 },
            Happened::SilenceOver { silence: 1, about: "a".into() },
            Happened::Acknowledged { incidents: Numbers::default(), by: "ann".into(), note: "on it".into() },
            Happened::Unacknowledged { incidents: Numbers::default(), by: "ann".into() },
            Happened::Told { channel: "ops".into(), kind: "failed".into(), incidents: Numbers::default() },
        ];
        for what in all {
            assert_eq!(serde_json::to_value(&what).unwrap()["event"], what.name());
        }
    }

    #[test]
    fn numbers_in_a_row_are_written_as_one() {
        let text = serde_json::to_string(&Numbers(vec![9, 1, 2, 5, 6, 7, 8])).unwrap();
        assert_eq!(text, r#"[1,2,"5-9"]"#);
        assert_eq!(serde_json::from_str::<Numbers>(&text).unwrap(), Numbers(vec![1, 2, 5, 6, 7, 8, 9]));
        assert!(serde_json::from_str::<Numbers>(r#"["9"]"#).is_err());
    }
}
