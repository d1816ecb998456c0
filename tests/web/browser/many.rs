//! Ten thousand targets on one page.

use super::Browser;
use crate::bot::FakeBot;
use crate::farm::Farm;
use crate::program::{Place, until};
use crate::web::visitor::{Visitor, address};

/// Milliseconds until something is painted, as the browser itself measures.
const PAINT: &str =
    "return performance.getEntriesByType('paint').find((entry) => entry.name === 'first-contentful-paint')?.startTime ?? null";

#[test]
fn ten_thousand_targets_are_paged_and_filtered() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(10_000, ""));
    let rule = |rule: &str| {
        format!(
            "host: hub\ntimezone: UTC\nhistory: off\nweb: {{ listen: \"127.0.0.1:0\" }}\nchannels:\n  ops: {}\nchecks:\n  - name: fleet\n    metrics: {{ url: \"{}\", machine: machine_ip }}\n    every: 2s\n    fail_after: 1\n    rules: [ {rule} ]\n",
            bot.section(),
            farm.url
        )
    };
    for (what, text, failing) in [("none failing", rule("cpu > 200"), "0"), ("all failing", rule("cpu >= 0"), "10,000")] {
        let place = Place::new(&text);
        let program = place.start();
        let Some(browser) = Browser::open("web::ten_thousand_targets", address(&program), "en") else { return };
        browser.enter(&place, "viewer");
        let visitor = Visitor::with_role(&place, &program, "viewer");
        browser.shows("#live", "10,00");
        if failing != "0" {
            browser.shows(".failing h3", "10,000 of 10,001 fail");
        }
        for path in ["/", "/check?name=fleet", "/incidents"] {
            let bytes = visitor.get(path).body.len();
            browser.go(path);
            let paint = until("it is painted", || browser.run(PAINT).as_f64());
            eprintln!("FIGURE {path} with 10,000 targets, {what}: {} KiB, first paint after {paint:.0} ms", bytes >> 10);
            assert!(bytes < 200 << 10, "{path}: {bytes}");
        }
        browser.go("/check?name=fleet");
        assert_eq!(browser.run("return document.querySelectorAll('.targets tbody tr').length"), 100);
        browser.run("document.querySelector('a[rel=next]').scrollIntoView()");
        browser.click("a[rel=next]");
        browser.shows(".pager", "101–200 of 10,001");
        browser.write("#find", "10.20.16.22");
        browser.press("\u{e007}");
        browser.shows("#live", "10.20.16.225");
        browser.is_clean();
        program.stop();
    }
}
