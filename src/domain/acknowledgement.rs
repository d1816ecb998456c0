//! An acknowledgement: somebody has taken an open incident on, so nobody is reminded of it. All else is told as before.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::engine::{Effect, Engine, Event};
use super::incident::IncidentId;
use super::silence::Scope;
use super::state::Change;
use super::time::Now;

/// Who has taken it on, when, and what they say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    pub by: Arc<str>,
    pub at: DateTime<Utc>,
    pub note: Arc<str>,
}

impl Engine {
    /// The open incidents that `CHECK`, `CHECK/TARGET` or `#NUMBER` names. The error says why it names none.
    pub fn open_incidents(&self, written: &str) -> Result<Vec<IncidentId>, String> {
        let named = self.scope(written);
        let number = written.trim_start_matches('#').parse::<IncidentId>().ok();
        if let (Err(_), Some(number)) = (&named, number) {
            let is_open = self.board.iter().any(|board| board.incidents.get(&number).is_some_and(|incident| incident.is_open()));
            return if is_open { Ok(vec![number]) } else { Err(format!("there is no open incident #{number}")) };
        }
        let scope = named?;
        let open: Vec<IncidentId> = self
            .watch
            .checks
            .iter()
            .zip(&self.board)
            .filter(|(plan, _)| matches!(&scope, Scope::Check(check) | Scope::Target { check, .. } if *check == plan.name))
            .flat_map(|(_, board)| board.incidents.values())
            .filter(|incident| incident.is_open())
            .filter(|incident| !matches!(&scope, Scope::Target { target, .. } if incident.target.key != *target))
            .map(|incident| incident.id)
            .collect();
        if open.is_empty() { Err(format!("nothing of `{written}` fails now")) } else { Ok(open) }
    }

    /// Somebody takes these on; who did so before is forgotten.
    pub(super) fn acknowledge(
        &mut self,
        incidents: &BTreeSet<IncidentId>,
        by: Arc<str>,
        note: Arc<str>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let acknowledgement = Acknowledgement { by: by.clone(), at: now.wall, note: note.clone() };
        let changed = self.set_acknowledgement(incidents, Some(&acknowledgement), effects);
        if !changed.is_empty() {
            effects.push(Effect::Log(Event::Acknowledged { incidents: changed, by, note }));
        }
    }

    /// Somebody takes it back: people are reminded again.
    pub(super) fn unacknowledge(&mut self, incidents: &BTreeSet<IncidentId>, by: Arc<str>, effects: &mut Vec<Effect>) {
        let changed = self.set_acknowledgement(incidents, None, effects);
        if !changed.is_empty() {
            effects.push(Effect::Log(Event::Unacknowledged { incidents: changed, by }));
        }
    }

    /// Of those that are open; which of them changed.
    fn set_acknowledgement(
        &mut self,
        incidents: &BTreeSet<IncidentId>,
        acknowledgement: Option<&Acknowledgement>,
        effects: &mut Vec<Effect>,
    ) -> Vec<IncidentId> {
        let mut changed = Vec::new();
        for index in 0..self.board.len() {
            let before = changed.len();
            for id in incidents {
                let Some(incident) = self.board[index].incidents.get_mut(id).filter(|incident| incident.is_open()) else { continue };
                if incident.acknowledged.as_ref() == acknowledgement {
                    continue;
                }
                incident.acknowledged = acknowledgement.cloned();
                let check = self.watch.checks[index].name.clone();
                effects.push(Effect::Save(Change::Incident { check, incident: incident.clone() }));
                changed.push(*id);
            }
            if changed.len() > before {
                self.look_again(index);
            }
        }
        changed
    }
}
