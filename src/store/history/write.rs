//! A batch becomes rows, all of it or nothing, and twice the same batch is once the same rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::database::{Database, Fault};
use super::dialect::Column::{self, Integer, Real, Text};
use super::record::{Batch, IncidentRow, LOST, name, target};

/// Rows of one statement; a server takes a text of some megabytes.
const AT_ONCE: usize = 10_000;
/// Series of one watch; what comes with yet another name is not kept.
const MOST_SERIES: usize = 500_000;

const SERIES: &[Column] = &[Integer("host"), Integer("digest"), Text("check_name"), Text("target"), Text("metric")];
const READINGS: &[Column] = &[Integer("host"), Integer("time"), Integer("series"), Real("value")];
const INCIDENTS: &[Column] = &[
    Integer("host"),
    Integer("number"),
    Text("kind"),
    Text("check_name"),
    Text("target"),
    Text("target_name"),
    Text("rule"),
    Text("severity"),
    Text("reason"),
    Real("value"),
    Integer("failures"),
    Integer("since"),
    Integer("until"),
    Text("closed_by"),
];
const TOLD: &[Column] =
    &[Integer("host"), Integer("number"), Text("channel"), Text("kind"), Integer("time"), Text("outcome"), Text("cause")];

impl Database {
    /// Makes a batch durable.
    pub async fn write(&mut self, batch: &Batch) -> Result<(), Fault> {
        let written = self.write_batch(batch).await;
        written.map_err(|error| self.place.fault(&error))
    }

    async fn write_batch(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let series = self.series_of(batch).await?;
        let host = self.host;
        let mut rows = Vec::with_capacity(batch.numbers());
        let mut digests = series.into_iter();
        for look in &batch.looks {
            for (_, numbers) in &look.numbers {
                for (_, value) in numbers {
                    // One that is not kept has no number.
                    let number = digests.next().and_then(|digest| self.series.get(&digest).copied());
                    rows.extend(number.map(|series| (host, look.time, series, *value)));
                }
            }
        }
        let dialect = self.dialect;
        let mut change = self.connection.begin_with(dialect.begin()).await?;
        let statement = dialect.insert("readings", READINGS, "host, time, series", &[]);
        insert(&mut change, &statement, &rows).await?;
        if let Some((open, at)) = &batch.only_open {
            let close = format!(
                "UPDATE incidents SET until = ?, closed_by = '{LOST}' WHERE host = ? AND until IS NULL AND number NOT IN ({})",
                dialect.numbers()
            );
            let query = sqlx::query(AssertSqlSafe(dialect.numbered(&close)));
            query.bind(*at).bind(host).bind(json(open)?).execute(&mut *change).await?;
        }
        let rows: Vec<_> = batch.incidents.values().map(|row| incident(host, row)).collect();
        let changing: Vec<_> = INCIDENTS[2..].iter().map(|column| column.name()).collect();
        insert(&mut change, &dialect.insert("incidents", INCIDENTS, "host, number", &changing), &rows).await?;
        let rows: Vec<_> =
            batch.told.iter().map(|row| (host, row.number, &row.channel, &row.kind, row.time, &row.outcome, &row.cause)).collect();
        insert(&mut change, &dialect.insert("told", TOLD, "host, number, channel, kind, time", &[]), &rows).await?;
        if let Some(oldest) = batch.looks.iter().map(|look| look.time).min() {
            // What comes late is rolled up anew.
            let back = "UPDATE hosts SET \
                 minutes_until = CASE WHEN minutes_until IS NULL OR minutes_until > ? THEN ? ELSE minutes_until END, \
                 quarters_until = CASE WHEN quarters_until IS NULL OR quarters_until > ? THEN ? ELSE quarters_until END WHERE id = ?";
            let query = sqlx::query(AssertSqlSafe(dialect.numbered(back)));
            query.bind(oldest).bind(oldest).bind(oldest).bind(oldest).bind(host).execute(&mut *change).await?;
        }
        change.commit().await
    }

    /// The digest of each number of the batch, in order; the database knows them all by now, up to its limit.
    async fn series_of(&mut self, batch: &Batch) -> Result<Vec<i64>, sqlx::Error> {
        let (mut digests, mut new) = (Vec::with_capacity(batch.numbers()), BTreeMap::new());
        for look in &batch.looks {
            for (key, numbers) in &look.numbers {
                let of_target = digest(digest(START, &look.check), key);
                for (metric, _) in numbers {
                    let digest = digest(of_target, metric).cast_signed();
                    if !self.series.contains_key(&digest) && self.series.len() + new.len() < MOST_SERIES {
                        new.insert(digest, (name(&look.check), target(key), name(metric)));
                    }
                    digests.push(digest);
                }
            }
        }
        if !new.is_empty() {
            let rows: Vec<_> = new.iter().map(|(digest, (check, target, metric))| (self.host, digest, check, target, metric)).collect();
            let statement = self.dialect.insert("series", SERIES, "host, digest", &[]);
            insert(&mut self.connection, &statement, &rows).await?;
            let known: Vec<i64> = new.into_keys().collect();
            let select = format!("SELECT digest, id FROM series WHERE host = ? AND digest IN ({})", self.dialect.numbers());
            let select = self.dialect.numbered(&select);
            for known in known.chunks(AT_ONCE) {
                let query = sqlx::query(AssertSqlSafe(select.as_str())).bind(self.host).bind(json(&known)?);
                for row in query.fetch_all(&mut self.connection).await? {
                    self.series.insert(row.try_get(0)?, row.try_get(1)?);
                }
            }
            if self.series.len() >= MOST_SERIES {
                let left_out = digests.iter().filter(|digest| !self.series.contains_key(digest)).collect::<BTreeSet<_>>().len();
                tracing::warn!(left_out, most = MOST_SERIES, "history keeps no more names of numbers");
            }
        }
        Ok(digests)
    }
}

async fn insert<T: Serialize>(connection: &mut sqlx::AnyConnection, statement: &str, rows: &[T]) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(AT_ONCE) {
        sqlx::query(AssertSqlSafe(statement)).bind(json(&rows)?).execute(&mut *connection).await?;
    }
    Ok(())
}

fn json<T: Serialize>(rows: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn incident(host: i64, row: &IncidentRow) -> impl Serialize + use<'_> {
    (
        host,
        row.number,
        &row.kind,
        name(&row.check),
        &row.target,
        &row.name,
        &row.rule,
        &row.severity,
        &row.reason,
        row.value,
        row.failures,
        row.since,
        row.until,
        &row.closed_by,
    )
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>: the same in every version of the program and on every machine.
fn digest(start: u64, text: &str) -> u64 {
    // A byte that no text has, so that `a` + `bc` is not `ab` + `c`.
    text.bytes().chain([0xff]).fold(start, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
