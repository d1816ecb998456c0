//! Numbers of readings in units that a person reads.

use std::time::Duration;

/// By the metric's name, as the kinds document them.
pub fn shown(metric: &str, value: f64) -> String {
    const TIMES: [&str; 12] =
        ["latency", "resolve", "connect", "tls", "first_byte", "rtt", "rtt_min", "rtt_max", "jitter", "uptime", "age", "ttl"];
    const PERCENT: [&str; 11] = ["cpu", "iowait", "steal", "mem", "swap", "disk", "inodes", "loss", "psi_cpu", "psi_mem", "psi_io"];
    const BYTES: [&str; 9] = ["mem_used", "mem_available", "swap_used", "disk_left", "size", "rx", "tx", "rss", "unread"];
    if TIMES.contains(&metric) {
        return time(value);
    }
    if PERCENT.contains(&metric) {
        return format!("{value:.1}%");
    }
    if BYTES.contains(&metric) {
        return bytes(value);
    }
    let places = if value.abs() < 1.0 { 1e4 } else { 1e2 };
    format!("{}", (value * places).round() / places)
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.0 => format!("-{}", time(-s)),
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s => humantime::format_duration(Duration::from_secs((s as u64) / 60 * 60)).to_string(),
    }
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (value.max(1.0).log2() / 10.0).floor().clamp(0.0, 4.0) as usize;
    format!("{:.1} {}", value / 1024f64.powi(step as i32), UNITS[step]).replace(".0 B", " B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_unit_of_its_metric() {
        let table = [
            ("mem", 16.172, "16.2%"),
            ("mem_used", 4_087_259_136.0, "3.8 GiB"),
            ("rtt", 0.000_054_7, "55 µs"),
            ("uptime", 7_487.7, "2h 4m"),
            ("ttl", -0.5, "-500.0 ms"),
            ("size", 12.0, "12 B"),
            ("load1", 8.131, "8.13"),
            ("queue", 0.012_345, "0.0123"),
            ("queue", 3.0, "3"),
        ];
        for (metric, value, text) in table {
            assert_eq!(shown(metric, value), text);
        }
    }
}
