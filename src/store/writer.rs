//! The writer: one batch after the other, and patience with a disk that does not want.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::file::{Fault, StateFile};
use super::pending::Pending;
use super::{Progress, Shared, cannot};
use crate::domain::reading::Reason;

/// Counters alone are written at most so often.
const GATHER: Duration = Duration::from_secs(1);
/// A file that could not be written is tried again after so long, twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// A file that breaks again sooner is the same trouble, which takes a little and then no more: retries go on slower.
const SAME_TROUBLE: Duration = Duration::from_secs(300);
/// It is trusted again after so many writes, with so long between them: a full disk takes one now and then.
const PROOFS: u32 = 3;
const BETWEEN_PROOFS: Duration = Duration::from_millis(500);

/// Writes until the store is closed.
pub async fn run(shared: Arc<Shared>, mut file: Option<StateFile>, folder: PathBuf, troubles: watch::Sender<Option<Reason>>) {
    let mut retry = FIRST_RETRY;
    let mut proofs = 0;
    let mut well_since = Instant::now();
    loop {
        let in_trouble = troubles.borrow().is_some();
        match (&file, in_trouble) {
            (Some(_), false) => gather(&shared).await,
            (Some(_), true) => pause(&shared, BETWEEN_PROOFS).await,
            (None, _) => {
                pause(&shared, retry).await;
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        }
        let batch = shared.pending().take();
        let closing = batch.closing;
        match write(&mut file, &folder, &batch, in_trouble).await {
            Ok(()) => {
                proofs += 1;
                shared.progress.send_replace(Progress { committed: batch.number, broken: false });
                if in_trouble && proofs >= PROOFS {
                    well_since = Instant::now();
                    troubles.send_replace(None);
                }
            }
            Err(fault) => {
                // After a failed write nothing is known of the file: it is opened and read anew.
                (file, proofs) = (None, 0);
                shared.pending().put_back(batch);
                shared.progress.send_modify(|progress| progress.broken = true);
                if !in_trouble {
                    if well_since.elapsed() >= SAME_TROUBLE {
                        retry = FIRST_RETRY;
                    }
                    troubles.send_replace(Some(cannot(&folder, &fault)));
                }
            }
        }
        if closing {
            if let Some(file) = file {
                file.close().await;
            }
            return;
        }
    }
}

/// Writes the batch to the file, which is opened first where it has to be.
async fn write(file: &mut Option<StateFile>, folder: &Path, batch: &Pending, prove: bool) -> Result<(), Fault> {
    let open = match file {
        Some(open) => open,
        None => file.insert(StateFile::open(folder, Utc::now()).await?.0),
    };
    if prove {
        // That it opens does not say that it can be written.
        open.prove(Utc::now()).await?;
    }
    if batch.is_empty() { Ok(()) } else { open.write(batch).await }
}

/// Waits for something to write, and a little for more if nobody is in a hurry.
async fn gather(shared: &Shared) {
    let hurry = || {
        let pending = shared.pending();
        pending.urgent || pending.closing
    };
    while shared.pending().is_empty() && !hurry() {
        shared.wake.notified().await;
    }
    let end = Instant::now() + GATHER;
    while !hurry() && timeout_at(end, shared.wake.notified()).await.is_ok() {}
}

/// Waits so long, or for the end of the watch.
async fn pause(shared: &Shared, length: Duration) {
    let end = Instant::now() + length;
    while !shared.pending().closing && timeout_at(end, shared.wake.notified()).await.is_ok() {}
}
