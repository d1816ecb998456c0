//! `vakhta check`: every target looked at once, now, and what was seen as a table or JSON.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::table::{Cell, Table};
use super::{COULD_NOT, FAILING, GOOD};
use crate::checks::{Progress, Run, kinds};
use crate::clock::Clock;
use crate::config::{Config, ConfiguredCheck};
use crate::control::shown;
use crate::domain::board::CheckState;
use crate::domain::reading::{Outcome, Reading, Report, Target};
use crate::domain::rule::Hold;
use crate::domain::watch::CheckPlan;
use crate::runner::look_once;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Names of checks [default: all]
    names: Vec<String>,
    /// Print JSON, one object per target
    #[arg(long)]
    json: bool,
    /// List every target, also the good ones of long lists
    #[arg(short, long)]
    all: bool,
}

/// A check with more targets than this shows only those that fail.
const LONG_LIST: usize = 25;

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Some(config) = super::load(file)? else { return Ok(COULD_NOT) };
    let chosen = choose(&config, &arguments.names)?;
    let runtime = super::runtime()?;
    let bar = progress(chosen.iter().map(|(check, _)| check.look.size()).sum());
    let looks = runtime.block_on(look(&chosen, &bar));
    bar.finish_and_clear();
    runtime.shutdown_background();
    if arguments.json {
        print_json(&looks)?;
    } else {
        print_table(&looks, arguments.all)?;
    }
    let failing = looks.iter().flat_map(|look| &look.targets).any(|target| target.verdict != Verdict::Good);
    Ok(if failing { FAILING } else { GOOD })
}

type Chosen<'a> = (&'a ConfiguredCheck, &'a CheckPlan);

fn choose<'a>(config: &'a Config, names: &[String]) -> anyhow::Result<Vec<Chosen<'a>>> {
    let all: Vec<Chosen> = config.checks.iter().zip(&config.watch.checks).collect();
    for name in names {
        if !all.iter().any(|(check, _)| *check.name == **name) {
            let known: Vec<&str> = all.iter().map(|(check, _)| check.name.as_ref()).collect();
            bail!("there is no check `{name}`; the checks are {}", known.join(", "));
        }
    }
    Ok(all.into_iter().filter(|(check, _)| names.is_empty() || names.iter().any(|name| *check.name == **name)).collect())
}

/// What one check saw.
struct Look<'a> {
    check: &'a ConfiguredCheck,
    took: Duration,
    targets: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    Unknown,
}

/// A reading and which rules it breaks.
struct Seen {
    reading: Reading,
    verdict: Verdict,
    reasons: Vec<String>,
}

async fn look<'a>(chosen: &[Chosen<'a>], bar: &ProgressBar) -> Vec<Look<'a>> {
    let kinds = kinds();
    let looks = chosen.iter().map(|(check, plan)| {
        let at_once = kinds.iter().find(|kind| kind.name == check.kind).map_or(1, |kind| kind.at_once);
        let bar = bar.clone();
        let progress = Progress(Arc::new(move || bar.inc(1)));
        let run = Run { timeout: check.timeout, slots: Arc::new(Semaphore::new(at_once)), progress: Some(progress) };
        async move {
            let started = tokio::time::Instant::now();
            let report = look_once(check.look.clone(), run).await;
            Look { check, took: started.elapsed(), targets: judge(plan, report) }
        }
    });
    join_all(looks).await
}

/// Which rules a single look breaks, whatever their holds say.
fn judge(plan: &CheckPlan, report: Report) -> Vec<Seen> {
    let readings = match report {
        Report::Readings(readings) | Report::Found { readings, .. } => readings,
        Report::Lost(reason) => vec![Reading::unknown(&Target::itself(), reason)],
    };
    let mut plan = plan.clone();
    plan.rules.iter_mut().for_each(|rule| rule.fail_after = Hold::Count(1));
    let mut state = CheckState::default();
    state.take(&plan, Report::Readings(readings.clone()), Clock::system().now(), false, &mut 1);
    let seen = readings.into_iter().map(|reading| {
        let broken = state.incidents.values().filter(|incident| incident.target.key == reading.target.key);
        let reasons: Vec<String> = broken.map(|incident| incident.reason.to_string()).collect();
        let verdict = match (&reading.outcome, reasons.is_empty()) {
            (Outcome::Unknown(_), _) => Verdict::Unknown,
            (_, true) => Verdict::Good,
            (_, false) => Verdict::Bad,
        };
        Seen { reading, verdict, reasons }
    });
    seen.collect()
}

fn progress(targets: usize) -> ProgressBar {
    // A handful is done before a bar could be read.
    if targets < 100 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(targets as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} targets, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn print_table(looks: &[Look<'_>], all: bool) -> anyhow::Result<()> {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let mut table = Table::new(["", "CHECK", "TARGET", "SEEN"]);
    for look in looks {
        let short = look.targets.len() > LONG_LIST && !all;
        for seen in look.targets.iter().filter(|seen| !short || seen.verdict != Verdict::Good) {
            let (mark, style) = match seen.verdict {
                Verdict::Good => ("ok", colour(AnsiColor::Green)),
                Verdict::Bad => ("FAIL", colour(AnsiColor::Red).bold()),
                Verdict::Unknown => ("?", colour(AnsiColor::Yellow).bold()),
            };
            let target = match &seen.reading.target.name {
                Some(name) => format!("{} ({name})", seen.reading.target.key),
                None => seen.reading.target.key.to_string(),
            };
            let values = values(&seen.reading);
            let text = if seen.reasons.is_empty() { values } else { [seen.reasons.join("; "), values].join("  ") };
            table.row([Cell::styled(mark, style), Cell::plain(&look.check.name), Cell::plain(target), Cell::plain(text.trim())]);
        }
        if short {
            let good = look.targets.iter().filter(|seen| seen.verdict == Verdict::Good).count();
            let text = format!("{good} of {} are good (--all lists them), looked at in {:.1?}", look.targets.len(), look.took);
            table.row([Cell::plain(""), Cell::plain(&look.check.name), Cell::plain(""), Cell::plain(text)]);
        }
    }
    table.print()?;
    Ok(())
}

fn print_json(looks: &[Look<'_>]) -> anyhow::Result<()> {
    let rows: Vec<Value> = looks.iter().flat_map(|look| look.targets.iter().map(|seen| json_row(look, seen))).collect();
    super::print_line(&serde_json::to_string_pretty(&rows)?)
}

fn json_row(look: &Look<'_>, seen: &Seen) -> Value {
    let Seen { reading, reasons, .. } = seen;
    let (outcome, reason) = match &reading.outcome {
        Outcome::Pass => ("pass", None),
        Outcome::Fail(reason) => ("fail", Some(reason)),
        Outcome::Unknown(reason) => ("unknown", Some(reason)),
    };
    let values: serde_json::Map<String, Value> = reading.values.iter().map(|(metric, value)| (metric.to_string(), json!(value))).collect();
    let unreadable: serde_json::Map<String, Value> =
        reading.unreadable.iter().map(|(metric, reason)| (metric.to_string(), json!(**reason))).collect();
    json!({
        "check": *look.check.name,
        "kind": look.check.kind,
        "target": *reading.target.key,
        "name": reading.target.name,
        "outcome": outcome,
        "reason": reason.map(|reason| reason.to_string()),
        "broken": reasons,
        "values": values,
        "unreadable": unreadable,
    })
}

/// `latency 12 ms, status 200`: the numbers of a reading in units a person reads.
fn values(reading: &Reading) -> String {
    reading.values.iter().map(|(metric, value)| format!("{metric} {}", shown(metric, *value))).collect::<Vec<_>>().join(", ")
}
