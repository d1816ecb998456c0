//! What a status says of what was not told, step by step.

use std::path::Path;
use std::time::Duration;

use chrono::TimeZone;

use super::*;
use crate::config::{Registry, Source, System};
use crate::domain::engine::Engine;
use crate::domain::engine::{Delivery, Effect, Input};
use crate::domain::plan::Held;
use crate::domain::reading::{Reading, Report, Target};

use crate::domain::time::{Now, Steady};
use crate::domain::watch::Watch;
use crate::net::Net;

fn at(seconds: u64) -> Now {
    let start = chrono::Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).unwrap();
    Now { wall: start + Duration::from_secs(seconds), steady: Steady(Duration::from_secs(seconds)) }
}

fn watch(text: &str) -> Watch {
    let file = Source { path: Path::new("checks.yaml").to_owned(), text: text.to_owned() };
    file.load(&Registry::default(), &System, &Net::new()).unwrap_or_else(|report| panic!("{report}")).watch
}

fn fails(check: &str) -> Input {
    let readings = vec![Reading::fail(&Target::new("10.0.0.7"), "no reply"), Reading::fail(&Target::new("10.0.0.8"), "no reply")];
    Input::Report { check: check.into(), report: Report::Readings(readings), took: Duration::ZERO }
}

fn status(engine: &Engine, now: Now) -> Status {
    let due = |check: &str| (check == "a").then(|| at(30).steady);
    Status::new(engine, &Life { host: "srv-01", zone: Tz::UTC, since: at(0).wall, due: &due }, now)
}

/// `ops: 2 failed of a sending`
fn waiting(engine: &Engine, now: Now) -> Vec<String> {
    let status = status(engine, now);
    let line = |waiting: &Waiting| {
        format!("{}: {} {} of {} {}", waiting.channel, waiting.count, waiting.kind, waiting.check, waiting.why.words(status.time))
    };
    status.waiting.iter().map(line).collect()
}

#[test]
fn what_is_still_to_come_is_never_in_no_time() {
    let held = Held::Retry { until: Steady(Duration::from_millis(1_400)), attempt: 2, cause: "502".into() };
    let utc = |at: DateTime<chrono::Utc>| at.fixed_offset();
    for (millis, seconds) in [(0, 2), (1_000, 1), (1_399, 1)] {
        let now = Now { steady: Steady(Duration::from_millis(millis)), ..at(0) };
        assert_eq!(Why::new(held.clone(), &utc, now), Why::Retry { attempt: 2, seconds, cause: "502".into() });
    }
}

fn sent(effects: &[Effect]) -> u64 {
    effects.iter().find_map(|effect| if let Effect::Send(dispatch) = effect { Some(dispatch.id) } else { None }).unwrap()
}

#[test]
fn every_step_on_the_way_to_a_channel_has_its_reason() {
    let check = |name: &str, more: &str| {
        format!("  - {{ name: {name}, tcp: {{ address: \"127.0.0.1:1\" }}, fail_after: 1, notify: [ops]{more} }}\n")
    };
    let text = format!("channels: {{ ops: {{ console: {{}} }} }}\nchecks:\n{}{}", check("a", ", group_wait: 10s"), check("b", ""));
    let mut engine = Engine::new(watch(&text));
    assert!(status(&engine, at(0)).is_good());

    engine.step(at(0), fails("a"));
    assert_eq!(waiting(&engine, at(4)), ["ops: 2 failed of a waits 6 s for more to tell together"]);
    let dispatch = sent(&engine.step(at(10), Input::Tick));
    engine.step(at(11), fails("b"));
    assert_eq!(waiting(&engine, at(11)), ["ops: 2 failed of a sending", "ops: 2 failed of b waits for the message before it"]);

    let outcome = Delivery::Later { after: Some(Duration::from_secs(40)), cause: "502".into() };
    engine.step(at(12), Input::Delivered { dispatch, outcome });
    assert_eq!(waiting(&engine, at(17)), ["ops: 2 failed of a retry 2 in 35 s: 502", "ops: 2 failed of b retry 2 in 35 s: 502"]);

    let taken = |dispatch| Input::Delivered { dispatch, outcome: Delivery::Taken };
    let dispatch = sent(&engine.step(at(52), Input::Tick));
    let dispatch = sent(&engine.step(at(53), taken(dispatch)));
    engine.step(at(54), taken(dispatch));
    assert_eq!(waiting(&engine, at(60)), [""; 0], "all is told");
    let status = status(&engine, at(60));
    assert!(!status.is_good());
    let counts: Vec<_> = status.checks.iter().map(|check| (check.name.as_str(), check.failing, check.targets)).collect();
    assert_eq!(counts, [("a", 2, 2), ("b", 2, 2)]);
    assert_eq!(status.incidents.iter().map(|incident| incident.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn the_watchs_own_trouble_stands_apart() {
    let mut engine = Engine::new(watch("checks: [ { name: a, tcp: { address: \"127.0.0.1:1\" }, notify: [] } ]"));
    engine.step(at(0), Input::Own { target: "state".into(), trouble: Some("the disk is full".into()) });
    let status = status(&engine, at(1));
    assert!(!status.is_good() && status.incidents.is_empty());
    assert_eq!((status.trouble[0].target.as_str(), status.trouble[0].reason.as_str()), ("state", "the disk is full"));
    assert_eq!(status.checks.len(), 1, "the watch's own check is not one of the file");
}

#[test]
fn what_is_said_is_read_back() {
    let mut engine = Engine::new(watch("checks: [ { name: a, tcp: { address: \"127.0.0.1:1\" }, fail_after: 1, notify: [] } ]"));
    engine.step(at(0), fails("a"));
    let next = |now| status(&engine, now).checks[0].next_in;
    assert_eq!((next(at(1)), next(at(30)), next(at(31))), (Some(29), Some(0), None));
    let answer = Answer::from(Body::Status(status(&engine, at(1))));
    let text = serde_json::to_string(&answer).unwrap();
    assert!(text.starts_with(r#"{"version":1,"status":{"host":"srv-01""#), "{text}");
    assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    assert_eq!(serde_json::to_string(&Request::Status).unwrap(), r#"{"ask":"status"}"#);
}

/// A check with so many targets, all failing.
fn storm(engine: &mut Engine, check: &str, targets: usize) {
    let readings = (0..targets).map(|number| Reading::fail(&Target::new(format!("10.0.{}.{}", number / 250, number % 250)), "no reply"));
    let report = Report::Readings(readings.collect());
    engine.step(at(0), Input::Report { check: check.into(), report, took: Duration::ZERO });
}

#[test]
fn a_check_with_many_incidents_leaves_room_for_those_with_few() {
    let check = |name: &str| format!("  - {{ name: {name}, tcp: {{ address: \"127.0.0.1:1\" }}, fail_after: 1, notify: [] }}\n");
    let mut engine = Engine::new(watch(&format!("checks:\n{}{}{}", check("a"), check("b"), check("c"))));
    for (check, targets) in [("a", 3000), ("b", 700), ("c", 2)] {
        storm(&mut engine, check, targets);
    }
    let status = status(&engine, at(1));
    let listed = |name: &str| status.incidents.iter().filter(|incident| incident.check == name).count();
    assert_eq!((listed("a"), listed("b"), listed("c"), status.incidents_more), (499, 499, 2, 2702));
}

#[test]
fn targets_are_listed_in_parts() {
    let mut engine = Engine::new(watch("checks: [ { name: a, tcp: { address: \"127.0.0.1:1\" }, fail_after: 1, notify: [] } ]"));
    let reading = |number: usize| {
        let target = Target::new(format!("10.0.{}.{}", number / 250, number % 250));
        if number == 7 { Reading::pass(&target) } else { Reading::fail(&target, "no reply") }
    };
    let report = Report::Readings((0..1200).map(reading).collect());
    engine.step(at(0), Input::Report { check: "a".into(), report, took: Duration::ZERO });
    let due = |_: &str| None;
    let life = Life { host: "srv-01", zone: Tz::UTC, since: at(0).wall, due: &due };
    let check = |wanted: Wanted| CheckNow::new(&engine, &Wanted { name: "a".to_owned(), ..wanted }, &[], &life, at(2)).unwrap();
    let all = check(Wanted::default());
    assert_eq!((all.total, all.failing, all.found, all.targets.len(), all.more), (1200, 1199, 1200, 500, 700));
    let last = check(Wanted { offset: 1190, limit: Some(100), ..Wanted::default() });
    assert_eq!((last.targets.len(), last.more, last.targets[9].target.as_str(), last.targets[9].status), (10, 0, "10.0.0.7", true));
    let failing = check(Wanted { failing: true, filter: "10.0.4.1".to_owned(), ..Wanted::default() });
    assert!(failing.found > 10 && failing.targets.iter().all(|target| target.target.starts_with("10.0.4.1")));
    let one = check(Wanted { target: Some("10.0.0.7".to_owned()), ..Wanted::default() });
    assert_eq!(one.targets[0].rules.len(), one.rules.len(), "one alone is shown with all its rules");
}
