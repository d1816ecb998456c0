//! Runs one check, as `vakhta check` does but without configuration, storage and output:
//! `engine KIND SECTION [TIMEOUT [RUNS EVERY]]`. The section is YAML, or `@FILE` with YAML in it.
//!
//! Prints what became of the targets; `scripts/bench` takes the time, with the same ruler for all contestants.

use std::time::{Duration, Instant};
use std::{env, fs, process};

use anyhow::{Context, anyhow};
use vakhta::checks::{Run, kinds};
use vakhta::domain::reading::Outcome;
use vakhta::net::Net;
use vakhta::settings::{BuildContext, Period};

/// The kind is not built in (yet): the script leaves the row out.
const NO_SUCH_KIND: i32 = 3;

fn main() -> anyhow::Result<()> {
    // `cargo bench` and `cargo test` add flags of their own.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [name, section, more @ ..] = &arguments[..] else {
        println!("skipped: engine KIND SECTION [TIMEOUT [RUNS EVERY]]; scripts/bench calls it");
        return Ok(());
    };
    let period = |at: usize, default: u64| match more.get(at) {
        Some(text) => Period::parse(text).map(|period| period.0).map_err(|error| anyhow!(error)),
        None => Ok(Duration::from_secs(default)),
    };
    let (timeout, every) = (period(0, 5)?, period(2, 1)?);
    let runs: u32 = more.get(1).map_or(Ok(1), |text| text.parse())?;
    let section = match section.strip_prefix('@') {
        Some(path) => fs::read_to_string(path).with_context(|| path.to_owned())?,
        None => section.clone(),
    };
    let Some(kind) = kinds().into_iter().find(|kind| kind.name == name) else {
        eprintln!("there is no kind {name}");
        process::exit(NO_SUCH_KIND);
    };
    let context = BuildContext { name: name.as_str().into(), folder: env::current_dir()?, every: timeout, timeout, net: Net::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let section = serde_yaml::from_str(&section)?;
        let check = (kind.build)(section, &context).map_err(|problems| anyhow!("{problems:?}"))?;
        let start = Instant::now();
        let run = Run::alone(timeout, kind.at_once);
        let mut ticks = tokio::time::interval(every);
        for _ in 1..runs {
            ticks.tick().await;
            check.run(&run).await;
        }
        let readings = check.run(&run).await;
        let wall = start.elapsed();
        let count = |which: fn(&Outcome) -> bool| readings.iter().filter(|reading| which(&reading.outcome)).count();
        let pass = count(|outcome| *outcome == Outcome::Pass);
        let fail = count(|outcome| matches!(outcome, Outcome::Fail(_)));
        let unknown = count(|outcome| matches!(outcome, Outcome::Unknown(_)));
        println!("pass={pass} fail={fail} unknown={unknown} wall={:.3} peak_kib={}", wall.as_secs_f64(), peak_kib()?);
        if let Some(Outcome::Fail(reason) | Outcome::Unknown(reason)) =
            readings.iter().map(|reading| &reading.outcome).find(|outcome| **outcome != Outcome::Pass)
        {
            println!("first={reason}");
        }
        anyhow::Ok(())
    })
}

/// The most memory the process has had resident.
fn peak_kib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
