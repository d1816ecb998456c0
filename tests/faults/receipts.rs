//! What arrived, whatever the channel: one line a message in a file that is synced before the channel answers.

use std::path::Path;

use serde_json::Value;

use crate::program::written_lines;

/// What a message says of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    Failed,
    Reminder,
    Recovered,
    /// It failed and is over, both in one message.
    Over,
}

impl Said {
    /// A copy is a second one of the same half: the beginning or the end.
    pub fn is_end(self) -> bool {
        matches!(self, Said::Recovered | Said::Over)
    }
}

/// One incident in one message that a channel took.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Microseconds since 1970.
    pub at: u64,
    pub channel: String,
    pub check: String,
    pub incident: u64,
    pub said: Said,
    /// It says that it may be a second copy.
    pub repeat: bool,
    /// The channel answered that it took it.
    pub answered: bool,
}

/// All that a channel's file holds.
pub fn read(path: &Path, channel: &str) -> Vec<Receipt> {
    written_lines(path).iter().flat_map(|line| from_line(line, channel)).collect()
}

/// The subject of a letter that says all of it: `failed|a|false|17 18 `, a number with a dot is over.
pub const SUBJECT: &str = "{{ kind }}|{{ check }}|{{ repeat }}|{% for i in incidents %}{{ i.id }}{% if i.until %}.{% endif %} {% endfor %}";

/// One line of the file: a message of Telegram, a webhook's request or a letter.
pub fn from_line(line: &Value, channel: &str) -> Vec<Receipt> {
    if let Some(body) = line["body"].as_str() {
        return from_facts(line, &serde_json::from_str(body).unwrap(), channel);
    }
    match line["letter"].as_str() {
        Some(letter) => from_subject(line, letter, channel),
        None => from_text(line, channel),
    }
}

/// What a webhook is told by default.
fn from_facts(line: &Value, facts: &Value, channel: &str) -> Vec<Receipt> {
    let incidents = facts["incidents"].as_array().unwrap().iter();
    let told = incidents.map(|incident| (incident["id"].as_u64().unwrap(), incident["until"] != ""));
    from_words(line, channel, facts["kind"].as_str().unwrap(), facts["check"].as_str().unwrap(), facts["repeat"] == true, told)
}

fn from_subject(line: &Value, letter: &str, channel: &str) -> Vec<Receipt> {
    let subject = letter.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
    let words: Vec<&str> = subject.trim().split('|').collect();
    let told = words[3].split_whitespace().map(|id| (id.trim_end_matches('.').parse().unwrap(), id.ends_with('.')));
    from_words(line, channel, words[0], words[1], words[2] == "true", told)
}

fn from_words(line: &Value, channel: &str, kind: &str, check: &str, repeat: bool, told: impl Iterator<Item = (u64, bool)>) -> Vec<Receipt> {
    let receipt = |(incident, over)| Receipt {
        at: line["at"].as_u64().unwrap(),
        channel: channel.to_owned(),
        check: check.to_owned(),
        incident,
        said: match (kind, over) {
            ("reminder", _) => Said::Reminder,
            ("recovered", _) => Said::Recovered,
            ("digest", true) => Said::Over,
            _ => Said::Failed,
        },
        repeat,
        answered: line["answered"].as_bool().unwrap(),
    };
    told.map(receipt).collect()
}

/// Told in the built-in English texts.
fn from_text(line: &Value, channel: &str) -> Vec<Receipt> {
    let text = line["text"].as_str().unwrap();
    let header = text.lines().next().unwrap_or_default();
    // `🔴 srv-01 · atto failed`, `✅ srv-01 · atto recovered after 3 s`, `📋 srv-01 · atto: failed and recovered before …`
    let about = header.split(" · ").nth(1).unwrap_or_default();
    let end =
        [" failed", " recovered after", " still failing", ": failed and", ", while you"].iter().filter_map(|end| about.find(end)).min();
    let check = &about[..end.unwrap_or(about.len())];
    let said_of = |part: &str| match header.chars().next() {
        Some('✅') => Said::Recovered,
        Some('🔁') => Said::Reminder,
        Some('📋') => Said::Over,
        _ if header.contains("while you could not be reached") && !part.contains("still failing") => Said::Over,
        _ => Said::Failed,
    };
    let number = |line: &str| {
        let digits: String = line.rsplit_once(" · #")?.1.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let numbered = text.lines().filter_map(|line| Some((number(line)?, said_of(line))));
    let receipt = |(incident, said)| Receipt {
        at: line["at"].as_u64().unwrap(),
        channel: channel.to_owned(),
        check: check.to_owned(),
        incident,
        said,
        repeat: header.contains("(may be a repeat)"),
        answered: line["answered"].as_bool().unwrap(),
    };
    numbered.map(receipt).collect()
}

#[test]
fn a_line_says_what_was_told_of_which_incident() {
    let read = |text: &str| {
        let line = serde_json::json!({ "at": 5, "answered": true, "text": text });
        from_line(&line, "ops").into_iter().map(|r| (r.check, r.incident, r.said, r.repeat)).collect::<Vec<_>>()
    };
    let atto = |incident, said, repeat| ("atto".to_owned(), incident, said, repeat);
    assert_eq!(
        read("🔴 srv-01 · atto failed\n127.0.0.1:9\nno `PONG` · since 12:00:01 · #17\nrestart atto"),
        [atto(17, Said::Failed, false)]
    );
    assert_eq!(
        read("✅ srv-01 · atto recovered after 3 s (may be a repeat)\n127.0.0.1:9\nwas: x · 1 to 2 · #17"),
        [atto(17, Said::Recovered, true)]
    );
    assert_eq!(
        read("📋 srv-01 · atto: failed and recovered before you could be told\na: x · 1 to 2 (1 s) · #3\na: x · 3 to 4 (1 s) · #4"),
        [atto(3, Said::Over, false), atto(4, Said::Over, false)]
    );
}

#[test]
fn every_channel_says_the_same() {
    let read = |line: &Value| from_line(line, "x").into_iter().map(|r| (r.check, r.incident, r.said, r.repeat)).collect::<Vec<_>>();
    let expect = [("a".to_owned(), 17, Said::Recovered, true)];
    let facts = serde_json::json!({ "kind": "recovered", "check": "a", "repeat": true, "incidents": [{ "id": 17, "until": "2026" }] });
    assert_eq!(read(&serde_json::json!({ "at": 5, "answered": true, "body": facts.to_string() })), expect);
    let letter = "From: a\r\nSubject: recovered|a|true|17. \r\n\r\nwords";
    assert_eq!(read(&serde_json::json!({ "at": 5, "answered": true, "letter": letter })), expect);
    assert_eq!(
        read(
            &serde_json::json!({ "at": 5, "answered": true, "text": "✅ srv-01 · a recovered after 3 s (may be a repeat)\nx\nwas: x · #17" })
        ),
        expect
    );
}
