//! What the watch must not forget, in `state.db`: right before a message leaves, and never in the way of a check.
//!
//! The [`Store`] takes changes without waiting; a writer of its own makes each batch durable in one transaction.
//! While the file cannot be written the changes wait in memory, the last one about each thing, and everything goes on.

pub mod accounts;
mod file;
pub mod history;
mod lock;
pub mod machines;
mod pending;
mod rows;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::reading::Reason;
use crate::domain::state::{Change, State};
use crate::domain::time::{Now, Steady};
use file::{Fault, StateFile};
use lock::Lock;
use pending::Pending;

/// The name of the file in the state folder.
pub const FILE: &str = "state.db";

/// Why the watch cannot begin with this folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another watch ({holder}) keeps its state in {}; end it, or give this one a `state_dir` of its own", folder.display())]
    Held { folder: PathBuf, holder: String },
    #[error(
        "{} was written by a newer vakhta (version {version} of its tables, this one knows {known}); it is left as it is: start the newer program, or move the file away",
        path.display()
    )]
    Newer { path: PathBuf, version: u32, known: u32 },
}

/// The state folder, held by this process alone.
pub struct Store {
    shared: Arc<Shared>,
    trouble: watch::Receiver<Option<Reason>>,
    writer: JoinHandle<()>,
    _lock: Option<Lock>,
}

/// What was found in the folder.
pub struct Opened {
    pub store: Store,
    pub state: State,
    /// Where the steady clock goes on.
    pub steady: Steady,
    /// Under which incidents are numbered; nothing if there is no file to number them in.
    pub identity: Option<String>,
    /// A file that could not be read, and was moved away.
    pub moved_aside: Option<PathBuf>,
}

/// What the store and its writer share.
struct Shared {
    pending: Mutex<Pending>,
    wake: Notify,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// All batches up to this number are durable.
    committed: u64,
    /// The last attempt failed.
    broken: bool,
}

/// Some changes on their way to the disk.
#[derive(Debug, Clone)]
pub struct Commit {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl Store {
    /// Takes the folder and reads what is in it. A folder that cannot be written is no error: see [`Store::trouble`].
    pub async fn open(folder: &Path, now: Now) -> Result<Opened, StoreError> {
        let lock = Lock::take(folder)?;
        let mut trouble = lock.as_ref().err().map(|error| cannot(folder, error));
        let mut found = file::Kept::default();
        let mut file = None;
        if trouble.is_none() {
            match StateFile::open(folder, now.wall).await {
                Ok((opened, kept)) => (file, found) = (Some(opened), kept),
                Err(Fault::Newer { version, known }) => {
                    return Err(StoreError::Newer { path: folder.join(FILE), version, known });
                }
                Err(Fault::Broken(error)) => trouble = Some(cannot(folder, &error)),
            }
        }
        // Messages were told before; better an old file that only can be read than none.
        if file.is_none()
            && let Ok(kept) = StateFile::read_only(folder).await
        {
            found = kept;
        }
        let (progress, _) = watch::channel(Progress { committed: 0, broken: file.is_none() });
        let (troubles, trouble) = watch::channel(trouble);
        let shared = Arc::new(Shared { pending: Mutex::default(), wake: Notify::new(), progress });
        let writer = tokio::spawn(writer::run(shared.clone(), file, folder.to_owned(), troubles));
        let away = found.saved_at.and_then(|saved| (now.wall - saved).to_std().ok()).unwrap_or_default();
        let store = Store { shared, trouble, writer, _lock: lock.ok() };
        Ok(Opened { store, state: found.state, steady: found.steady + away, identity: found.identity, moved_aside: found.moved_aside })
    }

    /// Takes changes of one step; they become durable together.
    pub fn save(&self, changes: Vec<Change>, now: Now) -> Commit {
        let mut pending = self.shared.pending();
        if !changes.is_empty() {
            pending.add(changes, now);
            self.shared.wake.notify_one();
        }
        Commit { number: pending.number, progress: self.shared.progress.subscribe() }
    }

    /// Takes the whole state in place of what the file holds.
    pub fn replace(&self, state: State, now: Now) {
        self.shared.pending().replace(state, now);
        self.shared.wake.notify_one();
    }

    /// Why nothing can be written now, if so; a change of it can be waited for.
    pub fn trouble(&self) -> watch::Receiver<Option<Reason>> {
        self.trouble.clone()
    }

    /// Writes what there is, if that is soon done, and lets the folder go.
    pub async fn close(self, patience: Duration) {
        self.shared.pending().closing = true;
        self.shared.wake.notify_one();
        if timeout(patience, self.writer).await.is_err() {
            tracing::warn!("the last changes of the state could not be written in time");
        }
    }
}

impl Commit {
    /// Waits until the changes are durable; not for ever, and not while nothing can be written: a message
    /// that is told twice is better than one that is lost.
    pub async fn settled(mut self, patience: Duration) {
        let number = self.number;
        // The end of the store is the end of the watch.
        let _ = timeout(patience, self.progress.wait_for(|progress| progress.broken || progress.committed >= number)).await;
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot(folder: &Path, error: &impl std::fmt::Display) -> Reason {
    format!("cannot be written in {}: {error}; checks and messages go on, a restart now would forget", folder.display()).into()
}

#[cfg(test)]
mod tests;
