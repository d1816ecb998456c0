//! `vakhta ack` and `unack`: somebody has taken an incident on, so nobody is reminded of it.

use std::path::Path;

use anyhow::bail;

use super::silence::caller;
use super::{GOOD, print_line};
use crate::control::{Body, OpenIncident, Request};
use crate::domain::text::visible;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What is taken on: incidents by their numbers, or all that is open of a check or a target
    #[arg(value_name = "#NUMBER|CHECK[/TARGET]", required = true)]
    which: Vec<String>,
    /// What you say of it, for those who wonder
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    by: Person,
    #[command(flatten)]
    watch: super::ask::Watch,
}

#[derive(Debug, clap::Args)]
pub struct BackArguments {
    /// What is given back
    #[arg(value_name = "#NUMBER|CHECK[/TARGET]", required = true)]
    which: Vec<String>,
    #[command(flatten)]
    by: Person,
    #[command(flatten)]
    watch: super::ask::Watch,
}

#[derive(Debug, clap::Args)]
struct Person {
    /// Who does it [default: whoever is logged in]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Person {
    fn name(&self) -> String {
        self.by.clone().unwrap_or_else(caller)
    }
}

pub fn take(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let request = Request::Acknowledge { which: arguments.which.clone(), by: arguments.by.name(), note: arguments.note.clone() };
    print(arguments.watch.ask(file, &request)?, "is acknowledged: nobody is reminded of it")
}

pub fn give_back(file: Option<&Path>, arguments: &BackArguments) -> anyhow::Result<u8> {
    let request = Request::Unacknowledge { which: arguments.which.clone(), by: arguments.by.name() };
    print(arguments.watch.ask(file, &request)?, "is not acknowledged any more")
}

fn print(body: Body, what: &str) -> anyhow::Result<u8> {
    let Body::Incidents(incidents) = body else { bail!(super::ask::FOREIGN) };
    for OpenIncident { number, check, target, .. } in incidents {
        let target = if target.is_empty() { String::new() } else { format!(" {target}") };
        print_line(&visible(&format!("#{number} ({check}{target}) {what}")))?;
    }
    Ok(GOOD)
}
