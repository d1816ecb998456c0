//! F15, F64: reloads without end, reloads of many checks, and log folders that go away.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::lives::Lives;
use super::{figure, long, wait};
use crate::program::{Place, Program, until};

/// Has the file read anew and waits until it is taken up.
fn reload(program: &Program) {
    let taken = || program.stderr().iter().filter(|line| line.contains("the configuration is taken up")).count();
    let before = taken();
    program.signal(Signal::HUP);
    until("the file is taken up", || (taken() > before).then_some(()));
}

#[test]
fn reloads_without_end_lose_no_count_and_tell_nothing_twice() {
    let mut lives = Lives::new(2, "");
    let checks = fs::read_to_string(lives.place.path("checks.yaml")).unwrap();
    // The first one is told; the second one only counts.
    let counts = |edit: usize| {
        let (head, last) = checks.rsplit_once("fail_after: 2").unwrap();
        format!("{head}fail_after: 1000000, comment: edit {edit}{last}")
    };
    lives.place.write("checks.yaml", &counts(0));
    lives.turn(0, false);
    let program = lives.place.start();
    until("the first is told", || lives.is_known(0).then_some(()));
    lives.turn(1, false);
    lives.services[1].asked_again(1);
    let before = lives.services[1].asked.load(std::sync::atomic::Ordering::SeqCst);
    for edit in 1..=if long() { 1000 } else { 50 } {
        lives.place.write("checks.yaml", &counts(edit));
        reload(&program);
    }
    lives.services[1].asked_again(3);
    let counted = || lives.place.statuses().last()?["counting"][0]["failures"].as_u64();
    until("all looks are counted", || {
        let asked = lives.services[1].asked.load(std::sync::atomic::Ordering::SeqCst) - before;
        // The first one may have been well or not; a status line comes once a second.
        (counted()? + 12 >= asked as u64).then_some(())
    });
    program.stop();
    let asked = lives.services[1].asked.load(std::sync::atomic::Ordering::SeqCst) - before;
    let counted = counted().unwrap();
    assert!((asked as u64).abs_diff(counted) <= 2, "{counted} of {asked} looks are counted");
    assert_eq!(lives.receipts().len(), 1, "{:#?}", lives.receipts());
    // The second one was never told: for people it is well.
    lives.turn(1, true);
    lives.is_due(0);
    lives.end();
}

/// Who asked when: each check says its own number.
#[derive(Clone)]
struct Visitors {
    address: SocketAddr,
    visits: Arc<Mutex<HashMap<String, Vec<Instant>>>>,
}

impl Visitors {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let visitors = Self { address: listener.local_addr().unwrap(), visits: Arc::default() };
        let visits = visitors.visits.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut buffer = [0; 64];
                let length = stream.read(&mut buffer).unwrap_or(0);
                let name = String::from_utf8_lossy(&buffer[..length]).trim().to_owned();
                visits.lock().unwrap().entry(name).or_default().push(Instant::now());
                let _ = stream.write_all(b"PONG");
            }
        });
        visitors
    }

    /// The longest time that any of them stayed away, until now.
    fn longest_away(&self, since: Instant) -> Duration {
        let visits = self.visits.lock().unwrap();
        let now = Instant::now();
        let away = |times: &Vec<Instant>| {
            let times: Vec<Instant> = times.iter().copied().filter(|time| *time >= since).chain([now]).collect();
            times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(now - since)
        };
        visits.values().map(away).max().unwrap_or_default()
    }
}

#[test]
fn a_reload_of_many_checks_delays_none_by_more_than_its_interval() {
    let (count, every) = if long() { (5000, Duration::from_secs(30)) } else { (300, Duration::from_secs(2)) };
    let visitors = Visitors::start();
    let checks = |edit: usize| {
        let check = |number: usize| {
            format!(
                "  - {{ name: c{number}, tcp: {{ address: \"{}\", send: \"{number}\\n\", expect: PONG }}, every: {}s, comment: edit {edit} }}\n",
                visitors.address,
                every.as_secs()
            )
        };
        let checks: String = (0..count).map(check).collect();
        format!("channels: {{ console: {{ console: {{}} }} }}\nchecks:\n{checks}")
    };
    let place = Place::new(&checks(0));
    let program = place.start();
    let everyone = || visitors.visits.lock().unwrap().len() == count;
    let begun = Instant::now();
    until("everyone has looked", || everyone().then_some(()));
    let since = Instant::now();
    for edit in 1..=3 {
        wait(every / 3);
        place.write("checks.yaml", &checks(edit));
        reload(&program);
    }
    // What was delayed has come by then.
    wait(every * 2);
    let away = visitors.longest_away(since);
    figure(
        "reload of many checks",
        &format!("{count} checks every {every:?}, first picture in {:?}, longest time between two looks {away:?}", since - begun),
    );
    assert!(away <= every * 2, "one stayed away for {away:?}");
    program.stop();
}

#[test]
fn a_log_that_is_taken_away_is_begun_anew() {
    let lives = Lives::new(1, "");
    let program = lives.place.start();
    let latest = lives.place.path("logs/status.jsonl");
    let written = || (lives.place.statuses().len() >= 2).then_some(());
    until("the log is there", written);
    fs::remove_dir_all(lives.place.path("logs")).unwrap();
    until("a folder that was removed", written);
    fs::rename(lives.place.path("logs"), lives.place.path("old logs")).unwrap();
    until("a folder that was moved away", written);
    let file = fs::canonicalize(&latest).unwrap();
    fs::rename(&file, file.with_extension("1")).unwrap();
    until("a file that was moved away", written);
    fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    until("a file that was cut", written);
    fs::remove_file(&latest).unwrap();
    until("a link that was removed", written);
    // A file in the way of the folder: told in the log, and over when it is gone.
    fs::remove_dir_all(lives.place.path("logs")).unwrap();
    lives.place.write("logs", "in the way");
    let says = || program.stderr().join("\n").contains("status.jsonl cannot be written").then_some(());
    until(&format!("it says so: {:?}", program.stderr()), says);
    lives.services[0].asked_again(3);
    fs::remove_file(lives.place.path("logs")).unwrap();
    until("the log is back", written);
    program.stop();
}
