//! Where rows wait while the database is away: a file beside the state, of bounded size, that outlives the program.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};

use super::record::Batch;

/// The name of the file in the state folder.
pub const FILE: &str = "spool.db";

/// Looks and the rest of a batch are kept apart, because looks may be dropped.
const TABLES: &str = "CREATE TABLE IF NOT EXISTS spool (
    place INTEGER PRIMARY KEY, -- twice the number of the batch, and one more for its looks
    numbers INTEGER NOT NULL, -- of the looks
    batch TEXT NOT NULL
) STRICT";
/// What one trip takes along at most.
const LOAD: i64 = 4 << 20;

/// Batches in the order in which they were made.
#[derive(Debug)]
pub struct Spool {
    connection: SqliteConnection,
    most: i64,
    bytes: i64,
    last: i64,
}

/// Batches at the front of the spool.
#[derive(Debug, Default)]
pub struct Load {
    /// Where the last of them waits.
    pub place: i64,
    pub batch: Batch,
}

impl Spool {
    /// Opens or makes the file; a batch waits in it until `most` bytes are reached.
    pub async fn open(folder: &Path, most: u64) -> Result<Self, sqlx::Error> {
        let path = folder.join(FILE);
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        match Self::open_once(&path, most).await {
            // What is in it makes no sense: it is worth less than what comes.
            Err(error) if error.as_database_error().is_some_and(|error| ["11", "26"].contains(&&*error.code().unwrap_or_default())) => {
                tracing::error!(%error, file = %path.display(), "the spool cannot be read and begins anew; what waited in it is lost");
                for end in ["", "-wal", "-shm"] {
                    // There need not be one.
                    let _ = std::fs::remove_file(format!("{}{end}", path.display()));
                }
                Self::open_once(&path, most).await
            }
            other => other,
        }
    }

    async fn open_once(path: &Path, most: u64) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("auto_vacuum", "INCREMENTAL")
            .pragma("cache_size", "-256")
            .pragma("journal_size_limit", "1048576")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        let sums = "SELECT COALESCE(SUM(octet_length(batch)), 0), COALESCE(MAX(place), 0) / 2 FROM spool";
        let row = sqlx::query(sums).fetch_one(&mut connection).await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(Self { bytes: row.try_get(0)?, last: row.try_get(1)?, most, connection })
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn bytes(&self) -> i64 {
        self.bytes
    }

    /// The number of the newest batch that ever waited.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// The place of the last part of a batch.
    pub fn end_of(number: i64) -> i64 {
        number * 2 + 1
    }

    /// Keeps a batch under its number. Where there is no room, the oldest looks go; says how many of their numbers.
    pub async fn push(&mut self, number: i64, mut batch: Batch) -> Result<u64, sqlx::Error> {
        let looks = Batch { looks: std::mem::take(&mut batch.looks), ..Batch::default() };
        let mut change = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut added = 0;
        for (is_looks, part) in [(0, batch), (1, looks)] {
            if !part.is_empty() {
                let text = serde_json::to_string(&part).map_err(|error| sqlx::Error::Encode(error.into()))?;
                added += text.len() as i64;
                sqlx::query("REPLACE INTO spool VALUES (?, ?, ?)")
                    .bind(number * 2 + is_looks)
                    .bind(part.numbers() as i64)
                    .bind(text)
                    .execute(&mut *change)
                    .await?;
            }
        }
        let (mut gone, mut dropped) = (0, 0);
        while self.bytes + added - gone > self.most {
            let oldest = "SELECT place, octet_length(batch), numbers FROM spool WHERE place % 2 = 1 ORDER BY place LIMIT 1";
            let oldest = sqlx::query(oldest).fetch_optional(&mut *change).await?;
            // Incidents are never dropped.
            let Some(oldest) = oldest else { break };
            gone += oldest.try_get::<i64, _>(1)?;
            dropped += oldest.try_get::<i64, _>(2)?;
            sqlx::query("DELETE FROM spool WHERE place = ?").bind(oldest.try_get::<i64, _>(0)?).execute(&mut *change).await?;
        }
        change.commit().await?;
        self.bytes += added - gone;
        self.last = self.last.max(number);
        Ok(dropped as u64)
    }

    /// The oldest batches, as much as one trip takes along.
    pub async fn front(&mut self) -> Result<Option<Load>, sqlx::Error> {
        let select = "SELECT place, batch FROM \
             (SELECT place, batch, SUM(octet_length(batch)) OVER (ORDER BY place) - octet_length(batch) AS before FROM \
              (SELECT * FROM spool ORDER BY place LIMIT 200)) WHERE before <= ? ORDER BY place";
        let rows = sqlx::query(select).bind(LOAD).fetch_all(&mut self.connection).await?;
        let mut load = None;
        for row in rows {
            let Load { place, batch } = load.get_or_insert_default();
            *place = row.try_get(0)?;
            match serde_json::from_str::<Batch>(row.try_get(1)?) {
                Ok(later) => batch.append(later),
                Err(error) => tracing::error!(%error, "what waited in the spool cannot be read and is left out"),
            }
        }
        Ok(load)
    }

    /// Forgets what has arrived: everything up to this place.
    pub async fn remove(&mut self, place: i64) -> Result<(), sqlx::Error> {
        let sum = "SELECT COALESCE(SUM(octet_length(batch)), 0) FROM spool WHERE place <= ?";
        let gone: i64 = sqlx::query_scalar(sum).bind(place).fetch_one(&mut self.connection).await?;
        sqlx::query("DELETE FROM spool WHERE place <= ?").bind(place).execute(&mut self.connection).await?;
        self.bytes -= gone;
        if self.bytes == 0 {
            sqlx::raw_sql("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection).await?;
        }
        Ok(())
    }

    pub async fn close(self) {
        // It is closed in any case.
        let _ = self.connection.close().await;
    }
}
