//! Stories: what checks saw over time, and what people were told. The specification of the engine, in plain text.
//!
//! A story is a `checks.yaml`, or one line `config: FILE` that names one beside it, a line `---`, and then lines in the
//! order of time. Configurations that are taken up later stand before the first line, each after a line `--- reload`.
//!
//! ```text
//! 12:00:00 terminals 10.0.0.7:fail(no reply) 10.0.0.8:pass{rtt=0.02}     a run of the check, every target of it
//! 12:00:00 x5 30s terminals 10.0.0.7:fail                                the same, five times, half a minute apart
//! 12:00:00 terminals took 5s 10.0.0.7:fail                               the same, begun five seconds before
//! 12:00:00 fleet http://hub/:pass a:pass others missing(not listed)      what was found before and is not now; or: others kept
//! 12:00:00 (uplink) 192.0.2.1:fail 192.0.2.2:noway                       a look at the own network; no route to the second
//! 12:00:00 ops answers later 30s                                         what the channel says to its next message
//! 12:00:00 ops answers nothing                                           no answer before the next restart
//! 13:00:00 restart                                                       the watch ends and begins anew with what it kept
//! 13:00:00 crash                                                         likewise, without a last save
//! 13:00:00 reload                                                        it takes up the next configuration of the story
//! 13:00:00 silence terminals/10.0.0.7 for 2h                              nobody is told of it for so long
//! 13:00:00 unsilence terminals/10.0.0.7                                   or shorter
//! 13:00:00 ack #1 by anna: on it                                         somebody takes an open incident on, or all of a check
//! 13:00:00 unack #1                                                      or gives it back
//! 13:00:00 .                                                             time passes
//! > 12:01:00 ops failed 10.0.0.7 #1: no reply                            what came of it
//! ```
//!
//! Times are those of the file's time zone, on Friday 2026-11-20 or on a date written before them. The lines with
//! `>` are made by [`Story::play`]; nothing else in a story depends on them.

mod player;
mod reader;
mod recording;

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::{self, Environment, Registry, Source};
use crate::domain::engine::{Delivery, Input};
use crate::domain::reading::Report;
use crate::domain::uplink::UPLINK_CHECK;
use crate::domain::watch::Watch;
use crate::net::Net;
use player::Player;
use reader::Reader;
pub use recording::{Recording, Replayed};

/// A story, read and ready to be played.
pub struct Story {
    source: String,
    config: String,
    watch: Watch,
    /// What the lines `reload` take up, in their order.
    later: Vec<Watch>,
    steps: Vec<Step>,
}

struct Step {
    at: DateTime<Utc>,
    what: What,
    /// The line it stands on, so that what comes of it is written below.
    line: usize,
}

enum What {
    Report { check: Arc<str>, report: Report, took: Duration },
    Answer { channel: String, answer: Option<Delivery> },
    Restart,
    Crash,
    Reload,
    Silence { about: String, lasting: Duration },
    Unsilence { about: String },
    Acknowledge { which: String, by: String, note: String },
    Unacknowledge { which: String },
    Nothing,
}

impl Story {
    /// Reads a story. The error names the line and what is wrong with it.
    pub fn read(source: &str, path: &Path, env: &dyn Environment) -> Result<Self, String> {
        let (config, lines) = source
            .split_once("\n---\n")
            .ok_or_else(|| format!("{}: a story has a line `---` between its checks.yaml and its lines", path.display()))?;
        let load = |text| load(text, path, env);
        let mut watches = config.split("\n--- reload\n").map(load).collect::<Result<Vec<_>, _>>().map_err(|report| report.to_string())?;
        let watch = watches.remove(0);
        let checks = watch.checks.iter().chain(watches.iter().flat_map(|watch| &watch.checks));
        let known: Vec<Arc<str>> = checks.map(|plan| plan.name.clone()).chain([UPLINK_CHECK.into()]).collect();
        let first = config.lines().count() + 1;
        let mut steps = Vec::new();
        for (index, line) in lines.lines().enumerate() {
            if !line.starts_with('>') && !line.trim().is_empty() && !line.starts_with('#') {
                let read = Reader { zone: watch.zone, checks: &known, line: index }.line(line);
                steps.extend(read.map_err(|error| format!("{}:{}: {error}", path.display(), first + index + 1))?);
            }
        }
        // Repeated lines may reach past the ones below them; what happens first comes first.
        steps.sort_by_key(|step| step.at);
        Ok(Self { source: lines.to_owned(), config: config.to_owned(), watch, later: watches, steps })
    }

    /// Plays the story in virtual time and returns it with what came of it.
    pub fn play(&self) -> String {
        let mut player = Player::new(&self.watch, &self.later, self.steps.first().map_or_else(Utc::now, |step| step.at));
        for step in &self.steps {
            player.pass_time_until(step.at);
            player.at_line(step.line);
            match &step.what {
                What::Report { check, report, took } => {
                    player.step(Input::Report { check: check.clone(), report: report.clone(), took: *took })
                }
                What::Answer { channel, answer } => player.plan_answer(channel, answer.clone()),
                What::Restart => player.restart(),
                What::Crash => player.begin_anew(),
                What::Reload => player.reload(),
                What::Silence { about, lasting } => player.silence(about, *lasting),
                What::Unsilence { about } => player.unsilence(about),
                What::Acknowledge { which, by, note } => player.acknowledge(which, Some((by.as_str(), note.as_str()))),
                What::Unacknowledge { which } => player.acknowledge(which, None),
                What::Nothing => {}
            }
        }
        let mut played = format!("{}\n---\n", self.config);
        for (index, line) in self.source.lines().enumerate().filter(|(_, line)| !line.starts_with('>')) {
            let _ = writeln!(played, "{line}");
            for (_, told) in player.told().iter().filter(|(line, _)| *line == index) {
                let _ = writeln!(played, "> {told}");
            }
        }
        played
    }
}

/// The configuration in a story, or the one beside it that a line `config: FILE` names.
fn load(text: &str, story: &Path, env: &dyn Environment) -> Result<Watch, config::Report> {
    let named = text.strip_prefix("config:").map(str::trim).filter(|name| !name.is_empty() && !name.contains('\n'));
    let file = match named {
        Some(name) => Source::read(&story.parent().unwrap_or(Path::new("")).join(name))?,
        None => Source { path: story.to_owned(), text: text.to_owned() },
    };
    file.load(&Registry::default(), env, &Net::new()).map(|config| config.watch)
}

/// The first line at which a story does not end as it is written.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Counted from 1.
    pub line: usize,
    /// What stands there; nothing where the file has ended.
    pub written: Option<String>,
    /// What came of it.
    pub played: Option<String>,
}

impl Difference {
    /// Nothing if both are the same.
    pub fn between(written: &str, played: &str) -> Option<Self> {
        let (mut written, mut played) = (written.lines(), played.lines());
        for line in 1.. {
            match (written.next(), played.next()) {
                (None, None) => break,
                (written, played) if written == played => {}
                (written, played) => {
                    return Some(Self { line, written: written.map(str::to_owned), played: played.map(str::to_owned) });
                }
            }
        }
        None
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |line: &'_ Option<String>| line.clone().unwrap_or_else(|| "(the end of the file)".to_owned());
        write!(f, "  written: {}\n  played:  {}", shown(&self.written), shown(&self.played))
    }
}
