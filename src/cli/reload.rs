//! `vakhta reload`: the running watch takes up the edited file, or says what that would change.

use std::path::Path;

use anyhow::bail;

use super::{FAILING, GOOD, print_line};
use crate::control::{Body, Reloaded, Request};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only print what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    watch: super::ask::Watch,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Body::Reloaded(reloaded) = arguments.watch.ask(file, &Request::Reload { dry_run: arguments.dry_run })? else {
        bail!(super::ask::FOREIGN);
    };
    match reloaded {
        Reloaded::Problems(report) => {
            super::say(report.trim_end());
            super::say("the watch goes on as before");
            Ok(FAILING)
        }
        Reloaded::Changes(changes) if changes.is_empty() => {
            print_line("nothing changes")?;
            Ok(GOOD)
        }
        Reloaded::Changes(changes) => {
            for change in changes {
                print_line(&change)?;
            }
            if !arguments.dry_run {
                super::say("taken up");
            }
            Ok(GOOD)
        }
    }
}
