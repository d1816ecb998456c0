//! Users: who they are, what they may, and the secret that makes the first of them.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Accounts, By, audit, begin, instant, role};
use crate::access::{Digest, Role};

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub role: Role,
    pub created: DateTime<Utc>,
    /// By any of their sessions.
    pub seen: Option<DateTime<Utc>>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is a user of this name already")]
    Taken,
    #[error("there is no such user")]
    Missing,
    #[error("this is the only admin; make another one first")]
    LastAdmin,
    #[error("the secret of the first login is wrong, or was used; a new start of the watch makes another one as long as there is no user")]
    NotFirst,
    #[error("the accounts cannot be read or written: {0}")]
    Store(#[from] sqlx::Error),
}

impl Accounts {
    /// By name.
    pub async fn users(&self) -> Result<Vec<User>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let all = "SELECT name, role, created, (SELECT max(seen) FROM sessions WHERE user = name) FROM users ORDER BY name";
        sqlx::query(all).fetch_all(&mut *connection).await?.iter().map(read).collect()
    }

    /// What is kept of somebody's password, and their name as it was given.
    pub async fn password(&self, name: &str) -> Result<Option<(String, String)>, sqlx::Error> {
        let mut connection = self.connection().await?;
        sqlx::query_as("SELECT name, password FROM users WHERE name = ?").bind(name).fetch_optional(&mut *connection).await
    }

    pub async fn add_user(&self, name: &str, role: Role, password: &str, by: By<'_>) -> Result<(), Refused> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        insert(&mut change, name, role, password, by).await?;
        change.commit().await?;
        Ok(())
    }

    /// Ends the sessions of whom it is about: what they may has changed.
    pub async fn set_role(&self, name: &str, role: Role, by: By<'_>) -> Result<(), Refused> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let before = is_any_admin(&mut change).await?;
        let changed = sqlx::query("UPDATE users SET role = ? WHERE name = ?").bind(role.name()).bind(name).execute(&mut *change).await?;
        if changed.rows_affected() == 0 {
            return Err(Refused::Missing);
        }
        keep_an_admin(before, &mut change).await?;
        forget_sessions(&mut change, name).await?;
        audit(&mut change, by, &format!("user made {}", role.name()), name).await?;
        change.commit().await?;
        Ok(())
    }

    /// Ends all sessions: whoever knew the old one is out.
    pub async fn set_password(&self, name: &str, password: &str, by: By<'_>) -> Result<(), Refused> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let changed = sqlx::query("UPDATE users SET password = ? WHERE name = ?").bind(password).bind(name).execute(&mut *change).await?;
        if changed.rows_affected() == 0 {
            return Err(Refused::Missing);
        }
        forget_sessions(&mut change, name).await?;
        audit(&mut change, by, "password changed", name).await?;
        change.commit().await?;
        Ok(())
    }

    /// The same password, kept in today's way.
    pub async fn keep_anew(&self, name: &str, old: &str, new: &str) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        let update = sqlx::query("UPDATE users SET password = ? WHERE name = ? AND password = ?");
        update.bind(new).bind(name).bind(old).execute(&mut *connection).await.map(drop)
    }

    /// With all their sessions and tokens.
    pub async fn remove_user(&self, name: &str, by: By<'_>) -> Result<(), Refused> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let before = is_any_admin(&mut change).await?;
        if sqlx::query("DELETE FROM users WHERE name = ?").bind(name).execute(&mut *change).await?.rows_affected() == 0 {
            return Err(Refused::Missing);
        }
        keep_an_admin(before, &mut change).await?;
        forget_sessions(&mut change, name).await?;
        for rest in ["DELETE FROM tokens WHERE user = ?", "DELETE FROM familiar WHERE user = ?"] {
            sqlx::query(rest).bind(name).execute(&mut *change).await?;
        }
        audit(&mut change, by, "user removed", name).await?;
        change.commit().await?;
        Ok(())
    }

    pub async fn is_anybody(&self) -> Result<bool, sqlx::Error> {
        let mut connection = self.connection().await?;
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(&mut *connection).await
    }

    /// The secret of the first login, in place of any before; none once there is a user.
    pub async fn offer_first_login(&self, secret: Option<Digest>) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        sqlx::query("DELETE FROM first_login").execute(&mut *change).await?;
        if let Some(secret) = secret {
            sqlx::query("INSERT INTO first_login VALUES (?)").bind(&secret.0[..]).execute(&mut *change).await?;
        }
        change.commit().await
    }

    /// Makes the first user, once, for who knows the secret.
    pub async fn add_first_user(&self, secret: Digest, name: &str, password: &str, at: DateTime<Utc>) -> Result<(), Refused> {
        let mut connection = self.connection().await?;
        let mut change = begin(&mut connection).await?;
        let used = sqlx::query("DELETE FROM first_login WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM users)");
        if used.bind(&secret.0[..]).execute(&mut *change).await?.rows_affected() == 0 {
            return Err(Refused::NotFirst);
        }
        insert(&mut change, name, Role::Admin, password, By { name, at }).await?;
        change.commit().await?;
        Ok(())
    }
}

async fn insert(change: &mut SqliteConnection, name: &str, role: Role, password: &str, by: By<'_>) -> Result<(), Refused> {
    let user = sqlx::query("INSERT OR IGNORE INTO users (name, role, password, created) VALUES (?, ?, ?, ?)");
    let added = user.bind(name).bind(role.name()).bind(password).bind(by.at.timestamp_micros()).execute(&mut *change).await?;
    if added.rows_affected() == 0 {
        return Err(Refused::Taken);
    }
    Ok(audit(change, by, &format!("user added as {}", role.name()), name).await?)
}

/// Where there was an admin there is one after it.
async fn keep_an_admin(before: bool, change: &mut SqliteConnection) -> Result<(), Refused> {
    if before && !is_any_admin(change).await? { Err(Refused::LastAdmin) } else { Ok(()) }
}

async fn is_any_admin(change: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin')").fetch_one(change).await
}

async fn forget_sessions(change: &mut SqliteConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE user = ?").bind(name).execute(change).await.map(drop)
}

fn read(row: &SqliteRow) -> Result<User, sqlx::Error> {
    Ok(User {
        name: row.try_get(0)?,
        role: role(row.try_get(1)?)?,
        created: instant(row.try_get(2)?)?,
        seen: row.try_get::<Option<i64>, _>(3)?.map(instant).transpose()?,
    })
}
