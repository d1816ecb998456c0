//! `vakhta run`: the watch, from its banner to its goodbye.

mod reader;

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::time::ChronoLocal;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::{COULD_NOT, GOOD, say};
use crate::app::{self, Tally, Wish};
use crate::clock::Clock;
use crate::config::{Config, LogSettings};
use crate::journal;
use crate::notify::text::{Language, Words};
use crate::status;
use crate::store::Store;

/// How often an edited file is looked for.
const LOOK_AT_FILE: Duration = Duration::from_secs(2);

pub fn run(file: Option<&Path>) -> anyhow::Result<u8> {
    let path = super::locate(file)?;
    let Some(config) = super::load(Some(&path))? else { return Ok(COULD_NOT) };
    let _log = start_log(&config.log)?;
    log_panics();
    let started = Instant::now();
    let runtime = super::runtime()?;
    let tally = runtime.block_on(async {
        outlive_signals()?;
        let clock = Clock::system();
        let opened = Store::open(&config.state_dir, clock.now()).await?;
        let reader = reader::Reader::new(path.clone(), &config).await;
        let config = reader.with_added(config);
        let clock = clock.going_on_at(opened.steady);
        say(&banner(&config, &path));
        let stop = CancellationToken::new();
        let ends = stop_at_signal(stop.clone())?;
        let (edits, edited) = mpsc::channel(1);
        let (wishes, wished) = mpsc::channel(4);
        let hangups = wish_at_signal(wishes.clone())?;
        let edit = config.reload_on_change.then(|| tokio::spawn(wish_at_edit(path.clone(), wishes.clone())));
        let reading = tokio::spawn(reader.read_as_wished(wished, edits));
        let tally = app::run(config, opened, clock, app::Edits { wishes, reloads: edited }, stop).await;
        for task in [ends, hangups, reading].iter().chain(&edit) {
            task.abort();
        }
        tally
    });
    // A look that hangs in the kernel must not hold the end up.
    runtime.shutdown_background();
    say(&goodbye(tally?, started.elapsed()));
    Ok(GOOD)
}

/// Where something broke down, without its words: they may quote what a target said or a secret.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a fault in vakhta itself; please report it");
    }));
}

/// The first signal asks for a clean end, the second ends at once.
fn stop_at_signal(stop: CancellationToken) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(tokio::spawn(async move {
        for count in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if count > 1 {
                say("ended at once");
                std::process::exit(130);
            }
            say("stopping; a second Ctrl-C ends at once");
            stop.cancel();
        }
    }))
}

/// Signals that would end the program, sent by a mistake or by a limit: whatever is written then fails with an error.
fn outlive_signals() -> anyhow::Result<()> {
    for signum in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM, libc::SIGXFSZ] {
        // What is listened for once does not end the program any more.
        drop(signal(SignalKind::from_raw(signum))?);
    }
    Ok(())
}

/// Each SIGHUP has the file read anew.
fn wish_at_signal(wishes: mpsc::Sender<Wish>) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move { while hangup.recv().await.is_some() && wishes.send(Wish::unasked()).await.is_ok() {} }))
}

/// Likewise a file that has changed and stands still again.
async fn wish_at_edit(path: PathBuf, wishes: mpsc::Sender<Wish>) {
    let look = || {
        let metadata = std::fs::metadata(&path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    let (mut taken, mut last) = (look(), look());
    loop {
        tokio::time::sleep(LOOK_AT_FILE).await;
        let now = look();
        // A file that is gone for a moment is being replaced.
        if now.is_some() && now == last && now != taken {
            taken = now;
            if wishes.send(Wish::unasked()).await.is_err() {
                return;
            }
        }
        last = now;
    }
}

fn banner(config: &Config, path: &Path) -> String {
    let targets: usize = config.checks.iter().map(|check| check.look.size()).sum();
    let checks = match config.checks.len() {
        1 => "1 check".to_owned(),
        count => format!("{count} checks"),
    };
    format!(
        "vakhta {} keeps watch on {}: {checks} ({targets} targets) of {}\nstatuses: {} · Ctrl-C ends the watch",
        env!("VAKHTA_VERSION"),
        config.watch.host,
        path.display(),
        config.log.dir.join(status::LATEST).display(),
    )
}

fn goodbye(tally: Tally, lasted: Duration) -> String {
    let lasted = Words::new(Language::English).map_or_else(|_| format!("{lasted:?}"), |words| words.lasting(lasted));
    format!("goodbye: kept watch for {lasted}, looked {} times, sent {} messages", tally.runs, tally.messages)
}

/// To standard error, or to `vakhta.log` beside the status log; the guard writes the rest out at the end.
fn start_log(log: &LogSettings) -> anyhow::Result<Option<tracing_appender::non_blocking::WorkerGuard>> {
    let (writer, guard) = if log.to_file {
        let appender = journal::appender(&log.dir, "vakhta", "log", log.keep)?;
        let (writer, guard) = tracing_appender::non_blocking(appender);
        (BoxMakeWriter::new(writer), Some(guard))
    } else {
        (BoxMakeWriter::new(std::io::stderr), None)
    };
    // Libraries speak up only when something is wrong with them.
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,vakhta={}", log.level));
    let colours = !log.to_file && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false).with_ansi(colours);
    // The journal has its own clock.
    if std::env::var_os("JOURNAL_STREAM").is_some() && !log.to_file {
        builder.without_time().init();
    } else {
        builder.with_timer(ChronoLocal::new("%Y-%m-%d %H:%M:%S%.3f".into())).init();
    }
    Ok(guard)
}
