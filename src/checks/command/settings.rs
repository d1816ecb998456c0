//! The section of a `command` check.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Command;
use crate::checks::Check;
use crate::checks::program::{COOKIE, PATH, Program};
use crate::domain::reading::Target;
use crate::settings::{BuildContext, Problem, Problems, Secret, Settings};

/// So much of its output is kept.
const KEPT: usize = 64 * 1024;
/// Where distributions put plugins; `run: [check_load, …]` finds them there.
const PLUGINS: &str = "/usr/lib/nagios/plugins:/usr/lib64/nagios/plugins:/usr/lib/monitoring-plugins:/usr/libexec/monitoring-plugins";

/// A program: any Nagios, Icinga or monitoring plugin, or a script of your own.
///
/// Exit code 0 passes, 1 (warning) and 2 (critical) fail, everything else means that it was not possible to look; so does a
/// program that is late or dies by a signal. The first line that it prints is the reason. It runs without a shell, with nothing
/// on its standard input and nothing in its environment but `PATH`, `LANG=C`, `VAKHTA_RUN` and `env`; when `timeout` is
/// over it and all it started are ended, first with TERM, a second later with KILL. 16 programs run at once.
///
/// Metrics: `exit` (the code), `latency` (how long it ran) and its performance data by its labels, in base units: seconds,
/// bytes (`KB` is 1000, `KiB` 1024), percent. In a label everything but letters, digits and `_ . - :` becomes `_`: `/var` is `_var`.
/// Where a value comes with ranges, `load1.state` is 0, 1 (warning) or 2 (critical).
///
/// To be told of warnings in another way, let them pass and write a rule: `warning: pass` and
/// `rules: [ { rule: "exit == 1", severity: warning } ]`.
///
/// ```yaml
/// command: { run: [sh, -c, "echo 'OK: 3 letters wait | queue=3;10;20'"], warning: pass }
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSettings {
    /// The program and its arguments, each an entry of the list: `[check_load, -w, "5,4,3", -c, "10,8,6"]`. Without a `/` it is looked for
    /// in the usual folders and those of plugins; with one, a relative path starts at `checks.yaml`, where the program also runs. Anyone on the
    /// machine can read arguments: secrets belong in `env`.
    run: Vec<String>,
    /// What exit code 1 means: `fail` or `pass`. Default: `fail`.
    #[serde(default)]
    warning: Warning,
    /// More environment, by name.
    #[serde(default)]
    env: BTreeMap<String, Secret>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Warning {
    #[default]
    Fail,
    Pass,
}

impl Settings for CommandSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let (name, arguments) = match self.run.split_first() {
            Some((name, arguments)) => (name.clone(), arguments.to_vec()),
            None => {
                let problem = Problem::at("run", "there is no program to run");
                return Err(vec![problem.help("Write `run: [check_load, -w, \"5,4,3\", -c, \"10,8,6\"]`.")]);
            }
        };
        for (index, argument) in self.run.iter().enumerate().filter(|(_, argument)| argument.contains('\0')) {
            problems.0.push(Problem::new(format!("{argument:?} has a NUL in it")).below_index(index).below_key("run"));
        }
        for name in self.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
            problems.0.push(Problem::at(name, format!("{name:?} cannot name a variable")).below_key("env"));
        }
        if self.env.contains_key(COOKIE) {
            problems.0.push(Problem::at(COOKIE, format!("`{COOKIE}` is set by each run")).below_key("env"));
        }
        for (name, _) in self.env.iter().filter(|(_, value)| value.expose().contains('\0')) {
            problems.0.push(Problem::at(name, format!("the value of `{name}` has a NUL in it")).below_key("env"));
        }
        let program = problems.keep(find(&name, &at.folder).map_err(|problem| problem.below_index(0).below_key("run")));
        let (Some(path), true) = (program, problems.0.is_empty()) else { return Err(problems.0) };
        // A relative folder would be looked up from where the watch runs, after the program is there already.
        let folder = std::path::absolute(&at.folder).unwrap_or_else(|_| at.folder.clone());
        let hidden = self.env.values().filter(|value| value.expose().len() > 3).cloned().collect();
        let program = Program { path, arguments, environment: self.env.into_iter().collect(), folder, kept: KEPT };
        Ok(Box::new(Command {
            program,
            name: name.into(),
            warning_passes: self.warning == Warning::Pass,
            target: Target::itself(),
            hidden,
        }))
    }
}

/// The program's full path.
fn find(name: &str, folder: &Path) -> Result<PathBuf, Problem> {
    let runs = |path: &Path| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        let path = std::path::absolute(folder.join(name)).unwrap_or_else(|_| folder.join(name));
        return match path.metadata() {
            Ok(file) if file.is_dir() => Err(Problem::new(format!("`{name}` is a folder"))),
            Ok(_) if !runs(&path) => Err(Problem::new(format!("`{name}` is not executable")).help("chmod +x")),
            Ok(_) => Ok(path),
            Err(error) => Err(Problem::new(format!("cannot find `{name}`: {error}"))),
        };
    }
    let folders = PATH.split(':').chain(PLUGINS.split(':'));
    folders.map(|folder| Path::new(folder).join(name)).find(|path| runs(path)).ok_or_else(|| {
        let help = "Write its full path, or install it (`apt install monitoring-plugins-basic`).";
        Problem::new(format!("there is no program `{name}`")).help(help)
    })
}
