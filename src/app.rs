//! The watch at work: one loop, inputs → engine → effects.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, ConfiguredChannel, Texts};
use crate::domain::engine::{Delivery, Dispatch, Effect, Engine, Event, Input};
use crate::domain::plan::Held;
use crate::notify::text::Words;
use crate::notify::{Receipt, SendError};
use crate::runner::{self, Finished, Schedule};
use crate::status::{StatusLine, StatusLog};

/// A window or an unset clock is looked at again after at most so long, whatever the timers say.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// A clean stop waits so long for messages that are on their way.
const FAREWELL: Duration = Duration::from_millis(1500);

/// What the watch did, for the goodbye.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub runs: u64,
    pub messages: u64,
}

/// Keeps watch until `stop`. Fails only when it cannot begin: the log folder cannot be written.
pub async fn run(config: Config, clock: Clock, stop: CancellationToken) -> anyhow::Result<Tally> {
    let words = Words::new(config.language).map_err(anyhow::Error::msg)?;
    let log = StatusLog::open(&config.log.dir, config.log.keep).map_err(|error| {
        anyhow::anyhow!("cannot write to the log folder {}: {error}; make it writable or set `log.dir`", config.log.dir.display())
    })?;
    let (reports_to, reports) = mpsc::channel(64);
    let (answers_to, answers) = mpsc::channel(64);
    let runner = tokio::spawn(runner::run(schedules(&config), reports_to, stop.clone()));
    let watch = Watch {
        engine: Engine::new(config.watch.clone()),
        sender: Sender { words: Arc::new(words), channels: config.channels, checks: check_texts(&config.checks), answers: answers_to },
        log,
        log_broken: false,
        host: config.watch.host,
        zone: config.watch.zone,
        clock,
        tally: Tally::default(),
        on_their_way: 0,
    };
    let tally = watch.keep(reports, answers, config.log.status_every, &stop).await;
    runner.abort();
    Ok(tally)
}

struct Watch {
    engine: Engine,
    sender: Sender,
    log: StatusLog,
    log_broken: bool,
    host: Arc<str>,
    zone: chrono_tz::Tz,
    clock: Clock,
    tally: Tally,
    on_their_way: usize,
}

/// What a channel answered to one dispatch.
struct Answer {
    dispatch: u64,
    delivery: Delivery,
}

impl Watch {
    async fn keep(
        mut self,
        mut reports: mpsc::Receiver<Finished>,
        mut answers: mpsc::Receiver<Answer>,
        status_every: Duration,
        stop: &CancellationToken,
    ) -> Tally {
        let mut next_status = Instant::now() + status_every;
        loop {
            let idle = self.engine.idle_for(self.clock.now().steady).unwrap_or(LONGEST_IDLE).min(LONGEST_IDLE);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(answer) = answers.recv() => self.hear(answer),
                Some(finished) = reports.recv() => self.take(finished),
                () = sleep_until(next_status.min(Instant::now() + idle)) => self.step(Input::Tick),
            }
            if Instant::now() >= next_status {
                self.write_status();
                next_status = Instant::now() + status_every;
            }
        }
        let farewell = Instant::now() + FAREWELL;
        while self.on_their_way > 0 {
            match timeout(farewell.saturating_duration_since(Instant::now()), answers.recv()).await {
                Ok(Some(answer)) => {
                    self.on_their_way -= 1;
                    self.engine.step(self.clock.now(), Input::Delivered { dispatch: answer.dispatch, outcome: answer.delivery });
                }
                _ => break,
            }
        }
        self.write_status();
        self.tally
    }

    fn take(&mut self, finished: Finished) {
        self.tally.runs += 1;
        tracing::debug!(check = %finished.check, took = ?finished.took, "looked");
        self.step(Input::Report { check: finished.check, report: finished.report });
    }

    fn hear(&mut self, answer: Answer) {
        self.on_their_way -= 1;
        self.step(Input::Delivered { dispatch: answer.dispatch, outcome: answer.delivery });
    }

    fn step(&mut self, input: Input) {
        let effects = self.engine.step(self.clock.now(), input);
        let mut turned = false;
        let opened = effects.iter().filter(|effect| matches!(effect, Effect::Log(Event::Opened { .. } | Event::Closed { .. }))).count();
        for effect in effects {
            match effect {
                // State lives in memory: there is nowhere to save it to yet.
                Effect::Save(_) => {}
                Effect::Log(event) => write_event(&event, opened),
                Effect::StatusTurned => turned = true,
                Effect::Send(dispatch) => {
                    self.tally.messages += 1;
                    self.on_their_way += 1;
                    self.sender.send(dispatch);
                }
            }
        }
        if turned {
            self.write_status();
        }
    }

    fn write_status(&mut self) {
        let snapshot = self.engine.snapshot();
        let written = self.log.write(&StatusLine::new(&snapshot, &self.host, self.zone, self.clock.now()));
        match written {
            Err(error) if !self.log_broken => {
                self.log_broken = true;
                tracing::error!(%error, "the status log cannot be written; checks and messages go on");
            }
            Ok(()) if self.log_broken => {
                self.log_broken = false;
                tracing::info!("the status log is written again");
            }
            _ => {}
        }
    }
}

/// Puts a dispatch into words and gives it to its channel, off the loop.
struct Sender {
    words: Arc<Words>,
    channels: Vec<ConfiguredChannel>,
    checks: std::collections::HashMap<Arc<str>, Texts>,
    answers: mpsc::Sender<Answer>,
}

impl Sender {
    fn send(&self, dispatch: Dispatch) {
        let Some(channel) = self.channels.iter().find(|channel| channel.name == dispatch.channel) else { return };
        let (notifier, channel_texts) = (channel.notifier.clone(), channel.texts.clone());
        let check_texts = self.checks.get(&dispatch.notice.check).cloned().unwrap_or_default();
        let (words, answers) = (self.words.clone(), self.answers.clone());
        tokio::spawn(async move {
            let (message, trouble) = words.message(&dispatch.notice, &[&check_texts, &channel_texts], notifier.limits());
            if let Some(trouble) = trouble {
                tracing::warn!(check = %dispatch.notice.check, channel = %dispatch.channel, %trouble, "a template did not work here, the built-in text went out");
            }
            // A notifier that breaks down must not leave its channel waiting for ever.
            let sent = tokio::spawn(async move { notifier.send(&message).await }).await;
            let outcome = sent.unwrap_or_else(|_| Err(SendError::Unsure { cause: "the channel's code broke down (see the log)".into() }));
            let delivery = delivery(&dispatch, outcome);
            // A send fails only when the watch has ended.
            let _ = answers.send(Answer { dispatch: dispatch.id, delivery }).await;
        });
    }
}

fn delivery(dispatch: &Dispatch, outcome: Result<Receipt, SendError>) -> Delivery {
    match outcome {
        Ok(receipt) => {
            if let Some(remark) = receipt.remark {
                tracing::warn!(channel = %dispatch.channel, "{remark}");
            }
            Delivery::Taken
        }
        Err(SendError::Later { after, cause }) => Delivery::Later { after, cause: cause.into() },
        Err(SendError::Never { cause }) => Delivery::Never { cause: cause.into() },
        Err(SendError::Broken { cause }) => Delivery::Broken { cause: cause.into() },
        Err(SendError::Unsure { cause }) => Delivery::Unsure { cause: cause.into() },
    }
}

fn schedules(config: &Config) -> Vec<Schedule> {
    let kinds = crate::checks::kinds();
    let at_once = |kind: &str| kinds.iter().find(|entry| entry.name == kind).map_or(1, |entry| entry.at_once);
    config
        .checks
        .iter()
        .map(|check| Schedule {
            name: check.name.clone(),
            kind: check.kind,
            at_once: at_once(check.kind),
            every: check.every,
            timeout: check.timeout,
            look: check.look.clone(),
        })
        .collect()
}

fn check_texts(checks: &[crate::config::ConfiguredCheck]) -> std::collections::HashMap<Arc<str>, Texts> {
    let own = checks.iter().filter(|check| check.texts != Texts::default());
    own.map(|check| (check.name.clone(), check.texts.clone())).collect()
}

/// More turns than this in one step are not written one by one.
const MANY_TURNS: usize = 20;

/// Every decision is written down once, with its reason.
fn write_event(event: &Event, turns: usize) {
    match event {
        Event::Opened { check, incident } | Event::Closed { check, incident } if turns > MANY_TURNS => {
            tracing::debug!(%check, target = %incident.target.key, rule = %incident.rule, incident = incident.id, open = incident.is_open(), "turned");
        }
        Event::Opened { check, incident } => {
            tracing::warn!(%check, target = %incident.target.key, rule = %incident.rule, incident = incident.id, reason = %incident.reason, "failed");
        }
        Event::Closed { check, incident } => {
            tracing::info!(%check, target = %incident.target.key, rule = %incident.rule, incident = incident.id, "recovered");
        }
        Event::Held { check, channel, count, why } => write_hold(check, channel, *count, why),
        Event::Sending { check, channel, kind, incidents, attempt } => {
            tracing::debug!(%check, %channel, kind, incidents = incidents.len(), attempt, "sending");
        }
        Event::Taken { channel, kind, incidents } => {
            tracing::info!(%channel, kind, incidents = %numbers(incidents), "told");
        }
        Event::NotTaken { channel, kind, incidents, outcome, again_in } => {
            let (word, cause) = match outcome {
                Delivery::Taken => return,
                Delivery::Later { cause, .. } => ("not taken", cause),
                Delivery::Never { cause } => ("refused for good", cause),
                Delivery::Broken { cause } => ("the channel takes nothing", cause),
                Delivery::Unsure { cause } => ("may or may not have been taken", cause),
            };
            tracing::error!(%channel, kind, incidents = %numbers(incidents), %cause, again_in = ?again_in.unwrap_or_default(), "{word}");
        }
        Event::OverUntold { check, channel, incident } => {
            tracing::info!(%check, %channel, incident, "over before it could be told, so not told");
        }
    }
}

fn write_hold(check: &str, channel: &str, count: usize, why: &Held) {
    match why {
        Held::Window { by, until: Some(until) } => {
            tracing::info!(check, channel, count, window = %by, until = %until.to_rfc3339(), "held by a closed window");
        }
        Held::Window { by, until: None } => {
            tracing::warn!(check, channel, count, window = %by, "held by windows that are never open together");
        }
        Held::Grouping { .. } => tracing::debug!(check, channel, count, "waiting for more to tell together"),
        Held::Retry { attempt, cause, .. } => tracing::debug!(check, channel, count, attempt, %cause, "waiting for the channel"),
        Held::Busy => {}
    }
}

/// `#1042 #1043 and 8 more`
fn numbers(incidents: &[u64]) -> String {
    let mut text = incidents.iter().take(5).map(|id| format!("#{id}")).collect::<Vec<_>>().join(" ");
    if incidents.len() > 5 {
        text.push_str(&format!(" and {} more", incidents.len() - 5));
    }
    text
}
