//! `vakhta init`: a first checks.yaml, by asking, with what runs on this machine.

mod bot;
mod dialogue;
mod found;
mod proposals;
mod starter;
#[cfg(test)]
mod tests;
mod written;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use dialogue::{Dialogue, Ended};
use proposals::{Proposal, proposals};
use starter::{Hours, Starter};

use super::{COULD_NOT, GOOD, notify};
use crate::config::{Environment, Registry, Source, System};
use crate::domain::window::{parse_days, parse_hours};
use crate::net::Net;
use crate::settings::Secret;

pub const EXAMPLES: &str = "\
What runs here (disks, programs that listen, services of systemd) is proposed as checks; each can be left out. \
Nothing is written before the last answer, and no file is replaced without --force. \
The token goes into a file of its own, beside the configuration, unless the variable TELEGRAM_TOKEN has it.

Examples:
  vakhta init
  vakhta init --yes                              every proposal, no Telegram
  TELEGRAM_TOKEN=123456:AA… vakhta init --yes --chat -1001234567890 --hours 09:00-18:00 --days mon-fri
  vakhta init --output /etc/vakhta/checks.yaml --force

Exit codes: 0 written, 1 written and the test message did not arrive, 2 nothing was written.";

/// The name of the one channel beside the console.
const CHANNEL: &str = "ops";
/// The answer that asks for no window.
const ALWAYS: &str = "always";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Take every proposal without asking
    #[arg(short, long)]
    yes: bool,
    /// The file to write [default: that of --config, else checks.yaml]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace what is there
    #[arg(long)]
    force: bool,
    /// A file with the bot's token, which stays where it is [default: the variable TELEGRAM_TOKEN, else it is asked for]
    #[arg(long, value_name = "FILE")]
    telegram_token_file: Option<PathBuf>,
    /// The chat's number, or the @name of a public channel [default: whoever writes to the bot]
    #[arg(long, allow_hyphen_values = true)]
    chat: Option<String>,
    /// How long to wait for somebody to write to the bot
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    wait: Duration,
    /// When people may be told: 09:00-18:00, or always
    #[arg(long)]
    hours: Option<String>,
    /// On which days: mon-fri
    #[arg(long)]
    days: Option<String>,
    /// The time zone of the hours: Europe/Moscow [default: that of the system]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The language of messages: en or ru
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ru"])]
    language: Option<String>,
    /// A Bot API server of your own
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// The way to Telegram: http://, https:// or socks5h:// [default: the variable TELEGRAM_PROXY, else none]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let output = arguments.output.as_deref().or(file).unwrap_or(Path::new("checks.yaml"));
    written::ensure_free(output, arguments.force)?;
    let runtime = super::runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = begin(output, arguments) => done,
            _ = tokio::signal::ctrl_c() => Err(Ended.into()),
        }
    });
    // Somebody may still be typing.
    runtime.shutdown_background();
    let Some(test) = done? else { return Ok(COULD_NOT) };
    let code = if test { notify::run(Some(output), &notify::Arguments::test_of(CHANNEL))? } else { GOOD };
    next(output);
    Ok(code)
}

/// Asks, looks and writes. Whether a test message is wanted; nothing when the file would not be good.
async fn begin(output: &Path, arguments: &Arguments) -> anyhow::Result<Option<bool>> {
    let dialogue = Dialogue::new(arguments.yes);
    dialogue
        .say(&format!("This makes {}. Enter takes what stands in brackets; Ctrl-C ends it, and nothing is written.", output.display()))?;
    let folder = written::folder(output);
    let token_name = bot::token_file(Path::new("")).display().to_string();
    let telegram = bot::ask(&dialogue, arguments, &token_name, written::is_of_service(output)).await?;
    if let Some(bot::Answers { keep: Some(_), .. }) = &telegram {
        written::ensure_free(&bot::token_file(folder), arguments.force)?;
    }
    let language = language(&dialogue, arguments).await?;
    let timezone = timezone(&dialogue, arguments).await?;
    let hours = hours(&dialogue, arguments, telegram.is_some()).await?;
    let checks = checks(&dialogue).await?;
    let (channel, keep) = telegram.map_or((None, None), |answers| (Some(answers.channel), answers.keep));
    let has_channel = channel.is_some();
    let (state_dir, log_dir) = written::folders(output);
    let machine = System.host_name();
    let starter = Starter { machine, language, timezone, state_dir, log_dir, telegram: channel, hours, checks };
    let test = has_channel && dialogue.agree("Send a test message when it is written").await?;

    let token = keep.as_ref().map(|token| (bot::token_file(folder), token));
    if !is_good(output, &starter, keep.as_ref()) {
        super::complain("these answers make no good configuration; nothing was written");
        return Ok(None);
    }
    let kept = token.as_ref().map(|(path, token)| (path.as_path(), *token));
    written::write(output, &starter.text(), kept, arguments.force)?;
    super::say(&format!("\n{} is written.", output.display()));
    if let Some((path, _)) = kept {
        super::say(&format!("The token is in {}, which only you can read.", path.display()));
    }
    Ok(Some(test))
}

/// The same as `vakhta validate` says, before anything is written: a token to be kept stands in for its file.
fn is_good(output: &Path, starter: &Starter, keep: Option<&Secret>) -> bool {
    let mut starter = starter.clone();
    if let (Some(channel), Some(_)) = (&mut starter.telegram, keep) {
        channel.token = format!("${{{}}}", bot::TOKEN_VARIABLE);
    }
    let source = Source { path: output.to_owned(), text: starter.text() };
    let loaded = source.load(&Registry::default(), &WithToken(keep), &Net::new());
    loaded.map_err(|report| super::print_report(&report)).is_ok()
}

/// This machine, with a token that is to be kept.
struct WithToken<'a>(Option<&'a Secret>);

impl Environment for WithToken<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        match self.0 {
            Some(token) if name == bot::TOKEN_VARIABLE => Some(token.expose().to_owned()),
            _ => System.variable(name),
        }
    }

    fn host_name(&self) -> String {
        System.host_name()
    }

    fn time_zone(&self) -> Option<String> {
        System.time_zone()
    }
}

async fn language(dialogue: &Dialogue, arguments: &Arguments) -> anyhow::Result<&'static str> {
    let read = |text: &str| match text.to_ascii_lowercase().as_str() {
        "en" => Ok("en"),
        "ru" => Ok("ru"),
        _ => Err("the languages are en and ru".to_owned()),
    };
    if let Some(language) = &arguments.language {
        return read(language).map_err(anyhow::Error::msg);
    }
    let spoken = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let proposed = if spoken.is_some_and(|spoken| spoken.starts_with("ru")) { "ru" } else { "en" };
    dialogue.ask_until("Language of messages, en or ru", proposed, read).await
}

async fn timezone(dialogue: &Dialogue, arguments: &Arguments) -> anyhow::Result<String> {
    let read = |text: &str| match text.parse::<chrono_tz::Tz>() {
        Ok(zone) => Ok(zone.name().to_owned()),
        Err(_) => Err(format!("`{}` is not a time zone: write one like Europe/Moscow or UTC", crate::domain::text::visible(text))),
    };
    if let Some(zone) = &arguments.timezone {
        return read(zone).map_err(anyhow::Error::msg);
    }
    let own = System.time_zone().and_then(|zone| read(&zone).ok()).unwrap_or_else(|| "UTC".to_owned());
    dialogue.ask_until("Time zone", &own, read).await
}

/// Hours are for people: without a channel to them they are not asked for.
async fn hours(dialogue: &Dialogue, arguments: &Arguments, has_channel: bool) -> anyhow::Result<Option<Hours>> {
    let read_hours = |text: &str| match text.trim() {
        ALWAYS => Ok(None),
        hours => parse_hours(hours).map(|_| Some(hours.to_owned())),
    };
    let read_days = |text: &str| match text.trim() {
        "" | "all" => Ok(None),
        days => parse_days(days).map(|_| Some(days.to_owned())),
    };
    let days_given = arguments.days.as_deref().map(read_days).transpose().map_err(anyhow::Error::msg).context("--days")?;
    let hours = match &arguments.hours {
        Some(hours) => read_hours(hours).map_err(anyhow::Error::msg).context("--hours")?,
        None if days_given.is_some() => Some("00:00-24:00".to_owned()),
        None if !has_channel => None,
        None => dialogue.ask_until("When may people be told, such as 09:00-18:00", ALWAYS, read_hours).await?,
    };
    let Some(hours) = hours else { return Ok(None) };
    let days = match days_given {
        Some(days) => days,
        None if arguments.hours.is_some() => None,
        None => dialogue.ask_until("On which days, such as mon-fri or all", "mon-fri", read_days).await?,
    };
    Ok(Some(Hours { days, hours }))
}

/// What was found and not left out.
async fn checks(dialogue: &Dialogue) -> anyhow::Result<Vec<Proposal>> {
    let found = found::find(Path::new("/")).await;
    let (proposed, too_many) = proposals(&found);
    dialogue.say("\nWhat runs here, beside processors and memory:")?;
    for (index, proposal) in proposed.iter().enumerate() {
        dialogue.say(&format!("  {:>2}  {proposal}", index + 1))?;
    }
    if too_many > 0 {
        dialogue.say(&format!("      and {too_many} more that listen"))?;
    }
    let nameless = found.sockets.iter().any(|socket| socket.program.is_none());
    if nameless && !rustix::process::geteuid().is_root() {
        dialogue.say("      (root would see whose the nameless ones are)")?;
    }
    let read = |text: &str| numbers(text, proposed.len());
    let out = dialogue.ask_until("Which of them to leave out, such as 2 5-7 (Enter: none)", "", read).await?;
    Ok(proposed.into_iter().enumerate().filter(|(index, _)| !out.contains(&(index + 1))).map(|(_, proposal)| proposal).collect())
}

/// `2 5-7`: numbers and ranges up to `most`.
fn numbers(text: &str, most: usize) -> Result<Vec<usize>, String> {
    let mut numbers = Vec::new();
    for part in text.split([' ', ',']).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| (1..=most).contains(number));
        match number(first).zip(number(last)) {
            Some((first, last)) => numbers.extend(first..=last),
            None => return Err(format!("write numbers from 1 to {most}, such as 2 5-7")),
        }
    }
    Ok(numbers)
}

/// What to type now.
fn next(output: &Path) {
    let named = if output == Path::new("checks.yaml") { String::new() } else { format!(" -c {}", output.display()) };
    super::say(&format!("\nNext:\n  vakhta check{named}     looks at everything once\n  vakhta run{named}       keeps watch"));
    if written::is_of_service(output) && bot::token_file(written::folder(output)).exists() {
        let token = bot::token_file(written::folder(output));
        super::say(&format!(
            "The service runs as the user vakhta, which must be able to read the token:\n  chown vakhta {}; systemctl reload-or-restart vakhta",
            token.display()
        ));
    }
}
