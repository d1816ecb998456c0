use std::sync::Arc;

use chrono::{TimeZone, Utc};
use chrono_tz::Europe::Moscow;
use expect_test::{Expect, expect};

use super::*;
use crate::domain::reading::Target;
use crate::domain::rule::Unit;

const TELEGRAM: Limits = Limits { length: 4096, measure: Measure::Utf16, escape: Escape::Html };
const CONSOLE: Limits = Limits { length: 100_000, measure: Measure::Bytes, escape: Escape::None };

fn notice(kind: Kind, targets: &[(&str, &str)], reason: &str) -> Notice {
    let at = |hour, minute| Utc.with_ymd_and_hms(2026, 11, 20, hour, minute, 10).unwrap().with_timezone(&Moscow);
    let over = matches!(kind, Kind::Recovered | Kind::Digest);
    let incidents = targets.iter().zip(1042..).map(|((key, name), id)| NoticeIncident {
        check: "terminals".into(),
        id,
        target: if name.is_empty() { Target::new(*key) } else { Target::named(*key, *name) },
        rule: "up".into(),
        reason: reason.replace("{}", key).into(),
        value: Some(75.2),
        unit: Unit::Percent,
        since: at(9, 2),
        until: over.then(|| at(9, 14)),
        duration: Duration::from_secs(720),
        failures: 3,
        closed_by: over.then_some(ClosedBy::Recovery),
    });
    Notice {
        kind,
        host: "srv-01".into(),
        checks: vec!["terminals".into()],
        comment: "call the shop before restarting".into(),
        severity: Severity::Critical,
        labels: BTreeMap::new(),
        time: at(9, 14),
        failing: if over { 0 } else { targets.len() },
        total: if targets.len() == 1 { 1 } else { 500 },
        repeat: false,
        incidents: incidents.collect(),
    }
}

fn words(language: Language) -> Words {
    Words::new(language).unwrap()
}

#[track_caller]
fn check(language: Language, notice: &Notice, expect: Expect) {
    let (message, trouble) = words(language).message(notice, &[], CONSOLE);
    assert_eq!(trouble, None);
    expect.assert_eq(&message.text);
}

#[test]
fn ends_with_a_link_where_people_reach_a_page() {
    let linked = |notice: &Notice, page: &str, limits| {
        let words = words(Language::English).linked(Some(page.parse().unwrap()));
        words.message(notice, &[], limits).0.text.lines().last().unwrap_or_default().to_owned()
    };
    let one = notice(Kind::Failed, &[("10.0.0.7", "")], "no reply");
    assert_eq!(linked(&one, "https://watch.example", CONSOLE), "https://watch.example/incident?number=1042");
    assert_eq!(linked(&one, "https://example.com/watch/", TELEGRAM), "https://example.com/watch/incident?number=1042");
    let mut two = notice(Kind::Recovered, &[("10.0.0.7", ""), ("10.0.0.8", "")], "no reply");
    two.checks = vec!["a & \"b\"/ж".into()];
    assert_eq!(linked(&two, "http://10.0.0.1:8080", CONSOLE), "http://10.0.0.1:8080/check?name=a+%26+%22b%22%2F%D0%B6");
    two.checks.push("another".into());
    assert_eq!(linked(&two, "http://10.0.0.1:8080", CONSOLE), "http://10.0.0.1:8080/");
}

#[test]
fn tells_of_many_alike_in_one_line() {
    let targets = [("10.0.0.7", "till 3"), ("10.0.0.8", "")];
    check(
        Language::English,
        &notice(Kind::Failed, &targets, "no reply to 3 echoes in 2 s"),
        expect![[r#"
            🔴 srv-01 · terminals: 2 of 500 failed
            10.0.0.7 (till 3), 10.0.0.8
            no reply to 3 echoes in 2 s · since 12:02:10 · #1042…
            call the shop before restarting"#]],
    );
    check(
        Language::Russian,
        &notice(Kind::Failed, &targets, "no reply to 3 echoes in 2 s"),
        expect![[r#"
            🔴 srv-01 · terminals: сбой у 2 из 500
            10.0.0.7 (till 3), 10.0.0.8
            no reply to 3 echoes in 2 s · с 12:02:10 · #1042…
            call the shop before restarting"#]],
    );
}

#[test]
fn tells_of_different_reasons_line_by_line() {
    check(
        Language::English,
        &notice(Kind::Failed, &[("10.0.0.7", "till 3"), ("10.0.0.8", "")], "rtt of {} is long"),
        expect![[r#"
            🔴 srv-01 · terminals: 2 of 500 failed
            10.0.0.7 (till 3): rtt of 10.0.0.7 is long · since 12:02:10 · #1042
            10.0.0.8: rtt of 10.0.0.8 is long · since 12:02:10 · #1043
            call the shop before restarting"#]],
    );
}

#[test]
fn tells_of_one_target_without_counting() {
    check(
        Language::English,
        &notice(Kind::Failed, &[("", "")], "mem 93.2% > 90% for 30m"),
        expect![[r#"
            🔴 srv-01 · terminals failed
            mem 93.2% > 90% for 30m · since 12:02:10 · #1042
            call the shop before restarting"#]],
    );
    check(
        Language::English,
        &notice(Kind::Recovered, &[("", "")], "mem 93.2% > 90% for 30m"),
        expect![[r#"
            ✅ srv-01 · terminals recovered after 12 min
            was: mem 93.2% > 90% for 30m · 12:02:10 to 12:14:10 · #1042"#]],
    );
    check(
        Language::Russian,
        &notice(Kind::Recovered, &[("", "")], "mem 93.2% > 90% for 30m"),
        expect![[r#"
            ✅ srv-01 · terminals: снова в порядке, сбой длился 12 мин
            было: mem 93.2% > 90% for 30m · с 12:02:10 до 12:14:10 · #1042"#]],
    );
}

#[test]
fn tells_of_recoveries_reminders_and_what_was_missed() {
    let targets = [("10.0.0.7", "till 3"), ("10.0.0.8", "")];
    check(
        Language::English,
        &notice(Kind::Recovered, &targets, "no reply"),
        expect![[r#"
            ✅ srv-01 · terminals: 2 of 2 recovered after 12 min
            10.0.0.7 (till 3), 10.0.0.8
            was: no reply · 12:02:10 to 12:14:10 · #1042…"#]],
    );
    check(
        Language::English,
        &notice(Kind::Reminder, &targets, "no reply"),
        expect![[r#"
            🔁 srv-01 · terminals: 2 of 500 still failing for 12 min
            10.0.0.7 (till 3): no reply · since 12:02:10 · #1042
            10.0.0.8: no reply · since 12:02:10 · #1043
            call the shop before restarting"#]],
    );
    check(
        Language::English,
        &notice(Kind::Digest, &targets[..1], "no reply"),
        expect![[r#"
            📋 srv-01 · terminals: failed and recovered before you could be told
            10.0.0.7 (till 3): no reply · 12:02:10 to 12:14:10 (12 min) · #1042"#]],
    );
}

#[test]
fn cuts_a_thousand_failures_to_one_message() {
    let keys: Vec<String> = (0..1000).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
    let targets: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    let (message, _) = words(Language::English).message(&notice(Kind::Failed, &targets, "no reply"), &[], TELEGRAM);
    assert!(message.text.contains("1000 of 500 failed"), "{}", message.text);
    assert!(message.text.contains("10.0.0.29, … and 970 more"), "{}", message.text);
}

#[test]
fn lists_as_many_as_fit() {
    let long = "x".repeat(290);
    let keys: Vec<String> = (0..40).map(|n| format!("host-{n}")).collect();
    let targets: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    let (message, _) = words(Language::English).message(&notice(Kind::Failed, &targets, &format!("{{}}<{long}>")), &[], TELEGRAM);
    let shown = without_markup(&message.text);
    assert!(shown.encode_utf16().count() <= 4096);
    assert!(shown.encode_utf16().count() > 3500, "the room is used");
    assert!(shown.contains("\n… and 28 more\ncall the shop"), "{shown}");
}

#[test]
fn cuts_one_endless_text_between_characters_and_outside_tags() {
    let template = |source: &str| Texts { failed: Some(Template::compile(source).unwrap()), ..Texts::default() };
    for filling in ["😀", "<b>я</b>", "&amp;", "<"] {
        let own = template(&filling.repeat(5000));
        let (message, trouble) = words(Language::English).message(&notice(Kind::Failed, &[("a", "")], "r"), &[&own], TELEGRAM);
        assert_eq!(trouble, None);
        let seen = without_markup(&message.text);
        assert!((4095..=4096).contains(&seen.encode_utf16().count()), "{filling}: {}", seen.encode_utf16().count());
        assert!(seen.ends_with('…'));
        assert!(!message.text.contains("<b>"), "no tag is left open");
    }
}

#[test]
fn counts_what_telegram_counts() {
    for (length, fits) in [(4095, true), (4096, true), (4097, false)] {
        let own = Texts { failed: Some(Template::compile(&format!("<b>{}</b>", "x".repeat(length))).unwrap()), ..Texts::default() };
        let (message, _) = words(Language::English).message(&notice(Kind::Failed, &[("a", "")], "r"), &[&own], TELEGRAM);
        assert_eq!(message.text.ends_with("</b>"), fits, "{length}");
    }
}

#[test]
fn escapes_hostile_names_for_the_channel() {
    let hostile = "<a href=\"x\">\u{202E}&\x1b[2J\nfake";
    let (message, _) = words(Language::English).message(&notice(Kind::Failed, &[(hostile, hostile)], hostile), &[], TELEGRAM);
    let shown = "&lt;a href=&quot;x&quot;&gt;&amp;·[2J fake";
    assert_eq!(message.text.lines().nth(1), Some(format!("{shown} ({shown})").as_str()));
    assert_eq!(message.plain.lines().nth(1), Some("<a href=\"x\">&·[2J fake (<a href=\"x\">&·[2J fake)"));
}

#[test]
fn a_text_that_does_not_work_is_replaced_and_said() {
    let own = Texts { failed: Some(Template::compile("{{ count / labels }}").unwrap()), ..Texts::default() };
    let (message, trouble) = words(Language::English).message(&notice(Kind::Failed, &[("", "")], "dead"), &[&own], CONSOLE);
    assert!(message.text.starts_with("🔴 srv-01 · terminals failed\ndead"), "{}", message.text);
    assert!(trouble.is_some());
}

#[test]
fn the_nearest_text_wins() {
    let texts = |source: &str| Texts { failed: Some(Template::compile(source).unwrap()), ..Texts::default() };
    let (check, channel) = (texts("{{ check }} says {{ value }}{{ unit }} of {{ target }}"), texts("channel"));
    let notice = notice(Kind::Failed, &[("a", "")], "r");
    let words = words(Language::English);
    assert_eq!(words.message(&notice, &[&check, &channel], CONSOLE).0.text, "terminals says 75.2% of a");
    assert_eq!(words.message(&notice, &[&Texts::default(), &channel], CONSOLE).0.text, "channel");
}

#[test]
fn says_durations_shortly() {
    let shown = |seconds| words(Language::English).lasting(Duration::from_secs(seconds));
    let all: Vec<String> = [0, 45, 90, 720, 725, 3600, 3900, 97_200, 86_400].map(shown).into();
    assert_eq!(all, ["0 s", "45 s", "1 min 30 s", "12 min", "12 min", "1 h", "1 h 5 min", "1 d 3 h", "1 d"]);
}

#[test]
fn facts_have_every_name_of_the_templates() {
    let notice = notice(Kind::Failed, &[("a", "b")], "r");
    let (message, _) = words(Language::English).message(&notice, &[], CONSOLE);
    let mut facts: Vec<&str> = message.facts.as_object().unwrap().keys().map(String::as_str).collect();
    let mut names = crate::settings::template::NAMES.to_vec();
    facts.sort_unstable();
    names.sort_unstable();
    assert_eq!(facts, names);
    assert_eq!(Arc::<str>::from(message.key.as_str()), "1042-failed".into());
}
