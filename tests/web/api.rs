//! What programs do over the API.

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};

use super::visitor::{Answer, Visitor, address};
use crate::bot::FakeBot;
use crate::program::{Place, left_out, until};
use crate::service::Service;

fn place(bot: &FakeBot, service: &Service, more: &str) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\", url: \"https://watch.example/\" }}\nchannels:\n  ops: {}\n{more}checks:\n  - name: atto\n    {}\n    every: 200ms\n    fail_after: 2\n    remind: 1h\n  - {{ name: this machine, host: {{}}, every: 1s, rules: [ \"mem > 200%\" ] }}\n  - {{ name: slow, host: {{}}, every: 1h }}\n",
        bot.section(),
        service.section()
    ))
}

fn numbers(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.code, 200, "{}", answer.body);
    answer.json().as_array().unwrap().iter().map(|incident| incident["number"].as_u64().unwrap()).collect()
}

#[test]
fn an_incident_is_listed_taken_on_silenced_and_told() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    let operator = Visitor::with_role(&place, &program, "operator");
    service.asked_again(2);
    assert_eq!(operator.get("/api/incidents?state=open").json(), json!([]));
    service.well.store(false, Ordering::SeqCst);
    let told = bot.texts(1).remove(0);
    assert!(told.ends_with("\nhttps://watch.example/incident?number=1"), "{told}");
    let listed = until("it is in history", || {
        let answer = operator.get("/api/incidents/?state=open&check=atto&severity=critical");
        (numbers(&answer) == [1]).then(|| answer.json())
    });
    let incident = &listed[0];
    assert_eq!((incident["host"].as_str(), incident["rule"].as_str()), (Some("srv-01"), Some("up")));
    assert!(incident["since"].as_str().unwrap().ends_with('Z') && incident.get("until").is_none(), "{incident}");
    for nothing in ["state=closed", "check=nowhere", "severity=warning", "since=2100-01-01T00:00:00Z", "text=nowhere", "host=srv-02"] {
        assert_eq!(operator.get(&format!("/api/incidents?{nothing}")).json(), json!([]), "{nothing}");
    }

    let taken = operator.send("POST", "/api/acknowledgements", r#"{"incident": 1, "note": "on it"}"#);
    assert_eq!(taken.json()[0]["acknowledged"]["by"], "user-operator", "{}", taken.body);
    assert_eq!(operator.get("/api/incidents").json()[0]["acknowledged"]["note"], "on it");
    let shown: Value = serde_json::from_str(&place.run(&["status", "--json"]).1).unwrap();
    assert_eq!(shown["incidents"][0]["acknowledged"]["by"], "user-operator");
    for (body, field) in [
        (r#"{"incident": 99}"#, "incident"),
        (r#"{"about": "nowhere"}"#, "about"),
        (r#"{}"#, "incident"),
        (r#"{"incident": 1, "about": "atto"}"#, "incident"),
    ] {
        let answer = operator.send("POST", "/api/acknowledgements", body);
        assert_eq!((answer.code, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {}", answer.body);
    }
    assert_eq!(operator.send("DELETE", "/api/acknowledgements/1", "").code, 204);
    assert_eq!(operator.send("DELETE", "/api/acknowledgements/1", "").code, 204, "nothing is to be done");
    assert_eq!(operator.send("DELETE", "/api/acknowledgements/99", "").code, 404);

    let silence = operator.send("POST", "/api/silences", r#"{"about": "atto", "seconds": 3600, "comment": "new <b>release</b>"}"#);
    assert_eq!((silence.code, silence.json()["by"].as_str()), (201, Some("user-operator")), "{}", silence.body);
    let number = silence.json()["number"].as_u64().unwrap();
    assert_eq!(operator.get("/api/silences").json()[0]["about"], "atto");
    for (body, field) in
        [(r#"{"about": "nowhere", "seconds": 60}"#, "about"), (r#"{"seconds": 0}"#, "seconds"), (r#"{"seconds": "1h"}"#, "seconds")]
    {
        let answer = operator.send("POST", "/api/silences", body);
        assert_eq!((answer.code, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {}", answer.body);
    }
    assert_eq!(operator.send("DELETE", "/api/silences/77", "").code, 404);
    assert_eq!(operator.send("DELETE", &format!("/api/silences/{number}"), "").code, 204);
    assert_eq!(operator.get("/api/silences").json(), json!([]));

    service.well.store(true, Ordering::SeqCst);
    bot.texts(2);
    until("it is over in history", || (numbers(&operator.get("/api/incidents?state=closed")) == [1]).then_some(()));
    let story = until("its messages are in history", || {
        let story = operator.get("/api/incidents/1").json();
        (story["told"].as_array().unwrap().len() == 2).then_some(story)
    });
    assert_eq!((&story["told"][0]["kind"], &story["told"][0]["outcome"]), (&json!("failed"), &json!("taken")));
    let tale = story["tale"].to_string();
    assert!(tale.contains("acknowledged by user-operator") && tale.contains("told that it recovered"), "{tale}");
    assert_eq!(story["incident"]["closed_by"], "recovery");
    assert_eq!(operator.get("/api/incidents/999").code, 404);
    program.stop();
}

#[test]
fn long_lists_come_in_pages() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    let open = || numbers(&viewer.get("/api/incidents?state=open&check=atto"));
    let mut newest_first = Vec::new();
    for _ in 0..3 {
        service.well.store(false, Ordering::SeqCst);
        newest_first.insert(0, until("it fails", || open().pop()));
        service.well.store(true, Ordering::SeqCst);
        until("it is well", || open().is_empty().then_some(()));
    }
    until("history has their ends", || (numbers(&viewer.get("/api/incidents?check=atto&state=closed")) == newest_first).then_some(()));
    let mut pages = Vec::new();
    let mut next = Some("/api/incidents?limit=1&check=atto&state=closed".to_owned());
    while let Some(path) = next {
        let page = viewer.get(&path);
        pages.push(numbers(&page));
        next = page.header("link").map(|link| link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned());
    }
    assert_eq!(pages.pop(), Some(Vec::new()));
    assert_eq!(pages.concat(), newest_first);
    assert!(newest_first.is_sorted_by(|one, next| one > next) && pages.len() == 3, "{pages:?}");
    program.stop();
}

/// History is written later than people are told, or much later: another program keeps its file to itself.
#[test]
fn what_is_open_is_known_before_history_has_it() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    let (open, all) = (|| numbers(&viewer.get("/api/incidents?state=open")), || numbers(&viewer.get("/api/incidents?check=atto")));
    let turn = |well: bool, message: usize| {
        service.well.store(well, Ordering::SeqCst);
        bot.texts(message);
    };
    turn(false, 1);
    turn(true, 2);
    until("history has the first", || (all() == [1]).then_some(()));
    turn(false, 3);
    until("history has the second", || {
        let at_length = place.run(&["incidents", "--json"]).1;
        at_length.contains("\"number\": 2").then_some(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(place.path("state/history.db"));
    let mut other = runtime.block_on(async {
        let mut other = file.connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        other
    });
    turn(true, 4);
    assert!(open().is_empty(), "it is over, though history does not say so");
    turn(false, 5);
    assert_eq!((open(), all()), (vec![3], vec![3, 1]));
    let page = viewer.get("/incidents?state=open").body;
    assert!(page.contains("number=3\"") && !page.contains("number=2\""), "{page}");
    runtime.block_on(async {
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    });
    until("history has all", || (all() == [3, 2, 1]).then_some(()));
    program.stop();
}

/// More than the status tells of, with and without history.
#[test]
fn what_is_open_is_listed_whole_newest_first_with_who_took_it_on() {
    const MANY: u64 = 1100;
    for history in ["", "history: off\n"] {
        let (bot, service) = (FakeBot::start(""), Service::start());
        let place = place(&bot, &service, history);
        let refuse: Vec<String> = (0..MANY).map(|n| format!("\"127.1.{}.{}:9\"", n / 200, n % 200 + 1)).collect();
        let shops = format!("  - {{ name: shops, tcp: {{ addresses: [{}] }}, every: 1s, fail_after: 1 }}\n", refuse.join(", "));
        place.write("checks.yaml", &(std::fs::read_to_string(place.path("checks.yaml")).unwrap() + &shops));
        let program = place.start();
        let operator = Visitor::with_role(&place, &program, "operator");
        let all = || {
            let (mut found, mut next) = (Vec::new(), Some("/api/incidents?check=shops&state=open&limit=400".to_owned()));
            while let Some(path) = next {
                let page = operator.get(&path);
                found.extend(page.json().as_array().unwrap().iter().cloned());
                next = page.header("link").map(|link| link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned());
            }
            found
        };
        let found = until("all fail", || Some(all()).filter(|found| found.len() as u64 == MANY));
        let order = |one: &Value| (one["since"].as_str().unwrap().to_owned(), one["number"].as_u64().unwrap());
        assert!(found.is_sorted_by(|one, next| order(one) > order(next)), "{history}: {found:?}");
        let wanted = json!({ "about": "shops", "note": "a new line" }).to_string();
        assert_eq!(operator.send("POST", "/api/acknowledgements", &wanted).code, 200);
        let nobody: Vec<Value> = all().into_iter().filter(|one| one["acknowledged"]["note"] != "a new line").collect();
        assert!(nobody.is_empty(), "{history}: {nobody:?}");
        let oldest = found.last().unwrap()["number"].as_u64().unwrap();
        let page = operator.get(&format!("/incident?number={oldest}")).body;
        assert!(page.contains("a new line") && page.contains("It still fails"), "{page}");
        let page = operator.get("/incidents?check=shops&state=open").body;
        assert!(page.contains("after=") && page.contains(&format!("number={}\"", order(&found[0]).1)), "{page}");
        program.stop();
    }
}

#[test]
fn without_history_what_is_open_is_known_all_the_same() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "history: off\n");
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    assert_eq!(numbers(&viewer.get("/api/incidents?text=127.0.0.1")), [1]);
    assert_eq!(viewer.get("/api/incidents?state=closed").json(), json!([]));
    let story = viewer.get("/api/incidents/1").json();
    assert!(story["incident"]["number"] == 1 && story["tale"].to_string().contains("failed after 2 failures"), "{story}");
    let chart = "/chart.json?check=atto&target=&metric=connect&range=1h";
    for path in ["/api/history?check=atto&metric=connect", "/api/history/metrics?check=atto", chart] {
        let answer = viewer.get(path);
        assert!(answer.code == 404 && answer.json()["detail"].as_str().unwrap().contains("history: off"), "{}", answer.body);
    }
    program.stop();
}

#[test]
fn checks_are_shown_looked_at_anew_and_their_numbers_kept() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    let operator = Visitor::with_role(&place, &program, "operator");
    let names: Vec<Value> = operator.get("/api/checks").json().as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["atto", "this machine", "slow"]);
    let machine = until("it was looked at", || {
        let machine = operator.get("/api/checks/this%20machine?filter=").json();
        let values = machine["targets"].as_array().unwrap().iter().find(|target| target["target"] == "")?["values"].clone();
        values.as_array().unwrap().iter().any(|value| value["metric"] == "mem").then_some(machine)
    });
    assert!(machine["rules"].to_string().contains("mem > 200%") && machine["status"] == true, "{machine}");
    assert_eq!(operator.get("/api/checks/nowhere").code, 404);
    assert_eq!(operator.get("/api/checks/atto?offset=-1").code, 400);
    let has_looked =
        |times: u32| operator.get("/metrics").body.contains(&format!("vakhta_check_looks_total{{check=\"slow\"}} {times}.0\n"));
    let before = if has_looked(1) { 1 } else { 0 };
    until("it looks at once", || (operator.send("POST", "/api/checks/slow/recheck", "").json()["look"] == "begun").then_some(()));
    assert_eq!(operator.send("POST", "/api/checks/nowhere/recheck", "").code, 404);
    until("it looked because it was asked to", || has_looked(before + 1).then_some(()));
    let metrics = until("numbers are kept", || {
        let metrics = operator.get("/api/history/metrics?check=this%20machine").json();
        metrics.as_array().is_some_and(|metrics| metrics.iter().any(|metric| metric["metric"] == "mem")).then_some(metrics)
    });
    assert!(metrics.as_array().unwrap().iter().all(|metric| metric["host"] == "srv-01"), "{metrics}");
    let series = until("readings are kept", || {
        let series = operator.get("/api/history?check=this%20machine&metric=mem&from=2026-01-01T00:00:00Z&points=10").json();
        series["points"].as_array().is_some_and(|points| !points.is_empty()).then_some(series)
    });
    assert!(series["points"][0]["mean"].as_f64().unwrap() > 0.0 && series["points"].as_array().unwrap().len() <= 10, "{series}");
    let turned = operator.get("/api/history?check=a&metric=b&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z");
    assert_eq!((turned.code, turned.json()["field"].as_str()), (400, Some("from")));
    program.stop();
}

#[test]
fn machines_come_and_go_and_channels_are_tried() {
    let (bot, service) = (FakeBot::start("ok, 403=Forbidden: bot was kicked"), Service::start());
    let other = Service::start();
    let place = place(&bot, &service, "");
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    let one = json!({"check": "atto", "target": other.address.to_string()}).to_string();
    assert_eq!(admin.send("POST", "/api/machines", &one).code, 201);
    other.asked_again(1);
    let seen = admin.send("POST", "/api/machines/test", &one);
    assert!(seen.code == 200 && seen.json()["status"] == true, "{}", seen.body);
    assert_eq!(admin.get("/api/machines").json()[0]["by"], "user-admin");
    let again = admin.send("POST", "/api/machines", &one);
    assert!(again.code == 422 && again.json()["detail"].as_str().unwrap().contains("was added"), "{}", again.body);
    for wrong in
        [r#"{"check": "nowhere", "target": "x"}"#, r#"{"check": "atto", "target": "no address"}"#, r#"{"check": "atto", "target": ""}"#]
    {
        let answer = admin.send("POST", "/api/machines", wrong);
        assert_eq!(answer.code, 422, "{wrong}: {}", answer.body);
    }
    let pause = |paused: bool| json!({"check": "atto", "target": other.address.to_string(), "paused": paused}).to_string();
    assert_eq!(admin.send("PATCH", "/api/machines", &pause(true)).code, 204);
    assert_eq!(admin.get("/api/machines").json()[0]["paused"], true);
    assert_eq!(admin.send("PATCH", "/api/machines", &pause(false)).code, 204);
    let third = Service::start();
    let swap = json!({"check": "atto", "target": other.address.to_string(), "new_target": third.address.to_string()}).to_string();
    assert_eq!(admin.send("PATCH", "/api/machines", &swap).code, 204);
    third.asked_again(1);
    assert_eq!(admin.get("/api/machines").json()[0]["target"], third.address.to_string());
    assert_eq!(admin.send("PATCH", "/api/machines", &swap).json()["field"], "target", "it is there no more");
    let path = format!("/api/machines?check=atto&target={}", third.address);
    assert_eq!((admin.send("DELETE", &path, "").code, admin.send("DELETE", &path, "").code), (204, 422));

    let channels = admin.get("/api/channels").json();
    assert_eq!((&channels[0]["name"], &channels[0]["kind"]), (&json!("ops"), &json!("telegram")));
    let tried = admin.send("POST", "/api/channels/ops/test", "");
    assert_eq!(tried.json(), json!({"taken": true, "words": ""}));
    assert!(bot.texts(1)[0].contains("a test message"));
    let refused = admin.send("POST", "/api/channels/ops/test", "").json();
    assert!(refused["taken"] == false && !refused["words"].as_str().unwrap().is_empty(), "{refused}");
    assert_eq!(admin.send("POST", "/api/channels/nowhere/test", "").code, 404);
    let audit = admin.get("/api/audit").body;
    assert!(audit.contains("machine added") && audit.contains("machine removed"), "{audit}");

    let edited = std::fs::read_to_string(place.path("checks.yaml")).unwrap().replace("fail_after: 2", "fail_after: 3");
    place.write("checks.yaml", &edited);
    let changes = admin.send("POST", "/api/reload", r#"{"dry_run": true}"#).json();
    assert!(changes["changes"].to_string().contains("fail_after"), "{changes}");
    assert_eq!(admin.send("POST", "/api/reload", "{}").code, 200);
    let at_start = "`web` of the edited file is taken up at the next start";
    assert!(!program.stderr().iter().any(|line| line.contains(at_start)));
    place.write("checks.yaml", &edited.replace("web: { ", "web: { public: true, "));
    assert_eq!(admin.send("POST", "/api/reload", "{}").code, 200);
    until("it says that it needs a start", || program.stderr().iter().any(|line| line.contains(at_start)).then_some(()));
    place.write("checks.yaml", "checks: 7");
    let broken = admin.send("POST", "/api/reload", "{}");
    assert!(broken.code == 422 && broken.json()["detail"].as_str().unwrap().contains("checks.yaml:1:9"), "{}", broken.body);
    program.stop();
}

#[test]
fn what_makes_no_sense_is_refused_with_the_field_at_fault() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    let json = "Content-Type: application/json\r\n";
    for (method, path, headers, body, code) in [
        ("POST", "/api/silences", json, "{", 400),
        ("POST", "/api/silences", json, r#"{"seconds": 60} {}"#, 400),
        ("POST", "/api/silences", "Content-Type: text/plain\r\n", r#"{"seconds": 60}"#, 415),
        ("POST", "/api/silences", json, r#"{"seconds": 60, "colour": "red"}"#, 422),
        ("POST", "/api/silences", json, "[]", 422),
        ("GET", "/api/incidents?limit=many", "", "", 400),
        ("GET", "/api/incidents?colour=red", "", "", 400),
        ("GET", "/api/incidents/x", "", "", 400),
        ("GET", "/api/nothing", "", "", 404),
        ("PUT", "/api/silences", json, "{}", 405),
    ] {
        let answer = admin.ask(method, path, headers, body);
        assert_eq!(answer.code, code, "{method} {path} {body}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}");
        assert_eq!(answer.json()["status"], code);
    }
    for (path, field) in [
        ("/api/incidents?limit=many", "limit"),
        ("/api/incidents?since=yesterday", "since"),
        ("/api/incidents?colour=red", "colour"),
        ("/api/checks/atto?offset=-1", "offset"),
        ("/api/history?check=atto&metric=mem&points=%20", "points"),
        ("/api/audit?limit=0x10", "limit"),
    ] {
        assert_eq!(admin.get(path).json()["field"], field, "{path}");
    }
    program.stop();
}

/// A program of others that reads the description and asks whatever may go wrong.
#[test]
fn schemathesis_finds_nothing() {
    const NAME: &str = "web::api::schemathesis_finds_nothing";
    let Some(tool) = ["/usr/local/bin/schemathesis", "target/tools/venv/bin/schemathesis"]
        .iter()
        .map(|path| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .find(|path| path.exists())
    else {
        return left_out(NAME, "schemathesis is not installed");
    };
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "");
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    // What a description cannot say: which checks, users and addresses there are.
    let output = Command::new(tool)
        .args(["run", "--max-examples", "25", "--seed", "1", "--no-color", "--request-timeout", "20"])
        .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"])
        .args(["--exclude-path", "/api/events", "--exclude-path", "/api/me/password"])
        .args(["--header", admin.login().trim(), &format!("http://{}/api/openapi.json", address(&program))])
        .current_dir(place.path("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!program.stop().contains("panicked"));
}
