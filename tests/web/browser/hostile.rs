//! Whatever a file, a target or a person wrote is text, and nothing else.

use super::Browser;
use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::web::visitor::{Visitor, address};

/// Ways out of text, out of attributes, out of addresses, out of scripts.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' autofocus onfocus=alert(3) x='",
    "</title></style></textarea><svg onload=alert(4)>",
    "javascript:alert(5)",
    "{{constructor.constructor('alert(6)')()}}",
    "&lt;script&gt;alert(7)&lt;/script&gt;",
    "\u{202e}<iframe srcdoc='<script>parent.alert(8)</script>'>",
];

#[test]
fn hostile_text_runs_nowhere() {
    let bot = FakeBot::start("");
    let checks = HOSTILE.map(|text| {
        let text = serde_json::to_string(text).unwrap();
        format!(
            "  - name: {text}\n    command: {{ run: [sh, -c, 'echo \"$0\"; exit 2', {text}] }}\n    every: 300ms\n    fail_after: 1\n    comment: {text}\n    labels: {{ group: {text}, other: {text} }}\n"
        )
    });
    let place = Place::new(&format!(
        "host: {}\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\", public: true }}\nchannels:\n  ops: {}\nchecks:\n{}",
        serde_json::to_string(HOSTILE[1]).unwrap(),
        bot.section(),
        checks.join("")
    ));
    let program = place.start();
    let Some(browser) = Browser::open("web::hostile_text", address(&program), "en") else { return };
    browser.enter(&place, "admin");
    let admin = Visitor::with_role(&place, &program, "admin");
    for text in HOSTILE {
        let body = serde_json::json!({ "about": text, "seconds": 600, "comment": text }).to_string();
        assert_eq!(admin.send("POST", "/api/silences", &body).code, 201, "{text}");
        let body = serde_json::json!({ "name": text, "role": "viewer", "days": 3 }).to_string();
        assert!(admin.send("POST", "/api/tokens", &body).code < 500, "{text}");
    }
    browser.go("/");
    until("all of them fail", || (browser.run("return document.querySelectorAll('.failing').length") == HOSTILE.len()).then_some(()));
    let body = serde_json::json!({ "incident": 1, "note": HOSTILE[1] }).to_string();
    assert!(admin.send("POST", "/api/acknowledgements", &body).code < 300);
    let links = "return [...document.querySelectorAll('a[href]')].map((link) => link.getAttribute('href'))";
    let mut paths: Vec<String> = serde_json::from_value(browser.run(links)).unwrap();
    paths.extend(["/silences", "/admin", "/account", "/incidents", "/public", "/nowhere"].map(str::to_owned));
    paths.extend(HOSTILE.map(|text| format!("/check?name={0}&filter={0}", percent(text))));
    paths.extend(HOSTILE.map(|text| format!("/incidents?check={0}&target={0}&state={0}&since={0}&after={0}", percent(text))));
    paths.extend(HOSTILE.map(|text| format!("/login?next={}", percent(text))));
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths.iter().filter(|path| path.starts_with('/')) {
        browser.go(path);
        browser.is_clean();
        let foreign = "return document.querySelectorAll('main script, main img, main iframe, [onerror], [onload], [onfocus], [style], main svg[onload]').length";
        assert_eq!(browser.run(foreign), 0, "{path}");
        let elsewhere = "return [...document.links].map((link) => link.protocol).filter((way) => way !== 'http:')";
        assert_eq!(browser.run(elsewhere), serde_json::json!([]), "{path}");
    }
    program.stop();
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
