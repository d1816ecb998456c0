//! A watch that dies and lives again: what it looks at, what it tells, and the evidence for the checker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};
use sqlx::{ConnectOptions, Connection, Row};

use super::checker::{Death, Due, Evidence, Verdict, judge, told_open};
use super::receipts::{self, Receipt};
use crate::bot::FakeBot;
use crate::program::{PATIENCE, Place, Program};
use crate::service::Service;

pub const CHANNEL: &str = "ops";
/// Whatever happens, people hear of what stays so within this: the back-off of a channel that failed often is long.
pub const HEARD: Duration = PATIENCE.saturating_mul(4);

/// Some services, the watch on them, its channel, and what is known of all three.
pub struct Lives {
    pub place: Place,
    pub bot: FakeBot,
    pub services: Vec<Service>,
    dues: Vec<Due>,
    deaths: Vec<Death>,
}

impl Lives {
    /// A check on each of so many services, and a channel that answers by this plan.
    pub fn new(services: usize, plan: &str) -> Self {
        Self::with(services, plan, "every: 100ms, fail_after: 2", "")
    }

    pub fn with(services: usize, plan: &str, keys: &str, more: &str) -> Self {
        let place = Place::new("");
        let bot = FakeBot::with_receipts(plan, &place.path("receipts.jsonl"));
        let services: Vec<Service> = (0..services).map(|_| Service::start()).collect();
        let checks = services
            .iter()
            .enumerate()
            .map(|(index, service)| format!("  - {{ name: {}, {}, {keys}, notify: [{CHANNEL}] }}\n", name(index), service.section()));
        let checks: String = checks.collect();
        place.write(
            "checks.yaml",
            &format!(
                "host: srv-01\ntimezone: UTC\nchannels: {{ {CHANNEL}: {} }}\nchecks:\n{checks}{}",
                bot.section(),
                if more.is_empty() { "log: { status_every: 1s }\n" } else { more }
            ),
        );
        Self { place, bot, services, dues: Vec::new(), deaths: Vec::new() }
    }

    pub fn turn(&self, index: usize, well: bool) {
        self.services[index].well.store(well, Ordering::SeqCst);
    }

    pub fn is_well(&self, index: usize) -> bool {
        self.services[index].well.load(Ordering::SeqCst)
    }

    pub fn receipts(&self) -> Vec<Receipt> {
        self.bot.receipts().iter().flat_map(|receipt| receipts::from_line(&receipt.0, CHANNEL)).collect()
    }

    /// Whether people believe of this check what is so.
    pub fn is_known(&self, index: usize) -> bool {
        told_open(&self.receipts(), CHANNEL, &name(index), u64::MAX).is_empty() == self.is_well(index)
    }

    /// From now on whoever judges may ask whether people know.
    pub fn is_due(&mut self, index: usize) {
        self.dues.push(Due { at: now(), check: name(index), well: self.is_well(index) });
    }

    /// Waits until people know how it is, and has them know it. A channel that failed often is tried again late.
    #[track_caller]
    pub fn told(&mut self, program: &Program) {
        for index in 0..self.services.len() {
            self.heard(&format!("people know of {}", name(index)), program, || self.is_known(index));
            self.is_due(index);
        }
    }

    #[track_caller]
    fn heard(&self, what: &str, program: &Program, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let late =
                || format!("not in {HEARD:?}: {what}\n{:#?}\n{:#?}\n{}", self.receipts(), self.ledger(), program.stderr().join("\n"));
            assert!(begun.elapsed() < HEARD, "{}", late());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Ends it by force and reads what it leaves.
    pub fn kill(&mut self, mut program: Program) {
        // With whoever stands between us and it.
        kill_process_group(Pid::from_child(&program.child), Signal::KILL).unwrap();
        program.ended();
        self.is_dead();
    }

    /// It has died: what does its state say?
    pub fn is_dead(&mut self) {
        self.deaths.push(Death { at: now(), ..self.ledger() });
    }

    /// What the state file holds now, read from a copy: whoever reads a file that was left by a crash changes it.
    pub fn ledger(&self) -> Death {
        if !self.state("state.db").exists() {
            return Death { next_incident: 1, ..Death::default() };
        }
        let copy = tempfile::tempdir().unwrap();
        for file in ["state.db", "state.db-wal"] {
            // There need not be a journal.
            let _ = std::fs::copy(self.state(file), copy.path().join(file));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(read(copy.path().join("state.db"))).unwrap_or(Death { next_incident: 1, ..Death::default() })
    }

    fn state(&self, file: &str) -> PathBuf {
        // The disk of a power cut has it one folder deeper.
        let folders = ["disk/state", "state"].map(|folder| self.place.path(folder));
        folders.iter().find(|folder| folder.exists()).unwrap_or(&folders[1]).join(file)
    }

    /// Everything is well: one more life, until people know it and the state holds nothing any more. Then the checker speaks.
    #[track_caller]
    pub fn end(mut self) -> Verdict {
        for index in 0..self.services.len() {
            self.turn(index, true);
        }
        let program = self.place.start();
        self.services[0].asked_again(1);
        self.told(&program);
        self.heard("all is settled", &program, || self.ledger().incidents.is_empty());
        let log = program.stop();
        assert!(!log.contains("a fault in vakhta itself"), "{log}");
        assert!(self.ledger().ledger.is_empty());
        let receipts = receipts::read(&self.place.path("receipts.jsonl"), CHANNEL);
        let verdict = judge(&Evidence { receipts: receipts.clone(), dues: self.dues, deaths: self.deaths });
        let story: Vec<String> = receipts.iter().map(|receipt| format!("{receipt:?}")).collect();
        assert!(verdict.breaches.is_empty(), "{}\n{}", verdict.breaches.join("\n"), story.join("\n"));
        verdict
    }
}

/// `a`, `b`, …
pub fn name(index: usize) -> String {
    char::from(b'a' + index as u8).to_string()
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

async fn read(path: PathBuf) -> sqlx::Result<Death> {
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await?;
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await?;
    assert_eq!(sound, "ok", "the file is whole after any death");
    let incidents: Vec<i64> = sqlx::query_scalar("SELECT id FROM incidents").fetch_all(&mut connection).await?;
    let incidents: BTreeSet<u64> = incidents.into_iter().map(|id| id as u64).collect();
    let next: Option<String> =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'next_incident'").fetch_optional(&mut connection).await?;
    let mut ledger = BTreeMap::new();
    for row in sqlx::query("SELECT incident, channel, failed, recovered FROM ledger").fetch_all(&mut connection).await? {
        ledger.insert((row.get::<i64, _>(0) as u64, row.get(1)), [row.get(2), row.get(3)]);
    }
    connection.close().await?;
    let highest = incidents.last().map_or(1, |id| id + 1);
    let next_incident = next.map_or(1, |next| next.parse().unwrap()).max(highest);
    Ok(Death { at: 0, next_incident, incidents, ledger })
}
