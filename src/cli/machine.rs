//! `vakhta machine …`: targets beside those of the file, added and changed while the watch runs.

use std::path::Path;

use anyhow::bail;
use clap::Subcommand;

use super::table::{Cell, Table};
use super::{GOOD, print_line};
use crate::control::{Body, MachineChange, Reloaded, Request};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch one more target of a check
    Add(One),
    /// Do not look at it for now
    Pause(One),
    /// Look at it again
    Resume(One),
    /// Watch it no more
    Remove(One),
    /// List those that were added
    List(List),
    /// Who changed what, newest first
    Audit(List),
}

#[derive(Debug, clap::Args)]
struct One {
    /// A check of the kind `metrics`, `http`, `tcp` or `ping`
    check: String,
    /// What is to be looked at, as its section takes it: a URL, an address
    target: String,
    #[command(flatten)]
    watch: super::ask::Watch,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: super::ask::Watch,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    match &arguments.command {
        Command::Add(one) => change(file, MachineChange::Add, one, "is watched from now on"),
        Command::Pause(one) => change(file, MachineChange::Pause, one, "is not looked at for now"),
        Command::Resume(one) => change(file, MachineChange::Resume, one, "is looked at again"),
        Command::Remove(one) => change(file, MachineChange::Remove, one, "is not watched any more"),
        Command::List(list) => list_machines(file, list),
        Command::Audit(list) => list_audit(file, list),
    }
}

fn change(file: Option<&Path>, change: MachineChange, one: &One, done: &str) -> anyhow::Result<u8> {
    let (check, target, by) = (one.check.clone(), one.target.clone(), super::silence::caller());
    match one.watch.ask(file, &Request::Machine { change, check, target, by })? {
        Body::Reloaded(Reloaded::Changes(_)) => {
            print_line(&format!("{}: {} {done}", one.check, one.target))?;
            Ok(GOOD)
        }
        Body::Reloaded(Reloaded::Problems(report)) => bail!("{report}"),
        _ => bail!(super::ask::FOREIGN),
    }
}

fn list_machines(file: Option<&Path>, list: &List) -> anyhow::Result<u8> {
    let Body::Machines(machines) = list.watch.ask(file, &Request::Machines)? else { bail!(super::ask::FOREIGN) };
    if list.json {
        print_line(&serde_json::to_string_pretty(&machines)?)?;
    } else if machines.is_empty() {
        print_line("no machine was added to those of the file")?;
    } else {
        let mut table = Table::new(["CHECK", "MACHINE", "", "ADDED", "BY"]);
        for machine in machines {
            table.row([
                Cell::plain(&machine.check),
                Cell::plain(&machine.target),
                Cell::plain(if machine.paused { "paused" } else { "" }),
                Cell::plain(machine.added.format("%Y-%m-%d %H:%M:%S").to_string()),
                Cell::plain(&machine.by),
            ]);
        }
        table.print()?;
    }
    Ok(GOOD)
}

fn list_audit(file: Option<&Path>, list: &List) -> anyhow::Result<u8> {
    let Body::Audit(entries) = list.watch.ask(file, &Request::Audit { most: 1000 })? else { bail!(super::ask::FOREIGN) };
    if list.json {
        print_line(&serde_json::to_string_pretty(&entries)?)?;
        return Ok(GOOD);
    }
    let mut table = Table::new(["TIME", "BY", "WHAT", "ABOUT"]);
    for entry in entries {
        table.row([
            Cell::plain(entry.time.format("%Y-%m-%d %H:%M:%S").to_string()),
            Cell::plain(&entry.by),
            Cell::plain(&entry.what),
            Cell::plain(&entry.about),
        ]);
    }
    table.print()?;
    Ok(GOOD)
}
