//! What `systemctl show` prints: a block of `Name=value` lines for each unit, with an empty line between two.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

use crate::domain::reading::{Reading, Target};
use crate::net::words;

/// What is asked for. A unit that is no service has not all of them.
pub const PROPERTIES: [&str; 9] =
    ["Id", "Names", "LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "StateChangeTimestampMonotonic"];

/// One unit as systemd tells it.
#[derive(Debug)]
pub struct Unit(HashMap<String, String>);

/// Reads all blocks; one without an `Id` (the end was cut) is left out.
pub fn units(output: &[u8]) -> Vec<Unit> {
    let text = String::from_utf8_lossy(output);
    let block = |block: &str| {
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        Unit(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    };
    text.split("\n\n").map(block).filter(|unit| !unit.id().is_empty() && !unit.value("ActiveState").is_empty()).collect()
}

impl Unit {
    pub fn id(&self) -> &str {
        self.value("Id")
    }

    /// Its own name and all others that it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.value("Names").split(' ').chain([self.id()])
    }

    pub fn is_called(&self, name: &str) -> bool {
        self.names().any(|one| one == name)
    }

    pub fn is_there(&self) -> bool {
        self.value("LoadState") != "not-found"
    }

    pub fn reading(&self, target: &Arc<Target>, inactive_passes: bool) -> Reading {
        let mut reading = match self.trouble(inactive_passes) {
            None => Reading::pass(target),
            Some(reason) => Reading::fail(target, words::clean(&reason)),
        };
        if let Ok(restarts) = self.value("NRestarts").parse::<f64>() {
            reading = reading.with("restarts", restarts);
        }
        // Microseconds; 0: never.
        match self.value("StateChangeTimestampMonotonic").parse::<f64>() {
            Ok(since) if since > 0.0 => reading.with("age", (monotonic() - since / 1e6).max(0.0)),
            _ => reading,
        }
    }

    fn trouble(&self, inactive_passes: bool) -> Option<String> {
        match self.value("LoadState") {
            "not-found" => return Some("there is no such unit".into()),
            "masked" if inactive_passes => return None,
            "masked" => return Some("it is masked".into()),
            bad @ ("error" | "bad-setting") => return Some(format!("its file is no good ({bad})")),
            _ => (),
        }
        let sub = self.value("SubState");
        match self.value("ActiveState") {
            "activating" if sub.starts_with("auto-restart") => Some(format!("it ended and waits to be restarted{}", self.cause())),
            "active" | "reloading" | "refreshing" | "activating" | "deactivating" | "maintenance" => None,
            "failed" => Some(format!("it failed{}", self.cause())),
            "inactive" if inactive_passes => None,
            state => Some(format!("it is {state} ({sub})")),
        }
    }

    /// Why a service ended.
    fn cause(&self) -> String {
        match (self.value("Result"), self.value("ExecMainStatus")) {
            ("" | "success", _) => String::new(),
            (result, "" | "0") => format!(": {result}"),
            (result, status) => format!(": {result} {status}"),
        }
    }

    fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Seconds on the clock that systemd counts by.
fn monotonic() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
