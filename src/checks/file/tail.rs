//! The new lines of a file that grows, is rotated, and is cut short.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use regex::bytes::Regex;
use rustix::fs::OFlags;

use super::facts::{Facts, Identity, Seen};

/// So much is read in one look.
const MOST: u64 = 16 << 20;
/// A longer line counts as several.
const LONGEST_LINE: usize = 64 * 1024;
/// So much of a line is kept to be shown.
const SHOWN: usize = 1024;

/// What lines are searched for.
#[derive(Debug)]
pub struct Patterns {
    pub errors: Option<Regex>,
    pub matches: Option<Regex>,
    pub ignore: Option<Regex>,
}

/// What was found in new lines.
#[derive(Debug, Default)]
pub struct Heard {
    pub errors: u64,
    pub matches: u64,
    /// Bytes that are left for the next look.
    pub unread: u64,
    first: Vec<u8>,
}

/// Where a file is read on from.
#[derive(Debug, Default)]
pub struct Tail {
    /// Held open: a rotated file is read to its end, and its inode cannot become that of another.
    open: Option<Open>,
    /// Whether a look has been before: a file that comes later is read from its beginning.
    begun: bool,
    /// Not yet told.
    heard: Heard,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: Identity,
    /// All before it was searched: the beginning of a line.
    offset: u64,
    /// How long the unfinished last line was.
    unfinished: usize,
}

impl Patterns {
    pub fn any(&self) -> bool {
        self.errors.is_some() || self.matches.is_some()
    }
}

impl Heard {
    /// The first line that should not be there, in words.
    pub fn first_error(&self) -> Option<String> {
        let line = String::from_utf8_lossy(&self.first);
        match self.errors {
            0 => None,
            1 => Some(format!("1 new line matches: {}", line.trim())),
            count => Some(format!("{count} new lines match: {}", line.trim())),
        }
    }

    fn line(&mut self, line: &[u8], patterns: &Patterns) {
        let is = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(line));
        if is(&patterns.ignore) {
            return;
        }
        self.matches += u64::from(is(&patterns.matches));
        if is(&patterns.errors) {
            if self.errors == 0 {
                self.first = line[..line.len().min(SHOWN)].to_vec();
            }
            self.errors += 1;
        }
    }
}

impl Tail {
    /// What was found since this was asked last.
    pub fn take(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }

    /// There is no file at the path now. What was written to it before it went is read.
    pub fn gone(&mut self, patterns: &Patterns) {
        self.begun = true;
        if let Some(mut open) = self.open.take() {
            // What cannot be read of a file that is gone is gone with it.
            let _ = open.read(patterns, &mut self.heard, true);
        }
    }

    /// Searches what is new in the file at the path, of which these are the facts.
    pub fn read(&mut self, path: &Path, facts: &Facts, patterns: &Patterns) -> Result<(), Seen> {
        let shown = path.display();
        let unreadable = |error: io::Error| Seen::Unseen(format!("cannot read {shown}: {error}"));
        if let Some(sort) = facts.other_than_file {
            return Err(Seen::Odd(format!("{shown} is {sort}, not a file")));
        }
        if self.open.as_ref().is_none_or(|open| open.identity != facts.identity) {
            let mut next = Open::at(path).map_err(unreadable)?;
            let first = !self.begun;
            self.gone(patterns);
            if first {
                next.offset = next.file.metadata().map_err(unreadable)?.len();
            }
            self.open = Some(next);
        }
        match &mut self.open {
            Some(open) => open.read(patterns, &mut self.heard, false).map_err(unreadable),
            None => Ok(()),
        }
    }
}

impl Open {
    /// If a pipe took the file's place meanwhile, this does not wait for its other end.
    fn at(path: &Path) -> io::Result<Self> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        Ok(Self { file, identity: Facts::of(&found).identity, offset: 0, unfinished: 0 })
    }

    /// Searches line by line. An unfinished last line waits to be finished, until it has not grown from one look to the
    /// next, or the file is `done`.
    fn read(&mut self, patterns: &Patterns, heard: &mut Heard, done: bool) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.offset + self.unfinished as u64 {
            (self.offset, self.unfinished) = (0, 0);
        }
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut rest: Vec<u8> = Vec::new();
        let mut read = 0;
        let mut buffer = [0; 16 * 1024];
        while read < MOST {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            read += count as u64;
            rest.extend_from_slice(&buffer[..count]);
            let mut searched = 0;
            while let Some(end) = rest[searched..].iter().position(|byte| *byte == b'\n') {
                heard.line(&rest[searched..searched + end], patterns);
                searched += end + 1;
            }
            if rest.len() - searched >= LONGEST_LINE {
                heard.line(&rest[searched..], patterns);
                searched = rest.len();
            }
            rest.drain(..searched);
            self.offset += searched as u64;
        }
        let at_end = read < MOST;
        if !rest.is_empty() && at_end && (done || rest.len() == self.unfinished) {
            heard.line(&rest, patterns);
            self.offset += rest.len() as u64;
            rest.clear();
        }
        self.unfinished = rest.len();
        heard.unread = length.saturating_sub(self.offset + rest.len() as u64);
        Ok(())
    }
}
