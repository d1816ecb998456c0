//! `vakhta recheck`: a check of the running watch looks at once.

use std::path::Path;

use anyhow::bail;

use super::{GOOD, print_line};
use crate::control::{Body, Rechecked, Request, lasting};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which checks
    #[arg(value_name = "CHECK", required = true)]
    checks: Vec<String>,
    #[command(flatten)]
    watch: super::ask::Watch,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    for check in &arguments.checks {
        let Body::Rechecked(rechecked) = arguments.watch.ask(file, &Request::Recheck { check: check.clone() })? else {
            bail!(super::ask::FOREIGN);
        };
        print_line(&match rechecked {
            Rechecked::Begun { next_in: Some(seconds) } => format!("{check}: looks now, {} before its time", lasting(seconds)),
            Rechecked::Begun { next_in: None } => format!("{check}: looks now"),
            Rechecked::UnderWay => format!("{check}: is looking already"),
            Rechecked::JustNow => format!("{check}: looked less than a second ago"),
        })?;
    }
    Ok(GOOD)
}
