//! What is on its way to the database, one thing at a time, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout};

use super::super::database::{Database, Fault};
use super::super::record::Batch;
use super::{Keeper, UPKEEP};

/// A batch that takes longer does not arrive.
const DEADLINE: Duration = Duration::from_secs(30);
/// Likewise the upkeep, which waits for nobody.
const LONG_DEADLINE: Duration = Duration::from_secs(600);
/// A database that did not take a batch is tried again after so long, twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Where there are many series each of their rows is a page that is written, so they are rolled up several minutes at a time.
const MANY_SERIES: usize = 5_000;
const ROLL_MANY_EVERY: u32 = 5;
/// After so many times the size is looked at.
const HOLD_EVERY: u32 = 10;
/// After so many, what is old is dropped.
const DROP_EVERY: u32 = 60;

/// The database to go on with, and how it went.
pub(super) type Answer = (Option<Database>, Result<(), Fault>);

/// Something on its way to the database.
pub(super) struct Trip {
    pub freight: Freight,
    pub since: Instant,
    pub answer: JoinHandle<Answer>,
}

/// What it is.
pub(super) enum Freight {
    /// With the batch itself, so that it is still there if it does not arrive.
    Fresh(i64, Arc<Batch>),
    /// Waits in the spool up to this place.
    Spooled(i64),
    Upkeep,
}

/// The database takes nothing.
pub(super) struct Failing {
    pub since: Instant,
    pub retry_at: Instant,
    pause: Duration,
}

/// The answer to what is on its way; never, if nothing is.
pub(super) async fn answered(trip: &mut Option<Trip>) -> Result<Answer, JoinError> {
    match trip {
        Some(trip) => (&mut trip.answer).await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    pub(super) fn send_pending(&mut self) {
        let mut batch = std::mem::take(&mut self.pending);
        self.pending_since = None;
        if self.plan.place.file().is_some() {
            self.leave_room(&mut batch);
        }
        let batch = Arc::new(batch);
        self.number += 1;
        self.send(Freight::Fresh(self.number, batch.clone()), batch);
    }

    pub(super) async fn send_spooled(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        match spool.front().await {
            Ok(Some(load)) => self.send(Freight::Spooled(load.place), Arc::new(load.batch)),
            Ok(None) => {}
            Err(error) => self.lose_spool(&error).await,
        }
    }

    pub(super) fn send(&mut self, freight: Freight, batch: Arc<Batch>) {
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

    pub(super) fn send_upkeep(&mut self) {
        self.next_upkeep = Instant::now() + UPKEEP;
        let Some(mut database) = self.database.take() else { return };
        let (keep, most) = (self.plan.keep, self.plan.max_size);
        let [roll, hold, drop] = [ROLL_MANY_EVERY, HOLD_EVERY, DROP_EVERY].map(|every| self.upkeeps.is_multiple_of(every));
        self.upkeeps = self.upkeeps.wrapping_add(1);
        let upkeep = async move {
            let now = Utc::now().timestamp_millis();
            if roll || database.series() < MANY_SERIES {
                database.roll_up(now).await?;
            }
            if drop {
                database.drop_old(&keep, now).await?;
            }
            if hold {
                let size = database.hold_down(i64::try_from(most).unwrap_or(i64::MAX), now).await?;
                if size.cut {
                    tracing::warn!(bytes = size.bytes, most, "history was bigger than `max_size`: the oldest readings are gone");
                }
            }
            Ok(database)
        };
        self.trip = Some(Trip { freight: Freight::Upkeep, since: Instant::now(), answer: tokio::spawn(within(LONG_DEADLINE, upkeep)) });
    }

    pub(super) async fn arrived(&mut self, answer: Result<Answer, JoinError>) {
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

    pub(super) fn recovered(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!("history is written again");
        }
        if self.cramped_since.is_none() {
            self.troubles.send_if_modified(|trouble| trouble.take().is_some());
        }
        if self.cramped_since.is_none() && self.lost > 0 {
            tracing::warn!(lost = self.lost, "numbers of looks are missing in history: there was no room for them");
            self.lost = 0;
        }
    }

    /// What the database will never take is not offered again.
    pub(super) fn refused(&mut self, fault: &Fault, numbers: usize) {
        tracing::error!(%fault, numbers, "history refuses a batch; it is left out");
        self.recovered();
    }

    pub(super) fn failed(&mut self, fault: &Fault) {
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
}

/// The work done within its time, with the database to go on with.
async fn within(deadline: Duration, work: impl Future<Output = Result<Database, Fault>>) -> Answer {
    match timeout(deadline, work).await {
        Ok(Ok(database)) => (Some(database), Ok(())),
        // After a failure nothing is known of the connection: the next trip makes a new one.
        Ok(Err(fault)) => (None, Err(fault)),
        Err(_) => (None, Err(Fault::Away(format!("no answer within {deadline:?}")))),
    }
}
