//! The lines of a story, read.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::{Step, What};
use crate::domain::engine::Delivery;
use crate::domain::reading::{Others, Outcome, Reading, Report, Target};
use crate::settings::Period;

/// The most runs that one line stands for.
const MOST_TIMES: u32 = 100_000;

/// Reads one line of a story.
pub struct Reader<'a> {
    pub zone: Tz,
    pub checks: &'a [Arc<str>],
    /// Which of the story's lines it is.
    pub line: usize,
}

impl Reader<'_> {
    pub fn line(&self, line: &str) -> Result<Vec<Step>, String> {
        let (at, rest) = self.time(line)?;
        let step = |at, what| Step { at, what, line: self.line };
        let at_once = match rest {
            "." => Some(What::Nothing),
            "restart" => Some(What::Restart),
            "crash" => Some(What::Crash),
            "reload" => Some(What::Reload),
            _ => None,
        };
        if let Some(what) = at_once {
            return Ok(vec![step(at, what)]);
        }
        if let Some(about) = rest.strip_prefix("unsilence ") {
            return Ok(vec![step(at, What::Unsilence { about: about.to_owned() })]);
        }
        if let Some(rest) = rest.strip_prefix("silence ") {
            let (about, lasting) = rest.rsplit_once(" for ").ok_or("a silence is `silence CHECK for 2h`")?;
            return Ok(vec![step(at, What::Silence { about: about.to_owned(), lasting: Period::parse(lasting)?.0 })]);
        }
        if let Some(which) = rest.strip_prefix("unack ") {
            return Ok(vec![step(at, What::Unacknowledge { which: which.to_owned() })]);
        }
        if let Some(rest) = rest.strip_prefix("ack ") {
            return Ok(vec![step(at, acknowledgement(rest))]);
        }
        if let Some((channel, answer)) = rest.split_once(" answers ") {
            let answer = delivery(answer)?;
            return Ok(vec![step(at, What::Answer { channel: channel.to_owned(), answer })]);
        }
        let (times, apart, rest) = repetition(rest)?;
        let checks =
            self.checks.iter().filter(|name| rest.strip_prefix(&***name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
        let check = checks.max_by_key(|name| name.len()).ok_or_else(|| format!("there is no check at `{rest}`"))?;
        let (took, rest) = took(rest[check.len()..].trim())?;
        let report = report(rest)?;
        let what = || What::Report { check: check.clone(), report: report.clone(), took };
        if times > MOST_TIMES {
            return Err(format!("a line stands for at most {MOST_TIMES} runs, not {times}"));
        }
        let later = |time| apart.checked_mul(time).and_then(|later| at.checked_add_signed(TimeDelta::from_std(later).ok()?));
        let steps = (0..times).map(|time| Some(step(later(time)?, what()))).collect::<Option<_>>();
        steps.ok_or_else(|| "that is past the end of time".to_owned())
    }

    fn time<'a>(&self, line: &'a str) -> Result<(DateTime<Utc>, &'a str), String> {
        let (first, rest) = line.split_once(' ').ok_or("a line is a time and what happens")?;
        let (date, time, rest) = match first.contains('-') {
            true => rest.split_once(' ').map(|(time, rest)| (first, time, rest)).ok_or("after the date comes the time")?,
            false => ("2026-11-20", first, rest),
        };
        let local = NaiveDateTime::parse_from_str(&format!("{date} {time}"), "%Y-%m-%d %H:%M:%S")
            .map_err(|_| format!("`{date} {time}` is not a time like 12:00:00"))?;
        let at = self.zone.from_local_datetime(&local).earliest().ok_or("there is no such time on that day")?;
        Ok((at.with_timezone(&Utc), rest.trim()))
    }
}

/// `#1`, `#1 by anna` or `#1 by anna: on it`
fn acknowledgement(text: &str) -> What {
    let (which, rest) = text.split_once(" by ").unwrap_or((text, "someone"));
    let (by, note) = rest.split_once(':').unwrap_or((rest, ""));
    let note = note.trim().trim_matches('"');
    What::Acknowledge { which: which.trim().to_owned(), by: by.trim().to_owned(), note: note.to_owned() }
}

/// `x5 30s rest`
fn repetition(text: &str) -> Result<(u32, Duration, &str), String> {
    let Some(counted) = text.strip_prefix('x') else { return Ok((1, Duration::ZERO, text)) };
    let mut words = counted.splitn(3, ' ');
    match (words.next().map(str::parse), words.next().map(Period::parse), words.next()) {
        (Some(Ok(times)), Some(Ok(apart)), Some(rest)) => Ok((times, apart.0, rest)),
        // A check may be called x-ray.
        _ => Ok((1, Duration::ZERO, text)),
    }
}

/// `took 5s rest`
fn took(text: &str) -> Result<(Duration, &str), String> {
    match text.strip_prefix("took ").map(|rest| rest.split_once(' ').unwrap_or((rest, ""))) {
        Some((took, rest)) => Ok((Period::parse(took)?.0, rest)),
        None => Ok((Duration::ZERO, text)),
    }
}

fn report(text: &str) -> Result<Report, String> {
    if let Some(reason) = text.strip_prefix("lost ") {
        return Ok(Report::Lost(reason.into()));
    }
    let (mut readings, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        if let Some(others) = rest.strip_prefix("others ") {
            return Ok(Report::Found { readings, others: self::others(others)? });
        }
        // A target may have colons of its own: the last one before a reason or values is ours.
        let head = rest.find([' ', '(', '{']).unwrap_or(rest.len());
        let (target, word) =
            rest[..head].rsplit_once(':').ok_or("a reading is TARGET:pass, TARGET:fail(reason) or TARGET:unknown(reason)")?;
        let mut after = &rest[head..];
        let reason = match after.strip_prefix('(') {
            Some(inner) => {
                let (reason, behind) = inner.split_once(')').ok_or("a reason ends with `)`")?;
                after = behind;
                reason
            }
            None => "it failed",
        };
        let outcome = match word {
            "pass" => Outcome::Pass,
            "fail" => Outcome::Fail(reason.into()),
            "unknown" | "noway" => Outcome::Unknown(reason.into()),
            other => return Err(format!("`{other}` is not pass, fail, unknown or noway")),
        };
        let mut reading = Reading { outcome, no_way: word == "noway", ..Reading::pass(&Target::new(target)) };
        if let Some(inner) = after.strip_prefix('{') {
            let (values, behind) = inner.split_once('}').ok_or("values end with `}`")?;
            after = behind;
            for value in values.split(',') {
                let (metric, number) = value.split_once('=').ok_or("a value is metric=number")?;
                let metric = metric.trim().to_owned();
                reading = match number.trim().parse::<f64>() {
                    Ok(number) => reading.with(metric, number),
                    Err(_) => reading.without(metric, format!("{number} is not a number")),
                };
            }
        }
        readings.push(reading);
        rest = after.trim_start();
    }
    Ok(Report::Readings(readings))
}

/// `kept` or `missing(reason)`
fn others(text: &str) -> Result<Others, String> {
    let missing = |text: &str| Some(Others::Missing(text.strip_prefix("missing(")?.strip_suffix(')')?.into()));
    match text {
        "kept" => Ok(Others::Kept),
        text => missing(text).ok_or_else(|| "the others of a report are `kept` or `missing(reason)`".to_owned()),
    }
}

/// What a channel answers; `nothing` is no answer before the watch ends.
fn delivery(text: &str) -> Result<Option<Delivery>, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let cause: Arc<str> = "told to".into();
    Ok(Some(match word {
        "nothing" => return Ok(None),
        "taken" => Delivery::Taken,
        "later" if rest.is_empty() => Delivery::Later { after: None, cause },
        "later" => Delivery::Later { after: Some(Period::parse(rest)?.0), cause },
        "never" => Delivery::Never { cause },
        "broken" => Delivery::Broken { cause },
        "unsure" => Delivery::Unsure { cause },
        other => return Err(format!("a channel answers taken, later, never, broken, unsure or nothing, not `{other}`")),
    }))
}
