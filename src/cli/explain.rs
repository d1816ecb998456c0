//! `vakhta explain`: what was decided about an incident, in order, and why.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{COULD_NOT, FAILING, GOOD, print_line};
use crate::domain::text::visible;
use crate::journal::{self, EVENTS, Tale, Wanted};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A check, one target of it, or the number of an incident; of the first two the last incident
    #[arg(value_name = "CHECK[/TARGET]|#NUMBER")]
    about: String,
    /// Print the events as JSON
    #[arg(long)]
    json: bool,
    /// The log folder, where the checks.yaml cannot be read here [default: `log.dir` of checks.yaml]
    #[arg(long, value_name = "FOLDER")]
    log_dir: Option<PathBuf>,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let (folder, checks) = match &arguments.log_dir {
        Some(folder) => (folder.clone(), None),
        None => match super::load(file)? {
            Some(config) => (config.log.dir, Some(config.watch.checks.into_iter().map(|plan| plan.name.to_string()).collect::<Vec<_>>())),
            None => return Ok(COULD_NOT),
        },
    };
    let files = journal::files(&folder, EVENTS).with_context(|| format!("the log folder {} cannot be read", folder.display()))?;
    let Some(tale) = find(&files, &arguments.about)? else {
        if let Some(checks) = checks.filter(|checks| !is_about_one_of(&arguments.about, checks)) {
            bail!("there is no check `{}`; the checks are {}", arguments.about, checks.join(", "));
        }
        print_line(&format!("{}: no incident in the events that are kept ({})", arguments.about, since(&files)))?;
        return Ok(GOOD);
    };
    if arguments.json {
        print_line(&serde_json::to_string_pretty(&tale.events)?)?;
    } else {
        print_line(&visible(&tale.title()))?;
        for (time, sentence) in tale.sentences() {
            print_line(&format!("{time:<19}  {}", visible(&sentence)))?;
        }
        if !tale.is_over() {
            print_line(&format!("{:<19}  it still fails", ""))?;
        }
    }
    Ok(if tale.is_over() { GOOD } else { FAILING })
}

/// A name wins over what else it may mean.
fn find(files: &[PathBuf], about: &str) -> anyhow::Result<Option<Tale>> {
    let whole = Wanted::LastOf { check: about, target: None };
    let parts = about.match_indices('/').map(|(at, _)| Wanted::LastOf { check: &about[..at], target: Some(&about[at + 1..]) });
    let number = about.trim_start_matches('#').parse().ok().map(Wanted::Number);
    for wanted in std::iter::once(whole).chain(parts).chain(number) {
        if let Some(tale) = Tale::read(files, wanted)? {
            return Ok(Some(tale));
        }
    }
    Ok(None)
}

fn is_about_one_of(about: &str, checks: &[String]) -> bool {
    let is_number = about.trim_start_matches('#').parse::<u64>().is_ok();
    is_number || checks.iter().any(|check| about == check || about.strip_prefix(check.as_str()).is_some_and(|rest| rest.starts_with('/')))
}

fn since(files: &[PathBuf]) -> String {
    match files.first().and_then(|file| file.file_name()?.to_str()?.split('.').nth(1)) {
        Some(date) => format!("since {date}"),
        None => "there are none yet".to_owned(),
    }
}
