//! What survives the end of the real program, whatever ends it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use rustix::process::Signal;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use crate::bot::FakeBot;
use crate::program::{Place, Program, left_out, until};
use crate::service::Service;

fn place(bot: &FakeBot, service: &Service, every: &str, more: &str) -> Place {
    Place::new(&checks(bot, service, every, more))
}

fn checks(bot: &FakeBot, service: &Service, every: &str, more: &str) -> String {
    format!(
        "host: srv-01\ntimezone: UTC\nlog: {{ status_every: 1s }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: {every}\n    fail_after: 3\n    notify: [ops]\n{more}",
        bot.section(),
        service.section()
    )
}

fn kill(mut program: Program) {
    program.signal(Signal::KILL);
    program.ended();
}

/// What the newest status line says of counters under way.
fn failures(place: &Place) -> Option<u64> {
    place.statuses().last()?["counting"][0]["failures"].as_u64()
}

/// Does something with the state file of a watch that has ended.
fn with_state<T>(place: &Place, work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(place.path("state/state.db"));
        let mut connection = options.connect().await.unwrap();
        let done = work(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        done
    })
}

/// The one number that a query brings.
fn in_state(place: &Place, query: &'static str) -> i64 {
    with_state(place, async |state| sqlx::query_scalar(query).fetch_one(state).await)
}

#[test]
fn a_third_failure_after_a_clean_stop_is_told_once() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "1500ms", "");
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    until("two failures are counted", || (failures(&place)? == 2).then_some(()));
    program.stop();
    assert_eq!(in_state(&place, "SELECT failures FROM trackers"), 2);
    let asked = service.asked.load(Ordering::SeqCst);
    let program = place.start();
    let text = bot.texts(1).remove(0);
    assert_eq!(service.asked.load(Ordering::SeqCst), asked + 1, "the third look is enough");
    assert!(text.starts_with("🔴 srv-01 · atto failed") && text.ends_with(" · #1"), "{text}");
    service.asked_again(2);
    program.stop();
    assert_eq!(bot.requests(), 1);
}

#[test]
fn a_third_failure_after_a_kill_is_told_once() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "2500ms", "");
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    until("two failures are counted", || (failures(&place)? == 2).then_some(()));
    // Counters alone are written once a second.
    let written = place.statuses().len();
    until("more than a second passes", || (place.statuses().len() >= written + 2).then_some(()));
    kill(program);
    let asked = service.asked.load(Ordering::SeqCst);
    let program = place.start();
    bot.texts(1);
    assert_eq!(service.asked.load(Ordering::SeqCst), asked + 1, "the third look is enough");
    program.stop();
    assert_eq!(bot.requests(), 1);
}

#[test]
fn what_was_told_before_a_kill_is_not_told_again_and_its_end_is_told_once() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "100ms", "");
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    bot.texts(1);
    service.asked_again(3);
    kill(program);
    let program = place.start();
    service.asked_again(5);
    kill(program);
    assert_eq!(bot.requests(), 1, "told once, however often the watch dies");
    // It comes back while nobody looks.
    service.well.store(true, Ordering::SeqCst);
    let program = place.start();
    let text = bot.texts(2).remove(1);
    assert!(text.starts_with("✅ srv-01 · atto recovered after ") && text.contains("#1"), "{text}");
    service.asked_again(5);
    kill(program);
    let program = place.start();
    service.asked_again(5);
    program.stop();
    assert_eq!(bot.requests(), 2);
    assert_eq!(in_state(&place, "SELECT count(*) FROM incidents") + in_state(&place, "SELECT count(*) FROM ledger"), 0, "all is settled");
}

#[test]
fn what_was_on_its_way_is_told_once_more_and_marked() {
    let (bot, service) = (FakeBot::start("take-and-hang"), Service::start());
    let place = place(&bot, &service, "100ms", "");
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    bot.texts(1);
    kill(program);
    for _ in 0..2 {
        let program = place.start();
        bot.texts(2);
        service.asked_again(5);
        kill(program);
    }
    let texts = bot.texts(2);
    assert_eq!(bot.requests(), 2, "one repeat, not one a start");
    assert!(texts.iter().all(|text| text.contains(" · #1")), "{texts:?}");
    assert!(!texts[0].contains("may be a repeat") && texts[1].contains("(may be a repeat)"), "{texts:?}");
}

#[test]
fn a_second_watch_on_the_same_folder_is_refused() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "100ms", "");
    let program = place.start();
    service.asked_again(1);
    let (code, _, err) = place.run(&["run"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains(&format!("another watch (process {})", program.child.id())) && err.contains("state"), "{err}");
    // The lock ends with its holder.
    kill(program);
    let program = place.start();
    service.asked_again(1);
    program.stop();
}

#[test]
fn a_file_that_makes_no_sense_is_moved_aside() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "100ms", "");
    std::fs::create_dir(place.path("state")).unwrap();
    place.write("state/state.db", &"no database ".repeat(1000));
    let program = place.start();
    let text = bot.texts(1).remove(0);
    assert!(text.contains("(vakhta)") && text.contains("state.db.corrupt-"), "{text}");
    service.well.store(false, Ordering::SeqCst);
    bot.texts(2);
    program.stop();
    let names = std::fs::read_dir(place.path("state")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("state.db.corrupt-")).count(), 1);
}

#[test]
fn a_newer_file_is_left_as_it_is() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "100ms", "");
    let program = place.start();
    service.asked_again(1);
    program.stop();
    let mut bytes = std::fs::read(place.path("state/state.db")).unwrap();
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(place.path("state/state.db"), &bytes).unwrap();
    let (code, _, err) = place.run(&["run"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("was written by a newer vakhta (version 99"), "{err}");
    assert_eq!(std::fs::read(place.path("state/state.db")).unwrap(), bytes);
}

/// A small file system in memory on the state folder, for as long as this lives.
struct SmallDisk<'a>(&'a Place);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Place) -> Option<Self> {
        std::fs::create_dir(place.path("state")).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(place.path("state")).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(place))
    }

    fn remount(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0.path("state")).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // The folder of the test goes anyway.
        let _ = Command::new("umount").arg("-l").arg(self.0.path("state")).status();
    }
}

#[test]
fn a_full_disk_stops_no_message() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "100ms", "");
    let Some(disk) = SmallDisk::mount(&place) else {
        return left_out("a_full_disk_stops_no_message", "it needs root, for a file system of its own");
    };
    let program = place.start();
    service.asked_again(3);
    fill(&place.path("state/ballast"));
    service.well.store(false, Ordering::SeqCst);
    let told = |start: &str| {
        until(&format!("{start} {:?} {:?}", bot.receipts(), program.stderr()), || {
            bot.receipts().iter().find(|receipt| receipt.text().starts_with(start)).map(|_| ())
        })
    };
    told("🔴 srv-01 · atto failed");
    told("🔴 srv-01 · (vakhta) failed\nstate\ncannot be written");
    service.well.store(true, Ordering::SeqCst);
    told("✅ srv-01 · atto recovered");
    std::fs::remove_file(place.path("state/ballast")).unwrap();
    told("✅ srv-01 · (vakhta)");
    assert_eq!(bot.receipts().len(), 4, "each once: {:?}", bot.texts(4));
    program.stop();
    drop(disk);
}

fn fill(path: &Path) {
    use std::io::Write;
    let mut ballast = std::fs::File::create(path).unwrap();
    while ballast.write_all(&[0; 512]).is_ok() {}
}

#[test]
fn a_folder_that_cannot_be_written_stops_no_message() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "100ms", "");
    let Some(disk) = SmallDisk::mount(&place) else {
        return left_out("a_folder_that_cannot_be_written_stops_no_message", "it needs root, for a file system of its own");
    };
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    bot.texts(1);
    program.stop();
    disk.remount("ro");
    let program = place.start();
    let text = bot.texts(2).remove(1);
    assert!(text.starts_with("🔴 srv-01 · (vakhta) failed\nstate\ncannot be written in "), "{text}");
    service.asked_again(5);
    assert_eq!(bot.requests(), 2, "what was told before is still known");
    service.well.store(true, Ordering::SeqCst);
    bot.texts(3);
    disk.remount("rw");
    let text = bot.texts(4).remove(3);
    assert!(text.starts_with("✅ srv-01 · (vakhta)"), "{text}");
    program.stop();
    assert_eq!(in_state(&place, "SELECT count(*) FROM incidents"), 0);
}

#[test]
fn a_reload_keeps_what_has_the_same_name() {
    let (bot, service, other) = (FakeBot::start(""), Service::start(), Service::start());
    let gone = format!("  - {{ name: gone, {}, every: 100ms, fail_after: 1, notify: [ops] }}\n", other.section());
    let place = place(&bot, &service, "100ms", &gone);
    service.well.store(false, Ordering::SeqCst);
    other.well.store(false, Ordering::SeqCst);
    let program = place.start();
    bot.texts(2);

    // A broken file changes nothing and is told once, with its place.
    place.write("checks.yaml", "checks:\n  - { name: atto, tpc: {} }\n");
    program.signal(Signal::HUP);
    let text = bot.texts(3).remove(2);
    assert!(
        text.starts_with("🔴 srv-01 · (vakhta) failed\nconfiguration\nwas edited and is not taken up: ") && text.contains("checks.yaml:2"),
        "{text}"
    );
    program.signal(Signal::HUP);
    service.asked_again(5);
    other.asked_again(5);
    assert_eq!(bot.requests(), 3);

    // Another threshold and another comment; one check is gone.
    place.write("checks.yaml", &checks(&bot, &service, "100ms", "    comment: edited\n").replace("fail_after: 3", "fail_after: 2"));
    program.signal(Signal::HUP);
    let texts = bot.texts(5);
    assert!(texts[3..].iter().any(|text| text.contains("gone")), "{texts:?}");
    assert!(texts[3..].iter().any(|text| text.starts_with("✅ srv-01 · (vakhta)")), "{texts:?}");
    service.asked_again(5);
    assert_eq!(bot.requests(), 5, "what still fails is not told again");
    let asked = other.asked.load(Ordering::SeqCst);
    service.asked_again(5);
    assert!(other.asked.load(Ordering::SeqCst) <= asked + 1, "nobody looks at what is gone");
    service.well.store(true, Ordering::SeqCst);
    let text = bot.texts(6).remove(5);
    assert!(text.starts_with("✅ srv-01 · atto recovered") && text.contains("#"), "{text}");
    let log = program.stop();
    assert!(log.contains("unknown") || log.contains("tpc"), "the problem stands in the log: {log}");
}

/// What each version of the tables added, taken away again.
const UNDO: [&str; 4] = [
    "DROP TABLE silences; ALTER TABLE refusals DROP COLUMN broken;",
    "DROP TABLE machines; DROP TABLE audit;",
    "DROP TABLE users; DROP TABLE sessions; DROP TABLE tokens; DROP TABLE guesses; DROP TABLE familiar; DROP TABLE first_login;",
    "ALTER TABLE incidents DROP COLUMN acknowledged_by; ALTER TABLE incidents DROP COLUMN acknowledged_at; \
     ALTER TABLE incidents DROP COLUMN acknowledged_note;",
];

/// A newer program takes up the state of any older one: what was told is not told again, what is over is.
#[test]
fn an_upgrade_tells_nothing_twice() {
    for version in 1..=UNDO.len() {
        let (bot, service) = (FakeBot::start(""), Service::start());
        let place = place(&bot, &service, "100ms", "");
        service.well.store(false, Ordering::SeqCst);
        let program = place.start();
        bot.texts(1);
        program.stop();
        let older: String = UNDO[version - 1..].iter().rev().copied().collect();
        let older = AssertSqlSafe(format!("{older} PRAGMA user_version = {version};"));
        with_state(&place, async |state| sqlx::raw_sql(older).execute(state).await);
        let program = place.start();
        service.asked_again(3);
        let (code, out, err) = place.run(&["ack", "#1", "--note", "new disks"]);
        assert!(code == 0 && out.contains("#1 (atto"), "{version}: {out}{err}");
        service.well.store(true, Ordering::SeqCst);
        let texts = bot.texts(2);
        assert!(texts[1].starts_with('✅'), "{version}: {texts:?}");
        let log = program.stop();
        assert!(log.contains(&format!("state.db.version-{version}")), "{log}");
        assert_eq!(bot.receipts().len(), 2, "{version}");
    }
}
