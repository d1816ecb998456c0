//! The file: its tables, how it is opened, read and written.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::FILE;
use super::pending::Pending;
use super::rows;
use crate::domain::state::State;
use crate::domain::time::Steady;

/// What leads from each version of the tables to the next.
const MIGRATIONS: &[&str] = &[
    include_str!("tables/1.sql"),
    include_str!("tables/2.sql"),
    include_str!("tables/3.sql"),
    include_str!("tables/4.sql"),
    include_str!("tables/5.sql"),
];
/// How long another program may keep the file to itself.
const LOCKED: Duration = Duration::from_secs(2);

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("version {version} of its tables is newer than {known}")]
    Newer { version: u32, known: u32 },
    #[error("{0}")]
    Broken(String),
}

/// What a file brought.
#[derive(Debug, Default)]
pub struct Kept {
    pub state: State,
    pub steady: Steady,
    /// Made with the file, and its own for ever.
    pub identity: Option<String>,
    /// By the wall clock.
    pub saved_at: Option<DateTime<Utc>>,
    /// The file that was there could not be read.
    pub moved_aside: Option<PathBuf>,
}

/// An open file with the newest tables.
#[derive(Debug)]
pub struct StateFile {
    connection: SqliteConnection,
}

impl StateFile {
    /// Opens or makes the file. One that makes no sense is moved aside.
    pub async fn open(folder: &Path, now: DateTime<Utc>) -> Result<(Self, Kept), Fault> {
        Self::open_with(folder, now, MIGRATIONS).await
    }

    async fn open_with(folder: &Path, now: DateTime<Utc>, migrations: &[&'static str]) -> Result<(Self, Kept), Fault> {
        let path = folder.join(FILE);
        match Self::open_once(&path, now, migrations).await {
            Err(Open::Senseless(why)) => {
                let aside = move_aside(&path, now).map_err(|error| Fault::Broken(error.to_string()))?;
                tracing::error!(file = %path.display(), aside = %aside.display(), why, "the state cannot be read; it is moved aside and a new one begins");
                let (file, kept) = Self::open_once(&path, now, migrations).await.map_err(Open::fault)?;
                Ok((file, Kept { moved_aside: Some(aside), ..kept }))
            }
            other => other.map_err(Open::fault),
        }
    }

    /// Reads a file that cannot be written.
    pub async fn read_only(folder: &Path) -> Result<Kept, Fault> {
        let options = SqliteConnectOptions::new().filename(folder.join(FILE)).read_only(true).immutable(true);
        let mut connection = options.connect().await.map_err(broken)?;
        rows::read(&mut connection).await.map_err(broken)
    }

    async fn open_once(path: &Path, now: DateTime<Utc>, migrations: &[&'static str]) -> Result<(Self, Kept), Open> {
        let known = migrations.len() as u32;
        // Looked at before the library touches it.
        refuse_newer(version_in_header(path), known)?;
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| Open::Fault(Fault::Broken(error.to_string())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What a message rests on must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(LOCKED)
            .pragma("cache_size", "-256")
            .pragma("wal_autocheckpoint", "256")
            .pragma("journal_size_limit", "1048576")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
        if verdict != "ok" {
            return Err(Open::Senseless(verdict));
        }
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
        let version = version as u32;
        refuse_newer(version, known)?;
        if version < known {
            migrate(&mut connection, path, version, migrations, now).await?;
        }
        let kept = rows::read(&mut connection).await?;
        Ok((Self { connection }, kept))
    }

    /// Makes a batch durable, all of it or nothing.
    pub async fn write(&mut self, batch: &Pending) -> Result<(), Fault> {
        rows::write(&mut self.connection, batch).await.map_err(broken)
    }

    /// Writes something small, to see whether it can be done.
    pub async fn prove(&mut self, now: DateTime<Utc>) -> Result<(), Fault> {
        let written = sqlx::query("REPLACE INTO meta VALUES ('proved', ?)").bind(now.to_rfc3339()).execute(&mut self.connection).await;
        written.map(drop).map_err(broken)
    }

    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the state file was not closed cleanly");
        }
    }
}

/// Why a file did not open.
enum Open {
    /// What is in it cannot be read.
    Senseless(String),
    Fault(Fault),
}

impl Open {
    fn fault(self) -> Fault {
        match self {
            Open::Senseless(why) => Fault::Broken(why),
            Open::Fault(fault) => fault,
        }
    }
}

impl From<sqlx::Error> for Open {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_CORRUPT and SQLITE_NOTADB, <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
        match (code.map(|code| code & 0xff), &error) {
            (Some(11 | 26), _) | (_, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => Open::Senseless(error.to_string()),
            _ => Open::Fault(broken(error)),
        }
    }
}

/// SQLite's own words, where it has any.
fn broken(error: sqlx::Error) -> Fault {
    Fault::Broken(error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()))
}

fn refuse_newer(version: u32, known: u32) -> Result<(), Open> {
    if version > known { Err(Open::Fault(Fault::Newer { version, known })) } else { Ok(()) }
}

/// `user_version`, the big-endian number at byte 60 of <https://www.sqlite.org/fileformat.html#the_database_header>; 0 if there is none.
fn version_in_header(path: &Path) -> u32 {
    let mut header = [0; 64];
    match fs::File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) if header.starts_with(b"SQLite format 3\0") => u32::from_be_bytes([header[60], header[61], header[62], header[63]]),
        _ => 0,
    }
}

/// Brings the tables to the newest version, after a copy of what there was.
async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    from: u32,
    migrations: &[&'static str],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if from > 0 {
        let copy = format!("{}.version-{from}", path.display());
        // A copy that an interrupted migration left.
        let _ = fs::remove_file(&copy);
        sqlx::query("VACUUM INTO ?").bind(&copy).execute(&mut *connection).await?;
        tracing::info!(copy, "the state is brought to a newer form, the old one is kept beside it");
    }
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await?;
    for migration in &migrations[from as usize..] {
        sqlx::raw_sql(*migration).execute(&mut *change).await?;
    }
    if from == 0 {
        sqlx::query("INSERT INTO meta VALUES ('watch', lower(hex(randomblob(8)))), ('created', ?)")
            .bind(now.to_rfc3339())
            .execute(&mut *change)
            .await?;
    }
    let version = format!("PRAGMA user_version = {}", migrations.len());
    sqlx::raw_sql(AssertSqlSafe(version)).execute(&mut *change).await?;
    change.commit().await
}

/// `state.db.corrupt-20261120T120210`, with its companions.
fn move_aside(path: &Path, now: DateTime<Utc>) -> std::io::Result<PathBuf> {
    let with = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let mark = format!(".corrupt-{}", now.format("%Y%m%dT%H%M%S"));
    fs::rename(path, with(&mark))?;
    for companion in ["-wal", "-shm"] {
        // There need not be one.
        let _ = fs::rename(with(companion), with(&format!("{mark}{companion}")));
    }
    Ok(with(&mark))
}

#[cfg(test)]
mod tests;
