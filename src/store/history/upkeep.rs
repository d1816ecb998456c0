//! Readings become minutes and quarters of an hour; what is too old or too much goes, and its space comes back.

use sqlx::{AssertSqlSafe, Connection, Row};

use super::Keep;
use super::database::{Database, Fault};
use super::dialect::Dialect;

pub const MINUTE: i64 = 60_000;
pub const QUARTER: i64 = 15 * MINUTE;
const HOUR: i64 = 60 * MINUTE;

/// A slot is rolled up so long after its end, when what was on its way has come.
const GRACE: i64 = 5_000;
/// So much time at once, so that one transaction is seconds at most.
const STRETCH: i64 = 15 * MINUTE;
/// Series of one statement.
const AT_ONCE: usize = 200;
/// What a database that is too big gives up at once: this part of the oldest time.
const PART: i64 = 5;
/// In so many steps, so that no transaction is large.
const STEPS: i64 = 20;
/// Free pages are given back when they are more than one of so many.
const MANY_FREE: i64 = 10;
/// How often at most in one go.
const ROUNDS: usize = 40;

/// A table of roll-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    pub table: &'static str,
    /// The column of `hosts` that says how far it goes.
    pub until: &'static str,
    /// Of a slot, in milliseconds.
    pub length: i64,
}

pub const MINUTES: Width = Width { table: "minutes", until: "minutes_until", length: MINUTE };
pub const QUARTERS: Width = Width { table: "quarters", until: "quarters_until", length: QUARTER };

/// What became of a look after old rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the database now.
    pub bytes: i64,
    /// It was too big, and old readings went before their time.
    pub cut: bool,
}

impl Database {
    /// Rolls up what the own watch wrote, in slots that are over. The same again changes nothing.
    pub async fn roll_up(&mut self, now: i64) -> Result<(), Fault> {
        for width in [MINUTES, QUARTERS] {
            let rolled = self.roll_up_to(width, (now - GRACE).div_euclid(width.length) * width.length).await;
            rolled.map_err(|error| self.place.fault(&error))?;
        }
        Ok(())
    }

    async fn roll_up_to(&mut self, width: Width, end: i64) -> Result<(), sqlx::Error> {
        let Width { table, until, length } = width;
        let select = self.dialect.numbered(&format!("SELECT {until} FROM hosts WHERE id = ?"));
        let from: Option<i64> = sqlx::query_scalar(AssertSqlSafe(select)).bind(self.host).fetch_one(&mut self.connection).await?;
        let Some(mut from) = from.map(|from| from.div_euclid(length) * length) else { return Ok(()) };
        let slot = self.dialect.quotient("time", length);
        let roll = self.dialect.numbered(&format!(
            "INSERT INTO {table} (series, slot, count, mean, low, high) \
             SELECT series, {slot}, COUNT(*), AVG(value), MIN(value), MAX(value) FROM readings \
             WHERE host = ? AND time >= ? AND time < ? GROUP BY series, {slot} {}",
            self.dialect.unless_there("series, slot", &["count", "mean", "low", "high"])
        ));
        let advance = self.dialect.numbered(&format!("UPDATE hosts SET {until} = ? WHERE id = ?"));
        while from < end {
            let to = (from + STRETCH.max(length)).min(end);
            let mut change = self.connection.begin_with(self.dialect.begin()).await?;
            let rows = sqlx::query(AssertSqlSafe(roll.as_str())).bind(self.host).bind(from).bind(to).execute(&mut *change).await?;
            let next = if rows.rows_affected() > 0 {
                to
            } else {
                // Hours without a reading are passed in one step.
                let select = self.dialect.numbered("SELECT MIN(time) FROM readings WHERE host = ? AND time >= ?");
                let next: Option<i64> = sqlx::query_scalar(AssertSqlSafe(select)).bind(self.host).bind(to).fetch_one(&mut *change).await?;
                next.map_or(end, |next| (next.div_euclid(length) * length).clamp(to, end))
            };
            sqlx::query(AssertSqlSafe(advance.as_str())).bind(next).bind(self.host).execute(&mut *change).await?;
            change.commit().await?;
            from = next;
        }
        Ok(())
    }

    /// Drops what is older than it is kept, of every host.
    pub async fn drop_old(&mut self, keep: &Keep, now: i64) -> Result<(), Fault> {
        let dropped = self.drop_older(keep, now).await;
        dropped.map_err(|error| self.place.fault(&error))
    }

    async fn drop_older(&mut self, keep: &Keep, now: i64) -> Result<(), sqlx::Error> {
        let before = |kept: std::time::Duration| now - i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        self.drop_readings(before(keep.raw)).await?;
        self.drop_slots(MINUTES, before(keep.minute)).await?;
        self.drop_slots(QUARTERS, before(keep.quarter)).await?;
        let over = before(keep.incidents);
        let told = "DELETE FROM told WHERE time < ? AND EXISTS \
             (SELECT 1 FROM incidents WHERE incidents.host = told.host AND incidents.number = told.number AND incidents.until < ?)";
        self.run(told, |query| query.bind(over).bind(over)).await?;
        // `since` has an index, and nothing is over before it began.
        self.run("DELETE FROM incidents WHERE since < ? AND until < ?", |query| query.bind(over).bind(over)).await?;
        self.reclaim("readings", false).await
    }

    /// Drops readings from before `cut` that are rolled up, little by little.
    async fn drop_readings(&mut self, cut: i64) -> Result<(), sqlx::Error> {
        for (host, until) in self.hosts().await? {
            let select = self.dialect.numbered("SELECT MIN(time) FROM readings WHERE host = ?");
            let oldest: Option<i64> = sqlx::query_scalar(AssertSqlSafe(select)).bind(host).fetch_one(&mut self.connection).await?;
            let end = cut.min(until);
            let Some(mut from) = oldest.filter(|oldest| *oldest < end) else { continue };
            let step = ((end - from) / STEPS).max(MINUTE);
            while from < end {
                from = (from + step).min(end);
                self.run("DELETE FROM readings WHERE host = ? AND time < ?", |query| query.bind(host).bind(from)).await?;
            }
        }
        Ok(())
    }

    /// The numbers of all hosts, and up to when their readings are in both roll-ups.
    async fn hosts(&mut self) -> Result<Vec<(i64, i64)>, sqlx::Error> {
        let rows = sqlx::query("SELECT id, minutes_until, quarters_until FROM hosts").fetch_all(&mut self.connection).await?;
        let until = |row: &_, column: usize| <sqlx::any::AnyRow as Row>::try_get::<Option<i64>, _>(row, column);
        rows.iter().map(|row| Ok((row.try_get(0)?, until(row, 1)?.min(until(row, 2)?).unwrap_or(i64::MIN)))).collect()
    }

    async fn drop_slots(&mut self, width: Width, cut: i64) -> Result<(), sqlx::Error> {
        let series: Vec<i64> = sqlx::query_scalar("SELECT id FROM series").fetch_all(&mut self.connection).await?;
        let slot = cut.div_euclid(width.length);
        for series in series.chunks(AT_ONCE) {
            let list = series.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let delete = format!("DELETE FROM {} WHERE series IN ({list}) AND slot < {slot}", width.table);
            // Another text each time: not worth remembering.
            sqlx::raw_sql(AssertSqlSafe(delete)).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    /// While the database is bigger than `most` bytes, gives up the oldest readings, then minutes, then quarters; never incidents.
    pub async fn hold_down(&mut self, most: i64, now: i64) -> Result<Size, Fault> {
        let held = self.hold(most, now).await;
        held.map_err(|error| self.place.fault(&error))
    }

    async fn hold(&mut self, most: i64, now: i64) -> Result<Size, sqlx::Error> {
        let mut size = Size { bytes: self.bytes().await?, cut: false };
        for _ in 0..ROUNDS {
            if size.bytes <= most {
                break;
            }
            let Some(table) = self.give_up_some(now).await? else { break };
            self.reclaim(table, true).await?;
            size = Size { bytes: self.bytes().await?, cut: true };
        }
        Ok(size)
    }

    /// Drops a part of the oldest; says of which table.
    async fn give_up_some(&mut self, now: i64) -> Result<Option<&'static str>, sqlx::Error> {
        let some = |oldest: i64, newest: i64| oldest + ((newest - oldest) / PART).max(1);
        // Of each, the newest stays as long as there is something coarser to give up: the next roll-up rests on it.
        // A clock that was wrong for a while may have left rows of the future.
        if let Some((oldest, newest)) = self.span("time", "readings").await?
            && newest.min(now) - oldest > HOUR
        {
            let newest = newest.min(now);
            self.drop_readings(some(oldest, newest)).await?;
            if self.span("time", "readings").await?.is_some_and(|(now, _)| now > oldest) {
                return Ok(Some("readings"));
            }
        }
        for (width, least) in [(MINUTES, 24 * HOUR), (QUARTERS, HOUR)] {
            let Some((oldest, newest)) = self.span("slot", width.table).await? else { continue };
            let newest = newest.min(now / width.length);
            if (newest - oldest) * width.length > least {
                self.drop_slots(width, some(oldest, newest) * width.length).await?;
                return Ok(Some(width.table));
            }
        }
        Ok(None)
    }

    async fn span(&mut self, column: &str, table: &str) -> Result<Option<(i64, i64)>, sqlx::Error> {
        let select = format!("SELECT MIN({column}), MAX({column}) FROM {table}");
        let row = sqlx::query(AssertSqlSafe(select)).fetch_one(&mut self.connection).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.zip(row.try_get::<Option<i64>, _>(1)?))
    }

    /// Gives space back to the system: of a file, and of a server's table when it is asked for thoroughly.
    async fn reclaim(&mut self, table: &str, thoroughly: bool) -> Result<(), sqlx::Error> {
        match self.dialect {
            Dialect::Sqlite => self.reclaim_file(thoroughly).await,
            Dialect::Postgres if thoroughly => self.at_length(&format!("VACUUM FULL {table}")).await,
            Dialect::MySql if thoroughly => self.at_length(&format!("OPTIMIZE TABLE {table}")).await,
            Dialect::Postgres | Dialect::MySql => Ok(()),
        }
    }

    /// Free pages are used again; they are given back when they are many.
    async fn reclaim_file(&mut self, thoroughly: bool) -> Result<(), sqlx::Error> {
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut self.connection).await?;
        let mut free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut self.connection).await?;
        while free > 0 && (thoroughly || free * MANY_FREE > pages) {
            // Little by little, so that the journal stays small.
            self.at_length("PRAGMA incremental_vacuum(4096)").await?;
            self.at_length("PRAGMA wal_checkpoint(TRUNCATE)").await?;
            let left: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut self.connection).await?;
            if left >= free {
                break;
            }
            free = left;
        }
        Ok(())
    }

    /// Runs a statement to the last row of its answer: a pragma does its work row by row.
    async fn at_length(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut self.connection).await.map(drop)
    }

    /// How big it is; of MySQL without what its files hold free for later.
    pub async fn bytes(&mut self) -> Result<i64, sqlx::Error> {
        if self.dialect == Dialect::Sqlite {
            let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut self.connection).await?;
            let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut self.connection).await?;
            return Ok(pages * size);
        }
        if self.dialect == Dialect::MySql {
            // What the server says of sizes may be a day old.
            self.at_length("ANALYZE NO_WRITE_TO_BINLOG TABLE hosts, series, readings, minutes, quarters, incidents, told").await?;
        }
        const TABLES: &str = "'hosts', 'series', 'readings', 'minutes', 'quarters', 'incidents', 'told'";
        let select = match self.dialect {
            Dialect::Postgres => format!(
                "SELECT CAST(COALESCE(SUM(pg_total_relation_size(c.oid)), 0) AS bigint) FROM pg_class c \
                 WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname IN ({TABLES})"
            ),
            _ => format!(
                "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name IN ({TABLES})"
            ),
        };
        sqlx::query_scalar(AssertSqlSafe(select)).fetch_one(&mut self.connection).await
    }
}
