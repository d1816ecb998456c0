//! Messages that nobody sends: what a body of one's own is tried with when the file is read, and the values of a test message.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Language, Words};
use crate::domain::message::{Kind, Notice, NoticeIncident};
use crate::domain::reading::Target;
use crate::domain::rule::Unit;
use crate::domain::watch::Severity;
use crate::notify::{Limits, Measure, Message};
use crate::settings::template::{Escape, escape_html};

const LIMITS: Limits = Limits { length: 4096, measure: Measure::Bytes, escape: Escape::None };

/// One message of each kind, with one incident and with several, with a value and without, and with text that needs care.
pub fn messages() -> Result<Vec<(&'static str, Message)>, String> {
    let words = Words::new(Language::English)?;
    let cases = [
        ("a failure with a value", Kind::Failed, 1, Some(75.2)),
        ("a failure without a value", Kind::Failed, 1, None),
        ("several failures", Kind::Failed, 3, Some(75.2)),
        ("a recovery", Kind::Recovered, 1, Some(75.2)),
        ("several recoveries", Kind::Recovered, 3, None),
        ("a reminder", Kind::Reminder, 3, Some(75.2)),
        ("a digest", Kind::Digest, 3, None),
    ];
    let message = |(name, kind, count, value)| (name, words.message(&notice(kind, count, value, DateTime::UNIX_EPOCH), &[], LIMITS).0);
    Ok(cases.into_iter().map(message).collect())
}

/// What shows whether a channel works: a line that names this machine, or a text of one's own.
pub fn test_message(host: &str, text: Option<&str>, escape: Escape, now: DateTime<Utc>) -> Message {
    let own = || format!("👋 {host}: a test message from vakhta {}. This channel works.", env!("CARGO_PKG_VERSION"));
    let plain = text.map_or_else(own, str::to_owned);
    let text = match escape {
        Escape::Html => escape_html(&plain),
        Escape::None | Escape::Json => plain.clone(),
    };
    Message { text, plain, quiet: false, key: format!("test-{}", now.timestamp()), facts: test_facts(host, now) }
}

fn test_facts(host: &str, now: DateTime<Utc>) -> Value {
    let notice = Notice { host: host.into(), ..notice(Kind::Failed, 1, Some(75.2), now) };
    let mut facts = Words::new(Language::English).map(|words| words.message(&notice, &[], LIMITS).0.facts).unwrap_or_default();
    facts["kind"] = "test".into();
    facts
}

fn notice(kind: Kind, count: u64, value: Option<f64>, now: DateTime<Utc>) -> Notice {
    let now = now.with_timezone(&chrono_tz::UTC);
    let over = matches!(kind, Kind::Recovered | Kind::Digest);
    let incident = |id| NoticeIncident {
        check: "an \"example\"".into(),
        id,
        target: Target::named(format!("192.0.2.{id}"), "a \"name\""),
        rule: "mem".into(),
        reason: "mem is 75.2%, above 70%: \"quoted\", {braces} and a \\ backslash".into(),
        value,
        unit: Unit::Percent,
        since: now,
        until: over.then_some(now),
        duration: Duration::ZERO,
        failures: 3,
        closed_by: None,
    };
    Notice {
        kind,
        host: "srv-01".into(),
        checks: vec!["an \"example\"".into()],
        comment: "two\nlines".into(),
        severity: Severity::Critical,
        labels: Default::default(),
        time: now,
        failing: if over { 0 } else { count as usize },
        total: 10,
        repeat: false,
        incidents: (1..=count).map(incident).collect(),
    }
}
