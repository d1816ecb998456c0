//! What the real program wrote down, read afterwards: the tale of an incident, and a recorded day played again.

use std::sync::atomic::Ordering;

use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;

fn place(bot: &FakeBot, service: &Service, fail_after: u32) -> Place {
    Place::new(&checks(bot, service, fail_after))
}

fn checks(bot: &FakeBot, service: &Service, fail_after: u32) -> String {
    format!(
        "host: srv-01\ntimezone: UTC\nlog: {{ readings: true }}\nchannels:\n  ops: {}\n  quiet: {{ console: {{}} }}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: {fail_after}\n    notify: [ops]\n",
        bot.section(),
        service.section()
    )
}

#[test]
fn an_incident_is_explained_in_order_with_the_reason_of_each_decision() {
    let (bot, service) = (FakeBot::start("429:1"), Service::start());
    let place = place(&bot, &service, 2);
    let (code, out, _) = place.run(&["explain", "atto"]);
    assert_eq!((code, out.as_str()), (2, ""), "there is no log folder yet");
    let program = place.start();
    service.asked_again(2);
    let (code, out, _) = place.run(&["explain", "atto"]);
    assert!(code == 0 && out.starts_with("atto: no incident in the events that are kept (since 20"), "{out}");

    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    let (code, out, _) = place.run(&["explain", "atto"]);
    assert_eq!((code, out.lines().last()), (1, Some("                     it still fails")));
    service.well.store(true, Ordering::SeqCst);
    bot.texts(2);
    let out = until("the recovery is written down", || {
        let (code, out, _) = place.run(&["explain", "#1"]);
        (code == 0 && out.contains("told that it recovered")).then_some(out)
    });
    program.stop();
    assert_eq!(out, place.run(&["explain", "atto"]).1, "it can be read when the watch has ended");
    assert_eq!(out, place.run(&["explain", &format!("atto/{}", service.address)]).1);
    let sentences: Vec<&str> = out.lines().map(|line| line.get(21..).unwrap_or(line)).collect();
    assert_eq!(out.lines().next().unwrap(), format!("#1 · atto {} · rule up · critical", service.address));
    let expected = [
        "the first bad look of those that count",
        "failed after 2 failures in a row: the answer has no `PONG`: `NOPE`",
        "quiet: not told: not among those to be told",
        "ops: telling that it failed",
        "ops: did not take it: ",
        "ops: retry 2 in ",
        "ops: telling that it failed, attempt 2",
        "ops: told that it failed",
        "recovered after ",
        "ops: telling that it recovered",
        "ops: told that it recovered",
    ];
    assert_eq!(sentences.len(), expected.len() + 1, "{out}");
    for (sentence, expected) in sentences[1..].iter().zip(expected) {
        assert!(sentence.starts_with(expected), "{expected}: {out}");
    }
    let (code, out, _) = place.run(&["explain", "atto", "--json"]);
    let events: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &events[0]["event"], &events[0]["incident"]), (0, &"failed".into(), &1.into()));
    let (code, _, err) = place.run(&["explain", "attto"]);
    assert_eq!((code, err.as_str()), (2, "error: there is no check `attto`; the checks are atto\n"));
    assert!(!std::fs::read_to_string(place.path("logs/events.jsonl")).unwrap().contains("CANARY"));
}

#[test]
fn a_recorded_day_is_played_through_another_configuration() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, 2);
    let program = place.start();
    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    service.asked_again(4);
    service.well.store(true, Ordering::SeqCst);
    bot.texts(2);
    program.stop();
    for recording in ["logs/readings.jsonl", "logs/status.jsonl"] {
        let (code, out, err) = place.run(&["replay", recording]);
        let told: Vec<&str> = out.lines().collect();
        assert_eq!((code, told.len()), (0, 2), "{recording}: {out}{err}");
        assert!(told[0].contains(" ops failed ") && told[1].contains(" ops recovered "), "{out}");
        place.write("other.yaml", &checks(&bot, &service, 1000));
        let (code, out, err) = place.run(&["replay", "-c", "other.yaml", recording]);
        assert_eq!((code, out.as_str()), (0, ""), "{recording}");
        assert!(err.starts_with("nobody would have been told anything\n"), "{err}");
    }
    assert_eq!(bot.receipts().len(), 2, "a replay tells nobody");
    let (code, _, err) = place.run(&["replay", "nowhere.jsonl"]);
    assert!(code == 2 && err.starts_with("error: nowhere.jsonl cannot be read: "), "{err}");
}
