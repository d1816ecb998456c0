//! `process`: is a program running, how many of it, and what does it use?

mod seen;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use seen::{Found, Look};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::checks::patient::{NoAnswer, Patient};
use crate::checks::{Check, Kind, Run, pattern};
use crate::domain::reading::{Reading, Target};
use crate::net::words;
use crate::settings::{BuildContext, Problem, Settings, one_or_many};

/// Processes of this machine, by name, by a pattern on their command line, or by the file that holds their number.
///
/// It fails when there is none; what else is wrong is for rules, such as `count > 8`, `mem > 2GiB` or `cpu > 90% for 10m`. A
/// process that is dead but was not collected by its parent (a zombie) is not there. Each name is a target of its own.
///
/// | metric | unit | |
/// |---|---|---|
/// | `count` | count | how many there are |
/// | `cpu` | percent | of one processor, all together, since the last look: two busy ones make 200; from the second look on |
/// | `mem` | bytes | resident memory, all together |
/// | `threads` | count | all together |
/// | `age` | seconds | of the oldest: `age < 10m` tells of a restart, while workers come and go |
/// | `fds` | count | open files of the one that has most; those of other users only root may count |
///
/// Where `/proc` hides the processes of others (`hidepid`, `ProtectProc` of systemd), one that is not found is unknown.
///
/// ```yaml
/// process: { name: nginx }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessSettings {
    /// The name of the program's file, `nginx`, as `ps -e` shows it. With `pid_file`: the name that its process must have.
    name: Option<String>,
    /// Several of them, instead of `name`.
    names: Option<Vec<String>>,
    /// A regular expression that the command line must match, with spaces between the arguments: `java .*billing\.jar`.
    /// Vakhta itself is left out.
    pattern: Option<String>,
    /// A file with the number of the process, such as `/run/nginx.pid`; a relative path starts at `checks.yaml`.
    pid_file: Option<PathBuf>,
}

/// What makes a process one of those that are looked for.
enum Wanted {
    Name(String),
    Pattern(regex::bytes::Regex),
    PidFile { file: PathBuf, name: Option<String> },
}

impl Kind for ProcessSettings {
    const NETWORK: bool = false;
    const AT_ONCE: usize = 16;
}

impl Settings for ProcessSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let (targets, wanted) = match (self.pid_file, self.pattern) {
            (Some(_), Some(_)) => return Err(vec![one_of_them("pattern", "pid_file")]),
            (Some(_), None) if self.names.is_some() => return Err(vec![one_of_them("names", "pid_file")]),
            (Some(file), None) => (vec![Target::itself()], vec![Wanted::PidFile { file: at.folder.join(file), name: self.name }]),
            (None, Some(_)) if self.name.is_some() => return Err(vec![one_of_them("name", "pattern")]),
            (None, Some(_)) if self.names.is_some() => return Err(vec![one_of_them("names", "pattern")]),
            (None, Some(source)) => {
                let pattern = pattern("pattern", &source).map_err(|problem| vec![problem])?;
                (vec![Target::itself()], vec![Wanted::Pattern(pattern)])
            }
            (None, None) => {
                let listed = one_or_many(("name", self.name), ("names", self.names))?;
                let odd = listed.iter().filter(|listed| listed.text.is_empty() || listed.text.contains('/'));
                let problems: Vec<_> = odd.map(|listed| not_a_name(listed.problem(format!("`{}` is not a name", listed.text)))).collect();
                if !problems.is_empty() {
                    return Err(problems);
                }
                listed.into_iter().map(|listed| (Target::new(listed.text.as_str()), Wanted::Name(listed.text))).unzip()
            }
        };
        Ok(Box::new(Processes { targets, wanted: wanted.into(), state: Mutex::default() }))
    }
}

fn one_of_them(key: &str, other: &str) -> Problem {
    Problem::at(key, format!("`{key}` and `{other}` are both given")).help("Keep one of the two.")
}

fn not_a_name(problem: Problem) -> Problem {
    problem.help("Write the name of the program's file without its folder, or look for a `pattern`.")
}

/// Built from [`ProcessSettings`].
struct Processes {
    targets: Vec<Arc<Target>>,
    /// At the same index.
    wanted: Arc<[Wanted]>,
    state: Mutex<State>,
}

/// What one look leaves for the next.
#[derive(Default)]
struct State {
    /// The command line of a process that hangs in the kernel may never be told.
    patient: Patient<Vec<Look>>,
    last: Option<(Instant, Vec<Look>)>,
}

#[async_trait]
impl Check for Processes {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        let mut state = self.state.lock().await;
        let wanted = self.wanted.clone();
        let looks = match state.patient.ask(move || seen::look(&wanted), run.timeout).await {
            Ok(looks) => looks,
            Err(NoAnswer::Waiting(waited)) => {
                let reason = format!("the kernel has not told the processes for {}", words::span(waited));
                return self.targets.iter().map(|target| Reading::unknown(target, reason.as_str())).collect();
            }
            Err(NoAnswer::NoThread(error)) => {
                let reason = format!("cannot look at processes: {error}");
                return self.targets.iter().map(|target| Reading::unknown(target, reason.as_str())).collect();
            }
        };
        let now = Instant::now();
        let before = state.last.take();
        let readings = self.targets.iter().zip(&looks).enumerate().map(|(index, (target, look))| {
            run.done();
            let before = before.as_ref().and_then(|(when, looks)| Some((now - *when, looks.get(index)?)));
            match look {
                Look::Found(found) => measured(target, found, before.and_then(|(elapsed, look)| seen::cpu(look, found, elapsed))),
                Look::None(reason) => Reading::fail(target, words::clean(reason)).with("count", 0.0),
                Look::Unseen(reason) => Reading::unknown(target, words::clean(reason)),
            }
        });
        let readings = readings.collect();
        state.last = Some((now, looks));
        readings
    }

    fn size(&self) -> usize {
        self.targets.len()
    }
}

/// `cpu` is known from the second look on.
fn measured(target: &Arc<Target>, found: &[Found], cpu: Option<f64>) -> Reading {
    let reading = Reading::pass(target).with("count", found.len() as f64);
    let reading = cpu.into_iter().fold(reading, |reading, cpu| reading.with("cpu", cpu));
    let reading = reading
        .with("mem", found.iter().map(|one| one.memory).sum::<u64>() as f64)
        .with("threads", found.iter().map(|one| one.threads).sum::<u64>() as f64)
        .with("age", found.iter().map(|one| one.age).fold(0.0, f64::max));
    match found.iter().map(|one| one.files).max().flatten() {
        Some(files) => reading.with("fds", files as f64),
        None => reading.without("fds", "only root may count the open files of another user's process"),
    }
}
