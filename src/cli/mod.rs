//! The command line: what a person types, and the exit code a script sees.
//!
//! 0: good. 1: something fails (a target, the file that was validated). 2: it could not be done.

mod acknowledge;
mod ask;
mod check;
mod explain;
mod history;
mod incidents;
mod init;
mod machine;
mod notify;
mod quiet;
mod recheck;
mod reload;
mod replay;
mod run;
mod silence;
mod status;
mod table;
mod test;
mod user;
mod validate;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use crate::app::memory;
use crate::config::{self, Config, Report};
use crate::net::Net;
use crate::store::history::Reader;

/// Everything went well and nothing fails.
const GOOD: u8 = 0;
/// It was done, and something fails.
const FAILING: u8 = 1;
/// It could not be done.
const COULD_NOT: u8 = 2;

/// Where the configuration is looked for when none is named.
const PLACES: [&str; 2] = ["checks.yaml", "/etc/vakhta/checks.yaml"];

/// Keeps watch over servers: runs the checks of checks.yaml and tells people once per failure, in their hours.
#[derive(Debug, Parser)]
#[command(name = "vakhta", version = env!("VAKHTA_VERSION"), about, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// The configuration [default: ./checks.yaml, else /etc/vakhta/checks.yaml]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  vakhta init                          write a first checks.yaml by asking
  vakhta validate                      is checks.yaml right?
  vakhta check                         look at everything once, now
  vakhta check 'billing api' --json    one check, for a script
  vakhta test stories/*.txt            would people be told what I think?
  vakhta notify ops                    does the channel work?
  vakhta run                           keep watch; Ctrl-C ends it
  vakhta run -c /etc/vakhta/checks.yaml
  vakhta status                        how is the running watch, and why was nobody told?
  vakhta explain terminals             what was decided about its last incident?
  vakhta silence terminals --for 2h    nobody is told of it for two hours
  vakhta ack '#1042' --note 'on it'    nobody is reminded of it any more
  vakhta user add anna --role admin    who may log in to the page?
  vakhta incidents --since 7d          what failed lately?
  vakhta history terminals 10.0.0.7    how did its numbers go?

Exit codes: 0 good, 1 something fails, 2 it could not be done.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first checks.yaml by asking: Telegram, hours, and what runs on this machine
    #[command(after_help = init::EXAMPLES)]
    Init(init::Arguments),
    /// Keep watch until Ctrl-C or SIGTERM
    #[command(
        after_help = "Statuses go to logs/status.jsonl as JSON lines (follow them with `tail -F`), the watch's own log to standard error."
    )]
    Run,
    /// Look once, now, and print what was seen
    #[command(
        after_help = "A rule counts as broken at the first bad reading here; averages and minimums need the running watch.\n\nExamples:\n  vakhta check\n  vakhta check terminals --all\n  vakhta check --json | jq '.[] | select(.outcome != \"pass\")'"
    )]
    Check(check::Arguments),
    /// Say what is wrong with the configuration, or what it will do
    Validate,
    /// Show how the running watch is: statuses, incidents, and why somebody was not told yet
    #[command(
        after_help = "It asks the watch over a socket in its state folder, as the user it runs as.\n\nExamples:\n  vakhta status\n  vakhta status --json | jq '.waiting[]'\n\nExit codes: 0 every check is True, 1 something fails, 2 no watch answers."
    )]
    Status(status::Arguments),
    /// Have the running watch take up the edited checks.yaml, or say what that would change
    #[command(
        after_help = "A broken file changes nothing and is printed with its problems. SIGHUP does the same.\n\nExamples:\n  vakhta reload --dry-run\n  vakhta reload\n\nExit codes: 0 taken up, 1 the file is wrong, 2 no watch answers."
    )]
    Reload(reload::Arguments),
    /// Add targets beside those of the file, pause and remove them, while the watch runs
    #[command(
        after_help = "They are read by the same code as the file, outlive restarts, and every change is written down with its author.\n\nExamples:\n  vakhta machine add fleet http://10.0.0.17:8080/status\n  vakhta machine pause fleet http://10.0.0.17:8080/status\n  vakhta machine list\n  vakhta machine audit"
    )]
    Machine(machine::Arguments),
    /// Have nobody told of a check or one of its targets for a while; it is looked at all the same
    #[command(
        after_help = "What still fails at its end is told then, once. What was told before and recovers is told then too.\n\nExamples:\n  vakhta silence 'billing api' --for 2h --comment 'new release'\n  vakhta silence terminals/10.0.0.7 --until 2026-11-21T09:00:00+03:00\n  vakhta silence --all --for 30m"
    )]
    Silence(silence::Arguments),
    /// List the silences
    Silences(silence::ListArguments),
    /// End silences before their time
    #[command(after_help = "Examples:\n  vakhta unsilence 3\n  vakhta unsilence terminals/10.0.0.7\n  vakhta unsilence --all")]
    Unsilence(silence::EndArguments),
    /// Say that you have taken an incident on: nobody is reminded of it, all else is told as before
    #[command(
        after_help = "It ends with the incident, outlives restarts, and stands in `vakhta status` and `vakhta explain`.\n\nExamples:\n  vakhta ack '#1042' --note 'on it'\n  vakhta ack terminals/10.0.0.7\n  vakhta ack 'billing api' --by anna"
    )]
    Ack(acknowledge::Arguments),
    /// Take an `ack` back: people are reminded again
    #[command(after_help = "Examples:\n  vakhta unack '#1042'\n  vakhta unack terminals")]
    Unack(acknowledge::BackArguments),
    /// Have checks of the running watch look at once
    #[command(
        after_help = "It waits for nothing: `vakhta status` shows what came of it. The checks keep their own times.\n\nExample:\n  vakhta recheck 'billing api' terminals"
    )]
    Recheck(recheck::Arguments),
    /// Tell what was decided about an incident, and why somebody was or was not told
    #[command(
        after_help = "It reads events.jsonl in the log folder; the watch need not run.\n\nExamples:\n  vakhta explain 'billing api'\n  vakhta explain terminals/10.0.0.7\n  vakhta explain '#1042'\n\nExit codes: 0 it is over or there was none, 1 it still fails, 2 it could not be done."
    )]
    Explain(explain::Arguments),
    /// Play recorded days through this configuration: who would have been told what
    #[command(
        after_help = "Examples:\n  vakhta replay logs/readings.2026-11-20.jsonl\n  vakhta replay -c other.yaml logs/status.*.jsonl\n\nEvery channel takes everything at once. A status holds what failed but no values: rules about values need readings."
    )]
    Replay(replay::Arguments),
    /// Show how the numbers of a check went
    #[command(
        after_help = "Examples:\n  vakhta history 'this machine'\n  vakhta history terminals 10.0.0.7 rtt --since 7d\n  vakhta history terminals 10.0.0.7 rtt --json"
    )]
    History(history::Arguments),
    /// List what failed, newest first, also what is long over
    #[command(after_help = "Examples:\n  vakhta incidents --since 30d\n  vakhta incidents --check terminals --json")]
    Incidents(incidents::Arguments),
    /// Say who may log in to the page
    #[command(
        after_help = "It writes to the state file; the watch need not run. Roles: viewer sees, operator also silences and acknowledges, admin also changes what is watched and who may.\n\nExamples:\n  vakhta user add anna --role admin\n  vakhta user add anna --role admin --state-dir /var/lib/vakhta    as root, beside the service\n  vakhta user passwd anna < new-password\n  vakhta user list"
    )]
    User(user::UserArguments),
    /// Make and end tokens for programs that use the API
    #[command(
        after_help = "A program shows its token as `Authorization: Bearer …`; /docs of the page says what it may ask. Roles: metrics reads /metrics and /status alone, viewer, operator and admin are those of users.\n\nExamples:\n  vakhta token add prometheus --user anna --role metrics\n  TOKEN=$(vakhta token add scripts --user anna --days 30)\n  vakhta token list\n  vakhta token remove 3"
    )]
    Token(user::TokenArguments),
    /// Play stories: who would be told what, and when
    #[command(after_help = test::EXAMPLE)]
    Test(test::Arguments),
    /// Send a test message to a channel
    #[command(after_help = "Example:\n  vakhta notify ops")]
    Notify(notify::Arguments),
    /// Print the JSON Schema of checks.yaml, for editors
    #[command(
        after_help = "Example:\n  vakhta schema > checks.schema.json\nand as first line of checks.yaml:\n  # yaml-language-server: $schema=checks.schema.json"
    )]
    Schema,
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  vakhta completions bash > /etc/bash_completion.d/vakhta")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder
    #[command(hide = true, after_help = "Example:\n  vakhta man /usr/share/man/man1")]
    Man {
        /// A folder that is there
        folder: PathBuf,
    },
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(code) => ExitCode::from(code),
        // `vakhta check | head -1` is no error.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(GOOD),
        Err(error) if error.is::<Reported>() => ExitCode::from(COULD_NOT),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(COULD_NOT)
        }
    }
}

fn dispatch(cli: &Cli) -> anyhow::Result<u8> {
    let file = cli.config.as_deref();
    match &cli.command {
        Command::Init(arguments) => init::run(file, arguments),
        Command::Run => run::run(file),
        Command::Check(arguments) => check::run(file, arguments),
        Command::Validate => validate::run(file),
        Command::Status(arguments) => status::run(file, arguments),
        Command::Reload(arguments) => reload::run(file, arguments),
        Command::Machine(arguments) => machine::run(file, arguments),
        Command::Silence(arguments) => silence::begin(file, arguments),
        Command::Silences(arguments) => silence::list(file, arguments),
        Command::Unsilence(arguments) => silence::end(file, arguments),
        Command::Ack(arguments) => acknowledge::take(file, arguments),
        Command::Unack(arguments) => acknowledge::give_back(file, arguments),
        Command::Recheck(arguments) => recheck::run(file, arguments),
        Command::Explain(arguments) => explain::run(file, arguments),
        Command::Replay(arguments) => replay::run(file, arguments),
        Command::History(arguments) => history::run(file, arguments),
        Command::Incidents(arguments) => incidents::run(file, arguments),
        Command::User(arguments) => user::users(file, arguments),
        Command::Token(arguments) => user::tokens(file, arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Notify(arguments) => notify::run(file, arguments),
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&config::schema())?;
            writeln!(io::stdout(), "{schema}")?;
            Ok(GOOD)
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "vakhta", &mut io::stdout());
            Ok(GOOD)
        }
        Command::Man { folder } => {
            clap_mangen::generate_to(Cli::command(), folder).with_context(|| format!("cannot write to {}", folder.display()))?;
            Ok(GOOD)
        }
    }
}

/// The named file, or the first that is there.
fn locate(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => PLACES.iter().map(PathBuf::from).find(|path| path.exists()).with_context(|| {
            format!("there is no {}; name the file with `-c FILE`, or make one with `vakhta init`", PLACES.join(" and no "))
        }),
    }
}

/// What is wrong has been said already.
#[derive(Debug, thiserror::Error)]
#[error("it was said already")]
struct Reported;

/// The configuration, or nothing after its problems were printed.
fn load(named: Option<&Path>) -> anyhow::Result<Option<Config>> {
    let path = locate(named)?;
    match config::load(&path, &config::System, &Net::new()) {
        Ok(config) => Ok(Some(config)),
        Err(report) => {
            print_report(&report);
            Ok(None)
        }
    }
}

/// The history of a configuration, to be read.
async fn open_history(config: &Config) -> anyhow::Result<Reader> {
    let settings = config.history.as_ref().context("`history: off` stands in the configuration: nothing is kept")?;
    let place = memory::place(config, settings);
    let shown = place.shown();
    let none = place.file().is_some_and(|file| !file.exists());
    anyhow::ensure!(!none, "there is no {shown} yet; `vakhta run` makes it");
    Reader::open(&place, memory::keep(settings)).await.with_context(|| format!("history in {shown} cannot be read"))
}

/// A time of history as people of this watch read it.
fn when(millis: i64, config: &Config) -> String {
    let time = chrono::DateTime::from_timestamp_millis(millis).map(|time| time.with_timezone(&config.watch.zone));
    time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn print_report(report: &Report) {
    let mut err = anstream::stderr().lock();
    let count = match report.count() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let written = if io::stderr().is_terminal() { writeln!(err, "{}", report.coloured()) } else { writeln!(err, "{report}") };
    // There is no other place to complain to.
    let _ = written.and_then(|()| writeln!(err, "{count}"));
}

fn complain(text: &str) {
    let red = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {text}");
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// One thread for everything: a second would cost wake-ups and save nothing a watch waits for.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime does not start")
}

fn print_line(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// For the person at the terminal, beside what a script reads.
fn say(text: &str) {
    // When nobody reads standard error there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
