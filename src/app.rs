//! The watch at work: one loop, inputs → engine → effects.

mod asked;
mod decisions;
mod edits;
mod sender;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, LogSettings, Outline};
use crate::control::{Door, Question};
use crate::domain::engine::{Effect, Engine, Event, Input};
use crate::domain::reading::Reason;
use crate::domain::restore::{CONFIGURATION, STATE};
use crate::domain::state::Change;
use crate::domain::time::Steady;
use crate::journal::{EVENTS, EventLine, LineLog, READINGS, ReportLine};
use crate::runner::{self, Finished, Schedule};
use crate::status::{STATUS, StatusLine};
use crate::store::{Commit, Opened, Store};
use decisions::write_event;
pub use edits::{Edits, Reload, Wish};
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
    let (schedules_to, schedules_of) = mpsc::channel(1);
    let runner = tokio::spawn(runner::run(schedules(&config), schedules_of, reports_to, stop.clone()));
    let sender = Sender::new(&config, answers_to)?;
    let (questions_to, questions) = mpsc::channel(4);
    let door = open_door(&config.state_dir, questions_to);
    let Opened { store, state, moved_aside, .. } = opened;
    let (engine, effects) = Engine::restore(config.watch.clone(), state, clock.now());
    let mut watch = Watch {
        engine,
        sender,
        store,
        schedules: schedules_to,
        journal,
        settings: config.log,
        state_dir: config.state_dir,
        host: config.watch.host,
        zone: config.watch.zone,
        since: clock.now().wall,
        next_looks: HashMap::new(),
        outline: config.outline,
        wishes: edits.wishes,
        clock,
        tally: Tally::default(),
        on_their_way: 0,
    };
    watch.begin(effects, moved_aside.as_deref());
    let tally = watch.keep(Inputs { reports, answers, reloads: edits.reloads, questions }, door, &stop).await;
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
    schedules: mpsc::Sender<Vec<Schedule>>,
    journal: Journal,
    settings: LogSettings,
    state_dir: PathBuf,
    host: Arc<str>,
    zone: chrono_tz::Tz,
    since: DateTime<Utc>,
    /// When each check is due again, since its last look.
    next_looks: HashMap<Arc<str>, Steady>,
    /// Of the configuration that is taken up.
    outline: Outline,
    wishes: mpsc::Sender<Wish>,
    clock: Clock,
    tally: Tally,
    on_their_way: usize,
}

impl Watch {
    async fn keep(mut self, inputs: Inputs, door: Option<Door>, stop: &CancellationToken) -> Tally {
        let Inputs { mut reports, mut answers, mut reloads, mut questions } = inputs;
        let mut next_status = Instant::now() + self.settings.status_every.min(FIRST_STATUS);
        let mut next_save = Instant::now() + LINGER;
        let mut trouble = self.store.trouble();
        loop {
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
                () = sleep_until(next_status.min(Instant::now() + idle)) => drop(self.step(Input::Tick)),
            }
            if Instant::now() >= next_save {
                self.save_what_waited();
                next_save = Instant::now() + LINGER;
            }
            if Instant::now() >= next_status {
                self.write_status();
                next_status = Instant::now() + self.settings.status_every;
            }
        }
        // From here on no watch runs, for whoever asks.
        drop(door);
        let farewell = Instant::now() + FAREWELL;
        while self.on_their_way > 0 {
            match timeout(farewell.saturating_duration_since(Instant::now()), answers.recv()).await {
                Ok(Some(answer)) => {
                    self.on_their_way -= 1;
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
        self.store.close(LAST_SAVE).await;
        self.tally
    }

    /// Goes on from the watch's last life.
    fn begin(&mut self, effects: Vec<Effect>, moved_aside: Option<&Path>) {
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

    fn save_what_waited(&mut self) {
        let changes = self.engine.linger();
        self.store.save(changes, self.clock.now());
        if self.store.trouble().borrow().is_none() {
            // Whoever was told that the state was lost has read it by now.
            self.step(Input::Own { target: STATE.into(), trouble: None });
        }
    }

    fn take(&mut self, finished: Finished) {
        self.tally.runs += 1;
        tracing::debug!(check = %finished.check, took = ?finished.took, "looked");
        let next = self.clock.now().steady + finished.next.saturating_duration_since(Instant::now());
        self.next_looks.insert(finished.check.clone(), next);
        if let Some(log) = &mut self.journal.readings {
            log.write(&[ReportLine::new(&finished.check, &finished.report, finished.took, self.zone, self.clock.now())]);
        }
        self.step(Input::Report { check: finished.check, report: finished.report, took: finished.took });
    }

    fn hear(&mut self, answer: Answer) {
        self.on_their_way -= 1;
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
                    write_event(&event, opened);
                    lines.push(EventLine::new(&event, self.zone, now));
                }
                Effect::StatusTurned => turned = true,
                Effect::Send(dispatch) => messages.push(dispatch),
            }
        }
        let commit = self.store.save(changes, now);
        for dispatch in messages {
            self.tally.messages += 1;
            self.on_their_way += 1;
            self.sender.send(dispatch, commit.clone());
        }
        if !lines.is_empty() {
            self.journal.events.write(&lines);
        }
        if turned {
            self.write_status();
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
    }
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
