//! The kinds of checks: each looks at its targets and reports what it saw. A check never decides.
//!
//! A new kind is one file here and one line in [`kinds`].

pub mod command;
mod dns;
mod file;
pub mod host;
pub mod http;
pub mod metrics;
#[cfg(test)]
mod namespace;
mod patient;
mod ping;
mod process;
mod program;
pub mod request;
pub mod tcp;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod unit;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::reading::{Outcome, Reading, Report};
use crate::net::{Fault, words};
use crate::settings::{Build, Problem, Settings};

/// One look at all targets of a check. Cannot fail: what goes wrong is a reading.
#[async_trait]
pub trait Check: Send + Sync {
    /// Looks at every target once; the answer has exactly one reading for each.
    /// Each target keeps its own deadline, `run.timeout`.
    async fn run(&self, run: &Run) -> Vec<Reading>;

    /// The look as a report. Only a kind that finds its targets in answers has more to say than its readings.
    async fn report(&self, run: &Run) -> Report {
        Report::Readings(self.run(run).await)
    }

    /// How many targets there are now: for the progress bar and the dry tables of `validate`.
    fn size(&self) -> usize;

    /// How long an honest run may take at most; the runner gives up at twice that and some seconds.
    fn longest(&self, run: &Run) -> Duration {
        run.timeout
    }
}

/// What a run is given: its deadline per target and its share of the kind's sockets.
#[derive(Debug, Clone)]
pub struct Run {
    /// How long one look at one target may take, everything included.
    pub timeout: Duration,
    /// At most so many looks of one kind are under way at once, over all checks of the kind.
    pub slots: Arc<Semaphore>,
    /// Counts targets done; only the command line listens.
    pub progress: Option<Progress>,
}

/// Called once for every target that is done.
#[derive(Clone)]
pub struct Progress(pub Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

impl Run {
    /// A run by itself, with slots of its own: for tests and single looks.
    pub fn alone(timeout: Duration, at_once: usize) -> Self {
        Self { timeout, slots: Arc::new(Semaphore::new(at_once)), progress: None }
    }

    /// Waits for one of the kind's slots; the look's deadline starts after it.
    pub async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_owned().await.ok()
    }

    /// Looks at many targets, `at_once` of them and no more than the kind's slots allow.
    /// The readings come in the order of the targets.
    pub async fn each<'a, T, F>(&self, targets: &'a [T], at_once: usize, look: impl Fn(&'a T) -> F) -> Vec<Reading>
    where
        F: Future<Output = Reading>,
    {
        let mut waiting = targets.iter().enumerate();
        let mut looking = FuturesUnordered::new();
        let mut readings = Vec::with_capacity(targets.len());
        loop {
            looking.extend(waiting.by_ref().take(at_once - looking.len()).map(|(index, target)| self.one(index, look(target))));
            match looking.next().await {
                Some(reading) => readings.push(reading),
                None => break,
            }
        }
        readings.sort_unstable_by_key(|(index, _)| *index);
        readings.into_iter().map(|(_, reading)| reading).collect()
    }

    /// How long looks at so many targets take at most, `at_once` of them under way.
    pub fn longest(&self, targets: usize, at_once: usize) -> Duration {
        self.timeout.saturating_mul(u32::try_from(targets.div_ceil(at_once)).unwrap_or(u32::MAX))
    }

    async fn one(&self, index: usize, look: impl Future<Output = Reading>) -> (usize, Reading) {
        let _slot = self.slot().await;
        let reading = look.await;
        self.done();
        (index, reading)
    }

    pub fn done(&self) {
        if let Some(Progress(done)) = &self.progress {
            done();
        }
    }
}

/// What is fixed for a kind, whatever its settings say.
pub trait Kind: Settings<Plugin = dyn Check> {
    /// Whether it crosses a network: its `fail_after` is 3 then, else 1.
    const NETWORK: bool;
    /// How many looks may be under way at once.
    const AT_ONCE: usize;
    /// The keys under which it takes one target and many, if targets can be added while the watch runs.
    const TARGETS: Option<(&'static str, &'static str)> = None;
    /// How often it looks when the file does not say, if that is not what all kinds do.
    const EVERY: Option<Duration> = None;
}

/// A kind as the configuration sees it: a name and how a section of it becomes a check.
pub struct KindEntry {
    pub name: &'static str,
    pub network: bool,
    pub at_once: usize,
    pub every: Option<Duration>,
    pub targets: Option<(&'static str, &'static str)>,
    pub build: Build<dyn Check>,
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

/// Every kind there is.
pub fn kinds() -> Vec<KindEntry> {
    vec![
        KindEntry::of::<host::Host>("host"),
        KindEntry::of::<tcp::TcpSettings>("tcp"),
        KindEntry::of::<http::HttpSettings>("http"),
        KindEntry::of::<metrics::MetricsSettings>("metrics"),
        KindEntry::of::<ping::Ping>("ping"),
        KindEntry::of::<command::CommandSettings>("command"),
        KindEntry::of::<process::ProcessSettings>("process"),
        KindEntry::of::<unit::UnitSettings>("unit"),
        KindEntry::of::<file::FileSettings>("file"),
        KindEntry::of::<dns::DnsSettings>("dns"),
        KindEntry::of::<tls::TlsSettings>("tls"),
    ]
}

impl KindEntry {
    fn of<K: Kind>(name: &'static str) -> Self {
        Self {
            name,
            network: K::NETWORK,
            at_once: K::AT_ONCE,
            every: K::EVERY,
            targets: K::TARGETS,
            build: |section, at| crate::settings::read::<K>(section)?.build(at),
            schema: |generator| generator.subschema_for::<K>(),
        }
    }
}

/// What a reading says of a fault: theirs is a failure, ours means that we could not look.
fn outcome_of(fault: Fault) -> Outcome {
    match fault {
        Fault::Theirs(reason) => Outcome::Fail(words::clean(&reason).into()),
        Fault::Ours(reason) => Outcome::Unknown(words::clean(&reason).into()),
    }
}

/// A regular expression of a section.
fn pattern(key: &str, source: &str) -> Result<regex::bytes::Regex, Problem> {
    regex::bytes::Regex::new(source).map_err(|error| {
        // The library draws a picture over several lines; its last line says what is wrong.
        let error = error.to_string();
        let cause = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Problem::at(key, format!("`{source}` is not a regular expression: {cause}"))
    })
}
