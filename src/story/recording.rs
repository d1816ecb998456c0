//! What a watch wrote down, played again: whom would this configuration have told what?

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use serde::Deserialize;

use super::player::Player;
use crate::domain::engine::Input;
use crate::domain::reading::{Reading, Report, Target};
use crate::domain::watch::Watch;
use crate::journal::{ReportLine, lines};

/// Files of `readings.jsonl`, which have everything, or of `status.jsonl`, which have what failed.
pub struct Recording {
    files: Vec<PathBuf>,
}

/// What came of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// `2026-11-20 12:01:00 ops failed 10.0.0.7 #1: no reply`, in order.
    pub told: Vec<String>,
    pub runs: usize,
    /// Checks of the recording that the configuration does not have.
    pub unknown: BTreeSet<String>,
    /// Incidents of rules that a status does not hold the values of.
    pub without_values: BTreeSet<u64>,
}

/// A line of either sort.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Report(ReportLine),
    Status(StatusLine),
}

#[derive(Deserialize)]
struct StatusLine {
    time: DateTime<FixedOffset>,
    status: BTreeMap<String, bool>,
    failing: Vec<Failing>,
    counting: Vec<Failing>,
}

#[derive(Deserialize)]
struct Failing {
    check: String,
    target: String,
    rule: String,
    failures: u32,
    #[serde(default)]
    reason: String,
    incident: Option<u64>,
}

impl Recording {
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files }
    }

    /// Plays it with the rules, hours and channels of this configuration; every channel takes everything. Errors: a
    /// file cannot be read, or none of them has a line that can be played.
    pub fn play(&self, watch: &Watch) -> io::Result<Replayed> {
        let mut play = Play { player: None, watch, seen: BTreeMap::new(), last: None, replayed: Replayed::default() };
        for file in &self.files {
            for line in lines::<Line>(file)? {
                match line {
                    Line::Report(line) => play.report(line.time.to_utc(), &line.check, line.report(), line.took()),
                    Line::Status(line) => play.status(&line),
                }
            }
        }
        let Play { player, mut replayed, .. } = play;
        let player = player.ok_or_else(|| io::Error::other("there is no line of readings.jsonl or status.jsonl in it"))?;
        replayed.told = player.told().iter().map(|(_, told)| told.clone()).collect();
        Ok(replayed)
    }
}

struct Play<'a> {
    /// Begins with the first line.
    player: Option<Player<'a>>,
    watch: &'a Watch,
    /// Of status lines: what fails and how often it was played as failed, by check and target.
    seen: BTreeMap<(String, String), u32>,
    last: Option<DateTime<Utc>>,
    replayed: Replayed,
}

impl Play<'_> {
    fn report(&mut self, at: DateTime<Utc>, check: &str, report: Report, took: Duration) {
        let is_known = self.watch.checks.iter().any(|plan| &*plan.name == check) || check == crate::domain::uplink::UPLINK_CHECK;
        if !is_known {
            self.replayed.unknown.insert(check.to_owned());
            return;
        }
        self.replayed.runs += 1;
        let player = self.player.get_or_insert_with(|| Player::dated(self.watch, at));
        player.pass_time_until(at);
        player.step(Input::Report { check: check.into(), report, took });
    }

    /// A status says how often something failed by now: as many failed looks are played since the last status.
    fn status(&mut self, line: &StatusLine) {
        let at = line.time.to_utc();
        let begun = self.last.replace(at).unwrap_or(at);
        let mut failing: BTreeMap<(String, String), &Failing> = BTreeMap::new();
        for entry in line.failing.iter().chain(&line.counting) {
            if entry.rule == "up" || entry.rule == "seen" {
                failing.insert((entry.check.clone(), entry.target.clone()), entry);
            } else {
                self.replayed.without_values.extend(entry.incident);
            }
        }
        for check in line.status.keys() {
            let of_check = |key: &(String, String)| key.0 == *check;
            for key in failing.keys().filter(|key| of_check(key)) {
                self.seen.entry(key.clone()).or_default();
            }
            let before: Vec<((String, String), u32)> =
                self.seen.iter().filter(|(key, _)| of_check(key)).map(|(key, count)| (key.clone(), *count)).collect();
            let looks =
                |key: &(String, String), count: u32| failing.get(key).map_or(1, |entry| entry.failures.saturating_sub(count).max(1));
            // More looks than a minute has seconds say no more.
            let most = before.iter().map(|(key, count)| looks(key, *count)).max().unwrap_or(1).min(60);
            for look in 0..most {
                let then = begun + (at - begun) * (look as i32 + 1) / most as i32;
                let readings =
                    before.iter().map(|(key, count)| reading(&key.1, failing.get(key).copied(), most - look <= looks(key, *count), *count));
                let report = Report::Readings(if before.is_empty() { vec![Reading::pass(&Target::itself())] } else { readings.collect() });
                self.report(then, check, report, Duration::ZERO);
            }
            for (key, count) in before {
                let now = failing.get(&key).map_or(0, |entry| entry.failures.max(count));
                self.seen.insert(key, now);
            }
        }
    }
}

/// What a target showed at one of several looks: before its own failures began it was as it had been.
fn reading(target: &str, failing: Option<&Failing>, begun: bool, failed_before: u32) -> Reading {
    let target: Arc<Target> = Target::new(target);
    match failing.filter(|_| begun || failed_before > 0) {
        Some(entry) if entry.rule == "seen" => Reading::unknown(&target, entry.reason.as_str()),
        Some(entry) => Reading::fail(&target, entry.reason.as_str()),
        None => Reading::pass(&target),
    }
}

#[cfg(test)]
mod tests;
