//! What a running watch says to whoever asks it: one line of JSON each way, over a Unix socket in its state folder.

mod channels;
mod door;
mod feed;
mod health;
mod machines;
mod status;
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
use utoipa::ToSchema;

pub use channels::{ChannelNow, Tested};
pub use door::{Door, Question};
pub use feed::{Feed, Follower, News, Next};
pub use health::{CheckNumbers, Health, HistoryNumbers, Numbers, OwnNumbers, Progress};
pub use machines::{AuditNow, MachineChange, MachineNow};
pub use status::{AcknowledgedNow, CheckStatus, Life, OpenIncident, Status, Waiting, Why};
pub use targets::{CheckNow, RuleAbout, RuleNow, TargetNow, ValueNow, Wanted};
pub use values::shown;
pub use words::lasting;

use crate::domain::incident::IncidentId;
use crate::domain::silence::{Silence, SilenceId};

/// The name of the socket in the state folder.
pub const SOCKET: &str = "vakhta.sock";
/// Of these types; raised when an older program could not read them.
const VERSION: u32 = 1;
/// A watch answers at once, reads a large file within seconds, or is in trouble.
const PATIENCE: Duration = Duration::from_secs(25);
/// No answer is longer.
const LONGEST: u64 = 64 << 20;

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
    /// Somebody takes open incidents on; each of `which` is `#NUMBER`, `CHECK` or `CHECK/TARGET`.
    Acknowledge {
        which: Vec<String>,
        by: String,
        note: String,
    },
    /// Or gives them back.
    Unacknowledge {
        which: Vec<String>,
        by: String,
    },
    /// Incidents that are open: the one of this number, or all.
    Open {
        number: Option<IncidentId>,
    },
    /// A check is to look at once; its own times stay as they are.
    Recheck {
        check: String,
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
    /// One check with its targets, the failing ones first.
    Check(Wanted),
    /// Whether it makes progress.
    Health,
    /// All that can be counted.
    Numbers,
    /// Send a test message.
    TestChannel {
        channel: String,
    },
    /// The file, without its secrets.
    Config,
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
    /// Those that were meant, as they are now.
    Incidents(Vec<OpenIncident>),
    Rechecked(Rechecked),
    Reloaded(Reloaded),
    Check(Box<CheckNow>),
    Machines(Vec<MachineNow>),
    Audit(Vec<AuditNow>),
    Health(Health),
    Numbers(Box<Numbers>),
    Tested(Tested),
    Config(String),
    /// The request makes no sense.
    Error(String),
}

/// What became of a check that was to look at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "look", rename_all = "snake_case")]
pub enum Rechecked {
    /// It looks; its own time would have come in so many seconds.
    Begun {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        next_in: Option<u64>,
    },
    /// It had begun before, and is not done yet.
    UnderWay,
    /// It began less than a second ago.
    JustNow,
}

/// A silence that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SilenceNow {
    #[schema(value_type = u64)]
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
