//! Users, their sessions and their tokens, in the state file: through a connection of their own, so that who logs in
//! waits until it is durable, and who is thrown out is out at once.

mod guesses;
mod sessions;
mod tokens;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Transaction};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::FILE;

pub use guesses::Guesses;
pub use sessions::{LONGEST, Session};
pub use tokens::{NewToken, Token};
pub use users::{Refused, User};

/// What every token begins with, so that one in the wrong place is known for what it is.
pub const TOKEN_PREFIX: &str = "vakhta_";
/// How long the watch's own writes may keep the file to themselves.
const LOCKED: Duration = Duration::from_secs(5);

/// The accounts of one state folder.
pub struct Accounts {
    file: PathBuf,
    /// Opened when it is needed, and anew after an error.
    connection: Mutex<Option<SqliteConnection>>,
}

/// Who does something, and when: for the audit.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    pub name: &'a str,
    pub at: DateTime<Utc>,
}

impl Accounts {
    pub fn of(folder: &Path) -> Self {
        Self { file: folder.join(FILE), connection: Mutex::default() }
    }

    async fn connection(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, sqlx::Error> {
        let mut held = self.connection.lock().await;
        let usable = match &mut *held {
            Some(connection) => connection.ping().await.is_ok(),
            None => false,
        };
        if !usable {
            let options = SqliteConnectOptions::new().filename(&self.file).synchronous(SqliteSynchronous::Full).foreign_keys(true);
            let options = options.busy_timeout(LOCKED).pragma("cache_size", "-128").disable_statement_logging();
            *held = Some(options.connect().await?);
        }
        MutexGuard::try_map(held, Option::as_mut).map_err(|_| sqlx::Error::WorkerCrashed)
    }
}

/// All of it or nothing.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
    connection.begin_with("BEGIN IMMEDIATE").await
}

async fn audit(connection: &mut SqliteConnection, by: By<'_>, what: &str, about: &str) -> Result<(), sqlx::Error> {
    let entry = sqlx::query("INSERT INTO audit (at, by, what, about) VALUES (?, ?, ?, ?)");
    entry.bind(by.at.timestamp_micros()).bind(by.name).bind(what).bind(about).execute(connection).await?;
    Ok(())
}

fn instant(micros: i64) -> Result<DateTime<Utc>, sqlx::Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| sqlx::Error::Decode(format!("{micros} is no time").into()))
}

fn role(text: &str) -> Result<crate::access::Role, sqlx::Error> {
    text.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests;
