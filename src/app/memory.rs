//! What the watch does goes into history, as it happens; nothing waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{Config, HistorySettings};
use crate::domain::engine::{Delivery, Event};
use crate::domain::incident::{Incident, IncidentId};
use crate::domain::reading::{Reason, Report};
use crate::domain::state::State;
use crate::domain::time::Now;
use crate::store::history::{self, Backlog, History, IncidentRow, Keep, Look, Place, Plan, Record, ToldRow};

/// The kind of the watch's own check.
const OWN_KIND: &str = "vakhta";

/// The way into history, if any is kept.
pub struct Memory {
    history: Option<History>,
    /// The kind of each check.
    kinds: HashMap<Arc<str>, &'static str>,
    /// As they were at the start.
    settings: Option<(Place, Keep, u64, u64)>,
    /// Held so that waiting for trouble never ends where there is no history.
    no_trouble: watch::Sender<Option<Reason>>,
}

impl Memory {
    pub fn start(config: &Config, identity: Option<&str>, now: Now) -> Self {
        let plan = config.history.as_ref().map(|settings| {
            // Without a file the numbers of incidents begin anew with each start.
            let watch = identity.map_or_else(|| format!("{}-{}", config.watch.host, now.wall.timestamp_millis()), str::to_owned);
            plan(config, settings, watch)
        });
        let history = plan.map(History::start);
        Self { history, kinds: kinds(config), settings: settings(config), no_trouble: watch::Sender::new(None) }
    }

    pub fn reload(&mut self, config: &Config) {
        self.kinds = kinds(config);
        if settings(config) != self.settings {
            tracing::warn!("`history` of the edited file is taken up at the next start");
        }
    }

    /// How far history is behind; nothing where none is kept.
    pub fn backlog(&self) -> Option<Backlog> {
        self.history.as_ref().map(History::backlog)
    }

    pub fn trouble(&self) -> watch::Receiver<Option<Reason>> {
        self.history.as_ref().map_or_else(|| self.no_trouble.subscribe(), History::trouble)
    }

    /// What is open as a life begins; what else seems open in history is not.
    pub fn begin(&self, state: &State, now: Now) {
        let open: Vec<IncidentId> = state.incidents.iter().filter(|(_, (_, incident))| incident.is_open()).map(|(id, _)| *id).collect();
        for (check, incident) in state.incidents.values() {
            self.incident(check, incident);
        }
        self.add(Record::Begin(open, now.wall));
    }

    pub fn look(&self, check: &Arc<str>, report: &Report, now: Now) {
        if let (Some(_), Some(readings)) = (&self.history, report.readings()) {
            self.add(Record::Look(Look::new(check, readings, now.wall)));
        }
    }

    pub fn note(&self, event: &Event, now: Now) {
        match event {
            Event::Opened { check, incident } | Event::Closed { check, incident } => self.incident(check, incident),
            Event::Taken { channel, kind, incidents } => self.told(incidents, channel, kind, now, &Delivery::Taken),
            Event::NotTaken { channel, kind, incidents, outcome, .. } => self.told(incidents, channel, kind, now, outcome),
            Event::Held { .. }
            | Event::Sending { .. }
            | Event::OverUntold { .. }
            | Event::NotOpened { .. }
            | Event::NotOwed { .. }
            | Event::Silenced(_)
            | Event::SilenceOver(_)
            | Event::Acknowledged { .. }
            | Event::Unacknowledged { .. } => {}
        }
    }

    fn incident(&self, check: &Arc<str>, incident: &Incident) {
        let kind = self.kinds.get(check).copied().unwrap_or(OWN_KIND);
        self.add(Record::Incident(IncidentRow::new(check, kind, incident)));
    }

    fn told(&self, incidents: &[IncidentId], channel: &str, kind: &str, now: Now, outcome: &Delivery) {
        let (word, cause) = match outcome {
            Delivery::Taken => ("taken", None),
            Delivery::Never { cause } => ("never", Some(cause)),
            Delivery::Unsure { cause } => ("unsure", Some(cause)),
            // It is tried again, until one of the others comes of it.
            Delivery::Later { .. } | Delivery::Broken { .. } => return,
        };
        for number in incidents {
            self.add(Record::Told(ToldRow::new(*number, channel, kind, now.wall, word, cause.map(AsRef::as_ref))));
        }
    }

    fn add(&self, record: Record) {
        if let Some(history) = &self.history {
            history.add(record);
        }
    }

    pub async fn close(self, patience: Duration) {
        if let Some(history) = self.history {
            history.close(patience).await;
        }
    }
}

/// Where and how long history is kept, for whoever writes it as this watch.
fn plan(config: &Config, settings: &HistorySettings, watch: String) -> Plan {
    Plan {
        place: place(config, settings),
        keep: keep(settings),
        max_size: settings.max_size,
        max_spool: settings.max_spool,
        folder: config.state_dir.clone(),
        watch,
        host: config.watch.host.to_string(),
    }
}

/// Where history is kept.
pub fn place(config: &Config, settings: &HistorySettings) -> Place {
    match &settings.url {
        Some(url) => Place::Server(url.expose().to_owned()),
        None => Place::File(config.state_dir.join(history::FILE)),
    }
}

/// How long.
pub fn keep(settings: &HistorySettings) -> Keep {
    Keep { raw: settings.raw, minute: settings.minute, quarter: settings.quarter, incidents: settings.incidents }
}

fn settings(config: &Config) -> Option<(Place, Keep, u64, u64)> {
    let settings = config.history.as_ref()?;
    Some((place(config, settings), keep(settings), settings.max_size, settings.max_spool))
}

fn kinds(config: &Config) -> HashMap<Arc<str>, &'static str> {
    config.checks.iter().chain(&config.uplink).map(|check| (check.name.clone(), check.kind)).collect()
}
