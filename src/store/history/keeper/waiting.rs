//! What cannot go to the database now: in the spool, or else in memory, and never at the cost of the last room on the disk.

use tokio::time::Instant;

use super::super::record::Batch;
use super::super::spool::Spool;
use super::Keeper;
use super::trips::{Freight, Trip};

/// So many bytes stay free on the disk for what matters more: with less, looks are not kept.
pub(super) const ROOM: u64 = 32 << 20;
/// Numbers that are held when there is no spool either.
const MOST_HELD: usize = 200_000;

impl Keeper {
    /// Puts what is on its way into the spool as well.
    pub(super) async fn secure(&mut self) {
        let Some(Trip { freight: Freight::Fresh(number, batch), .. }) = &self.trip else { return };
        let (number, batch) = (*number, Batch::clone(batch));
        if self.spool.is_none() {
            self.open_spool().await;
        }
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

    /// Drops looks that would go to a disk that is nearly full.
    pub(super) fn leave_room(&mut self, batch: &mut Batch) {
        let free = rustix::fs::statvfs(&self.plan.folder).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
        if free >= ROOM {
            self.cramped_since = None;
        } else if !batch.looks.is_empty() {
            self.cramped_since.get_or_insert_with(|| {
                tracing::warn!(folder = %self.plan.folder.display(), "the disk is nearly full: history keeps no readings");
                Instant::now()
            });
            self.lost += std::mem::take(&mut batch.looks).iter().map(|look| look.rows() as u64).sum::<u64>();
        }
    }

    pub(super) async fn spool_pending(&mut self) {
        let batch = std::mem::take(&mut self.pending);
        self.pending_since = None;
        self.number += 1;
        self.put_by(self.number, batch).await;
    }

    /// Lets a batch wait: in the spool, or else in memory.
    pub(super) async fn put_by(&mut self, number: i64, mut batch: Batch) {
        self.leave_room(&mut batch);
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

    pub(super) fn hold(&mut self, mut older: Batch) {
        older.append(std::mem::take(&mut self.pending));
        while older.numbers() > MOST_HELD {
            let half = older.looks.len().div_ceil(2);
            self.lost += older.looks.drain(..half).map(|look| look.rows() as u64).sum::<u64>();
        }
        self.pending = older;
        self.pending_since.get_or_insert_with(Instant::now);
    }

    pub(super) async fn open_spool(&mut self) {
        match Spool::open(&self.plan.folder, self.plan.max_spool).await {
            Ok(spool) => {
                self.number = self.number.max(spool.last());
                self.spool = Some(spool);
            }
            Err(error) => tracing::debug!(%error, "there is no spool"),
        }
    }

    pub(super) async fn lose_spool(&mut self, error: &sqlx::Error) {
        tracing::error!(%error, "the spool of history cannot be used; it is opened again when it is needed");
        if let Some(spool) = self.spool.take() {
            spool.close().await;
        }
    }
}
