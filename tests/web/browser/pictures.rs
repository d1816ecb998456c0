//! Pictures of every view, to be looked at: `cargo test pictures -- --ignored`; and what axe says of them, where it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use base64::Engine;
use serde_json::{Value, json};

use super::Browser;
use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;
use crate::web::visitor::address;

/// <https://github.com/dequelabs/axe-core>: put there by scripts/screenshots.
const AXE: &str = "target/tools/axe.min.js";

#[test]
#[ignore = "for eyes; scripts/screenshots starts it"]
fn pictures_of_every_view() {
    let (bot, service, broken) = (FakeBot::start(""), Service::start(), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: Europe/Moscow\nweb: {{ listen: \"127.0.0.1:0\", public: true }}\nchannels:\n  ops: {}\n  night: {{ console: {{}}, window: night }}\n\
         windows: {{ night: {{ hours: \"03:00-03:01\" }} }}\nchecks:\n  - {{ name: this machine, host: {{ disks: [/] }}, every: 1s, rules: [ mem > 90% for 30m, \"avg(cpu, 900) > 85%\" ], labels: {{ group: machines }} }}\n  \
         - name: atto_socket\n    {}\n    every: 1s\n    labels: {{ group: services }}\n    notify: [ops, night]\n    comment: restart atto on srv-02\n  \
         - name: billing api\n    {}\n    every: 1s\n    labels: {{ group: services }}\n    rules: [ latency > 500ms for 5 ]\n  \
         - {{ name: terminals, tcp: {{ addresses: [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\", \"127.0.0.1:4\", \"127.0.0.1:5\", \"127.0.0.1:6\", \"127.0.0.1:7\"] }}, every: 1s, severity: warning, notify: [night] }}\n",
        bot.section(),
        broken.section(),
        service.section()
    ));
    broken.well.store(false, Ordering::SeqCst);
    let program = place.start();
    let Some(browser) = Browser::open("web::pictures_of_every_view", address(&program), "en") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    fs::create_dir_all(&folder).unwrap();
    let axe = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE)).ok();
    let mut complaints = Vec::new();
    let mut shoot = |name: &str, path: &str| {
        for (width, theme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
            browser.tool("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] }));
            let size = |height: i64| json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
            browser.tool("Emulation.setDeviceMetricsOverride", size(900));
            browser.go(path);
            let seen = browser.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]");
            assert!(seen[0].as_i64().unwrap() <= width, "{path} is wider than {width}: {seen}");
            browser.tool("Emulation.setDeviceMetricsOverride", size(seen[1].as_i64().unwrap().clamp(500, 3000)));
            let picture = browser.tool("Page.captureScreenshot", json!({ "format": "png" }));
            let file: PathBuf = folder.join(format!("{name}-{width}-{theme}.png"));
            fs::write(file, base64::prelude::BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
            if let Some(axe) = &axe {
                complaints.extend(judged(&browser, axe).into_iter().map(|complaint| format!("{name} {width} {theme}: {complaint}")));
            }
        }
    };
    shoot("login", "/login");
    browser.enter(&place, "admin");
    until("it fails", || browser.text(".failing").contains("atto_socket").then_some(()));
    place.said(&["silence", "billing api", "--for", "2h", "--comment", "new disks"], "");
    bot.texts(1);
    let machine = "/target?check=this%20machine&target=";
    until("numbers are kept", || {
        browser.go(machine);
        (browser.run("return document.querySelectorAll('.chart').length").as_u64() > Some(5)).then_some(())
    });
    for (name, path) in [
        ("overview", "/"),
        ("check", "/check?name=terminals"),
        ("target", machine),
        ("incidents", "/incidents"),
        ("incident", "/incident?number=1"),
        ("silences", "/silences"),
        ("admin", "/admin"),
        ("account", "/account"),
        ("docs", "/docs"),
        ("public", "/public"),
        ("missing", "/check?name=nowhere"),
    ] {
        shoot(name, path);
    }
    if axe.is_none() {
        crate::program::left_out("web::axe", &format!("{AXE} is not there"));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    program.stop();
}

/// What is wrong for people who do not see the page, or not well.
fn judged(browser: &Browser, axe: &str) -> Vec<String> {
    // Not as part of the page, whose policy would stop it.
    browser.tool("Runtime.evaluate", json!({ "expression": axe }));
    let asked = json!({ "expression": "axe.run(document, { resultTypes: ['violations'] }).then((told) => JSON.stringify(told.violations.map((one) => [one.id, one.help, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))])))", "awaitPromise": true });
    let told = browser.tool("Runtime.evaluate", asked);
    let violations: Vec<Value> = serde_json::from_str(told["result"]["value"].as_str().unwrap_or("[\"axe said nothing\"]")).unwrap();
    violations.iter().map(ToString::to_string).collect()
}
