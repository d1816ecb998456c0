//! `vakhta validate`: what is wrong with the configuration, or what it will do.

use std::path::Path;

use super::table::{Cell, Table};
use super::{FAILING, GOOD};
use crate::config::ConfiguredCheck;

pub fn run(file: Option<&Path>) -> anyhow::Result<u8> {
    let path = super::locate(file)?;
    let Some(config) = super::load(Some(&path))? else { return Ok(FAILING) };
    let mut table = Table::new(["CHECK", "KIND", "TARGETS", "EVERY", "RULES", "TELLS"]);
    for (check, plan) in config.checks.iter().zip(&config.watch.checks) {
        let rules: Vec<&str> = plan.rules.iter().map(|rule| rule.identity.as_ref()).filter(|rule| !["up", "seen"].contains(rule)).collect();
        let tells: Vec<&str> = plan.notify.iter().map(|route| route.channel.as_ref()).collect();
        table.row(row(check, &rules, &tells));
    }
    if let Some(uplink) = &config.uplink {
        // The watch's own trouble is told to all.
        let tells: Vec<&str> = config.watch.channels.iter().map(|channel| channel.name.as_ref()).collect();
        table.row(row(uplink, &[], &tells));
    }
    table.print()?;
    super::print_line(&format!("{} is good", path.display()))?;
    Ok(GOOD)
}

fn row(check: &ConfiguredCheck, rules: &[&str], tells: &[&str]) -> [Cell; 6] {
    [
        Cell::plain(&check.name),
        Cell::plain(check.kind),
        Cell::right(check.look.size().to_string()),
        Cell::plain(humantime::format_duration(check.every).to_string()),
        Cell::plain(if rules.is_empty() { "-".to_owned() } else { rules.join(", ") }),
        Cell::plain(if tells.is_empty() { "nobody".to_owned() } else { tells.join(", ") }),
    ]
}
