//! The tale of one incident: everything that was decided about it, in order.

use std::io;
use std::path::PathBuf;

use super::{EventLine, Happened, lines};
use crate::control::lasting;
use crate::domain::incident::IncidentId;

/// Which incident.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    Number(IncidentId),
    /// The last one of a check, or of one target of it.
    LastOf {
        check: &'a str,
        target: Option<&'a str>,
    },
}

/// An incident and what was decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tale {
    pub events: Vec<EventLine>,
}

impl Tale {
    /// Reads it out of the files, which stand oldest first; nothing if no such incident has opened in them.
    pub fn read(files: &[PathBuf], wanted: Wanted<'_>) -> io::Result<Option<Self>> {
        for (index, file) in files.iter().enumerate().rev() {
            let found = lines::<EventLine>(file)?.filter(|line| is_wanted(&line.what, wanted)).last();
            if let Some(opening) = found {
                return gather(&files[index..], &opening).map(Some);
            }
        }
        Ok(None)
    }

    pub fn is_over(&self) -> bool {
        self.events.iter().any(|line| matches!(line.what, Happened::Recovered { .. }))
    }

    /// `#1042 · terminals 10.0.0.7 (till 3) · rule up · critical`
    pub fn title(&self) -> String {
        let Some(EventLine { what: Happened::Failed { incident, check, target, name, rule, severity, .. }, .. }) = self.events.first()
        else {
            return String::new();
        };
        let target = if target.is_empty() { String::new() } else { format!(" {target}") };
        let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        format!("#{incident} · {check}{target}{name} · rule {rule} · {severity}")
    }

    /// What happened, a sentence each, with its time.
    pub fn sentences(&self) -> Vec<(String, String)> {
        let clock = |at: chrono::DateTime<chrono::FixedOffset>| at.format("%Y-%m-%d %H:%M:%S").to_string();
        let mut sentences = Vec::new();
        for line in &self.events {
            if let Happened::Failed { since, .. } = &line.what {
                sentences.push((clock(*since), "the first bad look of those that count".to_owned()));
            }
            sentences.push((clock(line.time), sentence(line)));
        }
        sentences
    }
}

fn is_wanted(what: &Happened, wanted: Wanted<'_>) -> bool {
    let Happened::Failed { incident, check, target, .. } = what else { return false };
    match wanted {
        Wanted::Number(number) => *incident == number,
        Wanted::LastOf { check: name, target: only } => check == name && only.is_none_or(|only| target == only),
    }
}

/// All that concerns the incident, from its opening to the last that was decided about it.
fn gather(files: &[PathBuf], opening: &EventLine) -> io::Result<Tale> {
    let Happened::Failed { incident, check, target, .. } = &opening.what else { return Ok(Tale { events: Vec::new() }) };
    let about = [check.clone(), format!("{check}/{target}"), "everything".to_owned()];
    let (mut events, mut begun, mut over, mut last) = (Vec::new(), false, false, 0);
    for file in files {
        for line in lines::<EventLine>(file)? {
            begun |= line == *opening;
            if !begun {
                continue;
            }
            let names = |numbers: &super::events::Numbers| numbers.0.contains(incident);
            let (is_about, is_certain) = match &line.what {
                Happened::Failed { incident: number, .. }
                | Happened::Recovered { incident: number, .. }
                | Happened::NeverTold { incident: number, .. } => (number == incident, true),
                Happened::Sending { incidents, .. }
                | Happened::Told { incidents, .. }
                | Happened::NotTold { incidents, .. }
                | Happened::NotOwed { incidents, .. }
                | Happened::Acknowledged { incidents, .. }
                | Happened::Unacknowledged { incidents, .. } => (names(incidents), true),
                // Nothing has opened, so it is about no incident.
                Happened::NotOpened { .. } => (false, false),
                // Of the check; whether of this incident is known only while it is not settled.
                Happened::Held { check: held, .. } => (held == check, false),
                Happened::Silenced { about: scope, .. } | Happened::SilenceOver { about: scope, .. } => (about.contains(scope), false),
            };
            if is_about {
                over |= matches!(line.what, Happened::Recovered { .. });
                events.push(line);
                if is_certain {
                    last = events.len();
                }
            }
        }
    }
    if over {
        events.truncate(last);
    }
    Ok(Tale { events })
}

impl EventLine {
    /// What happened, in English.
    pub fn sentence(&self) -> String {
        sentence(self)
    }
}

fn sentence(line: &EventLine) -> String {
    let times = |count: u32| if count == 1 { "1 failure".to_owned() } else { format!("{count} failures in a row") };
    match &line.what {
        Happened::Failed { reason, failures, .. } => format!("failed after {}: {reason}", times(*failures)),
        Happened::Recovered { by, .. } if by == "removal" => "closed: it is not watched any more".to_owned(),
        Happened::Recovered { since, .. } => {
            let lasted = (line.time - since).num_seconds().max(0);
            format!("recovered after {}", lasting(lasted as u64))
        }
        Happened::Held { channel, why, .. } => format!("{channel}: {}", why.words(line.time)),
        Happened::Sending { channel, kind, incidents, attempt, .. } => {
            let with = match incidents.0.len() {
                0 | 1 => String::new(),
                more => format!(" with {} others", more - 1),
            };
            let attempt = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            format!("{channel}: telling that it {}{with}{attempt}", verb(kind))
        }
        Happened::Told { channel, kind, .. } => format!("{channel}: told that it {}", verb(kind)),
        Happened::NotTold { channel, answer, cause, again_in, .. } => {
            let word = match answer.as_str() {
                "never" => "refused for good",
                "broken" => "takes nothing until it is mended",
                "unsure" => "may or may not have taken it",
                _ => "did not take it",
            };
            let again = again_in.map(|seconds| format!("; again in {}", lasting(seconds))).unwrap_or_default();
            format!("{channel}: {word}: {cause}{again}")
        }
        Happened::NotOwed { channel, why_not, .. } => format!("{channel}: not told: {why_not}"),
        Happened::NotOpened { parent, count, .. } => format!("{count} would have failed, but for `{parent}`, which is False"),
        Happened::NeverTold { channel, .. } => format!("{channel}: over before it could be told, so not told"),
        Happened::Silenced { silence, until, by, comment, .. } => {
            let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
            let comment = if comment.is_empty() { String::new() } else { format!(": {comment}") };
            format!("silence {silence}{by} until {}{comment}", until.format("%Y-%m-%d %H:%M:%S"))
        }
        Happened::SilenceOver { silence, .. } => format!("silence {silence} is over"),
        Happened::Acknowledged { by, note, .. } => {
            let note = if note.is_empty() { String::new() } else { format!(": {note}") };
            format!("acknowledged by {by}, so nobody is reminded of it{note}")
        }
        Happened::Unacknowledged { by, .. } => format!("not acknowledged any more, by {by}"),
    }
}

fn verb(kind: &str) -> &str {
    match kind {
        "failed" => "failed",
        "recovered" => "recovered",
        "reminder" => "still fails",
        _ => "failed while the channel could not be told",
    }
}
