//! The edited file: read anew when somebody wishes it, and taken up when it is right.

use tokio::sync::{mpsc, oneshot};

use super::{Watch, schedules};
use crate::config::{Config, Report};
use crate::control::{self, Body, Reloaded};
use crate::domain::engine::Input;
use crate::domain::reading::Reason;
use crate::domain::restore::CONFIGURATION;
use crate::runner::Order;
use crate::store::machines::Change;

/// Somebody wants the file read anew.
#[derive(Debug)]
pub struct Wish {
    /// Only to say what it would change.
    pub(super) dry_run: bool,
    /// Change this in the same go.
    pub change: Option<Changed>,
    pub(super) answer: Option<oneshot::Sender<control::Answer>>,
}

impl Wish {
    /// Whoever asked hears why it cannot be.
    pub fn refuse(self, why: String) {
        if let Some(answer) = self.answer {
            // Whoever asked may have left.
            let _ = answer.send(Body::Error(why).into());
        }
    }

    /// Take it up; nobody waits for an answer.
    pub fn unasked() -> Self {
        Self { dry_run: false, change: None, answer: None }
    }
}

/// A target beside those of the file is to be added, paused or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub change: Change,
    pub check: String,
    pub target: String,
    pub by: String,
}

/// The file as it stands now, or what is wrong with it.
pub struct Reload {
    pub config: Box<Result<Config, Report>>,
    pub wish: Wish,
}

/// The way to the file and back.
pub struct Edits {
    pub wishes: mpsc::Sender<Wish>,
    pub reloads: mpsc::Receiver<Reload>,
}

impl Watch {
    /// Takes up an edited file, or says why not, or what would change.
    pub(super) async fn reload(&mut self, Reload { config, wish }: Reload) {
        let reloaded = match *config {
            Err(report) if wish.dry_run => Reloaded::Problems(report.to_string()),
            Err(report) => {
                self.step(Input::Own { target: CONFIGURATION.into(), trouble: Some(refused(&report)) });
                Reloaded::Problems(report.to_string())
            }
            Ok(config) => {
                let changes = self.changes(&config);
                if !wish.dry_run {
                    self.manager.reloading();
                    self.take_up(config).await;
                    self.manager.ready();
                }
                Reloaded::Changes(changes)
            }
        };
        if let Some(answer) = wish.answer {
            // Whoever asked may have left.
            let _ = answer.send(Body::Reloaded(reloaded).into());
        }
    }

    /// What taking it up changes: the file's entries, and incidents that nothing watches any more.
    fn changes(&self, config: &Config) -> Vec<String> {
        let mut changes = self.outline.changes(&config.outline);
        let closed = self.engine.closed_by(&config.watch).into_iter();
        changes.extend(closed.map(|(check, incident)| {
            let target = Some(&incident.target.key).filter(|key| !key.is_empty()).map(|key| format!(" {key}")).unwrap_or_default();
            format!("  closes #{}: {check}{target}, rule {}", incident.id, incident.rule)
        }));
        changes
    }

    async fn take_up(&mut self, config: Config) {
        if let Err(error) = self.sender.reload(&config) {
            return tracing::error!(%error, "the configuration is not taken up");
        }
        if config.state_dir != self.state_dir || config.log.dir != self.settings.dir {
            tracing::warn!("`state_dir` and `log` of the edited file are taken up at the next start");
        }
        if self.outline.differs(&config.outline, "web") {
            tracing::warn!("`web` of the edited file is taken up at the next start");
        }
        self.settings.status_every = config.log.status_every;
        self.memory.reload(&config);
        self.pulse.change(config.heartbeats.clone());
        // The runner ends only with the watch.
        let _ = self.orders.send(Order::TakeUp(schedules(&config))).await;
        // What is not watched any more is due no more; the others say so with their next look.
        self.counts.forget_dues();
        if let Some(last) = &mut self.last {
            last.retain(|check, _| config.checks.iter().any(|kept| kept.name == *check));
        }
        self.every = config.checks.iter().map(|check| (check.name.clone(), check.every)).collect();
        (self.host, self.zone) = (config.watch.host.clone(), config.watch.zone);
        (self.outline, self.shown) = (config.outline, config.shown);
        tracing::info!(checks = config.checks.len(), "the configuration is taken up");
        self.step(Input::Reload(config.watch));
        self.step(Input::Own { target: CONFIGURATION.into(), trouble: None });
    }
}

/// All of it in the log, the first problem for the channels.
fn refused(report: &Report) -> Reason {
    tracing::error!(problems = report.count(), "the edited file is not taken up, the watch goes on as before:\n{report}");
    let text = report.to_string();
    let first = text.lines().next().unwrap_or_default();
    match report.count() {
        1 => format!("was edited and is not taken up: {first}"),
        count => format!("was edited and is not taken up: {first} (and {} more)", count - 1),
    }
    .into()
}
