use std::fs;
use std::path::Path;

use super::*;
use crate::config::{Registry, Source, System};
use crate::net::Net;

fn watch(fail_after: u32, rule: &str) -> Watch {
    let rules = if rule.is_empty() { String::new() } else { format!(", rules: [ {rule} ]") };
    let text = format!(
        "timezone: UTC\nchannels: {{ ops: {{ console: {{}} }} }}\nchecks:\n  - {{ name: a, tcp: {{ address: \"127.0.0.1:1\" }}, fail_after: {fail_after}{rules} }}\n"
    );
    let file = Source { path: Path::new("checks.yaml").to_owned(), text };
    file.load(&Registry::default(), &System, &Net::new()).unwrap_or_else(|report| panic!("{report}")).watch
}

fn play(lines: &str, watch: &Watch) -> Replayed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording.jsonl");
    fs::write(&file, lines).unwrap();
    Recording::new(vec![file]).play(watch).unwrap()
}

#[test]
fn a_recording_of_readings_is_judged_by_other_rules() {
    let line = |minute: u32, reading: &str| {
        format!(r#"{{"time":"2026-11-20T12:{minute:02}:00+00:00","check":"a","took":0.1,"readings":[{{"target":"x",{reading}}}]}}"#)
    };
    let slow = |minute| line(minute, r#""values":{"latency":0.7}"#);
    let bad = |minute| line(minute, r#""fail":"no answer""#);
    let lines = [slow(0), slow(1), bad(2), bad(3), line(4, r#""values":{"latency":0.1}"#)].join("\n");
    let other = "\n{\"time\":\"2026-11-20T12:09:00Z\",\"check\":\"gone\",\"took\":0,\"lost\":\"it broke down\"}\n{\"half";
    let replayed = play(&format!("{lines}{other}"), &watch(2, "latency > 500ms for 2"));
    assert_eq!(
        replayed.told,
        [
            "2026-11-20 12:01:00 ops failed x #1: latency 700ms > 500ms for 2",
            "2026-11-20 12:03:00 ops failed x #2: no answer",
            "2026-11-20 12:04:00 ops recovered x #1: latency 700ms > 500ms for 2 after 4m; x #2: no answer after 2m",
        ]
    );
    assert_eq!((replayed.runs, replayed.unknown), (5, BTreeSet::from(["gone".to_owned()])));
    assert!(play(&lines, &watch(3, "")).told.is_empty(), "a third failure never came");
}

#[test]
fn a_recording_of_statuses_is_judged_by_what_failed_how_often() {
    let line = |minute: u32, failing: &str, counting: &str| {
        format!(
            r#"{{"time":"2026-11-20T12:{minute:02}:00+00:00","host":"h","version":"1","status":{{"a":true}},"failing":[{failing}],"counting":[{counting}]}}"#
        )
    };
    let entry = |failures: u32| {
        format!(
            r#"{{"check":"a","target":"x","rule":"up","since":"2026-11-20T12:01:10+00:00","failures":{failures},"reason":"no reply","incident":7}}"#
        )
    };
    let mem = r#"{"check":"a","target":"x","rule":"mem","since":"2026-11-20T12:01:10+00:00","failures":1,"reason":"m","incident":8}"#;
    let counting = r#"{"check":"a","target":"x","rule":"up","failures":1,"of":3}"#;
    let lines =
        [line(0, "", ""), line(1, "", counting), line(2, &format!("{},{mem}", entry(5)), ""), line(3, &entry(9), ""), line(4, "", "")];
    let lines = lines.join("\n");
    let told = |fail_after| play(&lines, &watch(fail_after, "")).told;
    assert_eq!(told(1).len(), 2);
    assert_eq!(
        told(5),
        ["2026-11-20 12:02:00 ops failed x #1: no reply", "2026-11-20 12:04:00 ops recovered x #1: no reply after 3m"],
        "the fifth failure is the one of 12:02"
    );
    assert!(told(10).is_empty());
    assert_eq!(play(&lines, &watch(5, "")).without_values, BTreeSet::from([8]));
}

#[test]
fn what_is_no_recording_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "milk\n{}\n").unwrap();
    let error = Recording::new(vec![file]).play(&watch(1, "")).unwrap_err().to_string();
    assert_eq!(error, "there is no line of readings.jsonl or status.jsonl in it");
}
