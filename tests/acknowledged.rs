//! Somebody takes an incident of the running program on.

use std::sync::atomic::Ordering;

use rustix::process::Signal;

use crate::bot::FakeBot;
use crate::program::{Place, Program, left_out, until};
use crate::service::Service;
use crate::watch::at_time;

/// Lives begin a few minutes apart, so that with each a reminder falls due.
#[test]
fn nobody_is_reminded_of_what_is_acknowledged_also_after_a_crash() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 1\n    remind: 1m\n",
        bot.section(),
        service.section()
    ));
    let about = format!("atto {}", service.address);
    let Some(program) = at_time(&place, "2026-11-20 12:00:00") else {
        return left_out("acknowledged::nobody_is_reminded_of_what_is_acknowledged_also_after_a_crash", "libfaketime is not installed");
    };
    until("it answers", || (place.run(&["status"]).0 == 0).then_some(()));
    let refusal = |arguments: &[&str]| {
        let (code, _, err) = place.run(arguments);
        assert_eq!(code, 2, "{err}");
        err
    };
    assert!(refusal(&["ack", "#1"]).contains("there is no open incident #1"));
    assert!(refusal(&["unack", "atto"]).contains("nothing of `atto` fails now"));
    assert!(refusal(&["ack", "atta"]).contains("there is no check `atta`"));

    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    program.stop();
    let mut program = at_time(&place, "2026-11-20 12:02:00").unwrap();
    assert!(bot.texts(2)[1].contains("#1"), "a reminder");
    let (code, out, err) = place.run(&["ack", "atto", "--by", "anna", "--note", "on it\u{1b}[2J"]);
    assert_eq!((code, out.as_str()), (0, format!("#1 ({about}) is acknowledged: nobody is reminded of it\n").as_str()), "{err}");
    let (_, out, _) = place.run(&["status"]);
    assert!(out.contains("by anna: on it·[2J"), "{out}");
    kill(&mut program);

    let mut program = at_time(&place, "2026-11-20 12:05:00").unwrap();
    service.asked_again(8);
    assert_eq!(bot.requests(), 2, "it is still acknowledged: {:?}", bot.texts(1));
    let (_, out, _) = place.run(&["explain", "#1"]);
    assert!(out.contains("acknowledged by anna, so nobody is reminded of it: on it·[2J"), "{out}");
    let (code, out, _) = place.run(&["unack", "#1"]);
    assert_eq!((code, out.as_str()), (0, format!("#1 ({about}) is not acknowledged any more\n").as_str()));
    bot.texts(3);
    assert_eq!(place.run(&["ack", "1"]).0, 0);
    kill(&mut program);

    let program = at_time(&place, "2026-11-20 12:10:00").unwrap();
    service.asked_again(8);
    assert_eq!(bot.requests(), 3);
    service.well.store(true, Ordering::SeqCst);
    let text = bot.texts(4).remove(3);
    assert!(text.starts_with("✅ srv-01 · atto recovered"), "{text}");
    let (_, out, _) = place.run(&["status"]);
    assert!(!out.contains("ACKNOWLEDGED"), "{out}");
    program.stop();
    assert_eq!(bot.requests(), 4);
}

fn kill(program: &mut Program) {
    program.signal(Signal::KILL);
    program.ended();
}
