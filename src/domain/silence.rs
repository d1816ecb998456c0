//! A silence: nobody is told of something for a while. It is looked at and counted all the same.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::engine::{Effect, Engine, Event};
use super::plan::Held;
use super::state::Change;
use super::time::Now;

/// The number people see; never used twice.
pub type SilenceId = u64;

/// Who asked for it, for what, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: SilenceId,
    pub scope: Scope,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub by: Arc<str>,
    pub comment: Arc<str>,
}

/// What a silence is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every check of the file; the watch's own trouble is told all the same.
    Everything,
    Check(Arc<str>),
    Target {
        check: Arc<str>,
        target: Box<str>,
    },
}

impl Scope {
    fn covers(&self, check: &str, target: &str, own: bool) -> bool {
        match self {
            Scope::Everything => !own,
            Scope::Check(silent) => **silent == *check,
            Scope::Target { check: silent, target: only } => **silent == *check && **only == *target,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Everything => f.write_str("everything"),
            Scope::Check(check) => f.write_str(check),
            Scope::Target { check, target } => write!(f, "{check}/{target}"),
        }
    }
}

impl Engine {
    /// Those that are not over, by their numbers.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// What `CHECK` or `CHECK/TARGET` names. The error says why it names nothing.
    pub fn scope(&self, written: &str) -> Result<Scope, String> {
        let names = || self.watch.checks[..=self.own].iter().map(|plan| &plan.name);
        if let Some(check) = names().find(|name| &***name == written) {
            return Ok(Scope::Check(check.clone()));
        }
        // A check or a target may have slashes of its own: the longest check wins.
        let within = |name: &&Arc<str>| written.strip_prefix(&***name).is_some_and(|rest| rest.starts_with('/'));
        let Some(check) = names().filter(within).max_by_key(|name| name.len()) else {
            let known: Vec<&str> = names().take(20).map(|name| &**name).collect();
            return Err(format!("there is no check `{written}`; the checks are {}", known.join(", ")));
        };
        let target = &written[check.len() + 1..];
        let index = self.watch.checks.iter().position(|plan| plan.name == *check).unwrap_or(self.own);
        let mut targets = self.board[index].targets().peekable();
        // Before the first look nothing is known of targets.
        if targets.peek().is_some() && !targets.any(|state| &*state.target.key == target) {
            return Err(format!("the check `{check}` has no target `{target}`"));
        }
        Ok(Scope::Target { check: check.clone(), target: target.into() })
    }

    pub(super) fn silence(&mut self, asked: Silence, now: Now, effects: &mut Vec<Effect>) {
        let silence = Silence { id: self.next_silence, since: now.wall, ..asked };
        self.next_silence += 1;
        effects.push(Effect::Save(Change::Silence { id: silence.id, silence: Some(silence.clone()) }));
        effects.push(Effect::Log(Event::Silenced(silence.clone())));
        self.silences.insert(silence.id, silence);
        self.look_everywhere();
    }

    pub(super) fn unsilence(&mut self, id: SilenceId, effects: &mut Vec<Effect>) {
        if let Some(silence) = self.silences.remove(&id) {
            effects.push(Effect::Save(Change::Silence { id, silence: None }));
            effects.push(Effect::Log(Event::SilenceOver(silence)));
            self.look_everywhere();
        }
    }

    /// Lets go of those whose time is over.
    pub(super) fn end_silences(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let over: Vec<_> = self.silences.values().filter(|silence| silence.until <= now.wall).map(|silence| silence.id).collect();
        for id in over {
            self.unsilence(id, effects);
        }
    }

    /// The silence over this target that lasts longest.
    pub(super) fn silence_hold(&self, check: usize, target: &str) -> Option<Held> {
        let (name, own) = (&self.watch.checks[check].name, check == self.own);
        let covering = self.silences.values().filter(|silence| silence.scope.covers(name, target, own));
        let longest = covering.max_by_key(|silence| silence.until)?;
        Some(Held::Silence { id: longest.id, until: longest.until })
    }

    pub(super) fn look_everywhere(&mut self) {
        for check in (0..self.board.len()).filter(|check| !self.board[*check].incidents.is_empty()).collect::<Vec<_>>() {
            self.look_again(check);
        }
    }
}
