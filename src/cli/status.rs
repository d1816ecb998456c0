//! `vakhta status`: how the running watch is, what fails, and why somebody was not told yet.

use std::path::Path;

use anyhow::bail;

use anstyle::{AnsiColor, Style};

use super::table::{Cell, Table};
use super::{FAILING, GOOD, print_line};
use crate::control::{self, AcknowledgedNow, Body, OpenIncident, Request, Status};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: super::ask::Watch,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Body::Status(status) = arguments.watch.ask(file, &Request::Status)? else {
        bail!(super::ask::FOREIGN);
    };
    if arguments.json {
        print_line(&serde_json::to_string_pretty(&status)?)?;
    } else {
        print(&status)?;
    }
    Ok(if status.is_good() { GOOD } else { FAILING })
}

fn print(status: &Status) -> anyhow::Result<()> {
    let since = status.since.format("%Y-%m-%d %H:%M:%S");
    print_line(&format!("{}: vakhta {} keeps watch since {since}\n", status.host, status.vakhta))?;
    print_checks(status)?;
    print_incidents("\nopen incidents", &status.incidents, status.incidents_more)?;
    print_incidents("\nthe watch's own trouble", &status.trouble, 0)?;
    print_waiting(status)?;
    if !status.silences.is_empty() {
        print_line("\nsilences")?;
        super::silence::print(&status.silences)?;
    }
    Ok(())
}

fn print_checks(status: &Status) -> anyhow::Result<()> {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let mut table = Table::new(["", "CHECK", "TARGETS", "NEXT LOOK"]);
    for check in &status.checks {
        let mark = match check.status {
            true => Cell::styled("True", colour(AnsiColor::Green)),
            false => Cell::styled("False", colour(AnsiColor::Red).bold()),
        };
        let targets = match (check.failing, check.targets) {
            (_, 0) => "not looked at yet".to_owned(),
            (0, targets) => targets.to_string(),
            (failing, targets) => format!("{failing} of {targets} fail"),
        };
        let next = check.next_in.map_or_else(|| "-".to_owned(), |seconds| format!("in {}", control::lasting(seconds)));
        table.row([mark, Cell::plain(&check.name), Cell::plain(targets), Cell::plain(next)]);
    }
    Ok(table.print()?)
}

fn print_incidents(title: &str, incidents: &[OpenIncident], more: usize) -> anyhow::Result<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    print_line(title)?;
    let mut table = Table::new(["NUMBER", "CHECK", "TARGET", "RULE", "SINCE", "ACKNOWLEDGED", "REASON"]);
    for incident in incidents {
        let target = match &incident.name {
            Some(name) => format!("{} ({name})", incident.target),
            None => incident.target.clone(),
        };
        table.row([
            Cell::right(format!("#{}", incident.number)),
            Cell::plain(&incident.check),
            Cell::plain(target),
            Cell::plain(&incident.rule),
            Cell::plain(incident.since.format("%Y-%m-%d %H:%M:%S").to_string()),
            Cell::plain(incident.acknowledged.as_ref().map_or_else(|| "-".to_owned(), acknowledged)),
            Cell::plain(&incident.reason),
        ]);
    }
    table.print()?;
    if more > 0 {
        print_line(&format!("and {more} more"))?;
    }
    Ok(())
}

/// `by anna: on it`
fn acknowledged(taken: &AcknowledgedNow) -> String {
    let note = if taken.note.is_empty() { String::new() } else { format!(": {}", taken.note) };
    format!("by {}{note}", taken.by)
}

fn print_waiting(status: &Status) -> anyhow::Result<()> {
    if status.waiting.is_empty() {
        return Ok(());
    }
    print_line("\nnot told yet")?;
    let mut table = Table::new(["CHANNEL", "CHECK", "OWED", "WHY NOT YET"]);
    for waiting in &status.waiting {
        table.row([
            Cell::plain(&waiting.channel),
            Cell::plain(&waiting.check),
            Cell::plain(format!("{} {}", waiting.count, waiting.kind)),
            Cell::plain(waiting.why.words(status.time)),
        ]);
    }
    Ok(table.print()?)
}
