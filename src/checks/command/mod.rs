//! `command`: what does a program say? Any Nagios or Icinga plugin runs unchanged.
//!
//! Source of exit codes and output: the Monitoring Plugins Development Guidelines.

mod output;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use output::{Output, range_state};
pub use settings::CommandSettings;
use tokio::time::Instant;

use crate::checks::program::{End, Program};
use crate::checks::{Check, Kind, Run};
use crate::domain::reading::{Reading, Target};
use crate::net::words;
use crate::settings::Secret;

/// A program that ignores a friendly TERM for so long is killed.
const GRACE: Duration = Duration::from_secs(1);
/// Hundreds of slow programs may have their turn before this one.
const QUEUE: Duration = Duration::from_secs(600);

/// Built from [`CommandSettings`].
struct Command {
    program: Program,
    /// As the user wrote it, for reasons.
    name: PathBuf,
    warning_passes: bool,
    target: Arc<Target>,
    /// What the program may print and nobody may see.
    hidden: Vec<Secret>,
}

impl Kind for CommandSettings {
    const NETWORK: bool = false;
    const AT_ONCE: usize = 16;
}

#[async_trait]
impl Check for Command {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        run.each(std::slice::from_ref(&self.target), 1, |_| self.look(run.timeout)).await
    }

    fn size(&self) -> usize {
        1
    }

    /// A look keeps its own time from its turn on, and its turn may come late.
    fn longest(&self, run: &Run) -> Duration {
        QUEUE + run.timeout + 3 * GRACE
    }
}

impl Command {
    async fn look(&self, within: Duration) -> Reading {
        let started = Instant::now();
        let ran = match self.program.run(within, GRACE).await {
            Ok(ran) => ran,
            Err(error) => return Reading::unknown(&self.target, words::clean(&format!("cannot run {}: {error}", self.name.display()))),
        };
        let output = Output::read(&self.visible(&ran.stdout));
        let said = match output.text.is_empty() {
            false => output.text.clone(),
            true => self.visible(&ran.stderr).lines().next().unwrap_or_default().trim().to_owned(),
        };
        let or = |otherwise: String| words::clean(if said.is_empty() { &otherwise } else { &said });
        let code = match ran.end {
            End::Exit(code) => code,
            End::Signal(signal) => return Reading::unknown(&self.target, with_words(&format!("ended by signal {signal}"), &said)),
            End::TooLate => {
                let reason = format!("no result in {}", words::span(within));
                return Reading::unknown(&self.target, with_words(&reason, &said));
            }
        };
        let reading = match code {
            0 => Reading::pass(&self.target),
            1 if self.warning_passes => Reading::pass(&self.target),
            1 | 2 => Reading::fail(&self.target, or(format!("{} gave no reason", self.name.display()))),
            3 => Reading::unknown(&self.target, or(format!("{} does not know", self.name.display()))),
            code => Reading::unknown(&self.target, with_words(&format!("exit code {code}"), &said)),
        };
        measured(reading.with("exit", f64::from(code)).with("latency", started.elapsed().as_secs_f64()), output)
    }

    fn visible(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.hidden.iter().fold(text, |text, secret| secret.scrub(&text))
    }
}

/// Adds the performance data to a reading.
fn measured(reading: Reading, output: Output) -> Reading {
    output.metrics.into_iter().fold(reading, |reading, metric| {
        let state = metric.value.ok().and_then(|value| range_state(value, metric.warning, metric.critical));
        let reading = match metric.value {
            Ok(value) => reading.with(metric.name.clone(), value),
            Err(reason) => reading.without(metric.name.clone(), reason),
        };
        match state {
            Some(state) => reading.with(format!("{}.state", metric.name), state),
            None => reading,
        }
    })
}

fn with_words(reason: &str, said: &str) -> String {
    words::clean(&if said.is_empty() { reason.to_owned() } else { format!("{reason}: {said}") })
}
