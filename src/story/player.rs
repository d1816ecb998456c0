//! The engine in virtual time, with channels that answer as they are told to.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::engine::{Delivery, Dispatch, Effect, Engine, Event, Input};
use crate::domain::incident::IncidentId;
use crate::domain::plan::Held;
use crate::domain::silence::Silence;
use crate::domain::state::State;
use crate::domain::time::{Now, Steady};
use crate::domain::watch::Watch;

/// The engine and channels that answer as the story says.
pub struct Player<'a> {
    engine: Engine,
    watch: &'a Watch,
    later: std::slice::Iter<'a, Watch>,
    /// What a store would hold.
    kept: State,
    zone: Tz,
    start: DateTime<Utc>,
    now: DateTime<Utc>,
    line: usize,
    answers: HashMap<String, VecDeque<Option<Delivery>>>,
    told: Vec<(usize, String)>,
    /// Whether every time has its date.
    dated: bool,
}

impl<'a> Player<'a> {
    pub fn new(watch: &'a Watch, later: &'a [Watch], start: DateTime<Utc>) -> Self {
        let (engine, zone) = (Engine::new(watch.clone()), watch.zone);
        Self {
            engine,
            watch,
            later: later.iter(),
            kept: State::default(),
            zone,
            start,
            now: start,
            line: 0,
            answers: HashMap::new(),
            told: Vec::new(),
            dated: false,
        }
    }

    /// For what may last for days.
    pub fn dated(watch: &'a Watch, start: DateTime<Utc>) -> Self {
        Self { dated: true, ..Self::new(watch, &[], start) }
    }

    /// What follows comes of this line of the story.
    pub fn at_line(&mut self, line: usize) {
        self.line = line;
    }

    /// What the channel says to its next message.
    pub fn plan_answer(&mut self, channel: &str, answer: Option<Delivery>) {
        self.answers.entry(channel.to_owned()).or_default().push_back(answer);
    }

    /// What people were told and why not, with the line that it came of.
    pub fn told(&self) -> &[(usize, String)] {
        &self.told
    }

    /// The watch ends and begins anew with what it kept.
    pub fn restart(&mut self) {
        let last = self.engine.linger();
        last.into_iter().for_each(|change| self.kept.apply(change));
        self.begin_anew();
    }

    /// A new life that knows what was kept, and nothing else.
    pub fn begin_anew(&mut self) {
        let (engine, effects) = Engine::restore(self.watch.clone(), self.kept.clone(), self.instant());
        self.engine = engine;
        self.follow(effects);
        self.step(Input::Tick);
    }

    pub fn reload(&mut self) {
        if let Some(next) = self.later.next() {
            self.watch = next;
            self.step(Input::Reload(next.clone()));
        }
    }

    pub fn silence(&mut self, about: &str, lasting: Duration) {
        match self.engine.scope(about) {
            Ok(scope) => {
                let (by, comment) = ("someone".into(), "".into());
                let asked = Silence { id: 0, scope, since: self.now, until: self.now + lasting, by, comment };
                self.step(Input::Silence(asked));
            }
            Err(error) => self.tell(error),
        }
    }

    pub fn unsilence(&mut self, about: &str) {
        let named: Vec<_> = self.engine.silences().filter(|silence| silence.scope.to_string() == about).map(|silence| silence.id).collect();
        named.into_iter().for_each(|id| self.step(Input::Unsilence(id)));
    }

    /// By whom and with what words; by nobody it is given back.
    pub fn acknowledge(&mut self, which: &str, by: Option<(&str, &str)>) {
        match self.engine.open_incidents(which) {
            Ok(incidents) => {
                let incidents = incidents.into_iter().collect();
                self.step(match by {
                    Some((by, note)) => Input::Acknowledge { incidents, by: by.into(), note: note.into() },
                    None => Input::Unacknowledge { incidents, by: "someone".into() },
                });
            }
            Err(error) => self.tell(error),
        }
    }

    fn instant(&self) -> Now {
        Now { wall: self.now, steady: Steady((self.now - self.start).to_std().unwrap_or_default()) }
    }

    /// Ticks whenever the engine asks for it.
    pub fn pass_time_until(&mut self, until: DateTime<Utc>) {
        while let Some(idle) = self.engine.idle_for(self.instant().steady) {
            let next = self.now + idle.max(Duration::from_millis(1));
            if next > until {
                break;
            }
            self.now = next;
            self.step(Input::Tick);
        }
        self.now = until;
        self.step(Input::Tick);
    }

    pub fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let effects = self.engine.step(self.instant(), input);
            inputs.extend(self.follow(effects));
        }
    }

    /// Does what the engine asks for; the answers of the channels.
    fn follow(&mut self, effects: Vec<Effect>) -> Vec<Input> {
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send(dispatch) => {
                    let planned = self.answers.get_mut(dispatch.channel.as_ref()).and_then(VecDeque::pop_front);
                    let outcome = planned.unwrap_or(Some(Delivery::Taken));
                    self.tell(sent(&dispatch, outcome.as_ref()));
                    answers.extend(outcome.map(|outcome| Input::Delivered { dispatch: dispatch.id, outcome }));
                }
                Effect::Log(event) => self.hold(&event),
                Effect::Save(change) => self.kept.apply(change),
                Effect::StatusTurned => {}
            }
        }
        answers
    }

    fn hold(&mut self, event: &Event) {
        match event {
            Event::Held { channel, why: Held::Window { by, until }, .. } => {
                let until = until.map_or_else(|| "ever".to_owned(), |until| self.clock(until));
                self.tell(format!("{channel} held by {by} until {until}"));
            }
            Event::Held { channel, why: Held::Silence { id, until }, .. } => {
                self.tell(format!("{channel} held by silence {id} until {}", self.clock(*until)));
            }
            Event::Held { channel, why: Held::Storm { until }, .. } => {
                let until = self.start + until.0;
                self.tell(format!("{channel} held by a storm until {}", self.clock(until)));
            }
            Event::Acknowledged { incidents, by, note } => {
                let note = if note.is_empty() { String::new() } else { format!(": {note}") };
                self.tell(format!("{} acknowledged by {by}{note}", numbers(incidents)));
            }
            Event::Unacknowledged { incidents, .. } => self.tell(format!("{} not acknowledged any more", numbers(incidents))),
            Event::NotOpened { check, parent, count } => self.tell(format!("{check} opens nothing for {count}: {parent} is False")),
            Event::OverUntold { channel, incident, .. } => self.tell(format!("{channel} never told of #{incident}")),
            _ => {}
        }
    }

    fn tell(&mut self, text: String) {
        let line = format!("{} {text}", self.clock(self.now));
        self.told.push((self.line, line));
    }

    /// With the date where it is not the story's own.
    fn clock(&self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.zone);
        match !self.dated && local.date_naive() == self.start.with_timezone(&self.zone).date_naive() {
            true => local.format("%H:%M:%S").to_string(),
            false => local.format("%Y-%m-%d %H:%M:%S").to_string(),
        }
    }
}

/// `#1 #2`
fn numbers(incidents: &[IncidentId]) -> String {
    incidents.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(" ")
}

/// `ops failed 10.0.0.7 #1: no reply; 2 of 3 fail (may be a repeat) - not taken`
fn sent(dispatch: &Dispatch, outcome: Option<&Delivery>) -> String {
    let notice = &dispatch.notice;
    let listed = notice.incidents.iter().take(4).map(|incident| {
        let target = Some(incident.target.key.as_ref()).filter(|key| !key.is_empty()).map(|key| format!(" {key}"));
        let check = (notice.checks.len() > 1).then(|| format!(" {}", incident.check));
        let lasted = incident.until.map(|_| format!(" after {}", humantime::format_duration(incident.duration)));
        format!(
            "{}{} #{}: {}{}",
            check.unwrap_or_default(),
            target.unwrap_or_default(),
            incident.id,
            incident.reason,
            lasted.unwrap_or_default()
        )
    });
    let mut text = format!("{} {}{}", dispatch.channel, notice.kind.name(), listed.collect::<Vec<_>>().join(";"));
    if let Some(more) = notice.incidents.len().checked_sub(5) {
        let _ = write!(text, "; {} more", more + 1);
    }
    if notice.repeat {
        text.push_str(" (may be a repeat)");
    }
    text.push_str(match outcome {
        Some(Delivery::Taken) => "",
        Some(Delivery::Later { .. }) => " - not taken",
        Some(Delivery::Never { .. }) => " - refused",
        Some(Delivery::Broken { .. }) => " - broken",
        Some(Delivery::Unsure { .. }) => " - unsure",
        None => " - no answer yet",
    });
    text
}
