//! A watch that dies and lives again: what it looks at, what it tells, and the evidence for the checker.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};
use sqlx::{ConnectOptions, Connection, Row};

use super::channels::Far;
use super::checker::{Death, Due, Evidence, Verdict, judge, told_open};
use super::receipts::{self, Receipt};
use crate::bot::FakeBot;
use crate::program::{PATIENCE, Place, Program};
use crate::service::Service;

pub const CHANNEL: &str = "ops";
/// Whatever happens, people hear of what stays so within this: the back-off of a channel that failed often is long.
pub const HEARD: Duration = PATIENCE.saturating_mul(4);

/// Some services, the watch on them, its channels, and what is known of all three.
pub struct Lives {
    pub place: Place,
    pub bot: FakeBot,
    others: Vec<Far>,
    pub services: Vec<Service>,
    read: RefCell<Vec<Read>>,
    dues: Vec<Due>,
    deaths: Vec<Death>,
}

/// What one channel took, read anew with every message.
#[derive(Clone, Default)]
struct Read {
    /// A message may tell of several incidents, and so be several receipts.
    messages: usize,
    receipts: Vec<Receipt>,
}

impl Read {
    fn take(&mut self, messages: usize, receipts: impl FnOnce() -> Vec<Receipt>) {
        if messages != self.messages {
            *self = Self { messages, receipts: receipts() };
        }
    }
}

impl Lives {
    /// A check on each of so many services, and a channel that answers by this plan.
    pub fn new(services: usize, plan: &str) -> Self {
        Self::with(services, plan, "every: 100ms, fail_after: 2", "")
    }

    pub fn with(services: usize, plan: &str, keys: &str, more: &str) -> Self {
        Self::on(Place::new(""), services, plan, Vec::new(), keys, more)
    }

    /// With other channels beside the first.
    pub fn on(place: Place, services: usize, plan: &str, others: Vec<Far>, keys: &str, more: &str) -> Self {
        let bot = FakeBot::with_receipts(plan, &place.path("receipts.jsonl"));
        let services: Vec<Service> = (0..services).map(|_| Service::start()).collect();
        let names: Vec<&str> = [CHANNEL].into_iter().chain(others.iter().map(|far| far.name)).collect();
        let names = names.join(", ");
        let checks = services
            .iter()
            .enumerate()
            .map(|(index, service)| format!("  - {{ name: {}, {}, {keys}, notify: [{names}] }}\n", name(index), service.section()));
        let checks: String = checks.collect();
        let others_written: String = others.iter().map(|far| format!("  {}: {}\n", far.name, far.section)).collect();
        place.write(
            "checks.yaml",
            &format!(
                "host: srv-01\ntimezone: UTC\nchannels:\n  {CHANNEL}: {}\n{others_written}checks:\n{checks}{}",
                bot.section(),
                if more.is_empty() { "log: { status_every: 1s }\n" } else { more }
            ),
        );
        let read = RefCell::new(vec![Read::default(); others.len() + 1]);
        Self { place, bot, others, services, read, dues: Vec::new(), deaths: Vec::new() }
    }

    pub fn turn(&self, index: usize, well: bool) {
        self.services[index].well.store(well, Ordering::SeqCst);
    }

    pub fn is_well(&self, index: usize) -> bool {
        self.services[index].well.load(Ordering::SeqCst)
    }

    /// What every channel took, in the order of its arrival.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.listen();
        let mut receipts: Vec<Receipt> = self.read.borrow().iter().flat_map(|read| read.receipts.clone()).collect();
        receipts.sort_by_key(|receipt| receipt.at);
        receipts
    }

    /// Reads what arrived since it was last asked.
    fn listen(&self) {
        let mut read = self.read.borrow_mut();
        let bot = self.bot.receipts();
        read[0].take(bot.len(), || bot.iter().flat_map(|receipt| receipts::from_line(&receipt.0, CHANNEL)).collect());
        for (far, read) in self.others.iter().zip(read.iter_mut().skip(1)) {
            let lines = far.receipts();
            read.take(lines.len(), || lines.iter().flat_map(|line| receipts::from_line(line, far.name)).collect());
        }
    }

    fn channels(&self) -> Vec<&'static str> {
        [CHANNEL].into_iter().chain(self.others.iter().map(|far| far.name)).collect()
    }

    /// Whether people believe of this check what is so, on every channel.
    pub fn is_known(&self, index: usize) -> bool {
        self.listen();
        let (read, name, well) = (self.read.borrow(), name(index), self.is_well(index));
        self.channels()
            .iter()
            .zip(read.iter())
            .all(|(channel, read)| told_open(&read.receipts, channel, &name, u64::MAX).is_empty() == well)
    }

    /// From now on every channel takes everything.
    pub fn mend(&self) {
        self.bot.mend();
        self.others.iter().for_each(Far::mend);
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
        let file = |channel| self.place.path(if channel == CHANNEL { "receipts" } else { channel }).with_extension("jsonl");
        let mut receipts: Vec<Receipt> = self.channels().into_iter().flat_map(|channel| receipts::read(&file(channel), channel)).collect();
        receipts.sort_by_key(|receipt| receipt.at);
        let channels = self.channels().into_iter().map(str::to_owned).collect();
        let verdict = judge(&Evidence { channels, receipts: receipts.clone(), dues: self.dues, deaths: self.deaths });
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
