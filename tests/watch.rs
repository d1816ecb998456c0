//! The promise, seen from outside: the real program, real sockets, and what the Bot API really received.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::process::Signal;

use crate::bot::FakeBot;
use crate::program::{Place, Program, SOON, faketime, left_out, may_make_namespaces, until, written_lines};
use crate::service::Service;

fn place(bot: &FakeBot, service: &Service, more: &str) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nlog: {{ status_every: 1s }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 3\n    comment: restart atto\n    notify: [ops]\n{more}",
        bot.section(),
        service.section()
    ))
}

#[test]
fn one_message_after_the_third_failure_and_one_recovery() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    service.asked_again(5);
    assert_eq!(bot.requests(), 0, "nothing fails, nothing is said");

    service.well.store(false, Ordering::SeqCst);
    let failed = bot.texts(1).remove(0);
    service.asked_again(10);
    assert_eq!(bot.requests(), 1, "told once, however long it lasts");
    let mut lines = failed.lines();
    assert_eq!(lines.next(), Some("🔴 srv-01 · atto failed"));
    assert_eq!(lines.next(), Some(service.address.to_string().as_str()));
    let reason = lines.next().unwrap();
    assert!(reason.starts_with("the answer has no `PONG`") && reason.ends_with(" · #1"), "{reason}");
    assert_eq!(lines.next(), Some("restart atto"));
    until("the status is False", || (place.statuses().last()?["status"]["atto"] == false).then_some(()));

    // The counts on the way: 1 of 3, 2 of 3, then the incident at exactly 3.
    let statuses = place.statuses();
    let first_false = statuses.iter().find(|line| line["status"]["atto"] == false).unwrap();
    assert_eq!(first_false["failing"][0]["failures"], 3);
    assert_eq!(first_false["failing"][0]["incident"], 1);

    service.well.store(true, Ordering::SeqCst);
    let texts = bot.texts(2);
    assert!(texts[1].starts_with("✅ srv-01 · atto recovered after "), "{}", texts[1]);
    service.asked_again(5);
    assert_eq!(bot.requests(), 2);

    let log = program.stop();
    assert!(log.contains("goodbye: kept watch for "), "{log}");
    assert!(!log.contains("CANARY"), "the token is nowhere: {log}");
    let last = place.statuses().pop().unwrap();
    assert_eq!(last["status"]["atto"], true, "the last line is written at the end");
    assert_eq!(last["host"], "srv-01");
}

#[test]
fn two_failures_between_successes_are_never_told() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    for _ in 0..3 {
        service.well.store(false, Ordering::SeqCst);
        service.asked_again(1);
        service.well.store(true, Ordering::SeqCst);
        service.asked_again(2);
    }
    program.stop();
    assert_eq!(bot.requests(), 0);
}

#[test]
fn a_channel_that_asks_to_wait_gets_the_message_once() {
    let (bot, service) = (FakeBot::start("429:1,400=Bad Request: can't parse entities: x"), Service::start());
    service.well.store(false, Ordering::SeqCst);
    let place = place(&bot, &service, "");
    let program = place.start();
    bot.texts(1);
    service.asked_again(5);
    assert_eq!((bot.requests(), bot.receipts().len()), (3, 1), "one 429, one refused markup, one taken");
    let log = program.stop();
    assert!(log.contains("Telegram asks to wait 1 s"), "{log}");
}

#[test]
fn a_dead_channel_delays_no_check_and_no_other_channel() {
    let (dead, bot, service) = (FakeBot::start("hang,hang,hang,hang"), FakeBot::start(""), Service::start());
    let place = Place::new(&format!(
        "log: {{ status_every: 1m }}\nchannels: {{ dead: {}, ops: {} }}\nchecks:\n  - {{ name: atto, {}, every: 100ms, fail_after: 3, notify: [dead, ops] }}\n",
        dead.section(),
        bot.section(),
        service.section()
    ));
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    bot.texts(1);
    let started = Instant::now();
    service.asked_again(10);
    assert!(started.elapsed() < SOON, "the check keeps its interval");
    service.well.store(true, Ordering::SeqCst);
    bot.texts(2);
    assert_eq!(dead.requests(), 1, "still waiting for the first answer");
    program.stop();
}

#[test]
fn ten_thousand_dead_addresses_are_one_message() {
    if !may_make_namespaces() {
        return left_out(
            "ten_thousand_dead_addresses_are_one_message",
            "it needs root and `ip`, for a network namespace without anyone in it",
        );
    }
    let place = Place::new("");
    place.write("ips.txt", "127.99.0.1-127.99.39.16\n");
    place.write(
        "checks.yaml",
        "host: srv-01\nchannels: { ops: { telegram: { token: \"1:a\", chat_id: 1, api_url: \"http://127.0.0.1:9400\" } } }\n\
         checks:\n  - { name: terminals, ping: { list: ips.txt, count: 1 }, every: 2s, timeout: 1s, fail_after: 2, notify: [ops] }\n\
         log: { status_every: 1s }\n",
    );
    // Nobody in this namespace answers an echo.
    let script = "ip link set lo up && echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all && exec \"$@\"";
    let inside = |program: &mut Command, name: &str, arguments: &[&str]| {
        program.args(["-n", "sh", "-c", script, "sh", name]).args(arguments).current_dir(place.path(""));
    };
    // One namespace for both: the mock starts the watch.
    let telegram = std::path::Path::new(env!("CARGO_BIN_EXE_vakhta")).parent().unwrap().join("examples/telegram");
    if !telegram.exists() {
        return left_out(
            "ten_thousand_dead_addresses_are_one_message",
            "the example `telegram` is not built; `cargo test` without filters builds it",
        );
    }
    let both = format!("{} --receipts receipts.jsonl & exec {} run", telegram.display(), env!("CARGO_BIN_EXE_vakhta"));
    let mut command = Command::new("unshare");
    inside(&mut command, "sh", &["-c", &both]);
    let program = Program::start(command);
    let receipts = || written_lines(&place.path("receipts.jsonl"));
    let receipt = until("the message arrives", || receipts().into_iter().next());
    let text = receipt["text"].as_str().unwrap();
    assert!(text.starts_with("🔴 srv-01 · terminals: 10000 of 10000 failed\n127.99.0.1, 127.99.0.2, "), "{text}");
    assert!(text.contains(", … and 9970 more\nno reply to "), "{text}");
    assert!(text.encode_utf16().count() <= 4096);
    // The watch goes on, and says no more.
    let failures = || place.statuses().last().and_then(|line| line["failing"][0]["failures"].as_u64());
    let before = until("a status with the failures", failures);
    until("two more runs", || (failures()? >= before + 2).then_some(()));
    program.stop();
    assert_eq!(receipts().len(), 1, "ten thousand failures, one message");
}

/// F40: the own network goes away, with its routes and then silently.
#[test]
fn a_network_of_our_own_that_is_away_is_no_failure_of_others() {
    if !may_make_namespaces() {
        return left_out("a_network_of_our_own_that_is_away_is_no_failure_of_others", "it needs root and `ip`, for a network to take away");
    }
    let place = Place::new(
        "host: srv-01\nlog: { status_every: 1s }\nuplink: { targets: [127.0.0.1, 127.0.0.2], every: 200ms }\n\
         channels: { console: { console: {} } }\n\
         checks:\n  - { name: shop, ping: { targets: [127.0.0.3], count: 1 }, every: 1s, timeout: 500ms, fail_after: 3 }\n",
    );
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_vakhta"), "run"]);
    command.current_dir(place.path(""));
    let program = Program::start(command);
    until("the first look", || (place.statuses().last()?["status"]["shop"] == true).then_some(()));
    let pid = program.child.id().to_string();
    let inside = |script: &str| assert!(Command::new("nsenter").args(["-t", &pid, "-n", "sh", "-c", script]).status().unwrap().success());
    let ignore = |value: u8| format!("echo {value} > /proc/sys/net/ipv4/icmp_echo_ignore_all");

    let printed = |count: usize, text: &str| {
        until(text, || (program.stdout().iter().filter(|line| line.contains(text)).count() == count).then_some(()));
    };
    for (time, away, back) in [(1, "ip link set lo down".to_owned(), "ip link set lo up".to_owned()), (2, ignore(1), ignore(0))] {
        inside(&away);
        printed(time, "(vakhta) failed");
        printed(time, "cut off: none of 127.0.0.1, 127.0.0.2 answers · since ");
        let told = place.statuses().len();
        // Longer than the shop takes to fail.
        until("five more status lines", || (place.statuses().len() >= told + 5).then_some(()));
        let status = place.statuses().pop().unwrap();
        assert_eq!((&status["status"]["shop"], &status["failing"][0]["target"]), (&true.into(), &"uplink".into()));
        inside(&back);
        printed(time, "(vakhta) recovered");
    }
    let lines = program.stdout().join("\n");
    assert!(!lines.contains("shop"), "{lines}");
    program.stop();
}

/// The program with its wall clock set; the steady clock runs on.
pub fn at_time(place: &Place, time: &str) -> Option<Program> {
    let library = faketime()?;
    let mut command = place.command(&["run"]);
    command.env("LD_PRELOAD", library).env("FAKETIME", format!("@{time}")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC");
    Some(Program::start(command))
}

#[test]
fn a_closed_window_holds_and_its_opening_tells_the_true_start() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    service.well.store(false, Ordering::SeqCst);
    let place = place(&bot, &service, "    window: working_hours\nwindows:\n  working_hours: { days: mon-fri, hours: \"09:00-18:00\" }\n");
    // A Friday, four seconds before nine.
    let Some(program) = at_time(&place, "2026-11-20 08:59:56") else {
        return left_out("a_closed_window_holds_and_its_opening_tells_the_true_start", "libfaketime is not installed");
    };
    until("the incident is open", || (place.statuses().last()?["status"]["atto"] == false).then_some(()));
    assert_eq!(bot.requests(), 0, "the window is closed");
    let text = bot.texts(1).remove(0);
    let since = text.split("since ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(("08:59:56".."09:00:00").contains(&since), "the true start, not that of the window: {text}");
    service.asked_again(5);
    assert_eq!(bot.requests(), 1);
    let log = program.stop();
    assert!(log.contains("held by a closed window"), "{log}");
    assert!(log.contains("until=2026-11-20T09:00:00+00:00"), "{log}");
}

#[test]
fn tail_follows_the_status_log_over_midnight() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let Some(program) = at_time(&place, "2026-11-20 23:59:58") else {
        return left_out("tail_follows_the_status_log_over_midnight", "libfaketime is not installed");
    };
    until("the log is there", || place.path("logs/status.jsonl").exists().then_some(()));
    let mut tail = Command::new("tail");
    tail.args(["-n", "+1", "-F", "-s", "0.1"]).arg(place.path("logs/status.jsonl"));
    let tail = Program::start(tail);
    let lines = || {
        tail.stdout()
            .iter()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .collect::<Vec<_>>()
    };
    until("lines of the next day arrive", || (lines().last()?["time"].as_str()? >= "2026-11-21T00:00:01").then_some(()));
    program.stop();
    let written: usize = ["20", "21"]
        .map(|day| std::fs::read_to_string(place.path(&format!("logs/status.2026-11-{day}.jsonl"))).unwrap().lines().count())
        .iter()
        .sum();
    until("every line arrives", || (lines().len() == written).then_some(()));
}

#[test]
fn ctrl_c_ends_cleanly_and_a_second_one_at_once() {
    let (bot, service) = (FakeBot::start("hang"), Service::start());
    service.well.store(false, Ordering::SeqCst);
    let place = place(&bot, &service, "");
    let mut program = place.start();
    until("a message is on its way", || (bot.requests() == 1).then_some(()));
    program.signal(Signal::INT);
    let (took, status) = program.ended();
    assert!(took < SOON, "it waited {took:?} for a channel that does not answer");
    assert_eq!(status.code(), Some(0));
    assert!(until("the goodbye", || program.stderr().iter().any(|line| line.starts_with("goodbye: ")).then_some(true)));

    let mut program = place.start();
    until("a message is on its way", || (bot.requests() == 2).then_some(()));
    until("it has begun", || (!program.stderr().is_empty()).then_some(()));
    program.signal(Signal::INT);
    until("it says so", || program.stderr().iter().any(|line| line.starts_with("stopping")).then_some(()));
    program.signal(Signal::INT);
    let (_, status) = program.ended();
    assert!([Some(0), Some(130)].contains(&status.code()), "{status}");
}

#[test]
fn a_console_that_nobody_reads_stops_nothing() {
    let service = Service::start();
    service.well.store(false, Ordering::SeqCst);
    let place = Place::new(&format!("checks:\n  - {{ name: atto, {}, every: 100ms, fail_after: 1 }}\n", service.section()));
    let mut command = place.command(&["run"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The reader goes away before anything is written.
    drop(child.stdout.take());
    service.asked_again(5);
    assert!(child.try_wait().unwrap().is_none(), "it keeps watch");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("nobody reads standard output any more"), "{log}");
}

#[test]
fn the_console_prints_messages() {
    let service = Service::start();
    service.well.store(false, Ordering::SeqCst);
    let place = Place::new(&format!(
        "host: srv-01\nlanguage: ru\nchecks:\n  - {{ name: atto, {}, every: 100ms, fail_after: 1 }}\n",
        service.section()
    ));
    let program = place.start();
    until("the message", || program.stdout().first().map(|line| assert_eq!(line, "🔴 srv-01 · atto: сбой")));
    program.stop();
}

/// F63: a full pipe whose reader is asleep.
#[test]
fn a_console_whose_reader_sleeps_stalls_nothing() {
    const PIPE: usize = 64 * 1024;
    let (bot, service) = (FakeBot::start(""), Service::start());
    service.well.store(false, Ordering::SeqCst);
    let place = Place::new(&format!(
        "channels: {{ console: {{ console: {{}} }}, ops: {} }}\nchecks:\n  - {{ name: atto, {}, every: 100ms, fail_after: 1, notify: [console, ops] }}\n",
        bot.section(),
        service.section()
    ));
    let (_asleep, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b'-'; PIPE]).unwrap();
    let mut child = place.command(&["run"]).stdout(full).stderr(Stdio::null()).spawn().unwrap();
    bot.texts(1);
    service.asked_again(5);
    service.well.store(true, Ordering::SeqCst);
    bot.texts(2);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let (stopped, status) = (Instant::now(), until("the program ends", || child.try_wait().unwrap()));
    assert_eq!(status.code(), Some(0));
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
}

/// F66: a list that is replaced while the watch runs.
#[test]
fn an_empty_list_keeps_the_last_good_one() {
    let place = Place::new(
        "log: { status_every: 1s }\nchannels: { console: { console: {} } }\nchecks:\n  \
         - { name: list, ping: { list: ips.txt, count: 1 }, every: 100ms, rules: [ \"loss >= 0\" ], notify: [console] }\n",
    );
    place.write("ips.txt", "127.0.0.1\n127.0.0.2\n");
    if place.run(&["check", "--json"]).1.contains("\"unknown\"") {
        return left_out("an_empty_list_keeps_the_last_good_one", "no sort of ICMP socket may be opened here");
    }
    // Every target fails its rule, so the failing ones are the list.
    let failing = || {
        let status = place.statuses().pop()?;
        let targets: Vec<String> = status["failing"].as_array()?.iter().map(|failing| failing["target"].as_str().unwrap().into()).collect();
        Some(targets)
    };
    // A new file takes the old one's place at once, as editors and Ansible do it.
    let replace = |text: &str| {
        place.write("ips.new", text);
        std::fs::rename(place.path("ips.new"), place.path("ips.txt")).unwrap();
    };
    let program = place.start();
    until("both are looked at", || (failing()? == ["127.0.0.1", "127.0.0.2"]).then_some(()));
    replace("127.0.0.1\n127.0.0.3\n");
    until("a good list is taken", || (failing()? == ["127.0.0.1", "127.0.0.3"]).then_some(()));
    replace("# nobody\n");
    let is_warning = |line: &&str| line.contains("the last good one stays list=ips.txt problems=\"ips.txt: there are no targets in it\"");
    until("the empty list is told", || program.stderr().iter().find(|line| is_warning(&line.as_str())).map(drop));
    let told = place.statuses().len();
    until("two more status lines", || (place.statuses().len() >= told + 2).then_some(()));
    assert_eq!(failing().unwrap(), ["127.0.0.1", "127.0.0.3"]);
    replace("127.0.0.2\n");
    until("the next good list is taken", || (failing()? == ["127.0.0.2"]).then_some(()));
    let log = program.stop();
    assert_eq!(log.lines().filter(is_warning).count(), 1, "{log}");
}
