//! `vakhta incidents`: what failed, from when to when, and why.

use std::path::Path;

use chrono::Utc;

use super::table::{Cell, Table};
use super::{COULD_NOT, GOOD, print_line, when};
use crate::config::Config;
use crate::settings::Period;
use crate::store::history::{IncidentFilter, KeptIncident, Page};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Those that began in this last length of time
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = Period::parse)]
    since: Period,
    /// Only those of this check
    #[arg(long, value_name = "NAME")]
    check: Option<String>,
    /// Only those of this target
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only those of checks of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those that are not over
    #[arg(long)]
    open: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Some(config) = super::load(file)? else { return Ok(COULD_NOT) };
    let incidents = super::runtime()?.block_on(async {
        let mut history = super::open_history(&config).await?;
        let since = Utc::now() - arguments.since.0;
        let filter = IncidentFilter {
            host: None,
            check: arguments.check.as_deref(),
            target: arguments.target.as_deref(),
            kind: arguments.kind.as_deref(),
            since: Some(since.timestamp_millis()),
            open: arguments.open,
            ..IncidentFilter::default()
        };
        anyhow::Ok(history.incidents(&filter, Page { after: None, limit: arguments.limit }).await?)
    })?;
    if arguments.json {
        print_line(&serde_json::to_string_pretty(&incidents)?)?;
    } else {
        print(&incidents, &config)?;
    }
    Ok(GOOD)
}

fn print(incidents: &[KeptIncident], config: &Config) -> anyhow::Result<()> {
    let mut table = Table::new(["NUMBER", "HOST", "CHECK", "TARGET", "RULE", "SINCE", "UNTIL", "REASON"]);
    for incident in incidents {
        let target = match &incident.name {
            Some(name) => format!("{} ({name})", incident.target),
            None => incident.target.clone(),
        };
        table.row([
            Cell::right(format!("#{}", incident.number)),
            Cell::plain(&incident.host),
            Cell::plain(&incident.check),
            Cell::plain(target),
            Cell::plain(&incident.rule),
            Cell::plain(when(incident.since, config)),
            Cell::plain(incident.until.map_or_else(|| "-".to_owned(), |until| when(until, config))),
            Cell::plain(&incident.reason),
        ]);
    }
    Ok(table.print()?)
}
