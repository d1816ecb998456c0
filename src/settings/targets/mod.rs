//! Lists of targets: inline entries and a file (`ips.txt`) that is read again when it changes.

mod entry;
mod file;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use file::ListFile;

use super::Problem;
use crate::domain::reading::Target;

/// A list that is longer is taken for a slip of the pen (a /8 for a /24).
pub const MOST_TARGETS: usize = 65_536;

/// One target of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key is the address or the host name.
    pub target: Arc<Target>,
    /// `None` for a host name, which is to be resolved anew in each run.
    pub address: Option<IpAddr>,
}

/// The targets of one check: those written in it first, then those of its file, each key once.
#[derive(Debug)]
pub struct TargetList {
    inline: Vec<Listed>,
    file: Option<Mutex<ListFile>>,
    all: Mutex<Arc<[Listed]>>,
}

impl TargetList {
    /// Reads `targets` and the file under `list`. Each entry and each line at fault is a problem of its own.
    pub fn open(targets: &[String], list: Option<PathBuf>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut inline = Vec::new();
        for (index, text) in targets.iter().enumerate() {
            let before = inline.len();
            let message = match entry::read_into(&mut inline, text) {
                Ok(()) if inline.len() > before => continue,
                Ok(()) => "there is no target in it".to_owned(),
                Err(message) => message,
            };
            problems.push(Problem::new(message).below_index(index).below_key("targets"));
        }
        let mut listed = Vec::new();
        let file = list.map(|path| {
            let (file, read) = ListFile::open(path);
            match read {
                Ok(targets) => listed = targets,
                Err(lines) => problems.extend(lines.into_iter().map(|line| Problem::at("list", line))),
            }
            Mutex::new(file)
        });
        if problems.is_empty() && inline.is_empty() && listed.is_empty() {
            problems.push(
                Problem::new("there are no targets").help("write addresses under `targets`, or the name of a file of them under `list`"),
            );
        }
        let all = each_once(&inline, listed).map_err(|message| problems.push(Problem::new(message)));
        match all {
            Ok(all) if problems.is_empty() => Ok(Self { inline, file, all: Mutex::new(all) }),
            _ => Err(problems),
        }
    }

    /// The list as it was read last.
    pub fn last(&self) -> Arc<[Listed]> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The list as its file has it now, at the price of one `stat` while the file stands unchanged.
    ///
    /// An empty, bad or unreadable file leaves the last good list in place (an empty list would end every
    /// incident) and is logged once, not in every run.
    pub fn current(&self) -> Arc<[Listed]> {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(contents) = file.changed() {
                self.take(file.path(), contents);
            }
        }
        self.last()
    }

    fn take(&self, path: &Path, contents: file::Contents) {
        let list = path.display();
        match contents.and_then(|listed| each_once(&self.inline, listed).map_err(|message| vec![message])) {
            Ok(all) => {
                tracing::info!(%list, targets = all.len(), "target list read again");
                *self.all.lock().unwrap_or_else(PoisonError::into_inner) = all;
            }
            Err(problems) => {
                tracing::warn!(%list, problems = problems.join("; "), "target list is no good, the last good one stays");
            }
        }
    }
}

/// Keeps the first entry of each key, and the order.
fn each_once(inline: &[Listed], listed: Vec<Listed>) -> Result<Arc<[Listed]>, String> {
    let all = [inline, &listed].concat();
    let mut seen = HashSet::with_capacity(all.len());
    let once: Arc<[Listed]> = all.iter().filter(|one| seen.insert(&*one.target.key)).cloned().collect();
    if once.len() > MOST_TARGETS {
        return Err(format!("{} targets are more than a list may have ({MOST_TARGETS})", once.len()));
    }
    Ok(once)
}
