//! The keeper: gathers records into batches, sends them off one at a time, and lets them wait where they cannot go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::database::{Database, Fault};
use super::record::{Batch, Record};
use super::spool::Spool;
use super::{Plan, Waiting};
use crate::domain::reading::Reason;

/// Records of so long are one batch, or so many numbers.
const GATHER: Duration = Duration::from_secs(1);
const ENOUGH: usize = 50_000;
/// What is on its way for longer, and what comes meanwhile, is also put where a crash cannot lose it.
const SLOW: Duration = Duration::from_secs(2);
/// Numbers that are held in memory while a batch is on its way; more go to the spool.
const HELD: usize = 100_000;
/// Numbers that are held when there is no spool either.
const MOST_HELD: usize = 200_000;
/// A batch that takes longer does not arrive.
const DEADLINE: Duration = Duration::from_secs(30);
/// Likewise the upkeep, which waits for nobody.
const LONG_DEADLINE: Duration = Duration::from_secs(600);
/// A database that did not take a batch is tried again after so long, twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Trouble that lasts so long is told.
const LASTING: Duration = Duration::from_secs(60);
/// How often readings are rolled up; after so many times the size is looked at, and old ones are dropped.
const UPKEEP: Duration = Duration::from_secs(60);
const HOLD_EVERY: u32 = 10;
const DROP_EVERY: u32 = 60;

/// Something on its way to the database.
struct Trip {
    freight: Freight,
    since: Instant,
    answer: JoinHandle<(Option<Database>, Result<(), Fault>)>,
}

/// What it is.
enum Freight {
    /// With the batch itself, so that it is still there if it does not arrive.
    Fresh(i64, Arc<Batch>),
    /// Waits in the spool up to this place.
    Spooled(i64),
    Upkeep,
}

struct Keeper {
    plan: Plan,
    database: Option<Database>,
    spool: Option<Spool>,
    trip: Option<Trip>,
    pending: Batch,
    pending_since: Option<Instant>,
    number: i64,
    failing: Option<Failing>,
    next_upkeep: Instant,
    upkeeps: u32,
    lost: u64,
    troubles: watch::Sender<Option<Reason>>,
}

/// The database takes nothing.
struct Failing {
    since: Instant,
    retry_at: Instant,
    pause: Duration,
}

/// Keeps history until it is told to close.
pub async fn run(
    plan: Plan,
    mut inbox: mpsc::UnboundedReceiver<Record>,
    waiting: Arc<Waiting>,
    troubles: watch::Sender<Option<Reason>>,
    mut closing: oneshot::Receiver<()>,
) {
    let mut keeper = Keeper {
        plan,
        database: None,
        spool: None,
        trip: None,
        pending: Batch::default(),
        pending_since: None,
        number: 0,
        failing: None,
        next_upkeep: Instant::now() + UPKEEP,
        upkeeps: 0,
        lost: 0,
        troubles,
    };
    keeper.open_spool().await;
    // What a life before left behind.
    keeper.go_on().await;
    loop {
        let wake = keeper.wake();
        tokio::select! {
            biased;
            answer = answered(&mut keeper.trip) => keeper.arrived(answer).await,
            Some(record) = inbox.recv() => keeper.take(record, &waiting),
            _ = &mut closing => break,
            () = sleep_until(wake) => {}
        }
        keeper.lost += waiting.dropped.swap(0, Ordering::Relaxed) as u64;
        keeper.go_on().await;
    }
    keeper.end().await;
}

/// The answer to what is on its way; never, if nothing is.
async fn answered(trip: &mut Option<Trip>) -> Result<(Option<Database>, Result<(), Fault>), tokio::task::JoinError> {
    match trip {
        Some(trip) => (&mut trip.answer).await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    fn take(&mut self, record: Record, waiting: &Waiting) {
        if let Record::Look(look) = &record {
            waiting.numbers.fetch_sub(look.rows(), Ordering::Relaxed);
        }
        self.pending.add(record);
        self.pending_since.get_or_insert_with(Instant::now);
    }

    /// When there is something to do, if nothing happens before.
    fn wake(&self) -> Instant {
        let gathered = self.pending_since.map(|since| since + GATHER);
        // What cannot leave now leaves with the answer to what is on its way.
        let gathered = if self.trip.is_some() && self.failing.is_none() && !self.is_slow() { None } else { gathered };
        let slow = self.trip.as_ref().filter(|_| !self.is_slow()).map(|trip| trip.since + SLOW);
        let retry = self.failing.as_ref().filter(|_| self.trip.is_none()).map(|failing| failing.retry_at);
        let upkeep = Some(self.next_upkeep).filter(|_| self.trip.is_none() && self.failing.is_none());
        let told = self.failing.as_ref().map(|failing| failing.since + LASTING).filter(|_| self.troubles.borrow().is_none());
        let far = Instant::now() + UPKEEP;
        [gathered, slow, retry, upkeep, told].into_iter().flatten().min().unwrap_or(far)
    }

    /// Does what can be done now.
    async fn go_on(&mut self) {
        let now = Instant::now();
        if self.is_slow() {
            self.secure().await;
        }
        let gathered = self.pending_since.is_some_and(|since| now >= since + GATHER) || self.pending.numbers() >= ENOUGH;
        let spooled = self.spool.as_ref().is_some_and(|spool| !spool.is_empty());
        let free = self.trip.is_none() && self.failing.is_none();
        if gathered {
            if free && !spooled {
                self.send_pending();
            } else if spooled || self.failing.is_some() || self.is_slow() || self.pending.numbers() >= HELD {
                self.spool_pending().await;
            }
        }
        let may = self.trip.is_none() && self.failing.as_ref().is_none_or(|failing| now >= failing.retry_at);
        if may && spooled {
            self.send_spooled().await;
        } else if may && self.failing.is_some() {
            // There is no spool, or nothing in it.
            self.send_pending();
        }
        if self.trip.is_none() && self.failing.is_none() && !spooled && now >= self.next_upkeep {
            self.send_upkeep();
        }
        self.tell();
    }

    /// Whether what is on its way takes long.
    fn is_slow(&self) -> bool {
        self.trip.as_ref().is_some_and(|trip| trip.since.elapsed() >= SLOW)
    }

    /// Puts what is on its way into the spool as well.
    async fn secure(&mut self) {
        let Some(Trip { freight: Freight::Fresh(number, batch), .. }) = &self.trip else { return };
        let (number, batch) = (*number, Batch::clone(batch));
        let Some(spool) = &mut self.spool else { return };
        match spool.push(number, batch).await {
            Ok(dropped) => {
                self.lost += dropped;
                if let Some(trip) = &mut self.trip {
                    trip.freight = Freight::Spooled(Spool::end_of(number));
                }
            }
            Err(error) => self.lose_spool(&error).await,
        }
    }

    /// Says that the trouble lasts.
    fn tell(&mut self) {
        let lasts = self.failing.as_ref().is_some_and(|failing| failing.since.elapsed() >= LASTING);
        if lasts && self.troubles.borrow().is_none() {
            let waiting = self.spool.as_ref().map_or(0, Spool::bytes) / 1024;
            let trouble = format!(
                "cannot be written to {} for {} s; checks and messages go on, what is to be kept waits here ({waiting} KiB)",
                self.plan.place.shown(),
                LASTING.as_secs()
            );
            self.troubles.send_replace(Some(trouble.into()));
        }
    }

    fn send_pending(&mut self) {
        let batch = Arc::new(std::mem::take(&mut self.pending));
        self.pending_since = None;
        self.number += 1;
        self.send(Freight::Fresh(self.number, batch.clone()), batch);
    }

    async fn send_spooled(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        match spool.front().await {
            Ok(Some(load)) => self.send(Freight::Spooled(load.place), Arc::new(load.batch)),
            Ok(None) => {}
            Err(error) => self.lose_spool(&error).await,
        }
    }

    fn send(&mut self, freight: Freight, batch: Arc<Batch>) {
        let (database, plan) = (self.database.take(), self.plan.clone());
        let write = async move {
            let mut database = match database {
                Some(database) => database,
                None => Database::open(&plan.place, &plan.watch, &plan.host).await?,
            };
            database.write(&batch).await?;
            Ok(database)
        };
        self.trip = Some(Trip { freight, since: Instant::now(), answer: tokio::spawn(within(DEADLINE, write)) });
    }

    fn send_upkeep(&mut self) {
        self.next_upkeep = Instant::now() + UPKEEP;
        let Some(mut database) = self.database.take() else { return };
        let (keep, most) = (self.plan.keep, self.plan.max_size);
        let (drop, hold) = (self.upkeeps.is_multiple_of(DROP_EVERY), self.upkeeps.is_multiple_of(HOLD_EVERY));
        self.upkeeps = self.upkeeps.wrapping_add(1);
        let upkeep = async move {
            let now = Utc::now().timestamp_millis();
            database.roll_up(now).await?;
            if drop {
                database.drop_old(&keep, now).await?;
            }
            if hold {
                let size = database.hold_down(i64::try_from(most).unwrap_or(i64::MAX)).await?;
                if size.cut {
                    tracing::warn!(bytes = size.bytes, most, "history was bigger than `max_size`: the oldest readings are gone");
                }
            }
            Ok(database)
        };
        self.trip = Some(Trip { freight: Freight::Upkeep, since: Instant::now(), answer: tokio::spawn(within(LONG_DEADLINE, upkeep)) });
    }

    async fn arrived(&mut self, answer: Result<(Option<Database>, Result<(), Fault>), tokio::task::JoinError>) {
        let Some(Trip { freight, .. }) = self.trip.take() else { return };
        let (database, result) = answer.unwrap_or_else(|error| (None, Err(Fault::Away(error.to_string()))));
        self.database = database;
        match (result, freight) {
            (Ok(()), freight) => {
                if let (Freight::Spooled(place), Some(spool)) = (freight, &mut self.spool)
                    && let Err(error) = spool.remove(place).await
                {
                    // It goes once more, and is there already.
                    self.lose_spool(&error).await;
                }
                self.recovered();
            }
            (Err(fault @ Fault::Refused(_)), Freight::Fresh(_, batch)) => self.refused(&fault, batch.numbers()),
            (Err(fault @ Fault::Refused(_)), Freight::Spooled(place)) => {
                self.refused(&fault, 0);
                if let Some(spool) = &mut self.spool
                    && let Err(error) = spool.remove(place).await
                {
                    self.lose_spool(&error).await;
                }
            }
            (Err(fault), Freight::Upkeep) => tracing::warn!(%fault, "history could not be rolled up; it is tried again"),
            (Err(fault), freight) => {
                self.failed(&fault);
                if let Freight::Fresh(number, batch) = freight {
                    self.put_by(number, Arc::unwrap_or_clone(batch)).await;
                }
            }
        }
    }

    fn recovered(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!("history is written again");
            self.troubles.send_if_modified(|trouble| trouble.take().is_some());
        }
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            tracing::warn!(lost, "numbers of looks are missing in history: there was no room for them to wait");
        }
    }

    /// What the database will never take is not offered again.
    fn refused(&mut self, fault: &Fault, numbers: usize) {
        tracing::error!(%fault, numbers, "history refuses a batch; it is left out");
        self.recovered();
    }

    fn failed(&mut self, fault: &Fault) {
        let now = Instant::now();
        match &mut self.failing {
            Some(failing) => {
                failing.pause = (failing.pause * 2).min(LONGEST_RETRY);
                failing.retry_at = now + failing.pause;
            }
            None => {
                tracing::warn!(%fault, place = self.plan.place.shown(), "history is not written; what is to be kept waits here");
                self.failing = Some(Failing { since: now, retry_at: now + FIRST_RETRY, pause: FIRST_RETRY });
            }
        }
    }

    async fn spool_pending(&mut self) {
        let batch = std::mem::take(&mut self.pending);
        self.pending_since = None;
        self.number += 1;
        self.put_by(self.number, batch).await;
    }

    /// Lets a batch wait: in the spool, or else in memory.
    async fn put_by(&mut self, number: i64, batch: Batch) {
        if self.spool.is_none() {
            self.open_spool().await;
        }
        if let Some(spool) = &mut self.spool {
            match spool.push(number, batch.clone()).await {
                Ok(dropped) => self.lost += dropped,
                Err(error) => {
                    self.lose_spool(&error).await;
                    self.hold(batch);
                }
            }
        } else {
            self.hold(batch);
        }
    }

    fn hold(&mut self, mut older: Batch) {
        older.append(std::mem::take(&mut self.pending));
        while older.numbers() > MOST_HELD {
            let half = older.looks.len().div_ceil(2);
            self.lost += older.looks.drain(..half).map(|look| look.rows() as u64).sum::<u64>();
        }
        self.pending = older;
        self.pending_since.get_or_insert_with(Instant::now);
    }

    async fn open_spool(&mut self) {
        match Spool::open(&self.plan.folder, self.plan.max_spool).await {
            Ok(spool) => {
                self.number = self.number.max(spool.last());
                self.spool = Some(spool);
            }
            Err(error) => tracing::debug!(%error, "there is no spool"),
        }
    }

    async fn lose_spool(&mut self, error: &sqlx::Error) {
        tracing::error!(%error, "the spool of history cannot be used; it is opened again when it is needed");
        if let Some(spool) = self.spool.take() {
            spool.close().await;
        }
    }

    /// Writes the rest to the database, or to the spool where that is not known to work.
    async fn end(mut self) {
        if let Some(Trip { freight, answer, .. }) = self.trip.take() {
            match freight {
                Freight::Fresh(number, batch) => {
                    // Whether it arrives or not: it may go twice, and is there once.
                    self.put_by(number, Arc::unwrap_or_clone(batch)).await;
                    answer.abort();
                }
                Freight::Spooled(_) | Freight::Upkeep => answer.abort(),
            }
        }
        if !self.pending.is_empty() {
            self.spool_pending().await;
        }
        if let Some(mut spool) = self.spool.take() {
            if let (Some(database), Ok(Some(load))) = (&mut self.database, spool.front().await)
                && database.write(&load.batch).await.is_ok()
                && let Err(error) = spool.remove(load.place).await
            {
                tracing::debug!(%error, "what has arrived goes once more");
            }
            spool.close().await;
        }
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}

/// The work done within its time, with the database to go on with.
async fn within(deadline: Duration, work: impl Future<Output = Result<Database, Fault>>) -> (Option<Database>, Result<(), Fault>) {
    match timeout(deadline, work).await {
        Ok(Ok(database)) => (Some(database), Ok(())),
        // After a failure nothing is known of the connection: the next trip makes a new one.
        Ok(Err(fault)) => (None, Err(fault)),
        Err(_) => (None, Err(Fault::Away(format!("no answer within {deadline:?}")))),
    }
}
