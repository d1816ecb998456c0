//! The real program and its history.

use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;

fn place(bot: &FakeBot, service: &Service, history: &str) -> Place {
    Place::new(&checks(bot, service, history))
}

fn checks(bot: &FakeBot, service: &Service, history: &str) -> String {
    format!(
        "host: srv-01\ntimezone: UTC\n{history}\nchannels: {{ ops: {} }}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 3\n    notify: [ops]\n",
        bot.section(),
        service.section()
    )
}

/// What a command prints as JSON, once it finds something.
fn found(place: &Place, arguments: &[&str]) -> Value {
    until("history has it", || {
        let (code, out, _) = place.run(arguments);
        (code == 0)
            .then(|| serde_json::from_str::<Value>(&out).unwrap())
            .filter(|found| found.as_array().is_some_and(|list| !list.is_empty()))
    })
}

#[test]
fn what_was_seen_and_what_failed_can_be_looked_up() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let (code, _, err) = place.run(&["incidents"]);
    assert_eq!(code, 2);
    assert!(err.contains("history.db yet; `vakhta run` makes it"), "{err}");
    let program = place.start();
    service.asked_again(5);
    service.well.store(false, Ordering::SeqCst);
    let incidents = found(&place, &["incidents", "--json", "--open"]);
    assert_eq!((&incidents[0]["check"], &incidents[0]["kind"], &incidents[0]["host"]), (&"atto".into(), &"tcp".into(), &"srv-01".into()));
    service.well.store(true, Ordering::SeqCst);
    until("it is over", || found(&place, &["incidents", "--json"])[0]["until"].as_i64());
    let up = found(&place, &["history", "atto", "--json"]);
    let up = up.as_array().unwrap().iter().find(|number| number["metric"] == "up").unwrap();
    let points = up["points"].as_array().unwrap();
    assert!(points.iter().any(|point| point["mean"] == 1.0) && points.iter().any(|point| point["mean"] == 0.0), "{points:?}");
    program.stop();
    let (code, out, err) = place.run(&["history", "atto"]);
    assert_eq!((code, err.as_str()), (0, ""), "also when no watch runs");
    assert!(out.contains("FROM LOWEST TO HIGHEST"), "{out}");
    let (code, _, err) = place.run(&["history", "nothing"]);
    assert_eq!(code, 2);
    assert!(err.contains("history has nothing of this"), "{err}");
}

#[test]
fn rows_in_the_spool_outlive_a_killed_watch() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let nowhere = "history: { url: \"mysql://vakhta:geheim@127.0.0.1:1/history\" }";
    let place = place(&bot, &service, nowhere);
    let program = place.start();
    service.well.store(false, Ordering::SeqCst);
    let waits = || sizes(&place) > 8192;
    until("the incident is told, whatever history does", || (!bot.receipts().is_empty()).then_some(()));
    until("rows wait", || waits().then_some(()));
    service.asked_again(20);
    assert!(!program.stderr().join("\n").contains("geheim"));
    drop(program);
    // From a file, the same watch.
    place.write("checks.yaml", &checks(&bot, &service, "history: {}"));
    let program = place.start();
    let incidents = found(&place, &["incidents", "--json"]);
    assert_eq!(incidents[0]["number"], 1);
    program.stop();
}

#[test]
fn without_history_nothing_is_written() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "history: off");
    let program = place.start();
    service.asked_again(3);
    program.stop();
    for file in ["history.db", "spool.db"] {
        assert!(!place.path("state").join(file).exists(), "{file}");
    }
    let (code, _, err) = place.run(&["incidents"]);
    assert_eq!(code, 2);
    assert!(err.contains("`history: off`"), "{err}");
}

/// Bytes in the spool and its journal.
fn sizes(place: &Place) -> u64 {
    ["spool.db", "spool.db-wal"].iter().filter_map(|name| place.path("state").join(name).metadata().ok()).map(|file| file.len()).sum()
}
