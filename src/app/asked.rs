//! What people ask of a running watch, and what it answers.

use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::sync::oneshot;

use super::{Changed, Watch, Wish};
use crate::control::{self, AuditNow, Body, CheckNow, Life, MachineChange, MachineNow, Question, Request, SilenceNow, Status};
use crate::domain::engine::Input;
use crate::domain::silence::{Scope, Silence, SilenceId};
use crate::domain::text::{shortened, visible};
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
            Request::Check { name, filter } => {
                let last = self.last.as_ref().and_then(|last| last.get(name.as_str())).map(Vec::as_slice).unwrap_or_default();
                let check = CheckNow::new(&self.engine, &name, &filter, last, self.zone);
                (check.map_or_else(|| Body::Error(format!("there is no check `{name}`")), |check| Body::Check(Box::new(check))), None)
            }
            Request::Health => (Body::Health(self.health()), None),
            Request::Numbers => (Body::Numbers(Box::new(self.numbers())), None),
            Request::Silences => (Body::Silences(self.silences(|_| true)), None),
            Request::Silence { about, seconds, by, comment } => self.silence(about.as_deref(), seconds, &by, &comment),
            Request::Unsilence { number, about } => self.unsilence(number, about.as_deref()),
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
        let named = |silence: &Silence| {
            about.is_none_or(|about| silence.scope.to_string() == about) || number.is_some_and(|number| silence.id == number)
        };
        let over = self.silences(named);
        if over.is_empty() {
            let about = about.map_or_else(String::new, |about| format!(" `{about}`"));
            return (Body::Error(format!("there is no silence{about}; `vakhta silences` lists them")), None);
        }
        let commits: Vec<Commit> = over.iter().map(|silence| self.step(Input::Unsilence(silence.number))).collect();
        (Body::Silences(over), commits.into_iter().last())
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
