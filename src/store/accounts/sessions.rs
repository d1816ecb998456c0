//! Sessions: who is logged in, until when.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Accounts, begin, instant, role};
use crate::access::{Digest, Role};

/// Nobody who does nothing stays logged in for longer.
const IDLE: TimeDelta = TimeDelta::days(7);
/// Nobody at all does.
pub const LONGEST: TimeDelta = TimeDelta::days(30);
/// How exactly it is known when somebody was there last: each look is a write.
const COARSE: TimeDelta = TimeDelta::minutes(5);
/// More of one user end the oldest.
const MOST: i64 = 50;

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub user: String,
    pub role: Role,
    pub since: DateTime<Utc>,
}

impl Accounts {
    /// Begins one, in place of the one that the browser may have had.
    pub async fn begin_session(&self, user: &str, session: Digest, before: Option<Digest>, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        if let Some(before) = before {
            sqlx::query("DELETE FROM sessions WHERE digest = ?").bind(&before.0[..]).execute(&mut *change).await?;
        }
        let over = sqlx::query("DELETE FROM sessions WHERE seen < ? OR since < ?");
        over.bind((at - IDLE).timestamp_micros()).bind((at - LONGEST).timestamp_micros()).execute(&mut *change).await?;
        let insert = sqlx::query("INSERT INTO sessions (digest, user, since, seen) VALUES (?, ?, ?, ?)");
        insert.bind(&session.0[..]).bind(user).bind(at.timestamp_micros()).bind(at.timestamp_micros()).execute(&mut *change).await?;
        let oldest = "DELETE FROM sessions WHERE user = ?1 AND digest NOT IN (SELECT digest FROM sessions WHERE user = ?1 ORDER BY seen DESC LIMIT ?2)";
        sqlx::query(oldest).bind(user).bind(MOST).execute(&mut *change).await?;
        change.commit().await
    }

    /// Whose it is, if it is one and not over.
    pub async fn session(&self, session: Digest, now: DateTime<Utc>) -> Result<Option<Session>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_as::<_, (String, String, i64, i64)>(
            "SELECT users.name, users.role, sessions.since, sessions.seen FROM sessions JOIN users ON users.name = sessions.user WHERE digest = ?",
        );
        let Some((user, its_role, since, seen)) = query.bind(&session.0[..]).fetch_optional(&mut *connection).await? else {
            return Ok(None);
        };
        let (since, seen) = (instant(since)?, instant(seen)?);
        if now - seen > IDLE || now - since > LONGEST {
            return Ok(None);
        }
        if now - seen > COARSE {
            let noted = sqlx::query("UPDATE sessions SET seen = ? WHERE digest = ?");
            // On a full disk people can still look.
            let _ = noted.bind(now.timestamp_micros()).bind(&session.0[..]).execute(&mut *connection).await;
        }
        Ok(Some(Session { user, role: role(&its_role)?, since }))
    }

    pub async fn end_session(&self, session: Digest) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        sqlx::query("DELETE FROM sessions WHERE digest = ?").bind(&session.0[..]).execute(&mut *connection).await.map(drop)
    }
}
