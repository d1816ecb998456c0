//! What is asked of history: how a number went, what failed when, and who was told.

use std::time::Duration;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::database::{Fault, connect};
use super::dialect::Dialect;
use super::upkeep::{MINUTE, MINUTES, QUARTERS, Width};
use super::{Keep, Place};

/// Readings one by one are shown for at most so long: beyond that one row a minute is enough.
const CLOSE_UP: i64 = 60 * MINUTE;
/// Minutes are shown for at most so long.
const MIDDLE: i64 = 3 * 24 * 60 * MINUTE;
/// A list has at most so many.
const MOST: u32 = 1000;

/// A connection that only reads.
pub struct Reader {
    connection: AnyConnection,
    dialect: Dialect,
    place: Place,
    keep: Keep,
}

/// Which numbers, from when to when.
#[derive(Debug, Clone)]
pub struct SeriesQuery<'a> {
    /// The name of the machine that looked; nothing for any.
    pub host: Option<&'a str>,
    pub check: &'a str,
    pub target: &'a str,
    pub metric: &'a str,
    /// Milliseconds since 1970, the second not included.
    pub from: i64,
    pub to: i64,
    pub max_points: usize,
}

/// How a number went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Milliseconds of one point; 0 if each is one reading.
    pub step: i64,
    pub points: Vec<Point>,
}

/// One reading, or several in one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Its beginning, in milliseconds since 1970.
    pub time: i64,
    pub count: i64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// A number that is kept, with its last value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latest {
    pub host: String,
    pub check: String,
    pub target: String,
    pub metric: String,
    /// The minute of that value, in milliseconds since 1970; nothing if the last is too long ago.
    pub time: Option<i64>,
    pub value: Option<f64>,
}

/// Which incidents.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter<'a> {
    pub host: Option<&'a str>,
    pub check: Option<&'a str>,
    pub target: Option<&'a str>,
    /// The kind of the check.
    pub kind: Option<&'a str>,
    pub severity: Option<&'a str>,
    /// The number on its machine.
    pub number: Option<i64>,
    /// Those with this in the target or its name, whatever the case of ASCII letters.
    pub text: Option<&'a str>,
    /// Those that began then or later, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Those that began before.
    pub before: Option<i64>,
    /// Those that are not over.
    pub open: bool,
    /// Those that are.
    pub closed: bool,
    /// Without those of this machine that are not over: the watch there knows them better.
    pub unless_open_at: Option<&'a str>,
}

/// Which part of a long list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// After the one that began then and has this number on its machine.
    pub after: Option<(i64, i64)>,
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptIncident {
    pub host: String,
    pub number: i64,
    pub kind: String,
    pub check: String,
    pub target: String,
    pub name: Option<String>,
    pub rule: String,
    pub severity: String,
    pub reason: String,
    pub value: Option<f64>,
    pub failures: i64,
    /// Milliseconds since 1970.
    pub since: i64,
    pub until: Option<i64>,
    /// `recovery`, `removal`, or `lost` if its end was not seen.
    pub closed_by: Option<String>,
}

/// A channel was told of an incident, or was not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptTold {
    pub channel: String,
    /// `failed`, `recovered`, `reminder` or `digest`.
    pub kind: String,
    /// Milliseconds since 1970.
    pub time: i64,
    /// `taken`, `never` or `unsure`.
    pub outcome: String,
    pub cause: Option<String>,
}

enum Value<'a> {
    Integer(i64),
    Text(&'a str),
}

impl Reader {
    pub async fn open(place: &Place, keep: Keep) -> Result<Self, Fault> {
        let (connection, dialect) = connect(place, false).await?;
        Ok(Self { connection, dialect, place: place.clone(), keep })
    }

    /// How a number went, in as much detail as there is and as fits.
    pub async fn series(&mut self, query: &SeriesQuery<'_>, now: i64) -> Result<Series, Fault> {
        let found = self.find_series(query, now).await;
        found.map_err(|error| self.place.fault(&error))
    }

    async fn find_series(&mut self, query: &SeriesQuery<'_>, now: i64) -> Result<Series, sqlx::Error> {
        let mut select = "SELECT s.id, s.host, h.minutes_until, h.quarters_until FROM series s JOIN hosts h ON h.id = s.host \
             WHERE s.check_name = ? AND s.target = ? AND s.metric = ?"
            .to_owned();
        let mut values = vec![Value::Text(query.check), Value::Text(query.target), Value::Text(query.metric)];
        if let Some(host) = query.host {
            select.push_str(" AND h.name = ?");
            values.push(Value::Text(host));
        }
        let kept = |length: Duration| query.from >= now - i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let width = match query.to - query.from {
            span if span <= CLOSE_UP && kept(self.keep.raw) => None,
            span if span <= MIDDLE && kept(self.keep.minute) => Some(MINUTES),
            _ => Some(QUARTERS),
        };
        let mut points = Vec::new();
        for row in self.rows(&select, &values).await? {
            let (series, host): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let until = |column| row.try_get::<Option<i64>, _>(column).map(|until| until.unwrap_or(i64::MIN));
            // The newest is not rolled up yet: it is taken from what is finer.
            let mut from = query.from;
            for (rolled, end) in [(QUARTERS, until(3)?), (MINUTES, until(2)?)] {
                if width.is_some_and(|width| width.length >= rolled.length) && end > from {
                    self.rolled(rolled, series, from, end.min(query.to), &mut points).await?;
                    from = end;
                }
            }
            if from < query.to {
                self.readings(host, series, from, query.to, &mut points).await?;
            }
        }
        points.sort_by_key(|point| point.time);
        Ok(thinned(points, query, width.map_or(0, |width| width.length)))
    }

    async fn rolled(&mut self, width: Width, series: i64, from: i64, to: i64, points: &mut Vec<Point>) -> Result<(), sqlx::Error> {
        let Width { table, length, .. } = width;
        let select = format!("SELECT slot, count, mean, low, high FROM {table} WHERE series = ? AND slot >= ? AND slot < ? ORDER BY slot");
        let first = from.div_euclid(length) + i64::from(from.rem_euclid(length) > 0);
        let values = [series, first, to.div_euclid(length) + i64::from(to.rem_euclid(length) > 0)].map(Value::Integer);
        for row in self.rows(&select, &values).await? {
            points.push(Point {
                time: row.try_get::<i64, _>(0)? * length,
                count: row.try_get(1)?,
                mean: row.try_get(2)?,
                low: row.try_get(3)?,
                high: row.try_get(4)?,
            });
        }
        Ok(())
    }

    async fn readings(&mut self, host: i64, series: i64, from: i64, to: i64, points: &mut Vec<Point>) -> Result<(), sqlx::Error> {
        let select = "SELECT time, value FROM readings WHERE host = ? AND time >= ? AND time < ? AND series = ? ORDER BY time";
        for row in self.rows(select, &[host, from, to, series].map(Value::Integer)).await? {
            let value = row.try_get(1)?;
            points.push(Point { time: row.try_get(0)?, count: 1, mean: value, low: value, high: value });
        }
        Ok(())
    }

    /// The numbers that are kept of a check, or of one target, with their last values by the minute.
    pub async fn latest(&mut self, host: Option<&str>, check: &str, target: Option<&str>) -> Result<Vec<Latest>, Fault> {
        let mut select = "SELECT h.name, s.check_name, s.target, s.metric, m.slot, m.mean FROM series s JOIN hosts h ON h.id = s.host \
             LEFT JOIN minutes m ON m.series = s.id AND m.slot = (SELECT MAX(slot) FROM minutes WHERE minutes.series = s.id) \
             WHERE s.check_name = ?"
            .to_owned();
        let mut values = vec![Value::Text(check)];
        for (column, value) in [("s.target", target), ("h.name", host)] {
            if let Some(value) = value {
                select.push_str(&format!(" AND {column} = ?"));
                values.push(Value::Text(value));
            }
        }
        select.push_str(&format!(" ORDER BY s.target, s.metric LIMIT {MOST}"));
        let rows = self.rows(&select, &values).await;
        rows.and_then(|rows| rows.iter().map(latest).collect()).map_err(|error| self.place.fault(&error))
    }

    /// Incidents, newest first.
    pub async fn incidents(&mut self, filter: &IncidentFilter<'_>, page: Page) -> Result<Vec<KeptIncident>, Fault> {
        let mut select = "SELECT h.name, i.number, i.kind, i.check_name, i.target, i.target_name, i.rule, i.severity, i.reason, i.value, \
             i.failures, i.since, i.until, i.closed_by FROM incidents i JOIN hosts h ON h.id = i.host WHERE 1 = 1"
            .to_owned();
        let mut values = Vec::new();
        let texts = [
            ("i.check_name", filter.check),
            ("i.target", filter.target),
            ("i.kind", filter.kind),
            ("i.severity", filter.severity),
            ("h.name", filter.host),
        ];
        for (column, value) in texts {
            if let Some(value) = value {
                select.push_str(&format!(" AND {column} = ?"));
                values.push(Value::Text(value));
            }
        }
        let numbers = [("i.number =", filter.number), ("i.since >=", filter.since), ("i.since <", filter.before)];
        for (condition, value) in numbers {
            if let Some(value) = value {
                select.push_str(&format!(" AND {condition} ?"));
                values.push(Value::Integer(value));
            }
        }
        let pattern = filter.text.map(|text| format!("%{}%", escaped(&text.to_ascii_lowercase())));
        if let Some(pattern) = &pattern {
            select.push_str(" AND (LOWER(i.target) LIKE ? ESCAPE '!' OR LOWER(i.target_name) LIKE ? ESCAPE '!')");
            values.extend([Value::Text(pattern), Value::Text(pattern)]);
        }
        if filter.open {
            select.push_str(" AND i.until IS NULL");
        }
        if filter.closed {
            select.push_str(" AND i.until IS NOT NULL");
        }
        if let Some(host) = filter.unless_open_at {
            select.push_str(" AND (h.name <> ? OR i.until IS NOT NULL)");
            values.push(Value::Text(host));
        }
        if let Some((since, number)) = page.after {
            // The first condition is what the index is good for.
            select.push_str(" AND i.since <= ? AND (i.since < ? OR i.number < ?)");
            values.extend([since, since, number].map(Value::Integer));
        }
        select.push_str(&format!(" ORDER BY i.since DESC, i.number DESC LIMIT {}", page.limit.min(MOST)));
        let rows = self.rows(&select, &values).await;
        rows.and_then(|rows| rows.iter().map(incident).collect()).map_err(|error| self.place.fault(&error))
    }

    /// Who was told of an incident, and how that went, oldest first.
    pub async fn told(&mut self, host: &str, number: i64) -> Result<Vec<KeptTold>, Fault> {
        let select = "SELECT t.channel, t.kind, t.time, t.outcome, t.cause FROM told t JOIN hosts h ON h.id = t.host \
             WHERE h.name = ? AND t.number = ? ORDER BY t.time, t.channel";
        let rows = self.rows(select, &[Value::Text(host), Value::Integer(number)]).await;
        rows.and_then(|rows| rows.iter().map(told).collect()).map_err(|error| self.place.fault(&error))
    }

    async fn rows(&mut self, select: &str, values: &[Value<'_>]) -> Result<Vec<AnyRow>, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(self.dialect.numbered(select)));
        for value in values {
            query = match value {
                Value::Integer(number) => query.bind(*number),
                Value::Text(text) => query.bind((*text).to_owned()),
            };
        }
        query.fetch_all(&mut self.connection).await
    }
}

/// As it stands in a pattern of LIKE, where `!` takes the meaning from a sign.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, sign| {
        if "!%_".contains(sign) {
            escaped.push('!');
        }
        escaped.push(sign);
        escaped
    })
}

/// At most as many points as asked for, of equal lengths of time.
fn thinned(points: Vec<Point>, query: &SeriesQuery, step: i64) -> Series {
    if points.len() <= query.max_points {
        return Series { step, points };
    }
    let most = i64::try_from(query.max_points.max(1)).unwrap_or(i64::MAX);
    let unit = step.max(1);
    let step = ((query.to - query.from) / most / unit + 1) * unit;
    let mut thin: Vec<Point> = Vec::new();
    for point in points {
        let time = point.time.div_euclid(step) * step;
        match thin.last_mut().filter(|last| last.time == time) {
            Some(last) => {
                let count = last.count + point.count;
                last.mean += (point.mean - last.mean) * (point.count as f64 / count as f64);
                (last.count, last.low, last.high) = (count, last.low.min(point.low), last.high.max(point.high));
            }
            None => thin.push(Point { time, ..point }),
        }
    }
    Series { step, points: thin }
}

fn latest(row: &AnyRow) -> Result<Latest, sqlx::Error> {
    Ok(Latest {
        host: row.try_get(0)?,
        check: row.try_get(1)?,
        target: row.try_get(2)?,
        metric: row.try_get(3)?,
        time: row.try_get::<Option<i64>, _>(4)?.map(|slot| slot * MINUTE),
        value: row.try_get(5)?,
    })
}

fn incident(row: &AnyRow) -> Result<KeptIncident, sqlx::Error> {
    Ok(KeptIncident {
        host: row.try_get(0)?,
        number: row.try_get(1)?,
        kind: row.try_get(2)?,
        check: row.try_get(3)?,
        target: row.try_get(4)?,
        name: row.try_get(5)?,
        rule: row.try_get(6)?,
        severity: row.try_get(7)?,
        reason: row.try_get(8)?,
        value: row.try_get(9)?,
        failures: row.try_get(10)?,
        since: row.try_get(11)?,
        until: row.try_get(12)?,
        closed_by: row.try_get(13)?,
    })
}

fn told(row: &AnyRow) -> Result<KeptTold, sqlx::Error> {
    Ok(KeptTold {
        channel: row.try_get(0)?,
        kind: row.try_get(1)?,
        time: row.try_get(2)?,
        outcome: row.try_get(3)?,
        cause: row.try_get(4)?,
    })
}
