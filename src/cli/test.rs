//! `vakhta test`: stories that users keep beside their configuration, played in virtual time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{COULD_NOT, FAILING, GOOD, complain, print_line};
use crate::config::System;
use crate::story::{Difference, Story};

pub const EXAMPLE: &str = "\
A story is a checks.yaml or a line that names one beside it, a line `---`, and what happens. The lines with `>` say what
came of it; `--update` writes them, so begin without any and read what you get:

  config: checks.yaml
  ---
  12:00:00 x3 30s atto_socket 127.0.0.1:9100:fail(connection refused)
  > 12:01:00 ops failed 127.0.0.1:9100 #1: connection refused
  12:02:00 ops answers later 30s
  12:05:00 atto_socket 127.0.0.1:9100:pass
  > 12:05:00 ops recovered 127.0.0.1:9100 #1: connection refused after 5m - not taken
  > 12:05:30 ops recovered 127.0.0.1:9100 #1: connection refused after 5m
  12:06:00 .

A line is a time, perhaps `x5 30s` (five times, half a minute apart), the check, perhaps `took 5s`, and its targets
with pass, fail(why), unknown(why) or noway and their values: `this machine :pass{cpu=12,mem=95}`. `(uplink)` is a
look at the own network. A check that finds its targets (`metrics`) may end with `others kept` or `others
missing(why)`: those it knew and has no reading of. Others are `CHANNEL answers taken|later
30s|never|broken|unsure|nothing`, `silence CHECK for 2h`, `unsilence CHECK`, `ack #1 by anna: on it`, `unack #1`,
`restart`, `crash`, and `.`, time passes. Times are those of the file's `timezone`, on Friday 2026-11-20 or on a date
written before them.

Exit codes: 0 all end as written, 1 some do not, 2 some cannot be read.";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Stories to play
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write anew what does not end as written
    #[arg(long)]
    update: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut code = GOOD;
    for file in &arguments.files {
        match play(file, arguments.update) {
            Ok(good) => code = code.max(if good { GOOD } else { FAILING }),
            Err(error) => {
                complain(&format!("{error:#}"));
                code = COULD_NOT;
            }
        }
    }
    Ok(code)
}

/// Whether the story ends as it is written, or does now.
fn play(file: &Path, update: bool) -> anyhow::Result<bool> {
    let name = file.display();
    let written = fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    let played = Story::read(&written, file, &System).map_err(anyhow::Error::msg)?.play();
    let Some(difference) = Difference::between(&written, &played) else {
        print_line(&format!("{name}: ends as written"))?;
        return Ok(true);
    };
    if update {
        fs::write(file, played).with_context(|| format!("{name} cannot be written"))?;
        print_line(&format!("{name}: written anew, from line {} on", difference.line))?;
        return Ok(true);
    }
    print_line(&format!("{name}:{}: does not end as written\n{difference}", difference.line))?;
    Ok(false)
}
