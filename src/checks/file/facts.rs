//! What the file system says of a path.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

/// What was seen.
#[derive(Debug)]
pub enum Seen {
    There(Facts),
    /// It is not there, in words.
    Nothing(String),
    /// It is there and is not what it should be, in words.
    Odd(String),
    /// We may not look, in words.
    Unseen(String),
}

#[derive(Debug)]
pub struct Facts {
    /// Seconds.
    pub age: f64,
    /// Bytes, of files only.
    pub size: Option<u64>,
    /// How many there are that match.
    pub count: Option<usize>,
    /// What tells it from all others.
    pub identity: Identity,
    /// `a folder`, `a pipe`, …: what no lines can be read from.
    pub other_than_file: Option<&'static str>,
}

/// Device and inode.
pub type Identity = (u64, u64);

/// Links are followed; nothing is opened, so that a pipe keeps nobody waiting.
pub fn of(path: &Path) -> Seen {
    let shown = path.display();
    match path.metadata() {
        Ok(found) => Seen::There(Facts::of(&found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => match path.is_symlink() {
            true => Seen::Nothing(format!("{shown} is a link to nothing")),
            false => Seen::Nothing(format!("there is no {shown}")),
        },
        Err(error) => Seen::Unseen(format!("cannot look at {shown}: {error}")),
    }
}

/// The newest of the files that match a pattern.
pub fn newest(pattern: &str) -> Seen {
    let paths = match glob::glob(pattern) {
        Ok(paths) => paths,
        Err(error) => return Seen::Unseen(format!("`{pattern}` is not a pattern of paths: {}", error.msg)),
    };
    let (mut count, mut latest, mut unread) = (0, None::<(SystemTime, Metadata)>, None);
    for path in paths {
        // One that is gone by now was not the newest.
        let found = match path {
            Ok(path) => path.metadata(),
            Err(error) => {
                unread = Some(format!("cannot read {}: {}", error.path().display(), error.error()));
                continue;
            }
        };
        let Some(found) = found.ok().filter(Metadata::is_file) else { continue };
        count += 1;
        let Ok(written) = found.modified() else { continue };
        if latest.as_ref().is_none_or(|(before, _)| *before < written) {
            latest = Some((written, found));
        }
    }
    match (latest, unread) {
        (Some((_, found)), _) => Seen::There(Facts { count: Some(count), ..Facts::of(&found) }),
        (None, Some(reason)) => Seen::Unseen(reason),
        (None, None) => Seen::Nothing(format!("no file matches {pattern}")),
    }
}

impl Facts {
    pub fn of(found: &Metadata) -> Self {
        let age = found.modified().map_or(f64::NAN, |written| match SystemTime::now().duration_since(written) {
            Ok(age) => age.as_secs_f64(),
            Err(ahead) => -ahead.duration().as_secs_f64(),
        });
        let kind = found.file_type();
        let other_than_file = match () {
            () if kind.is_file() => None,
            () if kind.is_dir() => Some("a folder"),
            () if kind.is_fifo() => Some("a pipe"),
            () if kind.is_socket() => Some("a socket"),
            () => Some("a device"),
        };
        let size = kind.is_file().then_some(found.len());
        Self { age, size, count: None, identity: (found.dev(), found.ino()), other_than_file }
    }
}
