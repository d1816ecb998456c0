//! Network interfaces: what went through them since the last reading.

use std::collections::HashMap;

use procfs::net::{DeviceStatus, InterfaceDeviceStatus};
use tokio::time::Instant;

use super::Root;
use crate::domain::reading::{Reading, Target};

/// The interfaces to be read, and the counters that the next reading compares with.
pub struct Interfaces {
    /// `None`: all but `lo`.
    chosen: Option<Vec<String>>,
    before: HashMap<String, DeviceStatus>,
    at: Instant,
}

impl Interfaces {
    pub fn new(root: &Root, chosen: Option<Vec<String>>) -> Self {
        let chosen = chosen.map(super::disks::each_once);
        Self { chosen, before: counters(root).unwrap_or_default(), at: Instant::now() }
    }

    pub fn count(&self) -> usize {
        self.names(&self.before).len()
    }

    pub fn read(&mut self, root: &Root) -> Vec<Reading> {
        let now = match counters(root) {
            Ok(now) => now,
            Err(reason) => {
                let names = self.names(&self.before);
                return names.into_iter().map(|name| Reading::unknown(&Target::new(name), reason.as_str())).collect();
            }
        };
        let seconds = self.at.elapsed().as_secs_f64();
        let names = self.names(&now);
        let readings = names.into_iter().map(|name| self.reading(&name, now.get(&name), seconds)).collect();
        (self.before, self.at) = (now, Instant::now());
        readings
    }

    fn names(&self, present: &HashMap<String, DeviceStatus>) -> Vec<String> {
        self.chosen.clone().unwrap_or_else(|| {
            let mut names: Vec<String> = present.keys().filter(|name| *name != "lo").cloned().collect();
            names.sort_unstable();
            names
        })
    }

    fn reading(&self, name: &str, now: Option<&DeviceStatus>, seconds: f64) -> Reading {
        let target = Target::new(name);
        let Some(now) = now else {
            return Reading::fail(&target, format!("there is no interface {name}"));
        };
        let Some(before) = self.before.get(name) else {
            // New since the last reading: its counters say nothing yet.
            return Reading::pass(&target);
        };
        let counts = [
            ("rx", before.recv_bytes, now.recv_bytes),
            ("tx", before.sent_bytes, now.sent_bytes),
            ("rx_errors", before.recv_errs, now.recv_errs),
            ("tx_errors", before.sent_errs, now.sent_errs),
        ];
        counts.into_iter().fold(Reading::pass(&target), |reading, (metric, before, now)| match now.checked_sub(before) {
            Some(more) if seconds > 0.0 => reading.with(metric, more as f64 / seconds),
            Some(_) => reading,
            None => reading.without(metric, "the counter ran backwards: the interface was made anew"),
        })
    }
}

fn counters(root: &Root) -> Result<HashMap<String, DeviceStatus>, String> {
    root.seen_by_machine("net/dev").map(|InterfaceDeviceStatus(counters)| counters).map_err(|error| error.to_string())
}
