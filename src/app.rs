//! The watch at work: one loop, inputs → engine → effects.

mod asked;
mod counts;
mod decisions;
mod edits;
pub mod memory;
mod sender;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, LogSettings, Outline};
use crate::control::{Door, Feed, Question};
use crate::domain::engine::{Effect, Engine, Event, Input};
use crate::domain::reading::{Reading, Reason};
use crate::domain::restore::{CONFIGURATION, HEARTBEAT, HISTORY, STATE, WEB};
use crate::domain::state::Change;
use crate::heartbeat::Pulse;
use crate::journal::{EVENTS, EventLine, LineLog, READINGS, ReportLine};
use crate::runner::{self, Finished, Order, Schedule};
use crate::status::{STATUS, StatusLine};
use crate::store::{Commit, Opened, Store};
use crate::systemd::Manager;
use crate::web::{Ground, House, Web};
use counts::Counts;
use decisions::write_event;
pub use edits::{Changed, Edits, Reload, Wish};
use memory::Memory;
use sender::{Answer, Sender};

/// A window or an unset clock is looked at again after at most so long, whatever the timers say.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// The first status line comes when every check that is not slow has looked once.
const FIRST_STATUS: Duration = Duration::from_secs(3);
/// A clean stop waits so long for messages that are on their way.
const FAREWELL: Duration = Duration::from_millis(1500);

/// What can wait is saved so often: histories of rules, how often something failed after it was told.
const LINGER: Duration = Duration::from_secs(60);
/// A clean stop waits so long for the disk.
const LAST_SAVE: Duration = Duration::from_millis(400);

/// What the watch did, for the goodbye.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub runs: u64,
    pub messages: u64,
}

/// Keeps watch until `stop`, from where its last life ended. Fails only when it cannot begin: the log folder
/// cannot be written.
pub async fn run(config: Config, opened: Opened, clock: Clock, edits: Edits, stop: CancellationToken) -> anyhow::Result<Tally> {
    let journal = Journal::open(&config.log)?;
    let (reports_to, reports) = mpsc::channel(64);
    let (answers_to, answers) = mpsc::channel(64);
    let (orders_to, orders) = mpsc::channel(1);
    let runner = tokio::spawn(runner::run(schedules(&config), orders, reports_to, stop.clone()));
    let sender = Sender::new(&config, answers_to)?;
    let (questions_to, questions) = mpsc::channel(4);
    let every = config.checks.iter().map(|check| (check.name.clone(), check.every)).collect();
    let is_looked_at = config.web.is_some();
    let pulse = Pulse::start(config.heartbeats.clone(), questions_to.clone());
    let feed = Feed::default();
    let doors = Doors::open(&config, questions_to, &feed, clock).await;
    let Opened { store, state, moved_aside, identity, .. } = opened;
    let memory = Memory::start(&config, identity.as_deref(), clock.now());
    let (engine, effects) = Engine::restore(config.watch.clone(), state, clock.now());
    let mut watch = Watch {
        engine,
        sender,
        store,
        memory,
        pulse,
        orders: orders_to,
        journal,
        settings: config.log,
        state_dir: config.state_dir,
        host: config.watch.host,
        zone: config.watch.zone,
        since: clock.now().wall,
        every,
        counts: Counts::default(),
        last: is_looked_at.then(HashMap::new),
        feed,
        outline: config.outline,
        shown: config.shown,
        wishes: edits.wishes,
        manager: Manager::of_environment(),
        clock,
    };
    watch.begin(effects, moved_aside.as_deref());
    let trouble = doors.trouble.borrow().clone();
    watch.step(Input::Own { target: WEB.into(), trouble });
    if config.heartbeats.is_empty() {
        watch.step(Input::Own { target: HEARTBEAT.into(), trouble: None });
    }
    let tally = watch.keep(Inputs { reports, answers, reloads: edits.reloads, questions }, doors, &stop).await;
    runner.abort();
    Ok(tally)
}

/// What happens to the watch.
struct Inputs {
    reports: mpsc::Receiver<Finished>,
    answers: mpsc::Receiver<Answer>,
    reloads: mpsc::Receiver<Reload>,
    questions: mpsc::Receiver<Question>,
}

/// The files of the log folder.
struct Journal {
    status: LineLog,
    events: LineLog,
    /// Where they are wanted.
    readings: Option<LineLog>,
}

impl Journal {
    fn open(settings: &LogSettings) -> anyhow::Result<Self> {
        let open = |name| {
            LineLog::open(&settings.dir, name, settings.keep).map_err(|error| {
                anyhow::anyhow!("cannot write to the log folder {}: {error}; make it writable or set `log.dir`", settings.dir.display())
            })
        };
        Ok(Self { status: open(STATUS)?, events: open(EVENTS)?, readings: settings.readings.then(|| open(READINGS)).transpose()? })
    }
}

struct Watch {
    engine: Engine,
    sender: Sender,
    store: Store,
    memory: Memory,
    /// Says outside that this watch lives.
    pulse: Pulse,
    /// To the runner.
    orders: mpsc::Sender<Order>,
    journal: Journal,
    settings: LogSettings,
    state_dir: PathBuf,
    host: Arc<str>,
    zone: chrono_tz::Tz,
    since: DateTime<Utc>,
    /// How often each check looks.
    every: HashMap<Arc<str>, Duration>,
    counts: Counts,
    /// What each check saw last, where somebody can look at it.
    last: Option<HashMap<Arc<str>, Vec<Reading>>>,
    /// For those who follow what is decided.
    feed: Feed,
    /// Of the configuration that is taken up.
    outline: Outline,
    /// Its text, without secrets.
    shown: Arc<str>,
    wishes: mpsc::Sender<Wish>,
    manager: Manager,
    clock: Clock,
}

impl Watch {
    async fn keep(mut self, inputs: Inputs, doors: Doors, stop: &CancellationToken) -> Tally {
        let Inputs { mut reports, mut answers, mut reloads, mut questions } = inputs;
        let mut next_status = Instant::now() + self.settings.status_every.min(FIRST_STATUS);
        let mut next_save = Instant::now() + LINGER;
        let mut trouble = self.store.trouble();
        let mut without_history = self.memory.trouble();
        self.manager.ready();
        let mut unheard = self.pulse.trouble();
        let mut unserved = doors.trouble.subscribe();
        loop {
            let next_alive = self.manager.due().unwrap_or(next_status);
            let idle = self.engine.idle_for(self.clock.now().steady).unwrap_or(LONGEST_IDLE).min(LONGEST_IDLE);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(answer) = answers.recv() => self.hear(answer),
                Some(finished) = reports.recv() => self.take(finished),
                Some(reload) = reloads.recv() => self.reload(reload).await,
                Some(question) = questions.recv() => self.answer(question),
                Ok(()) = trouble.changed() => {
                    let trouble = trouble.borrow_and_update().clone();
                    self.note_store(trouble);
                }
                Ok(()) = without_history.changed() => {
                    let trouble = without_history.borrow_and_update().clone();
                    self.note_history(trouble);
                }
                Ok(()) = unheard.changed() => {
                    let trouble = unheard.borrow_and_update().clone();
                    self.step(Input::Own { target: HEARTBEAT.into(), trouble });
                }
                Ok(()) = unserved.changed() => {
                    let trouble = unserved.borrow_and_update().clone();
                    self.step(Input::Own { target: WEB.into(), trouble });
                }
                () = sleep_until(next_status.min(next_alive).min(Instant::now() + idle)) => drop(self.step(Input::Tick)),
            }
            if Instant::now() >= next_save {
                self.save_what_waited();
                next_save = Instant::now() + LINGER;
            }
            if Instant::now() >= next_status {
                self.write_status();
                next_status = Instant::now() + self.settings.status_every;
            }
            if Instant::now() >= next_alive {
                let health = self.health();
                // A full disk stops neither looking nor telling; a new start would not empty it.
                self.manager.alive(health.checks.good && health.messages.good && !reports.is_closed());
            }
        }
        self.manager.stopping();
        // From here on no watch runs, for whoever asks.
        drop(questions);
        let closed = tokio::spawn(doors.close());
        let farewell = Instant::now() + FAREWELL;
        while self.counts.any_under_way() {
            match timeout(farewell.saturating_duration_since(Instant::now()), answers.recv()).await {
                Ok(Some(answer)) => {
                    self.counts.answered(answer.dispatch, &answer.delivery);
                    let effects =
                        self.engine.step(self.clock.now(), Input::Delivered { dispatch: answer.dispatch, outcome: answer.delivery });
                    self.save_answer(effects);
                }
                _ => break,
            }
        }
        let last = self.engine.linger();
        self.store.save(last, self.clock.now());
        self.write_status();
        // Closing the doors breaks down only with the watch.
        let _ = tokio::join!(self.store.close(LAST_SAVE), self.memory.close(LAST_SAVE), closed);
        self.counts.tally
    }

    /// Goes on from the watch's last life.
    fn begin(&mut self, effects: Vec<Effect>, moved_aside: Option<&Path>) {
        self.memory.begin(&self.engine.state(), self.clock.now());
        self.follow(effects);
        // The file that this life began with is a good one.
        self.step(Input::Own { target: CONFIGURATION.into(), trouble: None });
        let trouble = self.store.trouble().borrow().clone();
        let lost = moved_aside.map(|path| format!("could not be read; it is moved to {} and the watch begins anew", path.display()).into());
        if let Some(trouble) = trouble.or(lost) {
            self.note_store(Some(trouble));
        }
    }

    /// The state cannot be written, or can be again.
    fn note_store(&mut self, trouble: Option<Reason>) {
        match &trouble {
            Some(trouble) => tracing::error!("the state {trouble}"),
            None => {
                tracing::info!("the state is written again");
                self.store.replace(self.engine.state(), self.clock.now());
            }
        }
        self.step(Input::Own { target: STATE.into(), trouble });
    }

    /// History is not written any more, or is again.
    fn note_history(&mut self, trouble: Option<Reason>) {
        if let Some(trouble) = &trouble {
            tracing::error!("history {trouble}");
        }
        self.step(Input::Own { target: HISTORY.into(), trouble });
    }

    fn save_what_waited(&mut self) {
        let changes = self.engine.linger();
        self.store.save(changes, self.clock.now());
        if self.store.trouble().borrow().is_none() {
            // Whoever was told that the state was lost has read it by now.
            self.step(Input::Own { target: STATE.into(), trouble: None });
        }
    }

    fn take(&mut self, finished: Finished) {
        tracing::debug!(check = %finished.check, took = ?finished.took, "looked");
        self.memory.look(&finished.check, &finished.report, self.clock.now());
        let next = self.clock.now().steady + finished.next.saturating_duration_since(Instant::now());
        self.counts.looked(&finished, next);
        if let Some(log) = &mut self.journal.readings {
            log.write(&[ReportLine::new(&finished.check, &finished.report, finished.took, self.zone, self.clock.now())]);
        }
        if let (Some(last), Some(readings)) = (&mut self.last, finished.report.readings()) {
            last.insert(finished.check.clone(), readings.to_vec());
        }
        self.step(Input::Report { check: finished.check, report: finished.report, took: finished.took });
    }

    fn hear(&mut self, answer: Answer) {
        self.counts.answered(answer.dispatch, &answer.delivery);
        self.step(Input::Delivered { dispatch: answer.dispatch, outcome: answer.delivery });
    }

    /// The commit is that of all the step changed.
    fn step(&mut self, input: Input) -> Commit {
        let effects = self.engine.step(self.clock.now(), input);
        self.follow(effects)
    }

    fn follow(&mut self, effects: Vec<Effect>) -> Commit {
        let opened = effects.iter().filter(|effect| matches!(effect, Effect::Log(Event::Opened { .. } | Event::Closed { .. }))).count();
        let (mut changes, mut messages, mut lines, mut turned) = (Vec::new(), Vec::new(), Vec::new(), false);
        let now = self.clock.now();
        for effect in effects {
            match effect {
                Effect::Save(change) => changes.push(change),
                Effect::Log(event) => {
                    self.memory.note(&event, now);
                    write_event(&event, opened);
                    lines.push(EventLine::new(&event, self.zone, now));
                }
                Effect::StatusTurned => turned = true,
                Effect::Send(dispatch) => messages.push(dispatch),
            }
        }
        let commit = self.store.save(changes, now);
        for dispatch in messages {
            self.counts.sent(dispatch.id, &dispatch.channel);
            self.sender.send(dispatch, commit.clone());
        }
        if !lines.is_empty() {
            self.journal.events.write(&lines);
            for line in &lines {
                self.feed.publish(line.what.name(), || line);
            }
        }
        if turned {
            self.write_status();
            self.feed.publish("status", || brief(&self.engine));
        }
        commit
    }

    /// What would be sent next is left for the next life, as if it had never been begun.
    fn save_answer(&self, effects: Vec<Effect>) {
        let settled = |change: &Change| !matches!(change, Change::Ledger { entry, .. } if entry.is_under_way());
        let changes = effects.into_iter().filter_map(|effect| if let Effect::Save(change) = effect { Some(change) } else { None });
        self.store.save(changes.filter(settled).collect(), self.clock.now());
    }

    fn write_status(&mut self) {
        let snapshot = self.engine.snapshot();
        self.journal.status.write(&[StatusLine::new(&snapshot, &self.host, self.zone, self.clock.now())]);
        let good = snapshot.status.iter().filter(|(_, up)| *up).count();
        let (checks, failing, Tally { runs, messages }) = (snapshot.status.len(), snapshot.failing.len(), self.counts.tally);
        self.manager
            .status(&format!("{good} of {checks} checks are True, {failing} incidents; looked {runs} times, sent {messages} messages"));
    }
}

/// Where the watch is asked: closed when this is dropped.
struct Doors {
    socket: Option<Door>,
    web: Option<Web>,
    /// Why nobody is served over HTTP as that is wanted.
    trouble: watch::Sender<Option<Reason>>,
}

impl Doors {
    async fn open(config: &Config, questions: mpsc::Sender<Question>, feed: &Feed, clock: Clock) -> Self {
        let socket = open_door(&config.state_dir, questions.clone());
        let mut doors = Self { socket, web: None, trouble: watch::Sender::new(None) };
        if let Some((settings, look)) = config.web.clone() {
            let past = config.history.as_ref().map(|settings| (memory::place(config, settings), memory::keep(settings)));
            let state_dir = config.state_dir.clone();
            let house =
                House::new(Ground { settings, look, questions, feed: feed.clone(), past, state_dir, clock, zone: config.watch.zone });
            match Web::open(house, doors.trouble.clone()).await {
                Ok(web) => {
                    tracing::info!(address = %web.address, "served over HTTP");
                    doors.web = Some(web);
                }
                Err(error) => {
                    tracing::error!(%error, "nobody is served over HTTP");
                    doors.trouble.send_replace(Some(error.to_string().into()));
                }
            }
        }
        doors
    }

    /// Whoever knocks from now on finds nobody; what is under way is given a moment.
    async fn close(self) {
        drop(self.socket);
        if let Some(web) = self.web {
            web.close().await;
        }
    }
}

/// How many checks are True, for those who follow: who wants to know more asks.
fn brief(engine: &Engine) -> serde_json::Value {
    let good = engine.checks().filter(|check| check.up).count();
    serde_json::json!({ "good": good, "checks": engine.checks().count(), "incidents": engine.snapshot().failing.len() })
}

/// A watch that cannot be asked keeps watch all the same.
fn open_door(folder: &Path, questions: mpsc::Sender<Question>) -> Option<Door> {
    let opened = Door::open(folder, questions);
    opened.inspect_err(|error| tracing::warn!(%error, "`vakhta status` cannot ask this watch: there is no socket")).ok()
}

fn schedules(config: &Config) -> Vec<Schedule> {
    let kinds = crate::checks::kinds();
    let at_once = |kind: &str| kinds.iter().find(|entry| entry.name == kind).map_or(1, |entry| entry.at_once);
    config
        .checks
        .iter()
        .chain(&config.uplink)
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
