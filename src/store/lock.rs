//! One watch per state folder: a lock that ends with its process, however that ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;

/// Held until it is dropped or the process ends.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the folder and takes its lock. The inner error: there can be none here.
    pub fn take(folder: &Path) -> Result<io::Result<Self>, StoreError> {
        let file =
            DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| {
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))
            });
        let mut file = match file {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // Only for whoever asks who it is: a full disk does not make the lock less held.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Ok(Ok(Self { _file: file }))
            }
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "of unknown process id".to_owned(),
                    pid => format!("process {pid}"),
                };
                Err(StoreError::Held { folder: folder.to_owned(), holder })
            }
            Err(error) => Ok(Err(error.into())),
        }
    }
}
