//! Storms: ten thousand targets of one check fail within seconds. F49: one message for all, and one when it is over.

use std::fmt::Write;
use std::path::Path;

use vakhta::config::System;
use vakhta::story::Story;

const TARGETS: usize = 10_000;

/// Plays these lines with a ping of ten thousand addresses; what was told.
fn told(keys: &str, lines: &str) -> Vec<String> {
    let config = format!(
        "timezone: UTC\nchannels: {{ ops: {{ console: {{}} }}, mail: {{ console: {{}} }} }}\nchecks:\n  \
         - {{ name: farm, ping: {{ targets: [10.0.0.0-10.0.39.15] }}, every: 1s, notify: [ops, mail], {keys} }}"
    );
    let story = Story::read(&format!("{config}\n---\n{lines}"), Path::new("storm"), &System).unwrap();
    story.play().lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned).collect()
}

/// A run in which the first so many targets fail.
fn run(lines: &mut String, time: &str, failing: usize) {
    write!(lines, "{time} farm").unwrap();
    for n in 0..TARGETS {
        let outcome = if n < failing { "fail" } else { "pass" };
        write!(lines, " 10.0.{}.{}:{outcome}", n / 256, n % 256).unwrap();
    }
    lines.push('\n');
}

#[track_caller]
fn check(keys: &str, lines: &str, failed_at: &str, recovered_at: &str) {
    let told = told(keys, lines);
    let starts: Vec<&str> = told.iter().map(|line| line.split(" 10.").next().unwrap()).collect();
    let expect = [(failed_at, "failed"), (recovered_at, "recovered")];
    let expect: Vec<String> =
        expect.iter().flat_map(|(at, kind)| ["ops", "mail"].map(|channel| format!("{at} {channel} {kind}"))).collect();
    assert_eq!(starts, expect);
    assert!(told.iter().all(|line| line.contains("; 9996 more")), "{told:?}");
}

#[test]
fn all_at_once() {
    let mut lines = String::new();
    ["12:00:00", "12:00:01", "12:00:02", "12:00:03"].iter().for_each(|time| run(&mut lines, time, TARGETS));
    ["12:10:00", "12:10:01"].iter().for_each(|time| run(&mut lines, time, 0));
    check("fail_after: 3", &lines, "12:00:02", "12:10:00");
}

#[test]
fn one_after_another_within_five_seconds() {
    let mut lines = String::new();
    for second in 0..=5 {
        run(&mut lines, &format!("12:00:0{second}"), TARGETS * second / 5);
    }
    for second in 0..=5 {
        run(&mut lines, &format!("12:10:0{second}"), TARGETS * (5 - second) / 5);
    }
    lines.push_str("12:20:00 .\n");
    check("fail_after: 1, group_wait: 5s", &lines, "12:00:06", "12:10:06");
}
