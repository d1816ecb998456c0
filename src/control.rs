//! What a running watch says to whoever asks it: one line of JSON each way, over a Unix socket in its state folder.

mod door;
mod health;
mod machines;
mod targets;
mod values;
mod words;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use door::{Door, Question};
pub use health::{ChannelNumbers, CheckNumbers, Health, Numbers, OwnNumbers, Progress};
pub use machines::{AuditNow, MachineChange, MachineNow};
pub use targets::{CheckNow, RuleNow, TargetNow, ValueNow};
pub use values::shown;
pub use words::lasting;

use crate::domain::engine::{Engine, OWN};
use crate::domain::incident::IncidentId;
use crate::domain::plan::Held;
use crate::domain::silence::{Silence, SilenceId};
use crate::domain::snapshot::Failing;
use crate::domain::time::{Now, Steady};

/// The name of the socket in the state folder.
pub const SOCKET: &str = "vakhta.sock";
/// Of these types; raised when an older program could not read them.
const VERSION: u32 = 1;
/// A watch answers at once, reads a large file within seconds, or is in trouble.
const PATIENCE: Duration = Duration::from_secs(25);
/// No answer is longer.
const LONGEST: u64 = 64 << 20;
/// A storm of ten thousand targets is counted, not listed.
const MOST_LISTED: usize = 1_000;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Status,
    /// `about` is `CHECK` or `CHECK/TARGET`; absent: everything.
    Silence {
        about: Option<String>,
        seconds: u64,
        by: String,
        comment: String,
    },
    Silences,
    /// By number, or by what they are about.
    Unsilence {
        number: Option<SilenceId>,
        about: Option<String>,
    },
    /// Add a target beside those of the file, or change one that was.
    Machine {
        change: MachineChange,
        check: String,
        target: String,
        by: String,
    },
    Machines,
    Audit {
        most: u32,
    },
    /// One check with its targets, the failing ones first; of the others those with this in their name.
    Check {
        name: String,
        filter: String,
    },
    /// Whether it makes progress.
    Health,
    /// All that can be counted.
    Numbers,
    /// Take up the edited file, or only say what that would change.
    Reload {
        dry_run: bool,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    version: u32,
    #[serde(flatten)]
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Status(Status),
    Silences(Vec<SilenceNow>),
    Reloaded(Reloaded),
    Check(Box<CheckNow>),
    Machines(Vec<MachineNow>),
    Audit(Vec<AuditNow>),
    Health(Health),
    Numbers(Box<Numbers>),
    /// The request makes no sense.
    Error(String),
}

/// A silence that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SilenceNow {
    pub number: SilenceId,
    /// `everything`, `CHECK` or `CHECK/TARGET`.
    pub about: String,
    pub since: DateTime<FixedOffset>,
    pub until: DateTime<FixedOffset>,
    pub by: String,
    pub comment: String,
}

impl SilenceNow {
    pub fn new(silence: &Silence, zone: Tz) -> Self {
        let local = |at: DateTime<chrono::Utc>| at.with_timezone(&zone).fixed_offset();
        Self {
            number: silence.id,
            about: silence.scope.to_string(),
            since: local(silence.since),
            until: local(silence.until),
            by: silence.by.to_string(),
            comment: silence.comment.to_string(),
        }
    }
}

/// What an edited file changes, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reloaded {
    /// A line each.
    Changes(Vec<String>),
    /// The report, as `vakhta validate` prints it.
    Problems(String),
}

impl From<Body> for Answer {
    fn from(body: Body) -> Self {
        Self { version: VERSION, body }
    }
}

/// The watch at one instant; times are in its own zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub host: String,
    /// Of the program.
    pub vakhta: String,
    pub time: DateTime<FixedOffset>,
    /// When this life of the watch began.
    pub since: DateTime<FixedOffset>,
    /// In the order of the file.
    pub checks: Vec<CheckStatus>,
    /// Open ones, oldest number first in each check.
    pub incidents: Vec<OpenIncident>,
    /// How many more there are than are listed.
    pub incidents_more: usize,
    /// What the watch itself is in trouble with.
    pub trouble: Vec<OpenIncident>,
    /// What somebody is owed and was not told yet.
    pub waiting: Vec<Waiting>,
    #[serde(default)]
    pub silences: Vec<SilenceNow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    pub name: String,
    pub status: bool,
    /// Targets with a rule that is False.
    pub failing: usize,
    /// None before the first look.
    pub targets: usize,
    /// Seconds until it looks again; absent before its first look and while a look takes longer than it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_in: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenIncident {
    pub number: IncidentId,
    pub check: String,
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub rule: String,
    pub reason: String,
    pub since: DateTime<FixedOffset>,
    pub failures: u32,
}

/// What one channel is to be told of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub channel: String,
    pub check: String,
    /// `failed`, `recovered`, `reminder` or `digest`.
    pub kind: String,
    /// How many incidents.
    pub count: usize,
    #[serde(flatten)]
    pub why: Why,
}

/// Why it was not told yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// The message is on its way.
    Sending,
    /// Outside the hours; without `until` the windows are never open together.
    Window { window: String, until: Option<DateTime<FixedOffset>> },
    /// Somebody asked for it.
    Silence { number: SilenceId, until: DateTime<FixedOffset> },
    /// The channel had many messages; what follows goes in one.
    Storm { seconds: u64 },
    /// More of the check may follow in the same message.
    Grouping { seconds: u64 },
    /// The channel did not take the last message.
    Retry { attempt: u32, seconds: u64, cause: String },
    /// Another message to the channel goes first.
    Busy,
}

/// What the engine does not know of this life of the watch.
#[derive(Clone, Copy)]
pub struct Life<'a> {
    pub host: &'a str,
    /// In which times are said.
    pub zone: Tz,
    pub since: DateTime<chrono::Utc>,
    /// When each check is due again.
    pub due: &'a dyn Fn(&str) -> Option<Steady>,
}

impl Status {
    pub fn new(engine: &Engine, life: &Life<'_>, now: Now) -> Self {
        let local = |at: DateTime<chrono::Utc>| at.with_timezone(&life.zone).fixed_offset();
        let next = |check: &str| (life.due)(check).filter(|next| *next >= now.steady).map(|next| next.since(now.steady).as_secs());
        let (trouble, failing): (Vec<Failing>, Vec<Failing>) =
            engine.snapshot().failing.into_iter().partition(|failing| &*failing.check == OWN);
        let open = |failing: &Failing| OpenIncident::new(failing, local(failing.since));
        let checks = engine.checks().map(|check| CheckStatus {
            name: check.name.to_string(),
            status: check.up,
            failing: check.failing,
            targets: check.targets,
            next_in: next(&check.name),
        });
        let waiting = engine.waiting(now).into_iter().map(|waiting| Waiting {
            channel: waiting.channel.to_string(),
            check: waiting.check.to_string(),
            kind: waiting.kind.name().to_owned(),
            count: waiting.count,
            why: waiting.why.map_or(Why::Sending, |why| Why::new(why, &local, now)),
        });
        Self {
            host: life.host.to_owned(),
            vakhta: env!("CARGO_PKG_VERSION").to_owned(),
            time: local(now.wall),
            since: local(life.since),
            checks: checks.collect(),
            incidents: failing.iter().take(MOST_LISTED).map(open).collect(),
            incidents_more: failing.len().saturating_sub(MOST_LISTED),
            trouble: trouble.iter().map(open).collect(),
            waiting: waiting.collect(),
            silences: engine.silences().map(|silence| SilenceNow::new(silence, life.zone)).collect(),
        }
    }

    /// Whether every check is True and the watch itself is well.
    pub fn is_good(&self) -> bool {
        self.trouble.is_empty() && self.checks.iter().all(|check| check.status)
    }
}

impl OpenIncident {
    fn new(failing: &Failing, since: DateTime<FixedOffset>) -> Self {
        Self {
            number: failing.incident,
            check: failing.check.to_string(),
            target: failing.target.key.to_string(),
            name: failing.target.name.as_deref().map(str::to_owned),
            rule: failing.rule.to_string(),
            reason: failing.reason.to_string(),
            since,
            failures: failing.failures,
        }
    }
}

impl Why {
    pub(crate) fn new(why: Held, local: &dyn Fn(DateTime<chrono::Utc>) -> DateTime<FixedOffset>, now: Now) -> Self {
        // What is still to come is never in 0 s.
        let whole_seconds = |until: Steady| until.since(now.steady).as_millis().div_ceil(1000) as u64;
        match why {
            Held::Window { by, until } => Why::Window { window: by.to_string(), until: until.map(local) },
            Held::Silence { id, until } => Why::Silence { number: id, until: local(until) },
            Held::Storm { until } => Why::Storm { seconds: whole_seconds(until) },
            Held::Grouping { until } => Why::Grouping { seconds: whole_seconds(until) },
            Held::Retry { until, attempt, cause } => Why::Retry { attempt, seconds: whole_seconds(until), cause: cause.to_string() },
            Held::Busy => Why::Busy,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no watch runs with state folder {}; start it with `vakhta run`", .0.display())]
    NotRunning(PathBuf),
    #[error("the watch with state folder {} does not answer: {cause}", folder.display())]
    Silent { folder: PathBuf, cause: io::Error },
    #[error("the running watch answers in words of another version; restart it, or ask with the program that it runs")]
    Foreign,
    #[error("the running watch says: {0}")]
    Refused(String),
}

/// Asks the watch that keeps its state in this folder.
pub fn ask(folder: &Path, request: &Request) -> Result<Body, AskError> {
    let line = converse(folder, request).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(folder.to_owned()),
        _ => AskError::Silent { folder: folder.to_owned(), cause },
    })?;
    match serde_json::from_slice(&line) {
        Ok(Answer { body: Body::Error(error), .. }) => Err(AskError::Refused(error)),
        Ok(Answer { version: VERSION, body }) => Ok(body),
        _ => Err(AskError::Foreign),
    }
}

fn converse(folder: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(folder.join(SOCKET))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    if answer.is_empty() { Err(io::Error::other("it hung up")) } else { Ok(answer) }
}

#[cfg(test)]
mod tests;
