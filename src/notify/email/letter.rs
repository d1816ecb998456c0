//! A message as a letter: its headers, its thread, its two forms of text.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use serde_json::Value;

use crate::domain::text::{shortened, visible};
use crate::notify::Message;
use crate::settings::template::{Escape, Template, escape_html};

const LONGEST_SUBJECT: usize = 150;
/// More incidents of one letter are not followed by a thread.
const MOST_THREADS: usize = 20;

/// What is the same for every letter.
pub struct Letterhead {
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    pub subject: Option<Template>,
}

impl Letterhead {
    /// The letter as it is sent.
    pub fn write(&self, message: &Message) -> Result<Vec<u8>, String> {
        let names = Names::of(message);
        let mut letter = lettre::Message::builder()
            .from(self.from.clone())
            .date(SystemTime::from(time(&message.facts["time"])))
            .subject(self.subject(message))
            .message_id(Some(names.own))
            .references(names.threads);
        for to in &self.to {
            letter = letter.to(to.clone());
        }
        if let Some(answered) = names.answered {
            letter = letter.in_reply_to(answered);
        }
        // RFC 3834: nobody's holiday notice answers it.
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
        let letter = letter.raw_header(automatic).multipart(MultiPart::alternative_plain_html(message.plain.clone(), html(&message.plain)));
        letter.map(|letter| letter.formatted()).map_err(|error| error.to_string())
    }

    /// A subject that does not work for this message is replaced by the first line.
    fn subject(&self, message: &Message) -> String {
        let own = self.subject.as_ref().and_then(|template| subject_of(template, message).ok());
        own.unwrap_or_else(|| line(message.plain.lines().next().unwrap_or_default()))
    }
}

pub fn subject_of(template: &Template, message: &Message) -> Result<String, String> {
    template.render(&message.facts, Escape::None).map(|subject| line(&subject))
}

/// One line, whatever a target wrote: no header ends early.
fn line(text: &str) -> String {
    shortened(visible(text).trim(), LONGEST_SUBJECT).into_owned()
}

fn html(text: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (first, rest) = (escape_html(first), escape_html(rest));
    format!("<html><body style=\"font-family:sans-serif;white-space:pre-wrap\"><b>{first}</b>\n{rest}</body></html>\n")
}

/// The Message-IDs by which mail programs make a thread (RFC 5322 §3.6.4). All follow from the incidents, so that a repeat
/// has the same; the time is in them because numbers begin anew where the state was lost.
struct Names {
    own: String,
    /// The failure that this letter follows.
    answered: Option<String>,
    /// One for each incident, which no letter bears: what they have in common is a thread.
    threads: String,
}

impl Names {
    fn of(message: &Message) -> Self {
        let facts = &message.facts;
        let place: String =
            facts["host"].as_str().unwrap_or_default().chars().map(|c| if is_atom(c) { c } else { '-' }).take(100).collect();
        let name = |key: &str, since: &Value| format!("<{key}.{}@{place}.vakhta>", time(since).timestamp());
        let follows = matches!(facts["kind"].as_str(), Some("recovered" | "reminder"));
        let incidents = facts["incidents"].as_array().map(Vec::as_slice).unwrap_or_default();
        let threads = incidents.iter().take(MOST_THREADS).map(|incident| name(&format!("{}-incident", incident["id"]), &incident["since"]));
        Self {
            own: name(&message.key, &facts["since"]),
            answered: follows.then(|| name(&format!("{}-failed", facts["id"]), &facts["since"])),
            threads: threads.collect::<Vec<_>>().join(" "),
        }
    }
}

fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|time| DateTime::parse_from_rfc3339(time).ok()).map(|time| time.to_utc()).unwrap_or_default()
}
