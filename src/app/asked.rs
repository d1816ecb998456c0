//! What people ask of a running watch, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::sync::oneshot;

use super::{Changed, Watch, Wish};
use crate::control::{
    self, Answer, AuditNow, Body, CheckNow, Life, MachineChange, MachineNow, OpenIncident, Question, Rechecked, Request, SilenceNow, Status,
};
use crate::domain::engine::Input;
use crate::domain::incident::IncidentId;
use crate::domain::silence::{Scope, Silence, SilenceId};
use crate::domain::text::{shortened, visible};
use crate::runner::{Order, Woken};
use crate::store::Commit;
use crate::store::machines::{Change, Machines};

/// Whoever asked for something durable waits so long for the disk.
const PATIENCE: Duration = Duration::from_secs(3);
/// Of a silence, in characters.
const LONGEST_COMMENT: usize = 300;

impl Watch {
    pub(super) fn answer(&mut self, Question { request, answer }: Question) {
        let due = |check: &str| self.counts.due(check);
        let life = Life { host: &self.host, zone: self.zone, since: self.since, due: &due };
        let (body, commit) = match request {
            Request::Status => (Body::Status(Status::new(&self.engine, &life, self.clock.now())), None),
            Request::Check(wanted) => {
                let last = self.last.as_ref().and_then(|last| last.get(wanted.name.as_str())).map(Vec::as_slice).unwrap_or_default();
                let check = CheckNow::new(&self.engine, &wanted, last, &life, self.clock.now());
                let none = || Body::Error(format!("there is no check `{}`", wanted.name));
                (check.map_or_else(none, |check| Body::Check(Box::new(check))), None)
            }
            Request::Health => (Body::Health(self.health()), None),
            Request::Numbers => (Body::Numbers(Box::new(self.numbers())), None),
            Request::Config => (Body::Config(self.shown.to_string()), None),
            Request::TestChannel { channel } => return self.test_channel(&channel, answer),
            Request::Silences => (Body::Silences(self.silences(|_| true)), None),
            Request::Silence { about, seconds, by, comment } => self.silence(about.as_deref(), seconds, &by, &comment),
            Request::Unsilence { number, about } => self.unsilence(number, about.as_deref()),
            Request::Acknowledge { which, by, note } => self.acknowledge(&which, &by, Some(&note)),
            Request::Unacknowledge { which, by } => self.acknowledge(&which, &by, None),
            Request::Open { number } => (Body::Incidents(self.open(|incident| number.is_none_or(|number| number == incident))), None),
            Request::Recheck { check } => return self.recheck(&check, answer),
            Request::Reload { dry_run } => {
                // A watch that is being asked so often may say no.
                let _ = self.wishes.try_send(Wish { dry_run, change: None, answer: Some(answer) });
                return;
            }
            Request::Machine { change, check, target, by } => {
                let by = shortened(&visible(&by), LONGEST_COMMENT).into_owned();
                let change = Some(Changed { change: meant(change), check, target, by });
                let _ = self.wishes.try_send(Wish { dry_run: false, change, answer: Some(answer) });
                return;
            }
            Request::Machines => return self.tell_later(answer, |machines, zone| async move { list(&machines, zone).await }),
            Request::Audit { most } => {
                return self.tell_later(answer, move |machines, zone| async move { audit(&machines, most, zone).await });
            }
        };
        tokio::spawn(async move {
            if let Some(commit) = commit {
                commit.settled(PATIENCE).await;
            }
            // Whoever asked may have left.
            let _ = answer.send(body.into());
        });
    }

    /// What has to be read first must not hold the watch up.
    fn tell_later<F>(&self, answer: oneshot::Sender<control::Answer>, read: impl FnOnce(Machines, Tz) -> F)
    where
        F: Future<Output = Result<Body, sqlx::Error>> + Send + 'static,
    {
        let reading = read(Machines::of(&self.state_dir), self.zone);
        tokio::spawn(async move {
            let body = reading.await.unwrap_or_else(|error| Body::Error(format!("the state cannot be read: {error}")));
            // Whoever asked may have left.
            let _ = answer.send(body.into());
        });
    }

    fn test_channel(&self, channel: &str, answer: oneshot::Sender<control::Answer>) {
        let tested = self.sender.test(channel, &self.host, self.clock.now().wall);
        let unknown = Body::Error(format!("there is no channel `{channel}`"));
        tokio::spawn(async move {
            let body = match tested {
                Some(tested) => Body::Tested(tested.await),
                None => unknown,
            };
            // Whoever asked may have left.
            let _ = answer.send(body.into());
        });
    }

    fn silence(&mut self, about: Option<&str>, seconds: u64, by: &str, comment: &str) -> (Body, Option<Commit>) {
        let scope = match about.map_or(Ok(Scope::Everything), |about| self.engine.scope(about)) {
            Ok(scope) => scope,
            Err(error) => return (Body::Error(error), None),
        };
        let since = self.clock.now().wall;
        let Some(until) =
            i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).and_then(|lasting| since.checked_add_signed(lasting))
        else {
            return (Body::Error("no silence lasts so long".to_owned()), None);
        };
        let [by, comment] = [by, comment].map(|text| shortened(&visible(text), LONGEST_COMMENT).into());
        let commit = self.step(Input::Silence(Silence { id: 0, scope, since, until, by, comment }));
        let newest = self.engine.silences().map(|silence| silence.id).max();
        (Body::Silences(self.silences(|silence| Some(silence.id) == newest)), Some(commit))
    }

    fn unsilence(&mut self, number: Option<SilenceId>, about: Option<&str>) -> (Body, Option<Commit>) {
        let is_all = number.is_none() && about.is_none();
        let named =
            |silence: &Silence| is_all || number == Some(silence.id) || about.is_some_and(|about| silence.scope.to_string() == about);
        let over = self.silences(named);
        if over.is_empty() {
            let about = about.map_or_else(String::new, |about| format!(" `{about}`"));
            return (Body::Error(format!("there is no silence{about}; `vakhta silences` lists them")), None);
        }
        let commits: Vec<Commit> = over.iter().map(|silence| self.step(Input::Unsilence(silence.number))).collect();
        (Body::Silences(over), commits.into_iter().last())
    }

    /// With a note somebody takes them on, without one gives them back.
    fn acknowledge(&mut self, which: &[String], by: &str, note: Option<&str>) -> (Body, Option<Commit>) {
        let named: Result<Vec<_>, String> = which.iter().map(|which| self.engine.open_incidents(which)).collect();
        let incidents: BTreeSet<IncidentId> = match named {
            Ok(named) => named.into_iter().flatten().collect(),
            Err(error) => return (Body::Error(error), None),
        };
        let cleaned = |text: &str| -> Arc<str> { shortened(&visible(text), LONGEST_COMMENT).into() };
        let by = cleaned(by);
        let commit = self.step(match note.map(cleaned) {
            Some(note) => Input::Acknowledge { incidents: incidents.clone(), by, note },
            None => Input::Unacknowledge { incidents: incidents.clone(), by },
        });
        (Body::Incidents(self.open(|number| incidents.contains(&number))), Some(commit))
    }

    fn open(&self, is_meant: impl Fn(IncidentId) -> bool) -> Vec<OpenIncident> {
        let open = self.engine.snapshot().failing.into_iter().filter(|failing| is_meant(failing.incident));
        open.map(|failing| OpenIncident::new(&failing, self.zone)).collect()
    }

    /// The runner may have a list to take up first: that must not hold the watch up.
    fn recheck(&self, check: &str, answer: oneshot::Sender<control::Answer>) {
        let now = self.clock.now().steady;
        let next_in = self.counts.due(check).filter(|due| *due >= now).map(|due| due.since(now).as_secs());
        let unknown = self.engine.scope(check).err().unwrap_or_else(|| format!("`{check}` is not a check that looks"));
        let (woken_to, woken) = oneshot::channel();
        let (orders, order) = (self.orders.clone(), Order::LookNow { check: check.into(), answer: woken_to });
        tokio::spawn(async move {
            // The runner ends only with the watch.
            let _ = orders.send(order).await;
            let Ok(woken) = woken.await else { return };
            // Whoever asked may have left.
            let _ = answer.send(Answer::from(match woken {
                Woken::Looks => Body::Rechecked(Rechecked::Begun { next_in }),
                Woken::LooksAlready => Body::Rechecked(Rechecked::UnderWay),
                Woken::JustLooked => Body::Rechecked(Rechecked::JustNow),
                Woken::Unknown => Body::Error(unknown),
            }));
        });
    }

    fn silences(&self, wanted: impl Fn(&Silence) -> bool) -> Vec<SilenceNow> {
        self.engine.silences().filter(|silence| wanted(silence)).map(|silence| SilenceNow::new(silence, self.zone)).collect()
    }
}

fn meant(change: MachineChange) -> Change {
    match change {
        MachineChange::Add => Change::Add,
        MachineChange::Pause => Change::Pause,
        MachineChange::Resume => Change::Resume,
        MachineChange::Remove => Change::Remove,
    }
}

async fn list(machines: &Machines, zone: Tz) -> Result<Body, sqlx::Error> {
    let shown = machines.all().await?.into_iter().map(|machine| MachineNow {
        check: machine.check,
        target: machine.target,
        paused: machine.paused,
        added: machine.added.with_timezone(&zone).fixed_offset(),
        by: machine.by,
    });
    Ok(Body::Machines(shown.collect()))
}

async fn audit(machines: &Machines, most: u32, zone: Tz) -> Result<Body, sqlx::Error> {
    let shown = machines.audit(most).await?.into_iter().map(|entry| AuditNow {
        time: entry.at.with_timezone(&zone).fixed_offset(),
        by: entry.by,
        what: entry.what,
        about: entry.about,
    });
    Ok(Body::Audit(shown.collect()))
}
