//! What is in the tables: the state as rows, and back.
//!
//! A table's rows go in one statement, as one JSON text that SQLite takes apart: a call for each of ten thousand
//! rows would be ten thousand trips to the library's thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};

use super::file::Kept;
use super::pending::Pending;
use crate::domain::acknowledgement::Acknowledgement;
use crate::domain::incident::{ClosedBy, Closing, Incident, IncidentId};
use crate::domain::lane::Refusals;
use crate::domain::ledger::{Entry, Told};
use crate::domain::reading::Target;
use crate::domain::rule::Unit;
use crate::domain::silence::{Scope, Silence};
use crate::domain::state::{State, TrackerKey};
use crate::domain::time::{Now, Steady};
use crate::domain::tracker::{History, Tracker};
use crate::domain::watch::Severity;

const TOLD: &[(Told, &str)] = &[
    (Told::No, "no"),
    (Told::Sending, "sending"),
    (Told::Yes, "yes"),
    (Told::Unsure, "unsure"),
    (Told::Never, "never"),
    (Told::Missed, "missed"),
];
const SEVERITIES: &[(Severity, &str)] = &[(Severity::Warning, "warning"), (Severity::Critical, "critical")];
const CLOSED_BY: &[(ClosedBy, &str)] = &[(ClosedBy::Recovery, "recovery"), (ClosedBy::Removal, "removal")];
const UNITS: &[(Unit, &str)] = &[
    (Unit::None, ""),
    (Unit::Percent, "%"),
    (Unit::Milliseconds, "ms"),
    (Unit::Seconds, "s"),
    (Unit::Minutes, "m"),
    (Unit::Hours, "h"),
    (Unit::Days, "d"),
    (Unit::KiB, "KiB"),
    (Unit::MiB, "MiB"),
    (Unit::GiB, "GiB"),
    (Unit::TiB, "TiB"),
];

/// Writes a batch in one transaction.
pub async fn write(connection: &mut SqliteConnection, batch: &Pending) -> Result<(), sqlx::Error> {
    // A transaction that reads first and writes later may be refused at once, whatever the patience.
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await?;
    if batch.whole {
        sqlx::raw_sql("DELETE FROM trackers; DELETE FROM incidents; DELETE FROM ledger; DELETE FROM refusals; DELETE FROM silences;")
            .execute(&mut *change)
            .await?;
    }
    let rested = batch.trackers.iter().filter(|(_, tracker)| tracker.is_none()).map(|(key, _)| json!([key.check, key.target, key.rule]));
    let forgotten = batch.incidents.iter().filter(|(_, incident)| incident.is_none()).map(|(id, _)| json!(id));
    let forgotten: Vec<Value> = forgotten.collect();
    let healed = batch.refusals.iter().filter(|(_, refusals)| **refusals == Refusals::default()).map(|(channel, _)| json!(channel));
    let over: Vec<Value> = batch.silences.iter().filter(|(_, silence)| silence.is_none()).map(|(id, _)| json!(id)).collect();
    let statements: [(&'static str, Vec<Value>); 10] = [
        (
            "DELETE FROM trackers WHERE (check_name, target, rule) IN (SELECT value->>0, value->>1, value->>2 FROM json_each(?))",
            rested.collect(),
        ),
        ("DELETE FROM incidents WHERE id IN (SELECT value FROM json_each(?))", forgotten.clone()),
        ("DELETE FROM ledger WHERE incident IN (SELECT value FROM json_each(?))", forgotten),
        ("DELETE FROM refusals WHERE channel IN (SELECT value FROM json_each(?))", healed.collect()),
        (
            "REPLACE INTO trackers SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
             value->>9, value->>10, value->>11, value->>12 FROM json_each(?)",
            batch.trackers.iter().filter_map(|(key, tracker)| Some(tracker_row(key, tracker.as_ref()?))).collect(),
        ),
        (
            "REPLACE INTO incidents SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
             value->>9, value->>10, value->>11, value->>12, value->>13, value->>14, value->>15, value->>16 FROM json_each(?)",
            batch.incidents.values().flatten().map(|(check, incident)| incident_row(check, incident)).collect(),
        ),
        (
            "REPLACE INTO ledger SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(?)",
            batch.ledger.iter().map(|((incident, channel), entry)| entry_row(*incident, channel, entry)).collect(),
        ),
        (
            "REPLACE INTO refusals SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(?)",
            batch.refusals.iter().filter(|(_, refusals)| **refusals != Refusals::default()).map(refusals_row).collect(),
        ),
        ("DELETE FROM silences WHERE id IN (SELECT value FROM json_each(?))", over),
        (
            "REPLACE INTO silences SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 FROM json_each(?)",
            batch.silences.values().flatten().map(silence_row).collect(),
        ),
    ];
    for (statement, rows) in statements {
        if !rows.is_empty() {
            sqlx::query(statement).bind(Value::Array(rows).to_string()).execute(&mut *change).await?;
        }
    }
    for (key, number) in [("next_incident", batch.next_incident), ("next_silence", batch.next_silence)] {
        let Some(number) = number else { continue };
        // A batch about an old incident says nothing of newer ones.
        sqlx::query(
            "INSERT INTO meta VALUES (?, ?) \
             ON CONFLICT DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        )
        .bind(key)
        .bind(number.to_string())
        .execute(&mut *change)
        .await?;
    }
    if let Some(now) = batch.now {
        sqlx::query("REPLACE INTO meta VALUES ('wall', ?), ('steady', ?)")
            .bind(now.wall.timestamp_micros().to_string())
            .bind(micros(now.steady).to_string())
            .execute(&mut *change)
            .await?;
    }
    change.commit().await
}

/// Reads all there is.
pub async fn read(connection: &mut SqliteConnection) -> Result<Kept, sqlx::Error> {
    let mut state = State::default();
    for row in sqlx::query("SELECT * FROM trackers").fetch_all(&mut *connection).await? {
        let key = TrackerKey { check: text(&row, 0)?.into(), target: text(&row, 1)?.into(), rule: text(&row, 2)?.into() };
        state.trackers.insert(key, (target(&row, 1, 3)?, tracker(&row)?));
    }
    for row in sqlx::query("SELECT * FROM incidents").fetch_all(&mut *connection).await? {
        let incident = incident(&row)?;
        state.incidents.insert(incident.id, (text(&row, 1)?.into(), incident));
    }
    for row in sqlx::query("SELECT * FROM ledger").fetch_all(&mut *connection).await? {
        let entry = Entry {
            failed: meaning(&row, 2, TOLD)?,
            recovered: meaning(&row, 3, TOLD)?,
            reminder: meaning(&row, 4, TOLD)?,
            told_at: steady(row.try_get(5)?),
        };
        state.ledger.insert((row.try_get::<i64, _>(0)? as u64, text(&row, 1)?.into()), entry);
    }
    for row in sqlx::query("SELECT * FROM refusals").fetch_all(&mut *connection).await? {
        let retry = row.try_get::<Option<i64>, _>(3)?.map(steady);
        let cause: Option<String> = row.try_get(4)?;
        let refusals = Refusals {
            count: row.try_get(1)?,
            since: row.try_get::<Option<i64>, _>(2)?.map(steady),
            retry: retry.map(|until| (until, cause.unwrap_or_default().into())),
            broken: row.try_get::<i64, _>(5)? != 0,
        };
        state.refusals.insert(text(&row, 0)?.into(), refusals);
    }
    for row in sqlx::query("SELECT * FROM silences").fetch_all(&mut *connection).await? {
        let silence = silence(&row)?;
        state.silences.insert(silence.id, silence);
    }
    let highest = state.incidents.last_key_value().map_or(1, |(id, _)| id + 1);
    state.next_incident = number(connection, "next_incident").await?.map_or(1, |number| number as u64).max(highest);
    let highest = state.silences.last_key_value().map_or(1, |(id, _)| id + 1);
    state.next_silence = number(connection, "next_silence").await?.map_or(1, |number| number as u64).max(highest);
    Ok(Kept {
        state,
        steady: number(connection, "steady").await?.map(steady).unwrap_or_default(),
        saved_at: number(connection, "wall").await?.and_then(DateTime::from_timestamp_micros),
        identity: sqlx::query_scalar("SELECT value FROM meta WHERE key = 'watch'").fetch_optional(&mut *connection).await?,
        moved_aside: None,
    })
}

async fn number(connection: &mut SqliteConnection, key: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?").bind(key).fetch_optional(connection).await
}

fn tracker_row(key: &TrackerKey, (target, tracker): &(Arc<Target>, Tracker)) -> Value {
    let history = tracker.history.as_ref();
    let readings = history.map(|history| {
        let readings = history.readings.iter().map(|(at, value)| json!([micros(*at), value]));
        Value::Array(readings.collect()).to_string()
    });
    json!([
        key.check,
        key.target,
        key.rule,
        target.name,
        i64::from(tracker.up),
        tracker.failures,
        tracker.goods,
        tracker.failing_since.map(|since| since.wall.timestamp_micros()),
        tracker.failing_since.map(|since| micros(since.steady)),
        micros(tracker.good_since),
        tracker.incident,
        history.map(|history| micros(history.unbroken_since)),
        readings,
    ])
}

fn tracker(row: &SqliteRow) -> Result<Tracker, sqlx::Error> {
    let (wall, since): (Option<i64>, Option<i64>) = (row.try_get(7)?, row.try_get(8)?);
    let failing_since = match (wall, since) {
        (Some(wall), Some(since)) => Some(Now { wall: instant(wall)?, steady: steady(since) }),
        _ => None,
    };
    let history = match (row.try_get::<Option<i64>, _>(11)?, row.try_get::<Option<String>, _>(12)?) {
        (Some(unbroken), Some(readings)) => {
            let readings: VecDeque<(i64, f64)> = serde_json::from_str(&readings).map_err(|error| sqlx::Error::Decode(error.into()))?;
            let readings = readings.into_iter().map(|(at, value)| (steady(at), value)).collect();
            Some(Box::new(History { readings, unbroken_since: steady(unbroken) }))
        }
        _ => None,
    };
    Ok(Tracker {
        up: row.try_get::<i64, _>(4)? != 0,
        failures: row.try_get(5)?,
        goods: row.try_get(6)?,
        failing_since,
        good_since: steady(row.try_get(9)?),
        history,
        incident: row.try_get::<Option<i64>, _>(10)?.map(|id| id as u64),
    })
}

fn incident_row(check: &Arc<str>, incident: &Incident) -> Value {
    json!([
        incident.id,
        check,
        incident.target.key,
        incident.target.name,
        incident.rule,
        word(SEVERITIES, incident.severity),
        incident.comment,
        incident.reason,
        incident.value,
        word(UNITS, incident.unit),
        incident.failures,
        incident.since.timestamp_micros(),
        incident.closed.map(|closing| closing.at.timestamp_micros()),
        incident.closed.map(|closing| word(CLOSED_BY, closing.by)),
        incident.acknowledged.as_ref().map(|taken| &taken.by),
        incident.acknowledged.as_ref().map(|taken| taken.at.timestamp_micros()),
        incident.acknowledged.as_ref().map(|taken| &taken.note),
    ])
}

fn incident(row: &SqliteRow) -> Result<Incident, sqlx::Error> {
    let closed = match row.try_get::<Option<i64>, _>(12)? {
        Some(at) => Some(Closing { at: instant(at)?, by: meaning(row, 13, CLOSED_BY)? }),
        None => None,
    };
    let acknowledged = match (row.try_get::<Option<String>, _>(14)?, row.try_get::<Option<i64>, _>(15)?) {
        (Some(by), Some(at)) => Some(Acknowledgement {
            by: by.into(),
            at: instant(at)?,
            note: row.try_get::<Option<String>, _>(16)?.unwrap_or_default().into(),
        }),
        _ => None,
    };
    Ok(Incident {
        id: row.try_get::<i64, _>(0)? as u64,
        target: target(row, 2, 3)?,
        rule: text(row, 4)?.into(),
        severity: meaning(row, 5, SEVERITIES)?,
        comment: row.try_get::<Option<String>, _>(6)?.map(Into::into),
        reason: text(row, 7)?.into(),
        value: row.try_get(8)?,
        unit: meaning(row, 9, UNITS)?,
        failures: row.try_get(10)?,
        since: instant(row.try_get(11)?)?,
        closed,
        acknowledged,
    })
}

fn entry_row(incident: IncidentId, channel: &Arc<str>, entry: &Entry) -> Value {
    let [failed, recovered, reminder] = [entry.failed, entry.recovered, entry.reminder].map(|told| word(TOLD, told));
    json!([incident, channel, failed, recovered, reminder, micros(entry.told_at)])
}

fn refusals_row((channel, refusals): (&Arc<str>, &Refusals)) -> Value {
    let retry = refusals.retry.as_ref();
    let (until, cause) = (retry.map(|(until, _)| micros(*until)), retry.map(|(_, cause)| cause));
    json!([channel, refusals.count, refusals.since.map(micros), until, cause, i64::from(refusals.broken)])
}

fn silence_row(silence: &Silence) -> Value {
    let (check, target) = match &silence.scope {
        Scope::Everything => (None, None),
        Scope::Check(check) => (Some(check), None),
        Scope::Target { check, target } => (Some(check), Some(target)),
    };
    json!([silence.id, check, target, silence.since.timestamp_micros(), silence.until.timestamp_micros(), silence.by, silence.comment])
}

fn silence(row: &SqliteRow) -> Result<Silence, sqlx::Error> {
    let (check, target): (Option<String>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Silence {
        id: row.try_get::<i64, _>(0)? as u64,
        scope: match (check, target) {
            (None, _) => Scope::Everything,
            (Some(check), None) => Scope::Check(check.into()),
            (Some(check), Some(target)) => Scope::Target { check: check.into(), target: target.into() },
        },
        since: instant(row.try_get(3)?)?,
        until: instant(row.try_get(4)?)?,
        by: text(row, 5)?.into(),
        comment: text(row, 6)?.into(),
    })
}

fn text(row: &SqliteRow, column: usize) -> Result<String, sqlx::Error> {
    row.try_get(column)
}

fn target(row: &SqliteRow, key: usize, name: usize) -> Result<Arc<Target>, sqlx::Error> {
    let name: Option<String> = row.try_get(name)?;
    Ok(Arc::new(Target { key: text(row, key)?.into(), name: name.map(Into::into) }))
}

fn micros(steady: Steady) -> i64 {
    i64::try_from(steady.0.as_micros()).unwrap_or(i64::MAX)
}

fn steady(micros: i64) -> Steady {
    Steady(Duration::from_micros(micros.max(0) as u64))
}

fn instant(micros: i64) -> Result<DateTime<Utc>, sqlx::Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| sqlx::Error::Decode(format!("{micros} is no time").into()))
}

fn word<T: Copy + PartialEq>(words: &[(T, &'static str)], value: T) -> &'static str {
    words.iter().find(|(known, _)| *known == value).map_or("", |(_, word)| word)
}

fn meaning<T: Copy>(row: &SqliteRow, column: usize, words: &[(T, &'static str)]) -> Result<T, sqlx::Error> {
    let written = text(row, column)?;
    let found = words.iter().find(|(_, word)| *word == written);
    found.map(|(value, _)| *value).ok_or_else(|| sqlx::Error::Decode(format!("`{written}` is not a word of column {column}").into()))
}
