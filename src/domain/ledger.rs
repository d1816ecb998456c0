//! Who was told what: one entry per incident and channel. Open incidents minus this is what is owed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::incident::IncidentId;
use super::message::Kind;
use super::time::Steady;

/// How far the telling of one thing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Told {
    #[default]
    No,
    /// Not yet, though it was owed: the channel did not take it, or had other messages to take.
    Missed,
    /// On its way; the answer is not known yet.
    Sending,
    Yes,
    /// Bytes may have left and no answer came: another copy may be a repeat.
    Unsure,
    /// The channel will never take it.
    Never,
}

/// What one channel knows of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    pub failed: Told,
    pub recovered: Told,
    /// The reminder that is due now, or the next one.
    pub reminder: Told,
    /// When the channel was last told that it fails: reminders count from here.
    pub told_at: Steady,
}

impl Entry {
    /// Whether the channel knows, or may know, that the target failed.
    pub fn knows_of_failure(&self) -> bool {
        matches!(self.failed, Told::Yes | Told::Unsure)
    }

    /// Whether a message about it has been sent and not answered.
    pub fn is_under_way(&self) -> bool {
        [self.failed, self.recovered, self.reminder].contains(&Told::Sending)
    }

    /// Nobody will hear the answer: it may have been taken.
    pub fn forget_answers(&mut self) {
        for told in [&mut self.failed, &mut self.recovered, &mut self.reminder] {
            if *told == Told::Sending {
                *told = Told::Unsure;
            }
        }
    }

    /// What a notice of this kind is about.
    pub fn told(&mut self, kind: Kind) -> &mut Told {
        match kind {
            Kind::Failed => &mut self.failed,
            Kind::Recovered | Kind::Digest => &mut self.recovered,
            Kind::Reminder => &mut self.reminder,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    pub(super) entries: BTreeMap<(IncidentId, Arc<str>), Entry>,
}

impl Ledger {
    pub fn entry(&self, incident: IncidentId, channel: &Arc<str>) -> Entry {
        self.entries.get(&(incident, channel.clone())).copied().unwrap_or_default()
    }

    pub fn change(&mut self, incident: IncidentId, channel: &Arc<str>) -> &mut Entry {
        self.entries.entry((incident, channel.clone())).or_default()
    }

    /// Drops all entries of an incident that everyone is done with.
    pub fn forget(&mut self, incident: IncidentId) {
        let entries: Vec<_> = self.of(incident).map(|(channel, _)| (incident, channel.clone())).collect();
        for key in entries {
            self.entries.remove(&key);
        }
    }

    /// What every channel knows of this incident.
    pub fn of(&self, incident: IncidentId) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        let first: Arc<str> = Arc::from("");
        self.entries
            .range((incident, first)..)
            .take_while(move |((id, _), _)| *id == incident)
            .map(|((_, channel), entry)| (channel, entry))
    }
}
