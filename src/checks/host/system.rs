//! The machine as a whole: processors, memory, load, pressure.

use std::fs;
use std::path::Path;

use procfs::{CpuTime, FromRead, FromReadSI, KernelStats, LoadAverage, Meminfo, Uptime};

use super::Root;
use crate::domain::reading::{Reading, Target};

/// What the next reading compares with.
pub struct System {
    before: CpuTime,
}

impl System {
    pub fn new(root: &Root) -> Result<Self, String> {
        stat(root).map(|stat| Self { before: stat.total }).map_err(|error| error.to_string())
    }

    /// Numbers that cannot be read are noted; the rest stands.
    pub fn read(&mut self, root: &Root) -> Reading {
        let mut reading = Reading::pass(&Target::itself());
        let mut cores = 0;
        reading = match stat(root) {
            Ok(stat) => {
                cores = stat.cpu_time.len();
                let before = std::mem::replace(&mut self.before, stat.total);
                with_cpu(reading, &before, &self.before)
            }
            Err(error) => reading.without("cpu", error.to_string()),
        };
        reading = match Meminfo::from_file(root.below("/proc/meminfo")) {
            Ok(memory) => with_memory(reading, &memory),
            Err(error) => reading.without("mem", error.to_string()),
        };
        reading = match LoadAverage::from_file(root.below("/proc/loadavg")) {
            Ok(load) => with_load(reading, &load, cores),
            Err(error) => reading.without("load1", error.to_string()),
        };
        reading = match Uptime::from_file(root.below("/proc/uptime")) {
            Ok(up) => reading.with("uptime", up.uptime),
            Err(error) => reading.without("uptime", error.to_string()),
        };
        for (metric, file) in [("psi_cpu", "cpu"), ("psi_mem", "memory"), ("psi_io", "io")] {
            // Many kernels do not measure it; then there is no such metric.
            if let Some(percent) = pressure(&root.below("/proc/pressure").join(file)) {
                reading = reading.with(metric, percent);
            }
        }
        match &reading.unreadable[..] {
            [(_, reason), ..] if reading.values.is_empty() => Reading::unknown(&reading.target, reason.clone()),
            _ => reading,
        }
    }
}

fn stat(root: &Root) -> procfs::ProcResult<KernelStats> {
    KernelStats::from_file(root.below("/proc/stat"), procfs::current_system_info())
}

/// Adds the shares of the time between two readings. proc_stat(5): guest time is within user time;
/// iowait may run backwards.
fn with_cpu(reading: Reading, before: &CpuTime, now: &CpuTime) -> Reading {
    let total = |time: &CpuTime| {
        let others = [time.iowait, time.irq, time.softirq, time.steal];
        time.user + time.nice + time.system + time.idle + others.iter().flatten().sum::<u64>()
    };
    let Some(whole) = total(now).checked_sub(total(before)).filter(|whole| *whole > 0) else {
        return reading.without("cpu", "no processor time has been counted since the last reading");
    };
    let percent = |now: u64, before: u64| 100.0 * now.saturating_sub(before).min(whole) as f64 / whole as f64;
    let since = |part: fn(&CpuTime) -> Option<u64>| Some(percent(part(now)?, part(before)?));
    let iowait = since(|time| time.iowait);
    let busy = 100.0 - percent(now.idle, before.idle) - iowait.unwrap_or(0.0);
    let mut reading = reading.with("cpu", busy.max(0.0));
    for (metric, value) in [("iowait", iowait), ("steal", since(|time| time.steal))] {
        if let Some(value) = value {
            reading = reading.with(metric, value);
        }
    }
    reading
}

fn with_memory(reading: Reading, memory: &Meminfo) -> Reading {
    // Linux before 3.14 does not say; this is what it estimated from then on, roughly.
    let available = memory.mem_available.unwrap_or(memory.mem_free + memory.buffers + memory.cached);
    let used = memory.mem_total.saturating_sub(available);
    let swap_used = memory.swap_total.saturating_sub(memory.swap_free);
    let swap = if memory.swap_total == 0 { 0.0 } else { 100.0 * swap_used as f64 / memory.swap_total as f64 };
    reading
        .with("mem", 100.0 * used as f64 / memory.mem_total as f64)
        .with("mem_used", used as f64)
        .with("mem_available", available as f64)
        .with("swap", swap)
        .with("swap_used", swap_used as f64)
}

fn with_load(mut reading: Reading, load: &LoadAverage, cores: usize) -> Reading {
    // The file has hundredths; a float of 32 bits would show more digits than there are.
    let exact = |load: f32| (f64::from(load) * 100.0).round() / 100.0;
    let loads =
        [("load1", "load1_per_core", load.one), ("load5", "load5_per_core", load.five), ("load15", "load15_per_core", load.fifteen)];
    for (metric, per_core, load) in loads {
        reading = reading.with(metric, exact(load));
        if cores > 0 {
            reading = reading.with(per_core, exact(load) / cores as f64);
        }
    }
    reading.with("procs", f64::from(load.max))
}

/// `avg10` of the line `some`. Kernels before 5.13 have no line `full` for the processors, so only this one is read.
fn pressure(file: &Path) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let record = procfs::parse_pressure_record(text.lines().next()?).ok()?;
    Some((f64::from(record.avg10) * 100.0).round() / 100.0)
}
