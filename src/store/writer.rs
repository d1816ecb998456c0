//! The writer: one batch after the other, and patience with a disk that does not want.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::file::StateFile;
use super::{Progress, Shared, cannot};
use crate::domain::reading::Reason;

/// Counters alone are written at most so often.
const GATHER: Duration = Duration::from_secs(1);
/// A file that could not be written is tried again after so long, twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Writes until the store is closed.
pub async fn run(shared: Arc<Shared>, mut file: Option<StateFile>, folder: PathBuf, troubles: watch::Sender<Option<Reason>>) {
    let mut retry = FIRST_RETRY;
    loop {
        if file.is_some() {
            gather(&shared).await;
        } else {
            pause(&shared, retry).await;
            retry = (retry * 2).min(LONGEST_RETRY);
        }
        let batch = shared.pending().take();
        let closing = batch.closing;
        let idle = batch.is_empty();
        let mut written = Ok(());
        if file.is_none() {
            match StateFile::open(&folder, Utc::now()).await {
                Ok((opened, _)) => file = Some(opened),
                Err(fault) => written = Err(fault),
            }
        }
        if let (Some(open), false) = (&mut file, idle) {
            written = open.write(&batch).await;
        }
        match written {
            // That a file opens does not say that it can be written.
            Ok(()) if idle => {}
            Ok(()) => {
                retry = FIRST_RETRY;
                shared.progress.send_replace(Progress { committed: batch.number, broken: false });
                if troubles.borrow().is_some() {
                    troubles.send_replace(None);
                }
            }
            Err(fault) => {
                // After a failed write nothing is known of the file: it is opened and read anew.
                file = None;
                shared.pending().put_back(batch);
                shared.progress.send_modify(|progress| progress.broken = true);
                let trouble = cannot(&folder, &fault);
                if troubles.borrow().is_none() {
                    troubles.send_replace(Some(trouble));
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
