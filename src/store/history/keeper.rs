//! The keeper: gathers records into batches, sends them off one at a time, and lets them wait where they cannot go.

mod trips;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::database::Database;
use super::record::{Batch, Record};
use super::spool::{self, Spool};
use super::{Plan, Waiting};
use crate::domain::reading::Reason;
use trips::{Failing, Freight, Trip, answered};
use waiting::ROOM;

/// Records of so long are one batch, or so many numbers; looks alone wait longer, so that an idle machine sleeps.
const GATHER: Duration = Duration::from_secs(1);
const GATHER_LOOKS: Duration = Duration::from_secs(15);
const ENOUGH: usize = 50_000;
/// What is on its way for longer, and what comes meanwhile, is also put where a crash cannot lose it.
const SLOW: Duration = Duration::from_secs(2);
/// Numbers that are held in memory while a batch is on its way; more go to the spool.
const HELD: usize = 100_000;
/// Trouble that lasts so long is told.
const LASTING: Duration = Duration::from_secs(60);
/// How often readings are rolled up.
const UPKEEP: Duration = Duration::from_secs(60);

struct Keeper {
    plan: Plan,
    database: Option<Database>,
    spool: Option<Spool>,
    trip: Option<Trip>,
    pending: Batch,
    pending_since: Option<Instant>,
    number: i64,
    failing: Option<Failing>,
    /// Since when the disk is too full for looks.
    cramped_since: Option<Instant>,
    next_upkeep: Instant,
    upkeeps: u32,
    lost: u64,
    troubles: watch::Sender<Option<Reason>>,
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
        cramped_since: None,
        next_upkeep: Instant::now() + UPKEEP,
        upkeeps: 0,
        lost: 0,
        troubles,
    };
    if keeper.plan.folder.join(spool::FILE).exists() {
        keeper.open_spool().await;
    }
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
        waiting.spooled.store(keeper.spool.as_ref().map_or(0, Spool::bytes), Ordering::Relaxed);
    }
    keeper.end().await;
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
        let gathered = self.pending_since.map(|since| since + self.gather());
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
        let gathered = self.pending_since.is_some_and(|since| now >= since + self.gather()) || self.pending.numbers() >= ENOUGH;
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

    /// How long what is pending may wait for more.
    fn gather(&self) -> Duration {
        if self.pending.is_looks_only() { GATHER_LOOKS } else { GATHER }
    }

    /// Whether what is on its way takes long.
    fn is_slow(&self) -> bool {
        self.trip.as_ref().is_some_and(|trip| trip.since.elapsed() >= SLOW)
    }

    /// Says that the trouble lasts.
    fn tell(&mut self) {
        let cramped = self.cramped_since.is_some_and(|since| since.elapsed() >= LASTING);
        if cramped && self.troubles.borrow().is_none() {
            let (folder, room) = (self.plan.folder.display(), ROOM >> 20);
            let trouble = format!("keeps no readings: less than {room} MiB are free in {folder}; incidents, checks and messages go on");
            self.troubles.send_replace(Some(trouble.into()));
        }
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
