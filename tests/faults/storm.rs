//! F48, F49, F59: ten thousand targets at once, and a channel that takes nothing for long.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chrono::DateTime;
use vakhta::config::System;
use vakhta::story::Story;

use super::{figure, wait};
use crate::program::{Place, Program, left_out, may_make_namespaces, until, written_lines};

/// A channel is away for six hours while a hundred targets come and go every ten minutes: one digest when it is back.
#[test]
fn a_channel_that_was_away_for_hours_hears_of_it_once() {
    let mut lines = String::from("12:00:00 ops answers later 6h\n");
    for round in 0..36 {
        for (minute, outcome) in [(0, "fail(away)"), (5, "pass")] {
            write!(lines, "{}:{:02}:00 farm", 12 + round / 6, round % 6 * 10 + minute).unwrap();
            (0..100).for_each(|target| write!(lines, " 10.0.0.{target}:{outcome}").unwrap());
            lines.push('\n');
        }
    }
    lines.push_str("20:00:00 .\n");
    let config = "timezone: UTC\nchannels: { ops: { console: {} } }\nchecks:\n  \
                  - { name: farm, ping: { targets: [10.0.0.0-10.0.0.99] }, every: 1s, fail_after: 1 }";
    let story = Story::read(&format!("{config}\n---\n{lines}"), Path::new("away"), &System).unwrap();
    let told: Vec<String> = story.play().lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned).collect();
    let kinds = told.iter().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "));
    let kinds: Vec<String> = kinds.filter(|line| !line.ends_with("never")).collect();
    assert_eq!(kinds, ["12:00:00 ops failed", "18:00:00 ops digest"], "{told:#?}");
}

#[test]
#[ignore = "a quarter of an hour: scripts/faults --long"]
fn ten_thousand_targets_and_a_dead_channel_take_no_more_memory() {
    let name = "ten_thousand_targets_and_a_dead_channel_take_no_more_memory";
    let telegram = Path::new(env!("CARGO_BIN_EXE_vakhta")).parent().unwrap().join("examples/telegram");
    if !may_make_namespaces() || !telegram.exists() {
        return left_out(name, "it needs root and `ip`, for a network without anyone in it, and the example `telegram`");
    }
    let place = Place::new(
        "host: srv-01\nchannels: { ops: { telegram: { token: \"1:a\", chat_id: 1, api_url: \"http://127.0.0.1:9400\" } } }\n\
         checks:\n  - { name: farm, ping: { list: ips.txt, count: 1 }, every: 5s, timeout: 2s, fail_after: 2, notify: [ops] }\n\
         log: { status_every: 1s }\n",
    );
    place.write("ips.txt", "127.99.0.1-127.99.39.16\n");
    let mut mock = Command::new("unshare");
    mock.args(["-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]).arg(&telegram).args(["--receipts", "receipts.jsonl"]);
    mock.current_dir(place.path(""));
    let mock = Program::start(mock);
    until("the channel listens", || mock.stdout().first().cloned());
    let inside = |words: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &mock.child.id().to_string(), "-n"]).args(words).current_dir(place.path(""));
        command
    };
    let program = Program::start(inside(&[env!("CARGO_BIN_EXE_vakhta"), "run"]));
    let pid = program.child.id();
    let ignore = |value: u8| {
        let script = format!("echo {value} > /proc/sys/net/ipv4/icmp_echo_ignore_all");
        let done = Command::new("nsenter").args(["-t", &pid.to_string(), "-n", "sh", "-c", &script]).status();
        assert!(done.unwrap().success());
    };
    let well = |well: bool| until("the farm turns", || (place.statuses().last()?["status"]["farm"] == well).then_some(()));
    let receipts = || written_lines(&place.path("receipts.jsonl")).iter().map(|line| line["at"].as_i64().unwrap()).collect::<Vec<_>>();

    well(true);
    ignore(1);
    well(false);
    until("it is told", || (!receipts().is_empty()).then_some(()));
    wait(Duration::from_secs(60));
    let turned = place.statuses().iter().find(|line| line["status"]["farm"] == false).unwrap()["time"].as_str().unwrap().to_owned();
    let first = receipts()[0] - DateTime::parse_from_rfc3339(&turned).unwrap().timestamp_micros();
    let messages = receipts().len();
    figure(
        "10,000 targets fail at once",
        &format!("{messages} messages in the first minute, the first {} ms after the threshold", first / 1000),
    );
    assert!(messages <= 3 && first < 5_000_000, "{messages} messages, the first after {first} µs");

    // The channel dies; everybody comes and goes all the time.
    drop(mock);
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let mut sizes = Vec::new();
    for round in 0..40 {
        ignore(round % 2);
        wait(Duration::from_secs(15));
        sizes.push(memory());
    }
    // What one whole turn of all targets takes has been taken by then.
    let (early, late) = sizes.split_at(10);
    let (before, after) = (early.iter().max().unwrap(), late.iter().max().unwrap());
    figure("a dead channel", &format!("RSS {before} KiB in the first 150 s, at most {after} KiB in the 450 s after them; {sizes:?}"));
    assert!(*after as f64 <= *before as f64 * 1.05, "RSS grows from {before} to {after} KiB: {sizes:?}");
    program.stop();
}
