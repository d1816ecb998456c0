//! What the watch writes down for people and programs, as JSON lines in its log folder: decisions with their reasons
//! (`events.jsonl`) and, where that is wanted, what it saw (`readings.jsonl`).

mod events;
mod readings;
mod tale;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

pub use events::{EventLine, Happened};
pub use readings::{ReadingLine, ReportLine};
pub use tale::{Tale, Wanted};

/// Decisions with their reasons.
pub const EVENTS: &str = "events";
/// What the checks saw.
pub const READINGS: &str = "readings";

/// A longer line is no line of ours.
const LONGEST_LINE: usize = 64 << 20;

/// Writes JSON lines, a file a day, and keeps the last ones; `NAME.jsonl` is always the newest, for `tail -F`.
pub struct LineLog {
    dir: PathBuf,
    name: &'static str,
    keep: usize,
    appender: RollingFileAppender,
    /// The last write failed.
    broken: bool,
}

impl LineLog {
    /// Makes the folder if it is not there. Errors: no permission, no space, a file in the way.
    pub fn open(dir: &Path, name: &'static str, keep: usize) -> io::Result<Self> {
        Ok(Self { dir: dir.to_owned(), name, keep, appender: appender(dir, name, "jsonl", keep)?, broken: false })
    }

    /// Writes lines at once; a clean stop loses none. What cannot be written is said once and hinders nobody.
    pub fn write<L: Serialize>(&mut self, lines: &[L]) {
        match self.try_write(lines) {
            Err(error) if !self.broken => {
                self.broken = true;
                tracing::error!(%error, "{}.jsonl cannot be written; checks and messages go on", self.name);
            }
            Ok(()) if self.broken => {
                self.broken = false;
                tracing::info!("{}.jsonl is written again", self.name);
            }
            _ => {}
        }
    }

    fn try_write<L: Serialize>(&mut self, lines: &[L]) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        // The folder may have been taken away under us: then start anew rather than write into nowhere.
        if !self.dir.join(format!("{}.jsonl", self.name)).exists() {
            self.appender = appender(&self.dir, self.name, "jsonl", self.keep)?;
        }
        self.appender.write_all(&text)?;
        self.appender.flush()
    }
}

/// A file a day named `prefix.DATE.suffix`, the last `keep` of them, and `prefix.suffix` always the newest.
pub fn appender(dir: &Path, prefix: &str, suffix: &str, keep: usize) -> io::Result<RollingFileAppender> {
    fs::create_dir_all(dir)?;
    // The link is read from where it stands, not from where we do.
    let dir = std::path::absolute(dir)?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(prefix)
        .filename_suffix(suffix)
        .latest_symlink(format!("{prefix}.{suffix}"))
        .max_log_files(keep)
        .build(dir)
        .map_err(io::Error::other)
}

/// The daily files of this name, oldest first.
pub fn files(dir: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let is_daily = |path: &Path| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        let date = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.strip_suffix(".jsonl"));
        date.is_some_and(|date| date.starts_with(|first: char| first.is_ascii_digit()))
    };
    let mut files: Vec<PathBuf> = fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_daily(path)).collect();
    files.sort();
    Ok(files)
}

/// The lines of one file. What is no such line (the last one of a watch that was killed, say) is left out.
pub fn lines<L: DeserializeOwned>(file: &Path) -> io::Result<impl Iterator<Item = L>> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut text = Vec::new();
    Ok(std::iter::from_fn(move || {
        loop {
            text.clear();
            let read = io::Read::take(&mut reader, LONGEST_LINE as u64).read_until(b'\n', &mut text).ok()?;
            if read == 0 {
                return None;
            }
            if let Ok(line) = serde_json::from_slice(&text) {
                return Some(line);
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn old_files_go_and_the_newest_has_one_name() {
        let folder = tempfile::tempdir().unwrap();
        for day in 1..=9 {
            fs::write(folder.path().join(format!("status.2026-01-0{day}.jsonl")), "{}\n").unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let mut log = LineLog::open(folder.path(), "status", 3).unwrap();
        log.write(&[1, 2]);
        let there = names(folder.path());
        assert_eq!(there.iter().filter(|name| name.starts_with("status.2")).count(), 3, "{there:?}");
        assert!(there.contains(&"notes.txt".to_owned()));
        let newest = folder.path().join("status.jsonl");
        assert_eq!(fs::read_to_string(&newest).unwrap(), "1\n2\n");
        assert_eq!(files(folder.path(), "status").unwrap().len(), 3, "the link is no file of its own");

        fs::remove_dir_all(folder.path()).unwrap();
        log.write(&[3]);
        assert_eq!(fs::read_to_string(&newest).unwrap(), "3\n", "a folder taken away is made again");
    }

    #[test]
    fn half_a_line_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.2026-11-20.jsonl");
        fs::write(&file, "1\n{\"half\n\n2\n3").unwrap();
        assert_eq!(lines::<u32>(&file).unwrap().collect::<Vec<_>>(), [1, 2, 3]);
    }
}
