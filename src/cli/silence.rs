//! `vakhta silence`, `silences` and `unsilence`: nobody is told of something for a while.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};

use super::table::{Cell, Table};
use super::{GOOD, print_line};
use crate::control::{Body, Request, SilenceNow};
use crate::settings::Period;

/// Whoever needs it for longer does not want the check.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What nobody is to be told of: a check, or one target of it
    #[arg(value_name = "CHECK[/TARGET]", required_unless_present = "all")]
    about: Option<String>,
    /// Everything but the watch's own trouble
    #[arg(long, conflicts_with = "about")]
    all: bool,
    /// How long, such as `2h` or `1d 12h`
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    lasting: Option<String>,
    /// Until when, such as 2026-11-21T09:00:00+03:00
    #[arg(long, value_name = "TIME", conflicts_with = "lasting")]
    until: Option<DateTime<Utc>>,
    /// Why, for those who wonder
    #[arg(long, default_value = "")]
    comment: String,
    #[command(flatten)]
    watch: super::ask::Watch,
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: super::ask::Watch,
}

#[derive(Debug, clap::Args)]
pub struct EndArguments {
    /// The number of a silence, or what it is about
    #[arg(value_name = "NUMBER|CHECK[/TARGET]", required_unless_present = "all")]
    which: Option<String>,
    /// All of them
    #[arg(long, conflicts_with = "which")]
    all: bool,
    #[command(flatten)]
    watch: super::ask::Watch,
}

pub fn begin(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let lasting = match (&arguments.lasting, arguments.until) {
        (Some(written), _) => Period::parse(written).map_err(anyhow::Error::msg)?.0,
        (None, Some(until)) => (until - Utc::now()).to_std().context("that time is over already")?,
        (None, None) => bail!("say for how long: `--for 2h`"),
    };
    if lasting < Duration::from_secs(1) || lasting > LONGEST {
        bail!("a silence lasts from `1s` to `366d`");
    }
    let request =
        Request::Silence { about: arguments.about.clone(), seconds: lasting.as_secs(), by: caller(), comment: arguments.comment.clone() };
    for silence in silences(arguments.watch.ask(file, &request)?)? {
        let until = silence.until.format("%Y-%m-%d %H:%M:%S");
        print_line(&format!("silence {}: nobody is told of {} until {until}", silence.number, silence.about))?;
    }
    Ok(GOOD)
}

pub fn list(file: Option<&Path>, arguments: &ListArguments) -> anyhow::Result<u8> {
    let silences = silences(arguments.watch.ask(file, &Request::Silences)?)?;
    if arguments.json {
        print_line(&serde_json::to_string_pretty(&silences)?)?;
        return Ok(GOOD);
    }
    if silences.is_empty() {
        print_line("there are no silences")?;
        return Ok(GOOD);
    }
    print(&silences)?;
    Ok(GOOD)
}

pub fn end(file: Option<&Path>, arguments: &EndArguments) -> anyhow::Result<u8> {
    let number = arguments.which.as_ref().and_then(|which| which.trim_start_matches('#').parse().ok());
    let about = arguments.which.clone();
    for silence in silences(arguments.watch.ask(file, &Request::Unsilence { number, about })?)? {
        print_line(&format!("silence {} is over: {}", silence.number, silence.about))?;
    }
    Ok(GOOD)
}

pub fn print(silences: &[SilenceNow]) -> anyhow::Result<()> {
    let mut table = Table::new(["NUMBER", "ABOUT", "UNTIL", "BY", "COMMENT"]);
    for silence in silences {
        table.row([
            Cell::right(silence.number.to_string()),
            Cell::plain(&silence.about),
            Cell::plain(silence.until.format("%Y-%m-%d %H:%M:%S").to_string()),
            Cell::plain(&silence.by),
            Cell::plain(&silence.comment),
        ]);
    }
    Ok(table.print()?)
}

fn silences(body: Body) -> anyhow::Result<Vec<SilenceNow>> {
    match body {
        Body::Silences(silences) => Ok(silences),
        _ => bail!(super::ask::FOREIGN),
    }
}

/// Who asks, also behind sudo.
pub fn caller() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}
