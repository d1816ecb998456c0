//! Wrong passwords, so that a restart makes guessing no quicker.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Accounts, begin, instant};
use crate::access::{Guessed, wait};

/// Older ones are forgiven.
const FORGIVEN: TimeDelta = TimeDelta::days(1);
/// So long an address is known as somebody's own.
const FAMILIAR: TimeDelta = TimeDelta::days(90);
/// Of what is counted: names and addresses that somebody made up must not fill the disk.
const MOST: i64 = 10_000;

/// What is counted for one login.
#[derive(Debug, Clone, Copy)]
pub struct Guesses<'a> {
    pub user: &'a str,
    pub address: &'a str,
}

impl Guesses<'_> {
    /// The account counts only for addresses that are not its owner's.
    fn counted(&self, familiar: bool) -> Vec<(Guessed, String)> {
        let mut counted = vec![(Guessed::Address, format!("from {}", self.address))];
        if !familiar {
            counted.push((Guessed::Account, format!("at {}", self.user.to_lowercase())));
        }
        counted
    }
}

impl Accounts {
    /// When the next guess may be made; nothing: now.
    pub async fn held_until(&self, guesses: Guesses<'_>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        let familiar = self.is_familiar(guesses, now).await?;
        let mut connection = self.connection().await?;
        let mut until = None;
        for (at, key) in guesses.counted(familiar) {
            let row: Option<(i64, i64)> =
                sqlx::query_as("SELECT wrong, last FROM guesses WHERE at = ?").bind(key).fetch_optional(&mut *connection).await?;
            let Some((wrong, last)) = row else { continue };
            let last = instant(last)?;
            // A clock that was set back must not hold anybody for longer.
            let free = last.min(now) + wait(at, u32::try_from(wrong).unwrap_or(u32::MAX));
            until = until.max(Some(free)).filter(|until| *until > now);
        }
        Ok(until)
    }

    pub async fn note_wrong(&self, guesses: Guesses<'_>, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let familiar = self.is_familiar(guesses, now).await?;
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let forgiven = sqlx::query("DELETE FROM guesses WHERE last < ?");
        forgiven.bind((now - FORGIVEN).timestamp_micros()).execute(&mut *change).await?;
        for (_, key) in guesses.counted(familiar) {
            let count = sqlx::query("INSERT INTO guesses VALUES (?1, 1, ?2) ON CONFLICT (at) DO UPDATE SET wrong = wrong + 1, last = ?2");
            count.bind(key).bind(now.timestamp_micros()).execute(&mut *change).await?;
        }
        let oldest = sqlx::query("DELETE FROM guesses WHERE at NOT IN (SELECT at FROM guesses ORDER BY last DESC LIMIT ?)");
        oldest.bind(MOST).execute(&mut *change).await?;
        change.commit().await
    }

    /// Forgets the wrong ones of whoever knows the right one, and that this is their address.
    pub async fn note_right(&self, guesses: Guesses<'_>, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        for (_, key) in guesses.counted(false) {
            sqlx::query("DELETE FROM guesses WHERE at = ?").bind(key).execute(&mut *change).await?;
        }
        let old = sqlx::query("DELETE FROM familiar WHERE last < ?");
        old.bind((now - FAMILIAR).timestamp_micros()).execute(&mut *change).await?;
        let own = sqlx::query("REPLACE INTO familiar VALUES (?, ?, ?)");
        own.bind(guesses.user).bind(guesses.address).bind(now.timestamp_micros()).execute(&mut *change).await?;
        change.commit().await
    }

    async fn is_familiar(&self, guesses: Guesses<'_>, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM familiar WHERE user = ? AND address = ? AND last >= ?)");
        query.bind(guesses.user).bind(guesses.address).bind((now - FAMILIAR).timestamp_micros()).fetch_one(&mut *connection).await
    }
}
