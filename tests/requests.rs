//! What people ask of the running program: silences, and the edited file.

use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::process::Signal;

use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;

fn checks(bot: &FakeBot, service: &Service, more: &str) -> String {
    format!(
        "host: srv-01\ntimezone: UTC\nlog: {{ status_every: 1s }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 2\n{more}",
        bot.section(),
        service.section()
    )
}

/// Runs a command once the watch answers.
fn asked(place: &Place, arguments: &[&str]) -> (i32, String, String) {
    until("the watch answers", || {
        let answer = place.run(arguments);
        (!answer.2.contains("no watch runs")).then_some(answer)
    })
}

#[test]
fn a_silence_survives_a_kill_and_what_still_fails_at_its_end_is_told_once() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&checks(&bot, &service, ""));
    let mut program = place.start();
    let (code, out, err) = asked(&place, &["silence", "atto", "--for", "1h", "--comment", "new\nrelease"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("silence 1: nobody is told of atto until 20"), "{out}");
    program.signal(Signal::KILL);
    program.ended();

    service.well.store(false, Ordering::SeqCst);
    let program = place.start();
    let (_, out, _) = asked(&place, &["silences", "--json"]);
    let silences: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&silences[0]["number"], &silences[0]["about"]), (&1.into(), &"atto".into()));
    assert!(silences[0]["comment"].as_str().unwrap().ends_with("release"));
    let waiting = until("it fails", || {
        let (_, out, _) = place.run(&["status"]);
        out.contains("by silence 1").then_some(out)
    });
    assert!(waiting.contains("1 failed") && waiting.contains("silences"), "{waiting}");
    assert!(bot.receipts().is_empty());

    let (code, out, _) = place.run(&["unsilence", "1"]);
    assert_eq!((code, out.as_str()), (0, "silence 1 is over: atto\n"));
    assert!(bot.texts(1)[0].contains("atto failed"));
    service.well.store(true, Ordering::SeqCst);
    assert!(bot.texts(2)[1].contains("recovered"));
    assert_eq!(place.run(&["silences"]).1, "there are no silences\n");
    let log = program.stop();
    assert!(log.contains("silence=1"), "{log}");
}

#[test]
fn what_cannot_be_silenced_is_said_so() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&checks(&bot, &service, ""));
    let program = place.start();
    service.asked_again(1);
    let (code, _, err) = asked(&place, &["silence", "attto", "--for", "1h"]);
    assert_eq!((code, err.as_str()), (2, "error: the running watch says: there is no check `attto`; the checks are atto, (vakhta)\n"));
    let (code, _, err) = place.run(&["silence", "atto/nowhere", "--for", "1h"]);
    assert_eq!((code, err.as_str()), (2, "error: the running watch says: the check `atto` has no target `nowhere`\n"));
    let (code, _, err) = place.run(&["unsilence", "7"]);
    assert_eq!((code, err.as_str()), (2, "error: the running watch says: there is no silence `7`; `vakhta silences` lists them\n"));
    let (code, _, err) = place.run(&["silence", "atto", "--for", "forever"]);
    assert_eq!(code, 2);
    assert!(err.contains("`forever` is not a duration"), "{err}");
    assert_eq!(place.run(&["silence", "--all", "--for", "1h"]).0, 0);
    assert_eq!(place.run(&["unsilence", "--all"]).1, "silence 1 is over: everything\n");
    program.stop();
    let (code, _, err) = place.run(&["silences"]);
    assert_eq!(code, 2);
    assert!(err.contains("no watch runs with state folder"), "{err}");
}

#[test]
fn an_edit_is_shown_before_it_is_taken_up() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&checks(&bot, &service, ""));
    let program = place.start();
    assert_eq!(asked(&place, &["reload", "--dry-run"]), (0, "nothing changes\n".into(), String::new()));

    service.well.store(false, Ordering::SeqCst);
    assert!(bot.texts(1)[0].contains("atto failed"));
    let edited = checks(&bot, &service, "").replace("every: 100ms", "every: 200ms").replace("name: atto", "name: other");
    place.write("checks.yaml", &edited);
    let changes = format!("- check `atto`\n+ check `other`\n  closes #1: atto {}, rule up\n", service.address);
    assert_eq!(place.run(&["reload", "--dry-run"]), (0, changes.clone(), String::new()));
    assert!(place.run(&["status"]).1.contains("atto"), "nothing is taken up");
    assert_eq!(place.run(&["reload"]), (0, changes, "taken up\n".into()));
    assert!(bot.texts(2)[1].contains("no longer watched"));

    place.write("checks.yaml", "checks: [{ name: other, every: soon, host: {} }]");
    // The watch is found though its file is broken.
    let (code, out, err) = place.run(&["reload", "--state-dir", "state"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("checks.yaml:1:32: `soon` is not a duration") && err.ends_with("the watch goes on as before\n"), "{err}");
    program.stop();
}

#[test]
fn an_edited_file_is_taken_up_by_itself_where_that_is_wanted() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&format!("reload_on_change: true\n{}", checks(&bot, &service, "")));
    let program = place.start();
    service.asked_again(1);
    let more = "  - name: second\n    host: {}\n";
    // As editors do: a new file in the place of the old one.
    place.write("edited", &format!("reload_on_change: true\n{}", checks(&bot, &service, more)));
    std::fs::rename(place.path("edited"), place.path("checks.yaml")).unwrap();
    until("the second check is watched", || place.run(&["status"]).1.contains("second").then_some(()));
    assert!(Path::new(&place.path("state/state.db")).exists());
    program.stop();
}

#[test]
fn a_machine_is_added_paused_and_removed_while_the_watch_runs() {
    let (bot, service, other) = (FakeBot::start(""), Service::start(), Service::start());
    let place = Place::new(&checks(&bot, &service, "  - name: this machine\n    host: {}\n"));
    let mut program = place.start();
    let address = other.address.to_string();
    let machine = |what: &str, target: &str| asked(&place, &["machine", what, "atto", target]);
    assert_eq!(machine("add", &address), (0, format!("atto: {address} is watched from now on\n"), String::new()));
    other.asked_again(2);

    // Validated by the same code as the file, and the watch goes on as it was.
    let (code, _, err) = machine("add", "10.0.0.300:80");
    assert!(code == 2 && err.contains("it cannot be watched:") && err.contains("10.0.0.300"), "{err}");
    let (_, _, err) = machine("add", &address);
    assert_eq!(err, format!("error: the running watch says: `{address}` was added to `atto` before\n"));
    let (_, _, err) = machine("remove", &service.address.to_string());
    assert!(err.contains("is not among the machines that were added to `atto`; those of the file are changed there"), "{err}");
    let (_, _, err) = place.run(&["machine", "add", "this machine", "x"]);
    assert_eq!(err, "error: the running watch says: a check of the kind `host` takes no more targets\n");
    let (_, _, err) = place.run(&["machine", "add", "nowhere", "x"]);
    assert_eq!(err, "error: the running watch says: there is no check `nowhere`\n");

    // It outlives a kill and an edit, fails by itself, and is told with its own number.
    program.signal(Signal::KILL);
    program.ended();
    let program = place.start();
    other.asked_again(1);
    other.well.store(false, Ordering::SeqCst);
    assert!(bot.texts(1)[0].contains(&address));
    place.write("checks.yaml", &checks(&bot, &service, "").replace("every: 100ms", "every: 200ms"));
    assert_eq!(place.run(&["reload"]).0, 0);
    other.asked_again(1);

    assert_eq!(machine("pause", &address).0, 0);
    assert!(bot.texts(2)[1].contains("no longer watched"));
    let before = other.asked.load(Ordering::SeqCst);
    service.asked_again(3);
    assert!(other.asked.load(Ordering::SeqCst) <= before + 1, "nobody looks at what is paused");
    let (_, out, _) = place.run(&["machine", "list"]);
    assert!(out.contains(&address) && out.contains("paused"), "{out}");
    assert_eq!(machine("resume", &address).0, 0);
    assert!(bot.texts(3)[2].contains("failed"));
    assert_eq!(machine("remove", &address).0, 0);
    assert_eq!(place.run(&["machine", "list"]).1, "no machine was added to those of the file\n");
    let (_, out, _) = place.run(&["machine", "audit", "--json"]);
    let audit: serde_json::Value = serde_json::from_str(&out).unwrap();
    let done: Vec<&str> = audit.as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(done, ["machine removed", "machine resumed", "machine paused", "machine added"]);
    assert_eq!(audit[0]["about"], format!("atto/{address}"));
    program.stop();
}
