//! `unit`: what does systemd say of its units?

mod show;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use show::{PROPERTIES, Unit, units};

use crate::checks::program::{End, PATH, Program};
use crate::checks::{Check, Kind, Run};
use crate::domain::reading::{Reading, Target};
use crate::net::words;
use crate::settings::{BuildContext, Listed, Problem, Settings, one_or_many};

/// One that ignores a friendly TERM for so long is killed.
const GRACE: Duration = Duration::from_secs(1);
/// So much is read of what systemd says: some thousands of units.
const KEPT: usize = 1 << 20;
/// Other checks of units may have their turn before this one.
const QUEUE: Duration = Duration::from_secs(60);

/// Units of systemd, as `systemctl show` tells them.
///
/// A unit fails when it has failed, is not active, waits to be restarted, is masked, or is not there; one that is just being started or
/// stopped passes. A pattern stands for all units that systemd has loaded, each a target of its own; one that matches none fails.
/// Metrics: `restarts` (how often systemd has restarted it by itself; `restarts > 5`), `age` (seconds since its state changed:
/// `age < 5m` tells of a restart). Where systemd does not run, or does not answer, units are unknown.
///
/// Everything that has failed: `unit: { units: ["*"], inactive: pass }`.
///
/// ```yaml
/// unit: { units: [nginx.service, "app-*.service", backup.timer] }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitSettings {
    /// The name of a unit or a pattern with `*`, `?` and `[…]`; without a suffix it is a service.
    unit: Option<String>,
    /// Several of them, instead of `unit`.
    units: Option<Vec<String>>,
    /// What a unit means that is not active and has not failed: `fail` or `pass`. Default: `fail`.
    #[serde(default)]
    inactive: Inactive,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Inactive {
    #[default]
    Fail,
    Pass,
}

/// What is asked for.
enum Wanted {
    One(Arc<Target>),
    Pattern(Arc<Target>, glob::Pattern),
}

impl Kind for UnitSettings {
    const NETWORK: bool = false;
    const AT_ONCE: usize = 4;
}

impl Settings for UnitSettings {
    type Plugin = dyn Check;

    fn build(self, _: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let (mut wanted, mut problems) = (Vec::new(), Vec::new());
        for listed in one_or_many(("unit", self.unit), ("units", self.units))? {
            match Wanted::read(listed) {
                Ok(one) => wanted.push(one),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Box::new(Units { wanted, inactive_passes: self.inactive == Inactive::Pass }))
    }
}

impl Wanted {
    fn read(listed: Listed) -> Result<Self, Problem> {
        // systemd.unit(5): what a name is made of.
        let usable = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@*?[]!".contains(c);
        let text = &listed.text;
        if text.is_empty() || text.len() > 255 || text.starts_with(['-', '.']) || !text.chars().all(usable) {
            return Err(listed
                .problem(format!("`{text}` is not the name of a unit"))
                .help("Write `nginx.service`, or a pattern: `app-*.service`."));
        }
        let name = with_suffix(text);
        if !name.contains(['*', '?', '[']) {
            return Ok(Self::One(Target::new(name)));
        }
        match glob::Pattern::new(&name) {
            Ok(pattern) => Ok(Self::Pattern(Target::new(name), pattern)),
            Err(error) => Err(listed.problem(format!("`{text}` is not a pattern: {}", error.msg))),
        }
    }

    fn target(&self) -> &Arc<Target> {
        match self {
            Self::One(target) | Self::Pattern(target, _) => target,
        }
    }
}

/// As systemctl reads names; `*` alone is everything.
fn with_suffix(text: &str) -> String {
    const SUFFIXES: [&str; 11] = ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];
    match text.rsplit_once('.') {
        Some((_, suffix)) if SUFFIXES.contains(&suffix) || suffix.contains(['*', '?', ']']) => text.to_owned(),
        _ if text.ends_with('*') => text.to_owned(),
        _ => format!("{text}.service"),
    }
}

/// Built from [`UnitSettings`].
struct Units {
    wanted: Vec<Wanted>,
    inactive_passes: bool,
}

#[async_trait]
impl Check for Units {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        let _slot = run.slot().await;
        let readings = match self.ask(run.timeout).await {
            Ok(units) => self.wanted.iter().flat_map(|wanted| self.readings(wanted, &units)).collect(),
            Err(reason) => {
                let reason = words::clean(&reason);
                self.wanted.iter().map(|wanted| Reading::unknown(wanted.target(), reason.as_str())).collect()
            }
        };
        self.wanted.iter().for_each(|_| run.done());
        each_once(readings)
    }

    fn size(&self) -> usize {
        self.wanted.len()
    }

    fn longest(&self, run: &Run) -> Duration {
        QUEUE + run.timeout + 3 * GRACE
    }
}

impl Units {
    /// What systemd says of all that is wanted.
    async fn ask(&self, within: Duration) -> Result<Vec<Unit>, String> {
        const HERE_NOT: &str = "systemd does not run here";
        let Some(path) = systemctl() else { return Err(format!("{HERE_NOT}: there is no systemctl")) };
        let mut arguments =
            vec!["show".to_owned(), "--no-pager".to_owned(), format!("--property={}", PROPERTIES.join(",")), "--".to_owned()];
        arguments.extend(self.wanted.iter().map(|wanted| wanted.target().key.to_string()));
        let program = Program { path, arguments, environment: Vec::new(), folder: "/".into(), kept: KEPT };
        let ran = program.run(within, GRACE).await.map_err(|error| format!("cannot run systemctl: {error}"))?;
        match ran.end {
            End::Exit(0) => Ok(units(&ran.stdout)),
            End::TooLate => Err(format!("systemd has not answered in {}", words::span(within))),
            End::Signal(signal) => Err(format!("systemctl ended by signal {signal}")),
            End::Exit(code) => {
                let said = String::from_utf8_lossy(&ran.stderr);
                let not_here = ["not been booted with systemd", "connect to bus", "connect to system scope bus"];
                match said.lines().next() {
                    Some(line) if not_here.iter().any(|words| line.contains(words)) => Err(HERE_NOT.to_owned()),
                    Some(line) => Err(format!("systemctl: {line}")),
                    None => Err(format!("systemctl ended with exit code {code}")),
                }
            }
        }
    }

    fn readings(&self, wanted: &Wanted, units: &[Unit]) -> Vec<Reading> {
        match wanted {
            Wanted::One(target) => match units.iter().find(|unit| unit.is_called(&target.key)) {
                Some(unit) => vec![unit.reading(target, self.inactive_passes)],
                None => vec![Reading::unknown(target, "systemd said nothing of it")],
            },
            Wanted::Pattern(target, pattern) => {
                // What other units name and nobody has is no unit of this machine.
                let found = units.iter().filter(|unit| unit.is_there() && unit.names().any(|name| pattern.matches(name)));
                let readings: Vec<_> = found.map(|unit| unit.reading(&Target::new(unit.id()), self.inactive_passes)).collect();
                if readings.is_empty() { vec![Reading::fail(target, "no unit matches it")] } else { readings }
            }
        }
    }
}

/// A unit may be wanted by name and match a pattern.
fn each_once(readings: Vec<Reading>) -> Vec<Reading> {
    let mut seen = std::collections::HashSet::new();
    readings.into_iter().filter(|reading| seen.insert(reading.target.key.clone())).collect()
}

fn systemctl() -> Option<PathBuf> {
    PATH.split(':').map(|folder| Path::new(folder).join("systemctl")).find(|path| path.is_file())
}
