//! Tokens: what programs show, with a role of their own and an end.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Accounts, By, audit, begin, instant, role};
use crate::access::{Digest, Role};

/// How exactly it is known when one was used last: each look is a write.
const COARSE: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// A token; the secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub number: i64,
    pub name: String,
    pub user: String,
    pub role: Role,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub seen: Option<DateTime<Utc>>,
}

/// A token to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    pub digest: Digest,
    pub name: &'a str,
    pub user: &'a str,
    pub role: Role,
    pub until: DateTime<Utc>,
}

impl Accounts {
    /// Its number.
    pub async fn add_token(&self, token: NewToken<'_>, by: By<'_>) -> Result<i64, sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let insert = sqlx::query("INSERT INTO tokens (digest, name, user, role, since, until) VALUES (?, ?, ?, ?, ?, ?)");
        let insert = insert.bind(&token.digest.0[..]).bind(token.name).bind(token.user).bind(token.role.name());
        let added = insert.bind(by.at.timestamp_micros()).bind(token.until.timestamp_micros()).execute(&mut *change).await?;
        audit(&mut change, by, &format!("token added as {} for {}", token.role.name(), token.user), token.name).await?;
        change.commit().await?;
        Ok(added.last_insert_rowid())
    }

    /// Of one user, or of all; those that are over stay listed.
    pub async fn tokens(&self, user: Option<&str>) -> Result<Vec<Token>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let query =
            sqlx::query("SELECT number, name, user, role, since, until, seen FROM tokens WHERE ?1 IS NULL OR user = ?1 ORDER BY number");
        query.bind(user).fetch_all(&mut *connection).await?.iter().map(read).collect()
    }

    /// Whether there was one; of another user it is none.
    pub async fn remove_token(&self, number: i64, user: Option<&str>, by: By<'_>) -> Result<bool, sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let removed = sqlx::query("DELETE FROM tokens WHERE number = ?1 AND (?2 IS NULL OR user = ?2)");
        if removed.bind(number).bind(user).execute(&mut *change).await?.rows_affected() == 0 {
            return Ok(false);
        }
        audit(&mut change, by, "token removed", &number.to_string()).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Who shows it, if it is one and not over: with the role of the token, or of its user where that is less.
    pub async fn token(&self, shown: Digest, now: DateTime<Utc>) -> Result<Option<Token>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let query = sqlx::query(
            "SELECT number, tokens.name, users.name, tokens.role, since, until, seen, users.role FROM tokens JOIN users ON users.name = tokens.user WHERE digest = ?",
        );
        let Some(row) = query.bind(&shown.0[..]).fetch_optional(&mut *connection).await? else { return Ok(None) };
        let token = read(&row)?;
        if token.until <= now {
            return Ok(None);
        }
        if token.seen.is_none_or(|seen| now - seen > COARSE) {
            let noted = sqlx::query("UPDATE tokens SET seen = ? WHERE number = ?");
            // On a full disk programs can still look.
            let _ = noted.bind(now.timestamp_micros()).bind(token.number).execute(&mut *connection).await;
        }
        let of_user = role(row.try_get(7)?)?;
        Ok(Some(Token { role: token.role.min(of_user), ..token }))
    }
}

fn read(row: &SqliteRow) -> Result<Token, sqlx::Error> {
    Ok(Token {
        number: row.try_get(0)?,
        name: row.try_get(1)?,
        user: row.try_get(2)?,
        role: role(row.try_get(3)?)?,
        since: instant(row.try_get(4)?)?,
        until: instant(row.try_get(5)?)?,
        seen: row.try_get::<Option<i64>, _>(6)?.map(instant).transpose()?,
    })
}
