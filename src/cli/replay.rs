//! `vakhta replay`: recorded days, played through this configuration.

use std::path::{Path, PathBuf};

use super::{COULD_NOT, GOOD, print_line, say};
use crate::story::Recording;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files of `readings.jsonl` (see `log: { readings: true }`) or of `status.jsonl`, oldest first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Some(config) = super::load(file)? else { return Ok(COULD_NOT) };
    for path in &arguments.files {
        if let Err(error) = std::fs::File::open(path) {
            anyhow::bail!("{} cannot be read: {error}", path.display());
        }
    }
    let replayed = Recording::new(arguments.files.clone()).play(&config.watch)?;
    for told in &replayed.told {
        print_line(told)?;
    }
    if replayed.told.is_empty() {
        say("nobody would have been told anything");
    }
    say(&format!("{} runs of checks were played", replayed.runs));
    if !replayed.unknown.is_empty() {
        let names: Vec<&str> = replayed.unknown.iter().map(String::as_str).collect();
        say(&format!("left out, because this configuration does not have them: {}", names.join(", ")));
    }
    if !replayed.without_values.is_empty() {
        say(&format!(
            "left out: {} incidents of rules about values, which a status does not hold; record them with `log: {{ readings: true }}`",
            replayed.without_values.len()
        ));
    }
    Ok(GOOD)
}
