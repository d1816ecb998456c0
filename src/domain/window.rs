//! When people may be told: days and hours in a named zone, over midnight and through clock changes.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;

const DAY: u16 = 24 * 60;

/// A week, another one in case a clock change swallows the only hour of the first, and a day to spare.
const HORIZON: TimeDelta = TimeDelta::days(15);

/// Named hours. Open while the wall clock of its zone is inside one of its spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub name: Arc<str>,
    pub zone: Tz,
    pub spans: Vec<Span>,
}

/// Some hours of some days. A span that ends at or before its start runs over midnight
/// and belongs to the day it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes since midnight, 0–1439.
    pub from: u16,
    /// Minutes since midnight, 1–1440, exclusive.
    pub to: u16,
}

impl Window {
    /// Whether the window is open at this instant.
    ///
    /// Only the wall clock counts: an hour that a clock change skips is not there, one that comes twice is open twice.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        let wall = at.with_timezone(&self.zone).naive_local();
        self.spans.iter().any(|span| span.contains(wall))
    }

    /// The next instant at which the window opens, if it ever does; `at` itself when it is open.
    pub fn next_opening(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut now = at;
        while !self.is_open(now) {
            now = self.next_look(now);
            if now - at > HORIZON {
                return None;
            }
        }
        Some(now)
    }

    /// The next instant at which a closed window may open: a span starts, a day starts, or the clocks change.
    fn next_look(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let wall = at.with_timezone(&self.zone).naive_local();
        let second = TimeDelta::seconds(wall.num_seconds_from_midnight().into());
        let starts = self.spans.iter().map(|span| TimeDelta::minutes(span.from.into()));
        let next = starts.filter(|start| *start > second).min().unwrap_or(TimeDelta::days(1));
        let fraction = TimeDelta::nanoseconds(wall.nanosecond().into());
        let candidate = at + (next - second) - fraction;
        self.clock_change(at, candidate).unwrap_or(candidate)
    }

    /// The first second after `from` with another offset, if the offset differs at `to`.
    fn clock_change(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset = |second: i64| {
            let at = DateTime::from_timestamp(second, 0)?;
            Some(self.zone.offset_from_utc_datetime(&at.naive_utc()).fix())
        };
        let (mut before, mut after) = (from.timestamp(), to.timestamp());
        let old = offset(before);
        if offset(after) == old {
            return None;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset(middle) == old {
                before = middle;
            } else {
                after = middle;
            }
        }
        DateTime::from_timestamp(after, 0)
    }
}

impl Span {
    /// Reads a span as it is written; no days are every day.
    ///
    /// `days` are names and ranges, such as `mon-fri` or `sat,sun`; `hours` are `09:00-18:00`.
    pub fn parse(days: Option<&str>, hours: &str) -> Result<Self, String> {
        let (from, to) = parse_hours(hours)?;
        Ok(Self { days: days.map_or(Ok([true; 7]), parse_days)?, from, to })
    }

    fn contains(&self, wall: NaiveDateTime) -> bool {
        let minute = minute_of(wall.time());
        let starts_on = |day: Weekday| self.days[day.num_days_from_monday() as usize];
        let today = wall.weekday();
        if self.from < self.to {
            return starts_on(today) && (self.from..self.to).contains(&minute);
        }
        (starts_on(today) && minute >= self.from) || (starts_on(today.pred()) && minute < self.to)
    }
}

/// Reads `mon-fri`, `sat`, `mon,wed,fri` or `sat-mon`: three letters or the whole name, in any case.
pub fn parse_days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (parse_day(first)?, parse_day(last)?);
        days[day.num_days_from_monday() as usize] = true;
        while day != last {
            day = day.succ();
            days[day.num_days_from_monday() as usize] = true;
        }
    }
    Ok(days)
}

/// Reads `09:00-18:00`; an end at or before the start is on the next day, an end of `00:00` is midnight.
pub fn parse_hours(text: &str) -> Result<(u16, u16), String> {
    let example = "write them as `09:00-18:00`";
    let (from, to) = text.split_once('-').ok_or_else(|| format!("`{text}` are not hours; {example}"))?;
    let from = parse_time(from)?;
    let to = match parse_time(to)? {
        0 => DAY,
        minute => minute,
    };
    if from == DAY {
        return Err("a span cannot start at 24:00; write 00:00 of the next day".to_owned());
    }
    if from == to {
        return Err(format!("`{text}` starts and ends at the same time; write `00:00-24:00` for the whole day"));
    }
    Ok((from, to))
}

fn parse_day(text: &str) -> Result<Weekday, String> {
    let text = text.trim();
    let known = text.is_ascii() && text.len() >= 3;
    text.parse().ok().filter(|_| known).ok_or_else(|| format!("`{text}` is not a day; the days are mon, tue, wed, thu, fri, sat and sun"))
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
fn parse_time(text: &str) -> Result<u16, String> {
    let text = text.trim();
    let number = |digits: &str| digits.parse::<u16>().ok().filter(|_| digits.len() <= 2 && !digits.starts_with('+'));
    text.split_once(':')
        .and_then(|(hour, minute)| Some((number(hour)?, number(minute).filter(|_| minute.len() == 2)?)))
        .filter(|(hour, minute)| *minute < 60 && (*hour < 24 || (*hour == 24 && *minute == 0)))
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| format!("`{text}` is not a time of day; write it as `09:30`, up to `24:00`"))
}

fn minute_of(time: NaiveTime) -> u16 {
    // At most 1439.
    (time.num_seconds_from_midnight() / 60) as u16
}

#[cfg(test)]
mod tests;
