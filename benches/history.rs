//! History of many machines in SQLite: `cargo bench --bench history -- SCALE [YEAR]`, where 1 is 1,000 machines; the year takes
//! its own scale, or that one.
//!
//! Prints what one poll of ten thousand machines costs, what the questions of the page cost at 100 million readings'
//! worth of roll-ups and how SQLite answers them, and how big a year is. Rows are filled in by time, as they come.

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use vakhta::domain::reading::{Reading, Target};
use vakhta::store::history::{Batch, Database, IncidentFilter, Keep, Look, Page, Place, Reader, Record, SeriesQuery};

const METRICS: [&str; 4] = ["cpu", "disk", "mem", "up"];
const DAY: i64 = 24 * 3600 * 1000;
const MINUTE: i64 = 60_000;
/// The beginning of a day.
const START: i64 = 20_000 * DAY;
/// 100 million readings of 1,000 machines × 4 numbers, two a minute.
const MINUTES: i64 = 12_500;
const YEAR: i64 = 365;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` and `cargo test` add flags of their own.
    let scales = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let machines: Vec<_> = scales.map(|scale| scale.parse().map(|scale: f64| (1000.0 * scale).round() as i64)).collect::<Result<_, _>>()?;
    let [machines, rest @ ..] = &machines[..] else {
        println!("skipped: history SCALE [YEAR], where 1 is 1,000 machines (gigabytes, minutes)");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    poll(&folder.path().join("poll.db")).await?;
    questions(&folder.path().join("questions.db"), *machines).await?;
    year(&folder.path().join("year.db"), *rest.first().unwrap_or(machines)).await?;
    Ok(())
}

/// Ten thousand machines with four numbers each, in one answer.
async fn poll(path: &Path) -> anyhow::Result<()> {
    let mut database = open(path).await?;
    let targets: Vec<_> = (0..10_000).map(|n| Target::new(format!("10.0.{}.{}", n / 256, n % 256))).collect();
    let readings: Vec<_> = targets
        .iter()
        .enumerate()
        .map(|(n, target)| METRICS[..3].iter().fold(Reading::pass(target), |reading, metric| reading.with(*metric, n as f64 / 7.0)))
        .collect();
    for poll in 0..5 {
        let (cpu, wall) = (cpu(), Instant::now());
        let mut batch = Batch::default();
        batch.add(Record::Look(Look::new(&"machines".into(), &readings, at(START + poll * 30_000))));
        database.write(&batch).await?;
        println!("poll {poll}: 40,000 numbers written in {:.0?}, cpu {:.0?}, peak {} KiB", wall.elapsed(), self::cpu() - cpu, peak_kib()?);
    }
    let (cpu, wall) = (cpu(), Instant::now());
    database.roll_up(START + 20 * MINUTE).await?;
    println!("roll-up of 200,000 numbers to 120,000 minutes and 40,000 quarters: {:.0?}, cpu {:.0?}", wall.elapsed(), self::cpu() - cpu);
    Ok(())
}

/// Roll-ups worth 100 million readings at full scale, 100,000 incidents, and what it costs to ask.
async fn questions(path: &Path, machines: i64) -> anyhow::Result<()> {
    open(path).await?.close().await;
    let mut connection = fill(path, machines).await?;
    let (series, wall) = (machines * METRICS.len() as i64, Instant::now());
    let first = START / MINUTE;
    for part in (0..MINUTES).step_by(500) {
        let (from, to) = (first + part, first + (part + 500).min(MINUTES));
        roll_ups(&mut connection, "minutes", series, from, to).await?;
    }
    roll_ups(&mut connection, "quarters", series, first / 15, (first + MINUTES) / 15).await?;
    sqlx::raw_sql(
        "WITH RECURSIVE n(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM n WHERE n < 100000) \
         INSERT INTO incidents SELECT 1, n, CASE n % 3 WHEN 0 THEN 'ping' ELSE 'metrics' END, 'machines', 'm' || (n % 1000), NULL, 'up', \
         'critical', 'no reply to 3 echoes in 2 s', NULL, 3, 1728000000000 + n * 7000, 1728000000000 + n * 7000 + 60000, 'recovery' FROM n",
    )
    .execute(&mut connection)
    .await?;
    let size = path.metadata()?.len() as f64 / f64::from(1 << 20);
    let rows = series * MINUTES;
    println!(
        "\n{machines} machines: {rows} minutes (of {} readings), {} quarters and 100,000 incidents in {size:.0} MiB, filled in {:.0?}",
        rows * 2,
        rows / 15,
        wall.elapsed()
    );
    plans(&mut connection).await?;
    let keep = Duration::from_secs(3 * 365 * 86_400);
    let keep = Keep { raw: keep, minute: keep, quarter: keep, incidents: keep };
    let mut reader = Reader::open(&Place::File(path.to_owned()), keep).await?;
    let end = START + MINUTES * MINUTE;
    let target = format!("m{}", machines / 2);
    for (what, from) in [("last day", end - DAY), ("last 8 days", end - 8 * DAY)] {
        let query = SeriesQuery { host: Some("srv-01"), check: "machines", target: &target, metric: "cpu", from, to: end, max_points: 500 };
        let wall = Instant::now();
        let series = reader.series(&query, end).await?;
        println!("a machine's {what}: {} points in {:.1?}", series.points.len(), wall.elapsed());
    }
    let wall = Instant::now();
    let latest = reader.latest(Some("srv-01"), "machines", None).await?;
    println!("last values of a check: {} in {:.1?}", latest.len(), wall.elapsed());
    let filters = [
        ("newest", IncidentFilter::default()),
        ("of a machine", IncidentFilter { target: Some("m7"), ..IncidentFilter::default() }),
        ("of a kind", IncidentFilter { kind: Some("ping"), ..IncidentFilter::default() }),
        ("of a check, lately", IncidentFilter { check: Some("machines"), since: Some(end - DAY), ..IncidentFilter::default() }),
        ("open", IncidentFilter { open: true, ..IncidentFilter::default() }),
    ];
    for (what, filter) in filters {
        let wall = Instant::now();
        let page = reader.incidents(&filter, Page { after: None, limit: 50 }).await?;
        println!("50 incidents, {what}: {} in {:.1?}", page.len(), wall.elapsed());
    }
    let wall = Instant::now();
    reader.incidents(&IncidentFilter::default(), Page { after: Some((1_728_000_000_000 + 50_000 * 7000, 50_000)), limit: 50 }).await?;
    println!("50 incidents from the middle of the list in {:.1?}", wall.elapsed());
    Ok(())
}

/// A year of quarters of an hour, and nothing else.
async fn year(path: &Path, machines: i64) -> anyhow::Result<()> {
    open(path).await?.close().await;
    let mut connection = fill(path, machines).await?;
    let (series, wall) = (machines * METRICS.len() as i64, Instant::now());
    for day in 0..YEAR {
        let first = START / MINUTE / 15 + day * 96;
        roll_ups(&mut connection, "quarters", series, first, first + 96).await?;
    }
    let (rows, bytes) = (series * YEAR * 96, path.metadata()?.len() as f64);
    println!(
        "\na year of {machines} machines × 4 numbers × 15 min: {rows} rows, {:.0} MiB, {:.1} bytes a row, filled in {:.0?}; of 1,000 machines: {:.1} GiB",
        bytes / f64::from(1 << 20),
        bytes / rows as f64,
        wall.elapsed(),
        bytes / rows as f64 * 4000.0 * (YEAR * 96) as f64 / f64::from(1 << 30)
    );
    Ok(())
}

async fn open(path: &Path) -> anyhow::Result<Database> {
    Ok(Database::open(&Place::File(path.to_owned()), "0123456789abcdef", "srv-01").await?)
}

/// A connection for filling in, with the series there already.
async fn fill(path: &Path, machines: i64) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).pragma("cache_size", "-200000").disable_statement_logging();
    let mut connection = options.connect().await?;
    for (number, metric) in METRICS.iter().enumerate() {
        let insert = format!(
            "WITH RECURSIVE n(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM n WHERE n < {machines} - 1) \
             INSERT INTO series SELECT n * 4 + {number} + 1, 1, n * 4 + {number}, 'machines', 'm' || n, '{metric}' FROM n"
        );
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut connection).await?;
    }
    // As if all of it were rolled up.
    sqlx::raw_sql("UPDATE hosts SET minutes_until = 9e15, quarters_until = 9e15").execute(&mut connection).await?;
    Ok(connection)
}

/// Rows of all series in these slots, slot by slot: three numbers that wander, and one that hardly ever changes.
async fn roll_ups(connection: &mut SqliteConnection, table: &str, series: i64, from: i64, to: i64) -> anyhow::Result<()> {
    let insert = format!(
        "WITH RECURSIVE slots(slot) AS (VALUES({from}) UNION ALL SELECT slot + 1 FROM slots WHERE slot < {to} - 1), \
         every(series) AS (VALUES(1) UNION ALL SELECT series + 1 FROM every WHERE series < {series}) \
         INSERT INTO {table} SELECT series, slot, 30, value, value * 0.9, value * 1.1 FROM \
         (SELECT series, slot, CASE series % 4 WHEN 0 THEN 0.0 ELSE abs(random() % 1000000) / 10007.0 END AS value FROM slots CROSS JOIN every)"
    );
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(connection).await?;
    Ok(())
}

/// How SQLite answers what the reader asks.
async fn plans(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let asked = [
        "SELECT slot, count, mean, low, high FROM minutes WHERE series = 7 AND slot >= 1 AND slot < 9 ORDER BY slot",
        "SELECT s.id, s.host FROM series s JOIN hosts h ON h.id = s.host WHERE s.check_name = 'a' AND s.target = 'b' AND s.metric = 'c'",
        "SELECT time, value FROM readings WHERE host = 1 AND time >= 1 AND time < 9 AND series = 7 ORDER BY time",
        "SELECT s.target, m.mean FROM series s LEFT JOIN minutes m ON m.series = s.id AND m.slot = \
         (SELECT MAX(slot) FROM minutes WHERE minutes.series = s.id) WHERE s.check_name = 'a' ORDER BY s.target, s.metric LIMIT 1000",
        "SELECT number FROM incidents i JOIN hosts h ON h.id = i.host ORDER BY i.since DESC, i.number DESC LIMIT 50",
        "SELECT number FROM incidents i JOIN hosts h ON h.id = i.host WHERE i.target = 'm7' ORDER BY i.since DESC, i.number DESC LIMIT 50",
        "SELECT number FROM incidents i JOIN hosts h ON h.id = i.host WHERE i.kind = 'ping' ORDER BY i.since DESC, i.number DESC LIMIT 50",
        "SELECT number FROM incidents i JOIN hosts h ON h.id = i.host WHERE i.until IS NULL ORDER BY i.since DESC, i.number DESC LIMIT 50",
    ];
    for select in asked {
        println!("\n{select}");
        for row in sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {select}"))).fetch_all(&mut *connection).await? {
            println!("    {}", row.get::<String, _>(3));
        }
    }
    println!();
    Ok(())
}

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// Of all threads of this process.
fn cpu() -> Duration {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat());
    stat.map(|stat| Duration::from_millis((stat.utime + stat.stime) * 1000 / procfs::ticks_per_second())).unwrap_or_default()
}

fn peak_kib() -> anyhow::Result<u64> {
    Ok(procfs::process::Process::myself()?.status()?.vmhwm.unwrap_or_default())
}
