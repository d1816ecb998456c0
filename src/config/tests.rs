//! Whole files: what they give, and every refusal in its exact words.

mod documents;
mod files;
mod kinds;

use std::path::Path;
use std::time::Duration;

use self::kinds::{Fake, registry};
use super::*;
use crate::domain::rule::{Hold, Judge};
use crate::domain::watch::{CheckPlan, Severity};

fn read(text: &str) -> Result<Config, Report> {
    let source = Source { path: "checks.yaml".into(), text: text.to_owned() };
    source.load(&registry(), &Fake, &Net::new())
}

#[track_caller]
fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|report| panic!("{report}"))
}

/// Every problem is named in the report.
#[track_caller]
fn bad(text: &str, parts: &[&str]) {
    let report = read(text).map(|_| ()).expect_err("has no problem").to_string();
    for part in parts {
        assert!(report.contains(part), "`{part}` is not in:\n{report}");
    }
}

fn plan<'a>(config: &'a Config, name: &str) -> &'a CheckPlan {
    config.watch.checks.iter().find(|plan| &*plan.name == name).unwrap()
}

#[test]
fn the_sample_of_the_design_is_good() {
    let config = good(include_str!("tests/sample.yaml"));
    assert_eq!(&*config.watch.host, "srv-01");
    assert_eq!(config.watch.zone, chrono_tz::Europe::Moscow);
    assert_eq!(config.checks.len(), 4);
    assert_eq!(config.checks[0].every, Duration::from_secs(5));
    assert_eq!(config.checks[3].every, Duration::from_secs(60));

    let machine = plan(&config, "this machine");
    let names: Vec<&str> = machine.rules.iter().map(|rule| &*rule.identity).collect();
    assert_eq!(names, ["up", "seen", "cpu", "mem", "disk", "avg(cpu, 60)", "busy"]);
    assert_eq!(machine.rules[0].fail_after, Hold::Count(1));
    assert_eq!(machine.rules[3].fail_after, Hold::Lasting(Duration::from_secs(1800)));
    assert_eq!(machine.rules[6].comment.as_deref(), Some("batch jobs? see the wiki"));
    assert_eq!(machine.notify.len(), 2);

    let terminals = plan(&config, "terminals");
    assert_eq!(terminals.rules[0].fail_after, Hold::Count(3));
    assert_eq!(terminals.rules[1].fail_after, Hold::Count(3));
    assert_eq!(terminals.window.as_ref().map(|window| &*window.name), Some("working_hours"));
    assert_eq!(terminals.severity, Severity::Critical);

    let ops = &config.watch.channels[1];
    assert_eq!((&*ops.name, ops.recoveries), ("ops", true));
    assert_eq!(ops.window.as_ref().map(|window| window.spans.len()), Some(2));
    assert_eq!(config.log.keep, 14);
    assert_eq!(config.state_dir, Path::new("state"));
    assert!(config.texts.failed.is_some());
}

#[test]
fn an_uplink_is_a_ping_that_turns_before_the_others() {
    let config = good(
        "uplink: { targets: [192.0.2.1] }\ndefaults: { every: 1m, fail_after: 9 }\nchecks: [{ name: a, tcp: { address: b } }, { name: h, host: {} }]",
    );
    let uplink = config.uplink.unwrap();
    assert_eq!((uplink.kind, uplink.every, uplink.timeout), ("ping", Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(config.watch.cut_off_after, Some(Hold::Count(2)));
    assert_eq!(config.watch.checks.iter().map(|plan| plan.crosses_network).collect::<Vec<_>>(), [true, false]);
    assert_eq!(config.checks.len(), 2, "it is none of the checks of the file");

    let config = good("uplink: { targets: [192.0.2.1], every: 400ms, fail_after: 1m }\nchecks: [{ name: h, host: {} }]");
    assert_eq!(config.uplink.unwrap().timeout, Duration::from_millis(200));
    assert_eq!(config.watch.cut_off_after, Some(Hold::Lasting(Duration::from_secs(60))));
    assert_eq!(good("checks: [{ name: h, host: {} }]").watch.cut_off_after, None);
}

#[test]
fn a_bad_target_of_an_uplink_is_where_it_stands() {
    let text = "uplink: { targets: [192.0.2.1, 10.0.0.0/33] }\nchecks: [{ name: h, host: {} }]";
    let source = Source { path: "checks.yaml".into(), text: text.to_owned() };
    let report = source.load(&Registry::default(), &Fake, &Net::new()).map(|_| ()).unwrap_err().to_string();
    assert!(report.starts_with("checks.yaml:1:32: "), "{report}");
}

#[test]
fn the_least_file_has_a_console_and_defaults() {
    let config = good("checks: [{ name: a, tcp: { address: b } }]");
    assert_eq!(config.channels[0].kind, "console");
    assert_eq!(&*config.watch.checks[0].notify[0].channel, "console");
    assert_eq!(&*config.watch.host, "fake-host");
    assert_eq!(config.watch.zone, chrono_tz::Asia::Yekaterinburg);
    let [up, seen] = &config.watch.checks[0].rules[..] else { panic!() };
    assert_eq!((up.judge.clone(), up.fail_after, up.recover_after), (Judge::Up, Hold::Count(3), Hold::Count(1)));
    assert_eq!((seen.judge.clone(), seen.fail_after), (Judge::Seen, Hold::Count(3)));
}

#[test]
fn holds_are_counts_or_durations() {
    let config = good("checks: [{ name: a, tcp: {}, fail_after: 10m, recover_after: 2, rules: [x > 1] }]");
    let rules = &config.watch.checks[0].rules;
    assert_eq!(rules[0].fail_after, Hold::Lasting(Duration::from_secs(600)));
    assert_eq!(rules[1].fail_after, Hold::Lasting(Duration::from_secs(600)));
    assert_eq!(rules[2].fail_after, Hold::Count(1));
    assert!(rules.iter().all(|rule| rule.recover_after == Hold::Count(2)));
}

#[test]
fn defaults_yield_to_the_check_and_join_labels() {
    let config = good(
        "
defaults: { every: 7s, severity: warning, labels: { site: a, tier: '1' } }
checks:
  - { name: one, tcp: {} }
  - { name: two, tcp: {}, every: 8s, labels: { site: b } }
",
    );
    assert_eq!(config.checks[0].every, Duration::from_secs(7));
    assert_eq!(config.checks[1].every, Duration::from_secs(8));
    assert_eq!(plan(&config, "two").severity, Severity::Warning);
    assert_eq!(plan(&config, "two").labels["site"], "b");
    assert_eq!(plan(&config, "two").labels["tier"], "1");
}

#[test]
fn anchors_and_merges() {
    let config = good(
        "
x-slow: &slow { every: 5m, timeout: 9s }
x-quiet: &quiet { severity: warning, every: 1h }
checks:
  - { <<: *slow, name: one, tcp: {} }
  - { <<: [*slow, *quiet], name: two, tcp: &section { address: b } }
  - { <<: *quiet, name: three, every: 2s, tcp: { <<: *section, expect: c } }
",
    );
    let every: Vec<u64> = config.checks.iter().map(|check| check.every.as_secs()).collect();
    assert_eq!(every, [300, 300, 2]);
    assert_eq!(config.checks[1].timeout, Duration::from_secs(9));
    assert_eq!(plan(&config, "two").severity, Severity::Warning);
}

#[test]
fn what_is_switched_off_is_read_and_left_out() {
    let config = good("checks: [{ name: a, tcp: {}, enabled: false }, { name: b, tcp: {}, needs: [a] }]");
    assert_eq!(config.checks.len(), 1);
    assert!(plan(&config, "b").needs.is_empty());
    bad("checks: [{ name: a, tcp: { nope: 1 }, enabled: false }]", &["unknown key `nope`"]);
}

#[test]
fn up_and_seen_can_be_given_words_of_their_own() {
    let config = good("checks: [{ name: a, tcp: {}, rules: [{ rule: up, comment: call Ann }, { rule: seen, severity: warning }] }]");
    let rules = &config.watch.checks[0].rules;
    assert_eq!(rules[0].comment.as_deref(), Some("call Ann"));
    assert_eq!(rules[1].severity, Some(Severity::Warning));
    assert_eq!(rules.len(), 2);
}

#[test]
fn references_are_filled_in_scalars_only() {
    let comment = |text: &str| {
        let config = good(&format!("checks: [{{ name: a, tcp: {{}}, comment: {text} }}]"));
        config.watch.checks[0].comment.as_deref().unwrap().to_owned()
    };
    assert_eq!(comment("'${WORD}'"), "hello");
    assert_eq!(comment("'<${WORD}> <${WORD}>'"), "<hello> <hello>");
    assert_eq!(comment("'${MISSING:-else}'"), "else");
    assert_eq!(comment("'${EMPTY:-else}'"), "else");
    assert_eq!(comment("'[${EMPTY}]'"), "[]");
    assert_eq!(comment("'[${MISSING:-}]'"), "[]");
    assert_eq!(comment("'$${WORD} $5 {x}'"), "${WORD} $5 {x}");
    // What is filled in is never read as YAML, nor filled again.
    assert_eq!(comment("'${YAML}'"), "a: b # ${WORD}");
}

#[test]
fn what_is_filled_in_is_text_until_a_number_is_asked_for() {
    let config = good(
        "
channels: { ops: { fake: { token: '${FIVE}', chat_id: '${FIVE}' } } }
checks:
- name: a
  tcp: { status: \"${FIVE}\" }
  fail_after: ${FIVE}
  comment: ${FIVE}
  enabled: '${TRUE}'
",
    );
    assert_eq!(config.watch.checks[0].rules[0].fail_after, Hold::Count(5));
    assert_eq!(config.watch.checks[0].comment.as_deref(), Some("5"));
    good("checks: [{ name: a, tcp: {}, comment: !!str 5 }]");
    bad("checks: [{ name: a, tcp: {}, comment: 5 }]", &["expected text, found a number", "put it in quotes"]);
    bad("checks: [{ name: a, tcp: { status: '${WORD}' } }]", &["expected a whole number from 0 to 65535, found text"]);
}

#[test]
fn a_default_of_the_file_may_be_shown() {
    bad("checks: [{ name: a, tcp: {}, every: '${MISSING:-5 parsecs}' }]", &["`5 parsecs` is not a duration"]);
}

#[test]
fn files_and_credentials_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note"), "from a file\r\n").unwrap();
    let text = "checks: [{ name: a, tcp: {}, comment: '${file:note}' }]".to_owned();
    let source = Source { path: folder.path().join("checks.yaml"), text };
    let config = source.load(&registry(), &Fake, &Net::new()).map_err(|report| panic!("{report}")).unwrap();
    assert_eq!(config.watch.checks[0].comment.as_deref(), Some("from a file"));
    bad("checks: [{ name: a, tcp: {}, comment: '${file:/}' }]", &["cannot read /: not a file"]);
    bad("checks: [{ name: a, tcp: {}, comment: '${credential:x}' }]", &["LoadCredential=x:/path/to/file"]);
    bad("checks: [{ name: a, tcp: {}, comment: '${credential:../x}' }]", &["is not the name of a credential"]);
}

#[test]
fn no_secret_is_shown() {
    let canary = "CANARY-9f3a";
    for text in [
        format!("channels: {{ ops: {{ fake: {{ token: {canary}, nope: 1 }} }} }}\nchecks: [{{ name: a, tcp: {{}} }}]"),
        format!("channels: {{ ops: {{ fake: {{ token: [\"{canary}\"] }} }} }}\nchecks: [{{ name: a, tcp: {{}} }}]"),
        format!("channels: {{ ops: {{ fake: {{ token: \"{canary}\", }}, }}\n  x: ]"),
        format!("checks: [{{ name: a, nope: 1, tcp: {{ address: \"http://me:{canary}@b/\" }} }}]"),
        format!("checks: [{{ name: a, nope: 1, tcp: {{ address: \"http://b/?api-key={canary}&x=1\" }} }}]"),
        format!("checks: [{{ name: a, nope: 1, tcp: {{ headers: {{ X-Mine: {canary} }} }} }}]"),
        format!("heartbeat: {{ url: \"ftp://b/{canary}\", every: 1x }}\nchecks: [{{ name: a, tcp: {{}} }}]"),
        format!("heartbeat: {{ url: \"http://b/{canary}\", }}, }}\n  x: ]"),
        "checks: [{ name: a, tcp: {}, every: '${CANARY}' }]".to_owned(),
        "checks: [{ name: a, tcp: {}, rules: ['${CANARY}'] }]".to_owned(),
        "checks: [{ name: a, tcp: {}, notify: ['${CANARY}'] }]".to_owned(),
        "checks: [{ name: a, tcp: { address: '${CANARY}', refuse: true } }]".to_owned(),
        "checks: [{ name: a, tcp: { address: '${CANARY} b', expect: CANARY-9f3a, count: x, values: { a: [] } }, notify: [CANARY-9f3a] }]"
            .to_owned(),
        format!("checks: [{{ name: a, tcp: {{ password: >-\n   {canary}\n , nope: 1 }} }}]"),
    ] {
        let report = read(&text).map(|_| ()).expect_err(&text);
        assert!(!report.to_string().contains(canary), "{text}\n{report}");
        assert!(!report.coloured().to_string().contains(canary));
    }
}

#[test]
fn a_report_is_counted_and_kept_short() {
    let text = format!("checks:\n{}", (0..150).map(|index| format!("- {{ name: c{index}, tcp: {{}}, nope: 1 }}\n")).collect::<String>());
    let report = read(&text).map(|_| ()).unwrap_err();
    assert_eq!(report.count(), 150);
    assert!(report.to_string().ends_with("\nand 50 more problems\n"));
    assert_eq!(report.to_string().matches("unknown key").count(), 100);
}

#[test]
fn bombs_are_refused_at_once() {
    let wide = format!("x-a: &a [{}]\nx-b: [{}]\n", "1, ".repeat(10_000), "*a, ".repeat(20_000));
    bad(&wide, &["the file is too large from here on"]);
    let mut laughs = "x-0: &x0 [lol, lol]\n".to_owned();
    (1..30).for_each(|level| laughs.push_str(&format!("x-{level}: &x{level} [*x{0}, *x{0}, *x{0}]\n", level - 1)));
    bad(&laughs, &["the file is too large from here on"]);
    bad(&"[".repeat(100_000), &["more than 64 levels inside each other"]);
    bad(&"- ".repeat(50_000), &["more than 64 levels inside each other"]);
    let mut deep = "x-0: &x0 []\n".to_owned();
    (1..30).for_each(|level| deep.push_str(&format!("x-{level}: &x{level} [[[[*x{}]]]]\n", level - 1)));
    bad(&deep, &["more than 64 levels inside each other"]);
    bad("x-a: &a [*a]", &["inside its own anchor"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_panics(text in "(checks:|host:|- |  |[\\[\\]{}:,&*#'\"|>$\\n\\t\\r]|name: a|tcp: \\{\\}|rules: |x > 5|<<: \\*a|&a |\\$\\{WORD\\}|token: abc|é|監|\\PC){0,24}") {
        let _ = read(&text).map(|_| ()).map_err(|report| report.to_string());
    }
}
