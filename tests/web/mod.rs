//! What the running program says over HTTP.

mod access;
mod api;
mod browser;
mod docs;
mod door;
pub mod login;
mod visitor;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::bot::FakeBot;
use crate::program::{PATIENCE, Place, SOON, left_out, until, written_lines};
use crate::service::Service;
use visitor::{Visitor, address};

fn place(bot: &FakeBot, service: &Service, web: &str) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ {web}, token: CANARY-token }}\nchannels:\n  ops: {}\nchecks:\n  - name: \"atto \\\"1\\\\2\"\n    {}\n    every: 100ms\n    fail_after: 2\n",
        bot.section(),
        service.section()
    ))
}

/// The token of every configuration here.
const TOKEN: &str = "Authorization: Bearer CANARY-token\r\n";

/// The code and the body of an answer, with the token unless another login is shown.
fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = if headers.contains("Authorization") { "" } else { TOKEN };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn programs_read_this_machine_and_the_watch() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "listen: \"127.0.0.1:0\"");
    let program = place.start();
    let address = address(&program);
    service.asked_again(2);
    let (code, body) = get(address, "/status", "");
    let machine: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(code, 200);
    assert!(machine["cpu"].as_f64().is_some_and(|cpu| (0.0..=100.0).contains(&cpu)), "{body}");
    assert!(machine["mem"].as_str().unwrap().ends_with('%') && machine["disk"].as_str().unwrap().ends_with('%'), "{body}");
    assert!(machine["uptime"].as_str().unwrap().ends_with('s'), "{body}");

    let (code, body) = get(address, "/healthz", "");
    assert_eq!(
        (code, body.as_str()),
        (200, r#"{"checks":{"good":true},"messages":{"good":true},"state":{"good":true},"history":{"good":true}}"#)
    );

    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    let text = until("the message is counted", || {
        let (code, text) = get(address, "/metrics", "");
        (code == 200 && text.contains(r#"vakhta_messages_total{channel="ops",outcome="taken"} 1"#)).then_some(text)
    });
    assert!(text.contains(r#"vakhta_check_status{check="atto \"1\\2"} 0"#), "{text}");
    for own in [
        "vakhta_state_up 1",
        "vakhta_history_up 1",
        "vakhta_history_spool_bytes 0",
        "vakhta_resident_memory_bytes ",
        "vakhta_check_late_seconds{",
    ] {
        assert!(text.contains(own), "{own}: {text}");
    }
    assert!(text.contains("vakhta_incidents_open 1") && text.contains("# TYPE vakhta_messages_total counter\n"), "{text}");
    let (_, open) = get(address, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(open.contains("# TYPE vakhta_messages counter\n") && open.ends_with("# EOF\n"), "{open}");
    assert!(!text.contains("CANARY"));
    promtool(&text);
    assert_eq!(get(address, "/nowhere", "").0, 404);
    program.stop();
}

/// One who follows `/live`: the lines that come, once the stream has begun.
fn follow(address: SocketAddr) -> (u16, Arc<Mutex<Vec<String>>>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /live HTTP/1.1\r\nHost: x\r\n{TOKEN}\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let code = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    assert!(lines.by_ref().take_while(|line| !line.is_empty()).count() > 3);
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let sink = heard.clone();
    std::thread::spawn(move || {
        lines.for_each(|line| sink.lock().unwrap().push(line));
        sink.lock().unwrap().push("the end".to_owned());
    });
    (code, heard)
}

#[test]
fn decisions_come_as_they_are_made() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "listen: \"127.0.0.1:0\"");
    let program = place.start();
    let address = address(&program);
    let (code, heard) = follow(address);
    assert_eq!(code, 200);
    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    let lines = until("it was heard", || {
        let lines = heard.lock().unwrap().clone();
        lines.contains(&"event: told".to_owned()).then_some(lines)
    });
    let data = |name: &str| {
        let at = lines.iter().position(|line| *line == format!("event: {name}")).unwrap_or_else(|| panic!("no {name}: {lines:?}"));
        serde_json::from_str::<serde_json::Value>(lines[at + 1].strip_prefix("data: ").unwrap()).unwrap()
    };
    let written = written_lines(&place.path("logs/events.jsonl"));
    assert!(written.iter().any(|line| line["event"] == "failed" && *line == data("failed")), "{written:?}");
    assert_eq!(data("status"), serde_json::json!({ "good": 0, "checks": 1, "incidents": 1 }));

    // There is room for so many, and the next may come later.
    let others: Vec<_> = (0..63).map(|_| follow(address)).collect();
    assert!(others.iter().all(|(code, _)| *code == 200));
    for path in ["/live", "/api/events"] {
        let full = Visitor::with_token(address, "CANARY-token").get(path);
        assert_eq!((full.code, full.header("retry-after")), (503, Some("10")), "{path}");
        assert_eq!(full.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(full.json()["detail"], "64 follow already; come again in 10 s", "{path}");
    }
    assert_eq!(get(address, "/healthz", "").0, 200);
    program.stop();
    until("every stream ends", || {
        let over = |heard: &Arc<Mutex<Vec<String>>>| heard.lock().unwrap().last().is_some_and(|line| line == "the end");
        (over(&heard) && others.iter().all(|(_, heard)| over(heard))).then_some(())
    });
}

/// What Prometheus itself says of the text.
fn promtool(text: &str) {
    let Ok(mut tool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        return left_out("web::promtool_takes_the_metrics", "promtool is not installed");
    };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    let complaints = String::from_utf8(said.stderr).unwrap() + &String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{complaints}");
}

#[test]
fn a_person_sees_what_fails_and_why_they_were_told() {
    let (bot, service) = (FakeBot::start("429:1"), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\", token: CANARY-token }}\nchannels:\n  ops: {}\nchecks:\n  - name: \"<script>alert(1)</script>\"\n    {}\n    every: 100ms\n    fail_after: 2\n    comment: \"<img src=x onerror=alert(2)>\"\n  - {{ name: this machine, host: {{}}, every: 1s }}\n",
        bot.section(),
        service.section()
    ));
    let program = place.start();
    let address = address(&program);
    let page = |path: &str, language: &str| get(address, path, &format!("Accept-Language: {language}\r\n"));
    service.asked_again(2);
    let (code, html) = page("/", "en");
    assert!(code == 200 && html.contains("Everything is in order") && html.contains("this machine"), "{html}");
    assert!(page("/", "ru").1.contains("Всё в порядке"));

    service.well.store(false, Ordering::SeqCst);
    let html = until("the page shows it", || {
        let (_, html) = page("/", "en");
        html.contains("#1</a>").then_some(html)
    });
    assert!(html.contains("Failing checks: 1") && html.contains("the answer has no `PONG`"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)") && !html.contains("<script>alert") && !html.contains("<img"), "{html}");
    let (code, html) = page("/check?name=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "en");
    assert!(code == 200 && html.contains(&service.address.to_string()) && html.contains("/incident?number=1"), "{html}");
    let (_, html) = page("/check?name=%3Cscript%3Ealert(1)%3C%2Fscript%3E&filter=nowhere", "en");
    let (targets, recent) = html.split_once("Recent incidents").unwrap();
    assert!(targets.contains("No such target.") && !targets.contains(&service.address.to_string()), "{html}");
    assert!(recent.contains(&service.address.to_string()), "what is open is there before history has it: {html}");
    until("the machine was looked at", || {
        let (_, html) = page("/check?name=this%20machine", "en");
        (html.contains("mem ") && html.contains("the check itself")).then_some(())
    });
    bot.texts(1);
    let html = until("the story is whole", || {
        let (_, html) = page("/incident?number=1", "en");
        html.contains("told that it failed").then_some(html)
    });
    assert!(html.contains("did not take it") && html.contains("It still fails") && !html.contains("<script>alert"), "{html}");
    for (path, code) in [("/check?name=nowhere", 404), ("/incident?number=99", 404), ("/incident?number=x", 400), ("/check", 400)] {
        assert_eq!(page(path, "en").0, code, "{path}");
    }
    program.stop();
}

#[test]
fn a_token_is_asked_for_where_one_is_set() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "listen: \"127.0.0.1:0\"");
    let program = place.start();
    let address = address(&program);
    for path in ["/status", "/metrics", "/live", "/api/openapi.json"] {
        for wrong in ["CANARY-tokem", "Bearer", "Bearer CANARY-tokem", "Basic CANARY-token", "Basic Q0FOQVJZLXRva2VuOkNBTkFSWS10b2tlbg=="] {
            let (code, body) = get(address, path, &format!("Authorization: {wrong}\r\n"));
            assert!(code == 401 && !body.contains("CANARY"), "{path} {wrong}: {code} {body}");
        }
    }
    for path in ["/status", "/metrics", "/", "/api/openapi.json"] {
        assert_eq!(get(address, path, "Authorization: bearer CANARY-token\r\n").0, 200, "{path}");
    }
    assert_eq!(get(address, "/healthz", "").0, 200);
    assert!(!program.stop().contains("CANARY"));
}

#[test]
fn a_port_that_is_taken_stops_no_check() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, &format!("listen: \"{}\"", service.address));
    let program = place.start();
    let text = bot.texts(1).remove(0);
    assert!(text.starts_with("🔴 srv-01 · (vakhta) failed\nweb\ncannot listen on 127.0.0.1:"), "{text}");
    service.asked_again(2);
    program.stop();
}

#[test]
fn who_is_slow_or_asks_too_much_holds_nobody_up() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service, "listen: \"127.0.0.1:0\"");
    let program = place.start();
    let address = address(&program);
    // Half a request each, held open.
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
            stream
        })
        .collect();
    assert_eq!(get(address, "/healthz", "").0, 200);
    let mut large = TcpStream::connect(address).unwrap();
    large.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be refused before all of it is written.
    let _ = large.write_all(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes());
    let mut answer = Vec::new();
    let _ = large.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    service.asked_again(3);
    // The end waits for none of them.
    let begun = std::time::Instant::now();
    program.stop();
    assert!(begun.elapsed() < SOON);
    drop(slow);
}

#[test]
fn one_vakhta_reads_another() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let agent_place = place(&bot, &service, "listen: \"127.0.0.1:0\"");
    let agent = agent_place.start();
    let url = format!("http://{}/status", address(&agent));
    let hub_bot = FakeBot::start("");
    let hub_place = Place::new(&format!(
        "host: hub\nchannels:\n  ops: {}\nchecks:\n  - name: agents\n    metrics: {{ urls: [\"{url}\"], bearer: \"CANARY-token\" }}\n    every: 200ms\n    fail_after: 1\n    rules: [ mem > 0%, disk > 0%, uptime > 1s, \"avg(cpu, 3) >= 0%\" ]\n",
        hub_bot.section()
    ));
    let hub = hub_place.start();
    let told = until("all four numbers are judged", || {
        let told = hub_bot.receipts().iter().map(|receipt| receipt.text().to_owned()).collect::<Vec<_>>().join("\n");
        ["mem ", "disk ", "uptime ", "avg(cpu, 3) "].iter().all(|rule| told.contains(rule)).then_some(told)
    });
    assert!(told.contains(&url) && !told.contains("CANARY"), "{told}");
    agent.stop();
    until("the agent is missed", || hub_bot.receipts().iter().any(|receipt| receipt.text().contains("connection refused")).then_some(()));
    hub.stop();
}
