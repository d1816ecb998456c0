//! What may befall the database, and what must be in it afterwards: every row, once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vakhta::store::history::{History, IncidentFilter, Page, Place, Plan, Record, SeriesQuery};

use super::contract::{KEEP, incident, look, open, reader};
use super::servers::{Make, Server};
use crate::program::{PATIENCE, left_out};

fn plan(place: Place, folder: &Path) -> Plan {
    Plan {
        place,
        keep: KEEP,
        max_size: 1 << 30,
        max_spool: 64 << 20,
        folder: folder.to_owned(),
        watch: "0123456789abcdef".to_owned(),
        host: "srv-01".to_owned(),
    }
}

/// Looks with times of their own, each with two numbers; every hundredth opens an incident.
struct Feed {
    start: i64,
    sent: i64,
}

impl Feed {
    fn new() -> Self {
        Self { start: Utc::now().timestamp_millis() - 600_000, sent: 0 }
    }

    fn send(&mut self, history: &History) {
        let time = self.start + self.sent;
        history.add(look("terminals", time, &[("a", self.sent as f64), ("b", -self.sent as f64)]));
        if self.sent % 100 == 0 {
            history.add(Record::Incident(incident(self.sent as u64 + 1, "a", time, None)));
        }
        self.sent += 1;
    }

    /// Sends for so long, a look each 10 ms, and never waits for it.
    async fn flow(&mut self, history: &History, length: Duration) {
        let end = Instant::now() + length;
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while Instant::now() < end {
            ticks.tick().await;
            let before = Instant::now();
            self.send(history);
            // The database is away for longer.
            assert!(before.elapsed() < Duration::from_secs(1), "a look waited {:?}", before.elapsed());
        }
    }

    /// Waits until all that was sent is there, as often as it was sent.
    async fn all_there(&self, place: &Place) {
        let started = Instant::now();
        loop {
            let count = readings(place).await;
            if count == Some(self.sent * 2) {
                break;
            }
            assert!(started.elapsed() < PATIENCE * 3, "{count:?} of {} readings are there", self.sent * 2);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut reader = reader(place).await;
        let query = SeriesQuery {
            host: None,
            check: "terminals",
            target: "a",
            metric: "rtt",
            from: self.start,
            to: self.start + self.sent,
            max_points: usize::MAX,
        };
        let points = reader.series(&query, self.start).await.unwrap().points;
        let values: Vec<_> = points.iter().map(|point| (point.time - self.start, point.mean as i64)).collect();
        assert_eq!(values, (0..self.sent).map(|n| (n, n)).collect::<Vec<_>>());
        let incidents = reader.incidents(&IncidentFilter::default(), Page { after: None, limit: 1000 }).await.unwrap();
        assert_eq!(incidents.len() as i64, (self.sent + 99) / 100);
    }
}

/// How many readings are there; nothing if the database does not answer.
async fn readings(place: &Place) -> Option<i64> {
    sqlx::any::install_default_drivers();
    let url = match place {
        Place::File(path) => format!("sqlite://{}?mode=ro", path.display()),
        Place::Server(url) => url.clone(),
    };
    let mut connection = AnyConnection::connect(&url).await.ok()?;
    let row = sqlx::query(AssertSqlSafe("SELECT COUNT(*) FROM readings")).fetch_one(&mut connection).await.ok()?;
    connection.close().await.ok()?;
    row.try_get(0).ok()
}

#[tokio::test]
async fn mariadb_that_crashes_has_every_row_once() {
    let Some(server) = Server::start(Make::MariaDb, "mariadb_that_crashes_has_every_row_once") else { return };
    crashes(server).await;
}

#[tokio::test]
async fn postgresql_that_crashes_has_every_row_once() {
    let Some(server) = Server::start(Make::Postgres, "postgresql_that_crashes_has_every_row_once") else { return };
    crashes(server).await;
}

async fn crashes(mut server: Server) {
    let (folder, place, mut feed) = (tempfile::tempdir().unwrap(), server.database().await, Feed::new());
    let history = History::start(plan(place.clone(), folder.path()));
    feed.flow(&history, Duration::from_millis(1700)).await;
    server.crash();
    feed.flow(&history, Duration::from_millis(1300)).await;
    server.go_on();
    feed.flow(&history, Duration::from_millis(300)).await;
    feed.all_there(&place).await;
    history.close(PATIENCE).await;
}

#[tokio::test]
async fn a_lost_answer_of_mariadb_makes_no_second_row() {
    let Some(server) = Server::start(Make::MariaDb, "a_lost_answer_of_mariadb_makes_no_second_row") else { return };
    lost_answer(server).await;
}

#[tokio::test]
async fn a_lost_answer_of_postgresql_makes_no_second_row() {
    let Some(server) = Server::start(Make::Postgres, "a_lost_answer_of_postgresql_makes_no_second_row") else { return };
    lost_answer(server).await;
}

async fn lost_answer(mut server: Server) {
    let (folder, place, mut feed) = (tempfile::tempdir().unwrap(), server.database().await, Feed::new());
    open(&place).await.close().await;
    let proxy = Proxy::start(server.port).await;
    let history = History::start(plan(server.through(proxy.port), folder.path()));
    feed.flow(&history, Duration::from_millis(200)).await;
    feed.all_there(&place).await;
    proxy.set(Way::CutAtCommit);
    feed.flow(&history, Duration::from_millis(1500)).await;
    assert_eq!(*proxy.way.borrow(), Way::Open, "a commit was on its way");
    feed.all_there(&place).await;
    history.close(PATIENCE).await;
}

#[tokio::test]
async fn while_a_server_is_a_black_hole_rows_wait_on_the_disk() {
    let Some(mut server) = Server::start(Make::Postgres, "while_a_server_is_a_black_hole_rows_wait_on_the_disk") else { return };
    let (folder, place, mut feed) = (tempfile::tempdir().unwrap(), server.database().await, Feed::new());
    let proxy = Proxy::start(server.port).await;
    let history = History::start(plan(server.through(proxy.port), folder.path()));
    feed.flow(&history, Duration::from_millis(1200)).await;
    feed.all_there(&place).await;
    proxy.set(Way::Hole);
    feed.flow(&history, Duration::from_millis(5000)).await;
    let waiting = spooled(folder.path()).await;
    assert!(waiting > 300, "{waiting} numbers wait where a crash cannot lose them");
    proxy.set(Way::Cut);
    proxy.set(Way::Open);
    feed.all_there(&place).await;
    history.close(PATIENCE).await;
    assert_eq!(spooled(folder.path()).await, 0);
}

/// Numbers that wait in the spool.
async fn spooled(folder: &Path) -> i64 {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=ro", folder.join("spool.db").display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    let row = sqlx::query("SELECT COALESCE(SUM(numbers), 0) FROM spool").fetch_one(&mut connection).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_file_that_cannot_be_made_yet_gets_every_row_later() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("later/history.db"));
    let mut feed = Feed::new();
    let history = History::start(plan(place.clone(), folder.path()));
    feed.flow(&history, Duration::from_millis(2500)).await;
    history.close(PATIENCE).await;
    // A new life finds the spool.
    let history = History::start(plan(place.clone(), folder.path()));
    feed.flow(&history, Duration::from_millis(300)).await;
    std::fs::create_dir(folder.path().join("later")).unwrap();
    feed.all_there(&place).await;
    history.close(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn trouble_that_lasts_is_told_and_its_end_too() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::start(plan(Place::File(folder.path().join("later/history.db")), folder.path()));
    let mut trouble = history.trouble();
    let before = tokio::time::Instant::now();
    history.add(look("terminals", 0, &[("a", 1.0)]));
    trouble.changed().await.unwrap();
    let lasted = before.elapsed();
    // A look waits a while for others before anything is tried.
    assert!((60..80).contains(&lasted.as_secs()), "{lasted:?}");
    let told = trouble.borrow_and_update().clone().unwrap();
    assert!(told.contains("later/history.db for 60 s; checks and messages go on"), "{told}");
    std::fs::create_dir(folder.path().join("later")).unwrap();
    tokio::time::advance(Duration::from_secs(30)).await;
    // A clock that jumps whenever nothing happens here would not wait for the file.
    tokio::time::resume();
    tokio::time::timeout(PATIENCE, trouble.changed()).await.unwrap().unwrap();
    assert_eq!(*trouble.borrow(), None);
}

#[tokio::test]
async fn a_file_that_another_program_holds_gets_every_row_later() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("history.db"));
    let mut feed = Feed::new();
    let history = History::start(plan(place.clone(), folder.path()));
    feed.flow(&history, Duration::from_millis(1200)).await;
    feed.all_there(&place).await;
    let mut other = AnyConnection::connect(&format!("sqlite://{}", folder.path().join("history.db").display())).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    feed.flow(&history, Duration::from_millis(4000)).await;
    assert!(spooled(folder.path()).await > 100);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    feed.all_there(&place).await;
    history.close(PATIENCE).await;
}

#[tokio::test]
async fn a_full_spool_drops_the_oldest_looks_and_no_incident() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("later/history.db"));
    let most = 400 << 10;
    let history = History::start(Plan { max_spool: most, ..plan(place.clone(), folder.path()) });
    let targets: Vec<_> = (0..500).map(|n| format!("10.0.0.{n}")).collect();
    let numbers: Vec<_> = targets.iter().map(|target| (target.as_str(), 0.5)).collect();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 0..60 {
        ticks.tick().await;
        history.add(look("terminals", n, &numbers));
        history.add(Record::Incident(incident(n as u64 + 1, "a", n, None)));
    }
    history.close(PATIENCE).await;
    let waiting = std::fs::metadata(folder.path().join("spool.db")).unwrap().len();
    assert!(waiting < most * 2, "{waiting} bytes wait");
    std::fs::create_dir(folder.path().join("later")).unwrap();
    let history = History::start(plan(place.clone(), folder.path()));
    let started = Instant::now();
    while readings(&place).await.is_none_or(|count| count == 0) || spooled(folder.path()).await > 0 {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    history.close(PATIENCE).await;
    let mut reader = reader(&place).await;
    let incidents = reader.incidents(&IncidentFilter::default(), Page { after: None, limit: 1000 }).await.unwrap();
    assert_eq!(incidents.len(), 60);
    let query = SeriesQuery { host: None, check: "terminals", target: "10.0.0.7", metric: "rtt", from: 0, to: 1000, max_points: 1000 };
    let times: Vec<_> = reader.series(&query, 0).await.unwrap().points.iter().map(|point| point.time).collect();
    assert!(times.len() < 60 && times.last() == Some(&59), "the newest are there: {times:?}");
    assert_eq!(times, (60 - times.len() as i64..60).collect::<Vec<_>>(), "and nothing but the oldest is gone");
}

#[tokio::test]
async fn on_a_disk_that_is_nearly_full_there_is_room_for_incidents_only() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return left_out("on_a_disk_that_is_nearly_full_there_is_room_for_incidents_only", "only root may mount a small disk");
    }
    let place = Place::File(disk.join("history.db"));
    let history = History::start(plan(place.clone(), &disk));
    Feed::new().flow(&history, Duration::from_millis(1500)).await;
    history.close(PATIENCE).await;
    let incidents = reader(&place).await.incidents(&IncidentFilter::default(), Page { after: None, limit: 1000 }).await.unwrap();
    let readings = readings(&place).await;
    Command::new("umount").arg(&disk).status().unwrap();
    assert_eq!((incidents.is_empty(), readings), (false, Some(0)));
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("history.db"));
    std::fs::write(folder.path().join("history.db"), "no database at all, but long enough to be looked at ".repeat(100)).unwrap();
    std::fs::write(folder.path().join("spool.db"), "nor is this one ".repeat(100)).unwrap();
    let mut feed = Feed::new();
    let history = History::start(plan(place.clone(), folder.path()));
    feed.flow(&history, Duration::from_millis(200)).await;
    feed.all_there(&place).await;
    history.close(PATIENCE).await;
    let names: BTreeMap<_, _> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| (entry.unwrap().file_name().into_string().unwrap(), ())).collect();
    assert!(names.keys().any(|name| name.starts_with("history.db.corrupt-")), "{names:?}");
}

/// What becomes of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// They go nowhere.
    Hole,
    /// Connections end.
    Cut,
    /// The next transaction is committed, but the answer is lost and the connection ends; then they go on.
    CutAtCommit,
}

/// A network between the watch and its server.
struct Proxy {
    port: u16,
    way: Arc<watch::Sender<Way>>,
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(watch::Sender::new(Way::Open));
        let ways = way.clone();
        tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let way = ways.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        carry(client, server, &way).await;
                    }
                });
            }
        });
        Self { port, way }
    }

    fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Carries packets until the connection ends.
async fn carry(mut client: TcpStream, mut server: TcpStream, way: &watch::Sender<Way>) {
    let (mut there, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut changes = way.subscribe();
    loop {
        let now = *changes.borrow_and_update();
        if now == Way::Cut {
            return;
        }
        if now == Way::Hole {
            let _ = changes.changed().await;
            // What was begun before the hole is lost with its connection.
            return;
        }
        tokio::select! {
            _ = changes.changed() => {}
            Ok(length) = client.read(&mut there) => {
                if length == 0 || server.write_all(&there[..length]).await.is_err() {
                    return;
                }
                if now == Way::CutAtCommit && there[..length].windows(6).any(|part| part == b"COMMIT") {
                    // The server answers, and nobody hears it.
                    let _ = server.read(&mut back).await;
                    way.send_replace(Way::Open);
                    return;
                }
            }
            Ok(length) = server.read(&mut back) => {
                if length == 0 || client.write_all(&back[..length]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
