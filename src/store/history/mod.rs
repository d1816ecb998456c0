//! History: readings and their roll-ups, incidents, and who was told, in a database that decides nothing.
//!
//! [`History`] takes records without waiting. A keeper of its own writes them in batches to `history.db`, or to a server
//! named by URL; while that is away they wait in a bounded spool on this machine and arrive later, exactly once:
//! every row has a key, and the same batch twice is once the same rows.

mod database;
mod dialect;
mod keeper;
mod read;
mod record;
mod spool;
mod upkeep;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::reading::Reason;
pub use database::{Database, Fault};
pub use read::{IncidentFilter, KeptIncident, KeptTold, Latest, Page, Point, Reader, Series, SeriesQuery};
pub use record::{Batch, IncidentRow, Look, Record, ToldRow};

/// The name of the file in the state folder.
pub const FILE: &str = "history.db";

/// Numbers of looks that wait for the keeper; more are dropped and counted, never incidents.
const MOST_WAITING: usize = 500_000;

/// Where history is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A URL of MySQL, MariaDB or PostgreSQL; it may hold a password.
    Server(String),
}

/// What history is to be like.
#[derive(Clone)]
pub struct Plan {
    pub place: Place,
    pub keep: Keep,
    /// Bytes of the database, beyond which the oldest readings go before their time.
    pub max_size: u64,
    /// Bytes of the spool, beyond which the oldest readings in it go.
    pub max_spool: u64,
    /// The state folder, for the spool.
    pub folder: PathBuf,
    /// The identity of the state folder, which numbers incidents.
    pub watch: String,
    /// The name of this machine.
    pub host: String,
}

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Every reading.
    pub raw: Duration,
    /// One row a minute.
    pub minute: Duration,
    /// One row a quarter of an hour.
    pub quarter: Duration,
    /// Incidents that are over, and who was told of them.
    pub incidents: Duration,
}

/// The way into history.
pub struct History {
    records: mpsc::UnboundedSender<Record>,
    waiting: Arc<Waiting>,
    trouble: watch::Receiver<Option<Reason>>,
    keeper: JoinHandle<()>,
    close: oneshot::Sender<()>,
}

/// How much waits for the keeper.
#[derive(Debug, Default)]
struct Waiting {
    numbers: AtomicUsize,
    /// Numbers that were dropped because too many waited.
    dropped: AtomicUsize,
    /// Bytes that wait in the spool.
    spooled: AtomicI64,
}

/// How far history is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Numbers that wait in memory.
    pub waiting: usize,
    /// Bytes that wait in the spool.
    pub spooled: u64,
}

impl History {
    /// Starts the keeper; what is wrong with the database shows in [`History::trouble`].
    pub fn start(plan: Plan) -> Self {
        let (records, inbox) = mpsc::unbounded_channel();
        let (troubles, trouble) = watch::channel(None);
        let (close, closing) = oneshot::channel();
        let waiting = Arc::new(Waiting::default());
        let keeper = tokio::spawn(keeper::run(plan, inbox, waiting.clone(), troubles, closing));
        Self { records, waiting, trouble, keeper, close }
    }

    /// Takes a record, at once.
    pub fn add(&self, record: Record) {
        if let Record::Look(look) = &record {
            let numbers = look.rows();
            if self.waiting.numbers.fetch_add(numbers, Ordering::Relaxed) > MOST_WAITING {
                self.waiting.numbers.fetch_sub(numbers, Ordering::Relaxed);
                self.waiting.dropped.fetch_add(numbers, Ordering::Relaxed);
                return;
            }
        }
        // The keeper ends only with the watch.
        let _ = self.records.send(record);
    }

    pub fn backlog(&self) -> Backlog {
        let spooled = self.waiting.spooled.load(Ordering::Relaxed).unsigned_abs();
        Backlog { waiting: self.waiting.numbers.load(Ordering::Relaxed), spooled }
    }

    /// Why nothing was written for a while, if so; a change of it can be waited for.
    pub fn trouble(&self) -> watch::Receiver<Option<Reason>> {
        self.trouble.clone()
    }

    /// Writes what there is, to the database or else to the spool, if that is soon done.
    pub async fn close(self, patience: Duration) {
        // Records that were sent come before this.
        let _ = self.close.send(());
        if timeout(patience, self.keeper).await.is_err() {
            tracing::warn!("the last rows of history could not be written in time");
        }
    }
}
