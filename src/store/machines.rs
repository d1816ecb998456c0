//! Targets that were added while the watch ran, and the record of who changed what.
//!
//! They stand in the state file, through a connection of their own: whoever changes something waits until it is durable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};

use super::FILE;

/// How long the watch's own writes may keep the file to themselves.
const LOCKED: Duration = Duration::from_secs(5);
/// Older entries of the audit go.
const MOST_AUDITED: i64 = 100_000;

/// A target that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub check: String,
    pub target: String,
    /// Not looked at for now.
    pub paused: bool,
    pub added: DateTime<Utc>,
    pub by: String,
}

/// What is to become of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    Pause,
    Resume,
    Remove,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Change::Add => "added",
            Change::Pause => "paused",
            Change::Resume => "resumed",
            Change::Remove => "removed",
        }
    }
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    pub at: DateTime<Utc>,
    pub by: String,
    pub what: String,
    pub about: String,
}

/// The table of one state folder.
#[derive(Debug, Clone)]
pub struct Machines {
    file: PathBuf,
}

impl Machines {
    pub fn of(folder: &Path) -> Self {
        Self { file: folder.join(FILE) }
    }

    /// By check and target.
    pub async fn all(&self) -> Result<Vec<Machine>, sqlx::Error> {
        let mut connection = self.connect().await?;
        let rows = sqlx::query("SELECT check_name, target, paused, added, by FROM machines ORDER BY check_name, target")
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        rows.iter()
            .map(|row| {
                Ok(Machine {
                    check: row.try_get(0)?,
                    target: row.try_get(1)?,
                    paused: row.try_get::<i64, _>(2)? != 0,
                    added: instant(row.try_get(3)?)?,
                    by: row.try_get(4)?,
                })
            })
            .collect()
    }

    /// Changes one and writes down who did it, both or neither.
    pub async fn change(&self, change: Change, check: &str, target: &str, by: &str, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let mut connection = self.connect().await?;
        let mut both = connection.begin_with("BEGIN IMMEDIATE").await?;
        let statement = match change {
            Change::Add => "REPLACE INTO machines (check_name, target, paused, added, by) VALUES (?1, ?2, 0, ?3, ?4)",
            Change::Pause => "UPDATE machines SET paused = 1 WHERE check_name = ?1 AND target = ?2",
            Change::Resume => "UPDATE machines SET paused = 0 WHERE check_name = ?1 AND target = ?2",
            Change::Remove => "DELETE FROM machines WHERE check_name = ?1 AND target = ?2",
        };
        let mut query = sqlx::query(statement).bind(check).bind(target);
        if change == Change::Add {
            query = query.bind(at.timestamp_micros()).bind(by);
        }
        query.execute(&mut *both).await?;
        sqlx::query("INSERT INTO audit (at, by, what, about) VALUES (?, ?, ?, ?)")
            .bind(at.timestamp_micros())
            .bind(by)
            .bind(format!("machine {}", change.name()))
            .bind(format!("{check}/{target}"))
            .execute(&mut *both)
            .await?;
        sqlx::query("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?").bind(MOST_AUDITED).execute(&mut *both).await?;
        both.commit().await?;
        connection.close().await
    }

    /// The last changes, newest first.
    pub async fn audit(&self, most: u32) -> Result<Vec<Audited>, sqlx::Error> {
        let mut connection = self.connect().await?;
        let rows =
            sqlx::query("SELECT at, by, what, about FROM audit ORDER BY id DESC LIMIT ?").bind(most).fetch_all(&mut connection).await?;
        connection.close().await?;
        let entry = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Audited { at: instant(row.try_get(0)?)?, by: row.try_get(1)?, what: row.try_get(2)?, about: row.try_get(3)? })
        };
        rows.iter().map(entry).collect()
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(&self.file).synchronous(SqliteSynchronous::Full);
        options.busy_timeout(LOCKED).disable_statement_logging().connect().await
    }
}

fn instant(micros: i64) -> Result<DateTime<Utc>, sqlx::Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| sqlx::Error::Decode(format!("{micros} is no time").into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::StateFile;

    #[tokio::test]
    async fn what_is_changed_is_kept_and_audited() {
        let folder = tempfile::tempdir().unwrap();
        let at: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let (file, _) = StateFile::open(folder.path(), at).await.unwrap();
        let machines = Machines::of(folder.path());
        assert!(machines.all().await.unwrap().is_empty());
        machines.change(Change::Add, "fleet", "http://b/", "ann", at).await.unwrap();
        machines.change(Change::Add, "fleet", "http://a/", "bob", at).await.unwrap();
        machines.change(Change::Pause, "fleet", "http://b/", "bob", at).await.unwrap();
        let all = machines.all().await.unwrap();
        let shown: Vec<_> = all.iter().map(|machine| (machine.target.as_str(), machine.paused, machine.by.as_str())).collect();
        assert_eq!(shown, [("http://a/", false, "bob"), ("http://b/", true, "ann")]);
        machines.change(Change::Resume, "fleet", "http://b/", "ann", at).await.unwrap();
        machines.change(Change::Remove, "fleet", "http://a/", "ann", at).await.unwrap();
        assert_eq!(machines.all().await.unwrap().len(), 1);
        let audit: Vec<String> =
            machines.audit(3).await.unwrap().into_iter().map(|entry| format!("{} {} {}", entry.by, entry.what, entry.about)).collect();
        assert_eq!(
            audit,
            ["ann machine removed fleet/http://a/", "ann machine resumed fleet/http://b/", "bob machine paused fleet/http://b/"]
        );
        file.close().await;
    }
}
