//! What must hold of history, whichever database it is in.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use vakhta::domain::reading::{Reading, Target};
use vakhta::store::history::{
    Batch, Database, Fault, IncidentFilter, IncidentRow, Keep, Look, Page, Place, Reader, Record, SeriesQuery, ToldRow,
};

use super::servers::{Make, Server};

/// The beginning of an hour.
pub const START: i64 = 1_795_266_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: Duration = Duration::from_secs(24 * 3600);
pub const KEEP: Keep = Keep { raw: DAY, minute: DAY, quarter: DAY, incidents: DAY };

#[tokio::test]
async fn history_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    contract(async || {
        count += 1;
        Place::File(folder.path().join(format!("odd name %41 ? {count}.db")))
    })
    .await;
}

#[tokio::test]
async fn history_in_mariadb() {
    let Some(mut server) = Server::start(Make::MariaDb, "history_in_mariadb") else { return };
    contract(async || server.database().await).await;
}

#[tokio::test]
async fn history_in_postgresql() {
    let Some(mut server) = Server::start(Make::Postgres, "history_in_postgresql") else { return };
    contract(async || server.database().await).await;
}

async fn contract(mut place: impl AsyncFnMut() -> Place) {
    what_has_no_tables_yet_is_empty(place().await).await;
    the_same_batch_twice_is_once_the_same_rows(place().await).await;
    readings_are_rolled_up_and_dropped(place().await).await;
    what_comes_late_is_rolled_up_anew(place().await).await;
    incidents_are_kept_as_they_end(place().await).await;
    incidents_are_found_and_paged(place().await).await;
    what_is_not_open_any_more_is_lost(place().await).await;
    machines_share_a_database(place().await).await;
    odd_names_and_numbers(place().await).await;
    ten_thousand_machines_are_one_batch(place().await).await;
    a_database_that_is_too_big_gives_up_the_oldest(place().await).await;
    newer_tables_are_left_alone(place().await).await;
}

pub async fn open(place: &Place) -> Database {
    Database::open(place, "0123456789abcdef", "srv-01").await.unwrap()
}

pub async fn reader(place: &Place) -> Reader {
    Reader::open(place, KEEP).await.unwrap()
}

pub fn look(check: &str, time: i64, numbers: &[(&str, f64)]) -> Record {
    let numbers = numbers.iter().map(|(target, value)| ((*target).into(), vec![("rtt".into(), *value)])).collect();
    Record::Look(Look { check: check.into(), time, numbers })
}

pub fn batch(records: impl IntoIterator<Item = Record>) -> Batch {
    let mut batch = Batch::default();
    records.into_iter().for_each(|record| batch.add(record));
    batch
}

pub fn incident(number: u64, target: &str, since: i64, until: Option<i64>) -> IncidentRow {
    IncidentRow {
        number,
        kind: "ping".to_owned(),
        check: "terminals".to_owned(),
        target: target.to_owned(),
        name: None,
        rule: "up".to_owned(),
        severity: "critical".to_owned(),
        reason: "no reply".to_owned(),
        value: None,
        failures: 3,
        since,
        until,
        closed_by: until.map(|_| "recovery".to_owned()),
    }
}

fn query(target: &str, from: i64, to: i64) -> SeriesQuery<'_> {
    SeriesQuery { host: None, check: "terminals", target, metric: "rtt", from, to, max_points: 10_000 }
}

const EVERYTHING: Page = Page { after: None, limit: 1000 };

async fn what_has_no_tables_yet_is_empty(place: Place) {
    if let Some(file) = place.file() {
        std::fs::write(file, "").unwrap();
    }
    let found = reader(&place).await.incidents(&IncidentFilter::default(), EVERYTHING).await;
    assert!(matches!(found, Err(Fault::Empty)), "{found:?}");
}

async fn the_same_batch_twice_is_once_the_same_rows(place: Place) {
    let told = ToldRow::new(7, "ops", "failed", DateTime::from_timestamp_millis(START).unwrap(), "taken", None);
    let batch = batch([
        look("terminals", START, &[("a", 1.5), ("b", 2.5)]),
        look("terminals", START + 1000, &[("a", 3.5)]),
        Record::Incident(incident(7, "a", START, None)),
        Record::Told(told),
    ]);
    let mut database = open(&place).await;
    database.write(&batch).await.unwrap();
    database.write(&batch).await.unwrap();
    // After a lost connection the series are not known by heart.
    database.close().await;
    open(&place).await.write(&batch).await.unwrap();
    let mut reader = reader(&place).await;
    let points = reader.series(&query("a", START, START + HOUR), START + HOUR).await.unwrap().points;
    let seen: Vec<_> = points.iter().map(|point| (point.time, point.count, point.mean)).collect();
    assert_eq!(seen, [(START, 1, 1.5), (START + 1000, 1, 3.5)]);
    assert_eq!(reader.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap().len(), 1);
    let told = reader.told("srv-01", 7).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].channel.as_str(), told[0].kind.as_str(), told[0].outcome.as_str(), &told[0].cause),
        ("ops", "failed", "taken", &None)
    );
}

/// Two hours, a reading each 10 s: the number of its minute.
fn two_hours() -> Batch {
    batch((0..720).map(|n| look("terminals", START + n * 10_000, &[("a", (n / 6) as f64), ("b", 1.0)])))
}

async fn readings_are_rolled_up_and_dropped(place: Place) {
    let mut database = open(&place).await;
    database.write(&two_hours()).await.unwrap();
    let now = START + 2 * HOUR + MINUTE;
    for _ in 0..2 {
        // The second time changes nothing.
        database.roll_up(now).await.unwrap();
        let mut reader = reader(&place).await;
        let minutes = reader.series(&query("a", START, START + 2 * HOUR), now).await.unwrap();
        assert_eq!((minutes.step, minutes.points.len()), (MINUTE, 120));
        let point = minutes.points[17];
        assert_eq!((point.time, point.count, point.mean, point.low, point.high), (START + 17 * MINUTE, 6, 17.0, 17.0, 17.0));
        // Four days, so quarters of an hour.
        let quarters = reader.series(&query("a", START - 96 * HOUR, START + 2 * HOUR), now).await.unwrap();
        assert_eq!((quarters.step, quarters.points.len()), (15 * MINUTE, 8));
        let point = quarters.points[1];
        assert_eq!((point.time, point.count, point.mean, point.low, point.high), (START + 15 * MINUTE, 90, 22.0, 15.0, 29.0));
        let few = reader.series(&SeriesQuery { max_points: 10, ..query("a", START, START + 2 * HOUR) }, now).await.unwrap();
        assert!((1..=10).contains(&few.points.len()) && few.points.iter().map(|point| point.count).sum::<i64>() == 720, "{few:?}");
    }
    // An hour of readings is kept, nothing of minutes; a quarter stays.
    let keep = Keep { raw: Duration::from_secs(3600), minute: Duration::from_secs(600), ..KEEP };
    database.drop_old(&keep, now).await.unwrap();
    let mut reader = reader(&place).await;
    let close_up = reader.series(&query("a", START, START + HOUR), START + HOUR).await.unwrap();
    assert_eq!(close_up.points.len(), 0, "readings of the first hour are gone");
    let minutes = reader.series(&query("a", START, START + 2 * HOUR), START + 2 * HOUR).await.unwrap();
    assert_eq!(minutes.points.len(), 9, "{minutes:?}");
    assert_eq!(reader.series(&query("a", START - 96 * HOUR, START + 2 * HOUR), now).await.unwrap().points.len(), 8);
    let latest = reader.latest(None, "terminals", None).await.unwrap();
    let shown: Vec<_> = latest.iter().map(|latest| (latest.target.as_str(), latest.time, latest.value)).collect();
    assert_eq!(shown, [("a", Some(START + 119 * MINUTE), Some(119.0)), ("b", Some(START + 119 * MINUTE), Some(1.0))]);
}

async fn what_comes_late_is_rolled_up_anew(place: Place) {
    let mut database = open(&place).await;
    let mut all = two_hours();
    let late = Batch { looks: all.looks.drain(100..400).collect(), ..Batch::default() };
    let now = START + 3 * HOUR;
    database.write(&all).await.unwrap();
    database.roll_up(now).await.unwrap();
    database.write(&late).await.unwrap();
    // Not even a time-out that comes before the next roll-up drops what is not rolled up.
    database.drop_old(&Keep { raw: Duration::ZERO, ..KEEP }, now).await.unwrap();
    database.roll_up(now).await.unwrap();
    let minutes = reader(&place).await.series(&query("a", START, START + 2 * HOUR), now).await.unwrap();
    let counts: Vec<_> = minutes.points.iter().skip(17).map(|point| point.count).collect();
    assert_eq!(counts.iter().filter(|count| **count == 6).count(), 103, "{counts:?}");
    assert_eq!(minutes.points.len(), 120);
}

async fn incidents_are_kept_as_they_end(place: Place) {
    let mut database = open(&place).await;
    database.write(&batch([Record::Incident(incident(1, "a", START, None))])).await.unwrap();
    let over = IncidentRow { failures: 9, value: Some(12.5), name: Some("hall".to_owned()), ..incident(1, "a", START, Some(START + 5000)) };
    database.write(&batch([Record::Incident(over)])).await.unwrap();
    let kept = reader(&place).await.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap();
    assert_eq!(kept.len(), 1);
    let kept = &kept[0];
    assert_eq!((kept.failures, kept.value, kept.until, kept.name.as_deref()), (9, Some(12.5), Some(START + 5000), Some("hall")));
    assert_eq!((kept.closed_by.as_deref(), kept.host.as_str()), (Some("recovery"), "srv-01"));
    // What is over goes in its time, what is open stays.
    database.write(&batch([Record::Incident(incident(2, "b", START, None))])).await.unwrap();
    database.drop_old(&KEEP, START + 48 * HOUR).await.unwrap();
    let kept = reader(&place).await.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.number).collect::<Vec<_>>(), [2]);
}

async fn incidents_are_found_and_paged(place: Place) {
    let mut database = open(&place).await;
    let rows = (1..=30).map(|n| {
        let target = if n % 3 == 0 { "a" } else { "b" };
        // Several begin at once.
        Record::Incident(incident(n, target, START + (n as i64 / 4) * MINUTE, (n % 2 == 0).then_some(START + HOUR)))
    });
    database.write(&batch(rows)).await.unwrap();
    let mut reader = reader(&place).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reader.incidents(&IncidentFilter::default(), Page { after, limit: 7 }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.since, last.number));
        seen.extend(page.iter().map(|incident| incident.number));
    }
    assert_eq!(seen, (1..=30).rev().collect::<Vec<i64>>());
    let count = async |reader: &mut Reader, filter: IncidentFilter<'_>| reader.incidents(&filter, EVERYTHING).await.unwrap().len();
    assert_eq!(count(&mut reader, IncidentFilter { target: Some("a"), ..Default::default() }).await, 10);
    assert_eq!(count(&mut reader, IncidentFilter { check: Some("terminals"), open: true, ..Default::default() }).await, 15);
    assert_eq!(count(&mut reader, IncidentFilter { kind: Some("http"), ..Default::default() }).await, 0);
    assert_eq!(count(&mut reader, IncidentFilter { since: Some(START + 5 * MINUTE), ..Default::default() }).await, 11);
    let by_text = |text| IncidentFilter { text: Some(text), ..Default::default() };
    assert_eq!(
        count(&mut reader, by_text("A")).await,
        count(&mut reader, IncidentFilter { target: Some("a"), ..Default::default() }).await
    );
    for nothing in ["%", "_", "!", "' OR 1=1 --", "\\"] {
        assert_eq!(count(&mut reader, by_text(nothing)).await, 0, "{nothing}");
    }
    let closed = count(&mut reader, IncidentFilter { closed: true, ..Default::default() }).await;
    let open = count(&mut reader, IncidentFilter { open: true, ..Default::default() }).await;
    assert_eq!(closed + open, count(&mut reader, IncidentFilter::default()).await);
    assert_eq!(count(&mut reader, IncidentFilter { severity: Some("critical"), number: Some(3), ..Default::default() }).await, 1);
    let elsewhere = IncidentFilter { unless_open_at: Some("srv-01"), ..Default::default() };
    assert_eq!(count(&mut reader, elsewhere).await, closed, "what is over is told of all");
    let (early, late) = (Some(START + 5 * MINUTE), None);
    assert_eq!(
        count(&mut reader, IncidentFilter { before: early, ..Default::default() }).await
            + count(&mut reader, IncidentFilter { since: early, before: late, ..Default::default() }).await,
        closed + open
    );
    assert_eq!(count(&mut reader, IncidentFilter { host: Some("srv-02"), ..Default::default() }).await, 0);
}

async fn what_is_not_open_any_more_is_lost(place: Place) {
    let mut database = open(&place).await;
    database.write(&batch((1..=3).map(|n| Record::Incident(incident(n, "a", START, None))))).await.unwrap();
    let begin = DateTime::<Utc>::from_timestamp_millis(START + HOUR).unwrap();
    database.write(&batch([Record::Begin(vec![2], begin)])).await.unwrap();
    let kept = reader(&place).await.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap();
    let ends: Vec<_> = kept.iter().map(|kept| (kept.number, kept.until, kept.closed_by.as_deref())).collect();
    assert_eq!(ends, [(3, Some(START + HOUR), Some("lost")), (2, None, None), (1, Some(START + HOUR), Some("lost"))]);
    // A life that begins ends what its own batch has of the life before, and nothing that comes after.
    let lives =
        [Record::Incident(incident(4, "a", START, None)), Record::Begin(vec![2], begin), Record::Incident(incident(5, "a", START, None))];
    database.write(&batch(lives)).await.unwrap();
    let open = IncidentFilter { open: true, ..Default::default() };
    let kept = reader(&place).await.incidents(&open, EVERYTHING).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.number).collect::<Vec<_>>(), [5, 2]);
    database.write(&batch([Record::Begin(vec![], begin)])).await.unwrap();
    assert_eq!(reader(&place).await.incidents(&open, EVERYTHING).await.unwrap(), []);
}

async fn machines_share_a_database(place: Place) {
    // A name that was given anew is still the same watch.
    for (watch, host) in [("one", "srv-00"), ("one", "srv-01"), ("two", "srv-02")] {
        let mut database = Database::open(&place, watch, host).await.unwrap();
        let value = if watch == "one" { 1.0 } else { 2.0 };
        let rows = [look("terminals", START, &[("a", value)]), Record::Incident(incident(1, "a", START, None))];
        database.write(&batch(rows)).await.unwrap();
        database.roll_up(START + HOUR).await.unwrap();
    }
    let mut reader = reader(&place).await;
    let hosts: Vec<_> = reader.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap().into_iter().map(|kept| kept.host).collect();
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    let elsewhere = IncidentFilter { unless_open_at: Some("srv-01"), ..Default::default() };
    let hosts: Vec<_> = reader.incidents(&elsewhere, EVERYTHING).await.unwrap().into_iter().map(|kept| kept.host).collect();
    assert_eq!(hosts, ["srv-02"]);
    for (host, value) in [("srv-01", 1.0), ("srv-02", 2.0)] {
        let points =
            reader.series(&SeriesQuery { host: Some(host), ..query("a", START, START + 2 * HOUR) }, START + 2 * HOUR).await.unwrap().points;
        assert_eq!(points.iter().map(|point| point.mean).collect::<Vec<_>>(), [value]);
    }
    assert_eq!(reader.latest(Some("srv-02"), "terminals", Some("a")).await.unwrap()[0].value, Some(2.0));
}

async fn odd_names_and_numbers(place: Place) {
    let names = ["'; DROP TABLE readings; --", "\"$1\" ? {} \\ %", "Пульт №7 😀", "tab\tline\nnull\0bell\x07", "a", "A", "a "];
    let long = "é".repeat(5000);
    let target = |name: &str| Target::new(name);
    let values = [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, -1e99, 1e99, 0.1 + 0.2, f64::MAX, f64::NAN, f64::INFINITY];
    let readings: Vec<_> = names
        .into_iter()
        .chain([long.as_str()])
        .map(|name| {
            values.iter().enumerate().fold(Reading::pass(&target(name)), |reading, (n, value)| reading.with(format!("v{n}"), *value))
        })
        .chain([Reading::fail(&target("dead"), "no"), Reading::unknown(&target("dark"), "no")])
        .collect();
    let check: Arc<str> = "Ünï ' \" \0 check".into();
    let at = DateTime::from_timestamp_millis(START).unwrap();
    let row = IncidentRow { reason: "it said '\u{1F600}' \\ \" ?".to_owned(), ..incident(1, "😀", START, None) };
    let mut database = open(&place).await;
    database.write(&batch([Record::Look(Look::new(&check, &readings, at)), Record::Incident(row)])).await.unwrap();
    database.roll_up(START + HOUR).await.unwrap();
    let mut reader = reader(&place).await;
    let latest = reader.latest(None, "Ünï ' \" · check", None).await.unwrap();
    // `up` and the seven values that are numbers and not too big.
    assert_eq!(latest.len(), 8 * 8 + 2, "{latest:#?}");
    let value = |target: &str, metric: &str| {
        latest.iter().find(|latest| latest.target == target && latest.metric == metric).and_then(|latest| latest.value)
    };
    assert_eq!(value("Пульт №7 😀", "v6"), Some(0.1 + 0.2));
    assert_eq!((value("a", "v5"), value("A", "v4"), value("a ", "v1")), (Some(1e99), Some(-1e99), Some(0.0)));
    assert_eq!((value("dead", "up"), value("dark", "seen"), value("dark", "up")), (Some(0.0), Some(0.0), None));
    let reason = &reader.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap()[0].reason;
    assert_eq!(reason, "it said '\u{1F600}' \\ \" ?");
}

async fn ten_thousand_machines_are_one_batch(place: Place) {
    let targets: Vec<_> = (0..10_000).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let numbers: Vec<_> = targets.iter().map(|target| (target.as_str(), 0.25)).collect();
    let mut database = open(&place).await;
    for poll in 0..2 {
        database.write(&batch([look("terminals", START + poll * 30_000, &numbers)])).await.unwrap();
    }
    database.roll_up(START + HOUR).await.unwrap();
    let points = reader(&place).await.series(&query("10.0.39.15", START, START + 2 * HOUR), START + 2 * HOUR).await.unwrap().points;
    assert_eq!(points.iter().map(|point| point.count).collect::<Vec<_>>(), [2]);
}

async fn a_database_that_is_too_big_gives_up_the_oldest(place: Place) {
    let mut database = open(&place).await;
    let targets: Vec<_> = (0..200).map(|n| format!("10.0.0.{n}")).collect();
    let numbers: Vec<_> = targets.iter().enumerate().map(|(n, target)| (target.as_str(), n as f64 / 7.0)).collect();
    // Four hours, each half a minute: 96,000 readings.
    for hour in 0..4 {
        let looks = (0..120).map(|n| look("terminals", START + hour * HOUR + n * 30_000, &numbers));
        database.write(&batch(looks)).await.unwrap();
    }
    database.write(&batch([Record::Incident(incident(1, "a", START, None))])).await.unwrap();
    let now = START + 4 * HOUR + MINUTE;
    database.roll_up(now).await.unwrap();
    let before = database.bytes().await.unwrap();
    let most = before * 3 / 4;
    assert!(database.hold_down(most, now).await.unwrap().cut);
    let after = database.bytes().await.unwrap();
    assert!(after <= most, "{before} to {after} bytes");
    if let Some(file) = place.file() {
        assert!(file.metadata().unwrap().len() as i64 <= most, "the file itself is smaller");
    }
    assert!(!database.hold_down(most, now).await.unwrap().cut, "once is enough");
    let mut reader = reader(&place).await;
    let newest = reader.series(&query("10.0.0.7", now - HOUR, now), now).await.unwrap();
    assert!(newest.points.len() > 100, "the newest readings stay");
    assert_eq!(reader.series(&query("10.0.0.7", START, now), now).await.unwrap().points.len(), 240, "and all minutes");
    // So small that hardly anything fits: it ends, and incidents stay.
    database.hold_down(1, now).await.unwrap();
    assert_eq!(reader.incidents(&IncidentFilter::default(), EVERYTHING).await.unwrap().len(), 1);
}

async fn newer_tables_are_left_alone(place: Place) {
    open(&place).await.close().await;
    let url = match &place {
        // The reader's own way to the file takes care of its name.
        Place::File(path) => {
            let plain = path.with_file_name("newer.db");
            std::fs::rename(path, &plain).unwrap();
            format!("sqlite://{}", plain.display())
        }
        Place::Server(url) => url.clone(),
    };
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe("UPDATE _sqlx_migrations SET version = 99")).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let place = if place.file().is_some() { Place::File(url.trim_start_matches("sqlite://").into()) } else { place };
    let refused = Database::open(&place, "0123456789abcdef", "srv-01").await.err().unwrap();
    assert!(matches!(refused, Fault::Newer), "{refused}");
}
