//! `file`: is it there, how old and how big is it, and what was written to it?

mod facts;
mod tail;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use facts::{Facts, Seen, newest};
use schemars::JsonSchema;
use serde::Deserialize;
use tail::{Heard, Patterns, Tail};
use tokio::sync::Mutex;

use crate::checks::patient::{NoAnswer, Patient};
use crate::checks::{Check, Kind, Run, pattern};
use crate::domain::reading::{Reading, Target};
use crate::net::words;
use crate::settings::{BuildContext, Problem, Problems, Settings, one_or_many};

/// A file: that it is there, its age and size, the newest of a folder of backups, and what a program writes to its log.
///
/// A file that is not there fails. Metrics: `age` (seconds since it was written to, negative if that lies in the future), `size` (bytes,
/// of files only), `count` (of `newest`: how many there are). Links are followed. A file system that does not answer is unknown, and
/// delays no other.
///
/// With `errors` or `matches` new lines are searched: from the end of the file on at the first look, through rotation (also by
/// `copytruncate`), at most 16 MiB a look, the rest at the next. What is written while Vakhta does not run, or between a reload's last
/// look and its first, is not seen. Metrics: `errors` and `matches` (new lines since the last look), `unread` (bytes left for the next look).
///
/// ```yaml
/// file: { path: /var/log/app.log, errors: "ERROR|panic", ignore: "ERROR 404" }
/// ```
///
/// A backup that is a day old at most, and not empty: `rules: [ age > 26h, size < 1MiB ]` for `file: { newest: "/backup/*.gz" }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// A file, folder or anything else with a path; a relative one starts at `checks.yaml`.
    path: Option<String>,
    /// Several of them, instead of `path`. Each is a target of its own.
    paths: Option<Vec<String>>,
    /// The newest file of those that match, instead of `path`: `/backup/*.gz`. `*`, `?`, `[a-z]`, and `**` for any folders.
    newest: Option<String>,
    /// Whether it should be there. Default: true.
    #[serde(default = "yes")]
    exists: bool,
    /// A regular expression: new lines that match it fail, once.
    errors: Option<String>,
    /// A regular expression: new lines that match it are counted.
    matches: Option<String>,
    /// A regular expression: lines that match it are not searched.
    ignore: Option<String>,
}

fn yes() -> bool {
    true
}

impl Kind for FileSettings {
    const NETWORK: bool = false;
    const AT_ONCE: usize = 16;
}

impl Settings for FileSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let mut compile = |key: &str, source: Option<String>| {
            let source = source?;
            let usable = if source.is_empty() { Err(Problem::at(key, format!("`{key}` is empty"))) } else { pattern(key, &source) };
            problems.keep(usable)
        };
        let patterns = Patterns {
            errors: compile("errors", self.errors),
            matches: compile("matches", self.matches),
            ignore: compile("ignore", self.ignore),
        };
        if patterns.ignore.is_some() && !patterns.any() {
            problems.0.push(Problem::at("ignore", "no lines are searched").help("Write `errors` or `matches` beside it."));
        }
        if !self.exists && patterns.any() {
            problems.0.push(Problem::at("exists", "lines of a file that should not be there cannot be searched"));
        }
        let patterns = Arc::new(patterns);
        let watched = |target, what| Watched {
            target,
            what,
            exists: self.exists,
            patterns: patterns.clone(),
            tail: Arc::new(Lock::new(Tail::default())),
            patient: Mutex::default(),
        };
        let files = match self.newest {
            Some(_) if self.path.is_some() || self.paths.is_some() => {
                let key = if self.path.is_some() { "path" } else { "paths" };
                problems.0.push(Problem::at(key, format!("`{key}` and `newest` are both given")).help("Make a check of each."));
                Vec::new()
            }
            Some(_) if patterns.any() => {
                problems.0.push(Problem::at("newest", "lines are searched in a file of one `path`"));
                Vec::new()
            }
            Some(_) if !self.exists => {
                problems.0.push(Problem::at("exists", "the newest file is one that is there").help("Delete `exists`."));
                Vec::new()
            }
            Some(source) => {
                let folder = glob::Pattern::escape(&at.folder.to_string_lossy());
                let source = if source.starts_with('/') { source } else { format!("{folder}/{source}") };
                let usable = glob::Pattern::new(&source);
                let usable = usable.map_err(|error| Problem::at("newest", format!("`{source}` is not a pattern of paths: {}", error.msg)));
                problems.keep(usable).map(|_| watched(Target::itself(), What::Newest(source))).into_iter().collect()
            }
            None => {
                let listed = problems.keep_all(one_or_many(("path", self.path), ("paths", self.paths)));
                let odd = listed.iter().filter(|listed| listed.text.is_empty() || listed.text.contains('\0'));
                problems.0.extend(odd.map(|listed| listed.problem(format!("{:?} is not a path", listed.text))));
                listed
                    .into_iter()
                    .map(|listed| watched(Target::new(listed.text.as_str()), What::Path(at.folder.join(listed.text))))
                    .collect()
            }
        };
        if problems.0.is_empty() { Ok(Box::new(Files(files))) } else { Err(problems.0) }
    }
}

/// Built from [`FileSettings`].
struct Files(Vec<Watched>);

struct Watched {
    target: Arc<Target>,
    what: What,
    exists: bool,
    patterns: Arc<Patterns>,
    /// Where it is read on from. What a late question has read is told with the next look.
    tail: Arc<Lock<Tail>>,
    /// A file system may never answer.
    patient: Mutex<Patient<Seen>>,
}

#[derive(Clone)]
enum What {
    Path(PathBuf),
    /// A pattern of paths.
    Newest(String),
}

#[async_trait]
impl Check for Files {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        run.each(&self.0, FileSettings::AT_ONCE, |file| file.look(run.timeout)).await
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn longest(&self, run: &Run) -> Duration {
        run.longest(self.0.len(), FileSettings::AT_ONCE)
    }
}

impl Watched {
    async fn look(&self, within: Duration) -> Reading {
        let (what, patterns, tail) = (self.what.clone(), self.patterns.clone(), self.tail.clone());
        let question = move || match what {
            What::Newest(pattern) => newest(&pattern),
            What::Path(path) => {
                let seen = facts::of(&path);
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                match &seen {
                    Seen::There(facts) if patterns.any() => tail.read(&path, facts, &patterns).map_or_else(|seen| seen, |()| seen),
                    // It is read from its beginning when it comes.
                    Seen::Nothing(_) => {
                        tail.gone(&patterns);
                        seen
                    }
                    _ => seen,
                }
            }
        };
        let seen = match self.patient.lock().await.ask(question, within).await {
            Ok(seen) => seen,
            Err(NoAnswer::Waiting(waited)) => {
                return Reading::unknown(&self.target, format!("its file system has not answered for {}", words::span(waited)));
            }
            Err(NoAnswer::NoThread(error)) => return Reading::unknown(&self.target, format!("cannot look at it: {error}")),
        };
        let heard = self.patterns.any().then(|| self.tail.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.reading(seen, heard)
    }

    fn reading(&self, seen: Seen, heard: Option<Heard>) -> Reading {
        let reading = match seen {
            Seen::Unseen(reason) => return Reading::unknown(&self.target, words::clean(&reason)),
            Seen::Odd(reason) => return Reading::fail(&self.target, words::clean(&reason)),
            Seen::Nothing(reason) if self.exists => Reading::fail(&self.target, words::clean(&reason)),
            Seen::Nothing(_) => Reading::pass(&self.target),
            Seen::There(facts) if self.exists => measured(Reading::pass(&self.target), &facts),
            Seen::There(facts) => measured(Reading::fail(&self.target, "it is there, and should not be"), &facts),
        };
        match heard {
            Some(heard) => self.with_lines(reading, &heard),
            None => reading,
        }
    }

    fn with_lines(&self, reading: Reading, heard: &Heard) -> Reading {
        let mut reading = match heard.first_error() {
            Some(line) => Reading { outcome: Reading::fail(&self.target, words::clean(&line)).outcome, ..reading },
            None => reading,
        };
        for (metric, wanted, count) in [("errors", &self.patterns.errors, heard.errors), ("matches", &self.patterns.matches, heard.matches)]
        {
            if wanted.is_some() {
                reading = reading.with(metric, count as f64);
            }
        }
        reading.with("unread", heard.unread as f64)
    }
}

fn measured(reading: Reading, facts: &Facts) -> Reading {
    let reading = reading.with("age", facts.age);
    let reading = facts.size.into_iter().fold(reading, |reading, size| reading.with("size", size as f64));
    facts.count.into_iter().fold(reading, |reading, count| reading.with("count", count as f64))
}
