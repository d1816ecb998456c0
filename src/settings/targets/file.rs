//! A list file: read whole, with every bad line reported, and read again when it is another file than before.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Listed, MOST_TARGETS, entry};

/// The largest list allowed, 65,536 lines of 250 bytes, is not longer.
const LONGEST: u64 = 16 * 1024 * 1024;

/// So many bad lines are reported one by one.
const MOST_PROBLEMS: usize = 100;

/// A file and which state of it was read last, whether it was good or not.
#[derive(Debug)]
pub struct ListFile {
    path: PathBuf,
    /// `None`: there was no file to be read.
    seen: Option<Stamp>,
}

/// Tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// The targets, or `path:line: what is wrong` for every bad line.
pub type Contents = Result<Vec<Listed>, Vec<String>>;

impl ListFile {
    pub fn open(path: PathBuf) -> (Self, Contents) {
        let mut file = Self { path, seen: None };
        let (before, contents) = file.read();
        file.seen = before;
        (file, contents)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file has now, if it is not the state seen last.
    pub fn changed(&mut self) -> Option<Contents> {
        if self.stamp() == self.seen {
            return None;
        }
        let (before, contents) = self.read();
        if before.is_some() && before != self.stamp() {
            // Somebody is writing it at this moment: half a list would look like targets removed.
            return None;
        }
        self.seen = before;
        Some(contents)
    }

    /// The file's contents and its state before they were read.
    fn read(&self) -> (Option<Stamp>, Contents) {
        let before = self.stamp();
        let contents = match read_bytes(&self.path) {
            Ok(bytes) => parse(&bytes).map_err(|problems| self.said(problems)),
            Err(error) => Err(vec![format!("{}: {error}", self.path.display())]),
        };
        (before, contents)
    }

    fn stamp(&self) -> Option<Stamp> {
        fs::metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata))
    }

    /// The problems with the file's name before each.
    fn said(&self, problems: Vec<(usize, String)>) -> Vec<String> {
        let path = self.path.display();
        let more = problems.len().saturating_sub(MOST_PROBLEMS);
        let lines = problems.into_iter().take(MOST_PROBLEMS).map(|(line, what)| match line {
            0 => format!("{path}: {what}"),
            line => format!("{path}:{line}: {what}"),
        });
        lines.chain((more > 0).then(|| format!("{path}: and {more} more bad lines"))).collect()
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer, so this is asked before.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a folder, not a file"));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 16 MiB, too long for a list of targets"));
    }
    Ok(bytes)
}

/// Reads every line; problems come with the number of their line, 0 for the whole file.
fn parse(bytes: &[u8]) -> Result<Vec<Listed>, Vec<(usize, String)>> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut listed = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let read = str::from_utf8(line)
            .map_err(|_| "the line is not UTF-8 text".to_owned())
            .and_then(|line| entry::read_into(&mut listed, line.trim_end_matches('\r')));
        if let Err(what) = read {
            problems.push((number + 1, what));
        }
        // A thousand blocks of 65,536 addresses would not fit into memory; the caller says what the limit is.
        if listed.len() > 4 * MOST_TARGETS {
            break;
        }
    }
    if problems.is_empty() && listed.is_empty() {
        problems.push((0, "there are no targets in it".to_owned()));
    }
    if problems.is_empty() { Ok(listed) } else { Err(problems) }
}
