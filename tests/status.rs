//! The running watch, asked how it is.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use chrono::{TimeDelta, Timelike, Utc};
use serde_json::Value;

use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;

fn place(bot: &FakeBot, service: &Service, more: &str) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nchannels: {{ ops: {} }}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 3\n    notify: [ops]\n{more}",
        bot.section(),
        service.section()
    ))
}

/// What `status --json` says and its exit code, once the watch answers.
fn status(place: &Place) -> (i32, Value) {
    until("the watch answers", || {
        let (code, out, _) = place.run(&["status", "--json"]);
        (code < 2).then(|| (code, serde_json::from_str(&out).unwrap()))
    })
}

#[test]
fn a_watch_that_is_well_says_so() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    service.asked_again(3);
    let (code, mut status) = status(&place);
    assert_eq!((code, &status["host"], &status["vakhta"]), (0, &"srv-01".into(), &env!("CARGO_PKG_VERSION").into()));
    if let Some(check) = status["checks"][0].as_object_mut() {
        // A check that looks every 100 ms is due at once, or late.
        assert!(check.remove("next_in").is_none_or(|seconds| seconds == 0));
    }
    assert_eq!(status["checks"], serde_json::json!([{ "name": "atto", "status": true, "failing": 0, "targets": 1 }]));
    for empty in ["incidents", "trouble", "waiting"] {
        assert_eq!(status[empty], serde_json::json!([]), "{empty}");
    }
    let (code, out, err) = place.run(&["status"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("srv-01: vakhta {} keeps watch since 20", env!("CARGO_PKG_VERSION"))), "{out}");
    assert!(out.contains("      CHECK  TARGETS  NEXT LOOK\nTrue  atto   1        "), "{out}");
    // Without the file, for whoever may not read its secrets.
    assert_eq!(place.run(&["status", "-c", "nowhere.yaml", "--state-dir", "state"]).0, 0);

    let socket = place.path("state/vakhta.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    program.stop();
    assert!(!socket.exists(), "it goes with its watch");
}

#[test]
fn what_is_held_by_a_window_says_until_when() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let opens = (Utc::now() + TimeDelta::hours(6)).with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap();
    let hours = format!("{}-{}", opens.format("%H:%M"), (opens + TimeDelta::hours(1)).format("%H:%M"));
    let window = format!("    window: later\nwindows: {{ later: {{ hours: \"{hours}\" }} }}\n");
    let place = place(&bot, &service, &window);
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    let status = until("the check fails", || Some(status(&place)).filter(|(code, _)| *code == 1)).1;
    assert_eq!(status["checks"][0]["failing"], 1);
    let incident = &status["incidents"][0];
    assert_eq!((&incident["number"], &incident["check"], &incident["rule"]), (&1.into(), &"atto".into(), &"up".into()));
    assert_eq!(incident["target"], service.address.to_string());
    let until = opens.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert_eq!(
        status["waiting"],
        serde_json::json!([{ "channel": "ops", "check": "atto", "kind": "failed", "count": 1, "why": "window", "window": "later", "until": until }])
    );
    let (code, out, _) = place.run(&["status"]);
    assert_eq!(code, 1);
    assert!(out.contains("False  atto   1 of 1 fail") && out.contains("\nopen incidents\n") && out.contains("#1  atto"), "{out}");
    let held = out.lines().last().unwrap();
    assert!(
        held.starts_with("ops      atto   1 failed  held until ") && held.ends_with(&opens.format("%H:%M by window later").to_string()),
        "{held}"
    );
    program.stop();
    assert_eq!(bot.requests(), 0);
}

#[test]
fn what_a_channel_did_not_take_says_when_it_is_tried_again() {
    let (bot, service) = (FakeBot::start("429:3000"), Service::start());
    let place = place(&bot, &service, "");
    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    let waiting = until("the channel is waited for", || {
        let waiting = status(&place).1["waiting"].take();
        (waiting[0]["why"] == "retry").then_some(waiting)
    });
    assert_eq!((&waiting[0]["attempt"], waiting.as_array().unwrap().len()), (&2.into(), 1), "{waiting}");
    assert!(waiting[0]["seconds"].as_u64().is_some_and(|seconds| (2900..=3000).contains(&seconds)), "{waiting}");
    let (_, out, _) = place.run(&["status"]);
    assert!(out.contains("ops      atto   1 failed  retry 2 in ") && out.contains(" min: Telegram asks to wait"), "{out}");
    program.stop();
}

#[test]
fn without_a_watch_it_says_what_to_do() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let nobody = "error: no watch runs with state folder state; start it with `vakhta run`\n";
    let (code, out, err) = place.run(&["status"]);
    assert_eq!((code, out.as_str(), err.as_str()), (2, "", nobody));
    let mut program = place.start();
    status(&place);
    program.signal(rustix::process::Signal::KILL);
    program.ended();
    assert!(place.path("state/vakhta.sock").exists(), "a kill leaves it there");
    let (code, _, err) = place.run(&["status"]);
    assert_eq!((code, err.as_str()), (2, nobody));
    let program = place.start();
    status(&place);
    program.stop();
}

#[test]
fn nobody_who_knocks_holds_up_the_watch_or_the_next() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    status(&place);
    let knock = || UnixStream::connect(place.path("state/vakhta.sock")).unwrap();
    let mut idle = knock();
    idle.write_all(b"{\"ask\":").unwrap();
    assert_eq!(status(&place).0, 0, "a second one is answered while the first says nothing");

    for (request, answer) in [
        ("hello\n".to_owned(), "this is no request"),
        ("x".repeat(5000), "this is no request"),
        ("{\"ask\":\"more\"}\n".into(), "unknown variant"),
    ] {
        let mut stream = knock();
        // The rest of what is too long may not be read at all.
        let _ = stream.write_all(request.as_bytes());
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        assert!(text.contains(answer), "{text}");
    }
    // More than are heard at once: all are let go in time, and the checks go on meanwhile.
    let crowd: Vec<UnixStream> = (0..12).map(|_| knock()).collect();
    service.asked_again(5);
    drop(crowd);
    assert_eq!(status(&place).0, 0);
    let mut rest = Vec::new();
    until("the first is let go", || idle.read_to_end(&mut rest).ok());
    assert_eq!(rest, b"", "it has got nothing");
    program.stop();
}

#[test]
fn a_folder_name_too_long_for_a_socket_stops_no_watch() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, &format!("state_dir: {}\n", "x".repeat(120)));
    let program = place.start();
    service.asked_again(3);
    assert_eq!(place.run(&["status"]).0, 2);
    let log = program.stop();
    assert!(log.contains("is too long for a socket: choose a shorter `state_dir`"), "{log}");
}
