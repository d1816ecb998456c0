//! A check of the running program looks when it is asked to.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;

#[test]
fn a_check_that_has_time_looks_at_once() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 6h\n    timeout: 5s\n    fail_after: 1\n",
        bot.section(),
        service.section()
    ));
    let program = place.start();
    until("it has looked", || (service.asked.load(Ordering::SeqCst) == 1).then_some(()));
    service.well.store(false, Ordering::SeqCst);
    let out = until("the first look is long enough ago", || {
        let (code, out, err) = place.run(&["recheck", "atto"]);
        assert_eq!(code, 0, "{err}");
        (!out.contains("less than a second ago")).then_some(out)
    });
    assert!(out.starts_with("atto: looks now, ") && out.ends_with(" before its time\n"), "{out}");
    assert!(bot.texts(1)[0].contains("atto failed"), "what it sees counts");
    // On a machine with other things to do a second may be over before it is asked again.
    let asked = |answer: &str| until(answer, || place.run(&["recheck", "atto"]).1.contains(answer).then_some(()));
    asked("atto: looked less than a second ago\n");

    // While it looks it is not asked to look twice.
    service.takes(Duration::from_secs(2));
    asked("atto: looks now, ");
    asked("atto: is looking already\n");
    let (code, _, err) = place.run(&["recheck", "otto"]);
    assert!(code == 2 && err.contains("there is no check `otto`; the checks are atto"), "{err}");
    let (code, _, err) = place.run(&["recheck", "(vakhta)"]);
    assert!(code == 2 && err.contains("is not a check that looks"), "{err}");
    program.stop();
    assert!(service.asked.load(Ordering::SeqCst) >= 2);
}
