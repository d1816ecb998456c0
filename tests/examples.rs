//! Every folder of `examples/`, as it stands, run by the real program: only addresses and paces come from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tempfile::TempDir;

use crate::bot::FakeBot;
use crate::channels::{hook, serve, smtp};
use crate::farm::Farm;
use crate::history::servers::{Make, Server};
use crate::program::{Place, Program, until};
use crate::service::Service;

/// A copy of an example and what its file asks the environment for.
struct Example {
    place: Place,
    environment: Vec<(&'static str, String)>,
}

impl Example {
    fn new(name: &str, environment: &[(&'static str, &str)]) -> Self {
        let folder = folder(name);
        let place = Place::new("");
        for entry in fs::read_dir(&folder).unwrap() {
            let file = entry.unwrap().path();
            place.write(file.file_name().unwrap().to_str().unwrap(), &fs::read_to_string(&file).unwrap());
        }
        Self { place, environment: environment.iter().map(|(name, value)| (*name, value.to_string())).collect() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn start(&self) -> Program {
        Program::start(self.command(&["run"]))
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// A machine made of files, with so many thousandths of its memory in use; its processors are those of this one, whose
/// times never stand still.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn start(memory: u32) -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(machine.root.path().join("proc")).unwrap();
        machine.uses(memory);
        write(machine.root.path(), "loadavg", "0.10 0.20 0.30 1/100 4200\n");
        write(machine.root.path(), "uptime", "95826.00 1000.00\n");
        write(machine.root.path(), "mounts", "");
        std::os::unix::fs::symlink("/proc/stat", machine.root.path().join("proc/stat")).unwrap();
        machine
    }

    fn uses(&self, memory: u32) {
        let text = format!(
            "MemTotal: 1000000 kB\nMemFree: 0 kB\nMemAvailable: {} kB\nBuffers: 0 kB\nCached: 0 kB\nSwapCached: 0 kB\nActive: 0 kB\n\
             Inactive: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\nMapped: 0 kB\nSlab: 0 kB\nCommitted_AS: 0 kB\n\
             VmallocTotal: 0 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\n",
            1_000_000 - memory * 1000
        );
        write(self.root.path(), "meminfo", &text);
    }

    fn root(&self) -> &str {
        self.root.path().to_str().unwrap()
    }
}

/// Whole or not at all.
fn write(root: &Path, file: &str, text: &str) {
    let new = root.join("new").with_extension(file);
    fs::write(&new, text).unwrap();
    fs::rename(new, root.join("proc").join(file)).unwrap();
}

#[test]
fn every_example_has_its_page_and_its_test() {
    let tests = fs::read_to_string(file!()).unwrap();
    for entry in fs::read_dir(folder("")).unwrap() {
        let example = entry.unwrap().path();
        let name = example.file_name().unwrap().to_str().unwrap();
        assert!(example.join("README.md").exists() && tests.contains(&format!("Example::new(\"{name}\"")), "{name}");
    }
}

#[test]
fn memory_alert() {
    let receiver = hook::Shared::new(hook::Receiver { plan: hook::plan("503").unwrap(), ..hook::Receiver::default() });
    let shared = receiver.clone();
    let url = format!("http://{}/api/memory-alert", serve(|listener| hook::serve(listener, shared)));
    let machine = Machine::start(500);
    let example = Example::new("memory-alert", &[("ALERT_URL", &url), ("ROOT", machine.root()), ("EVERY", "100ms")]);
    let program = example.start();
    until("it has looked", || program.stderr().iter().any(|line| line.contains("keep")).then_some(()));
    let bodies =
        || -> Vec<String> { receiver.lock().receipts.iter().map(|receipt| receipt["body"].as_str().unwrap().to_owned()).collect() };
    machine.uses(752);
    // The first request is answered with 503: it is sent again.
    until("the alarm arrives", || (bodies().len() == 1).then_some(()));
    assert_eq!(bodies(), [r#"{"message":"memory_limit_alarm","mem_usage_percent":75.2}"#]);
    assert_eq!(receiver.lock().receipts[0]["path"], "/api/memory-alert");
    machine.uses(300);
    until("it is over", || program.stdout().iter().any(|line| line.starts_with("was: mem ")).then_some(()));
    machine.uses(801);
    let bodies = until("the second alarm arrives", || Some(bodies()).filter(|bodies| bodies.len() > 1));
    assert_eq!(bodies[1..], [r#"{"message":"memory_limit_alarm","mem_usage_percent":80.1}"#]);
    program.stop();
}

#[test]
fn server_watch() {
    let (bot, till) = (FakeBot::start(""), Service::start());
    let api = format!("http://{}/health", serve(health));
    let till_address = till.address.to_string();
    let environment = [
        ("TELEGRAM_TOKEN", "4200:CANARY-canary"),
        ("TELEGRAM_CHAT", "-100123"),
        ("TELEGRAM_API", &bot.url),
        ("TILL_SOCKET", &till_address),
        ("BILLING_API", &api),
        ("EVERY", "200ms"),
        ("DAYS", "mon-sun"),
        ("HOURS", "00:00-24:00"),
    ];
    let example = Example::new("server-watch", &environment);
    let (code, out, err) = run(&example, &["test", "hours.txt"]);
    assert_eq!(code, 1, "its own hours are not those of the test: {out}{err}");
    let program = example.start();
    till.asked_again(2);
    till.well.store(false, Ordering::SeqCst);
    let text = bot.texts(1)[0].clone();
    assert!(text.contains("shop-server") && text.contains("till service") && text.contains("restart the till service"), "{text}");
    till.well.store(true, Ordering::SeqCst);
    assert!(bot.texts(2)[1].contains("recovered"));
    let statuses = until("a status", || example.place.statuses().pop());
    assert_eq!(statuses["status"].as_object().unwrap().len(), 3);
    program.stop();
}

#[test]
fn a_day_of_server_watch() {
    let example = Example::new("server-watch", &[("TELEGRAM_TOKEN", "1:x"), ("TELEGRAM_CHAT", "1")]);
    let (code, out, err) = run(&example, &["test", "hours.txt"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
}

async fn health(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let page = || async { axum::Json(serde_json::json!({ "state": "ok", "queue": { "depth": 12 } })) };
    axum::serve(listener, axum::Router::new().route("/health", axum::routing::get(page))).await
}

fn run(example: &Example, arguments: &[&str]) -> (i32, String, String) {
    let output = example.command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn fleet() {
    let Some(mut server) = Server::start(Make::MariaDb, "examples::fleet") else { return };
    let vakhta::store::history::Place::Server(history) = server.database().await else { panic!("a server") };
    let farm = Farm::start(50, "5 cpu 91 @3-6, 6 mem 95% @2-, 7 disk 99% @2-, 8 gone @4-");
    let paces = [("EVERY", "200ms"), ("MEM_FOR", "1s"), ("DISK_FOR", "1s")];
    let example = Example::new("fleet", &[&[("HUB_URL", &*farm.url), ("HISTORY_URL", &history)], &paces[..]].concat());
    let program = example.start();
    let found = until("history has them all", || {
        let (code, out, _) = run(&example, &["incidents", "--json"]);
        let found: Vec<Value> = (code == 0).then(|| serde_json::from_str(&out).unwrap())?;
        let over = found.iter().any(|incident| incident["rule"] == "cpu" && incident["until"].is_number());
        (over && found.len() >= 4).then_some(found)
    });
    let mut said: Vec<String> =
        found.iter().map(|incident| format!("{} {}", incident["target"].as_str().unwrap(), incident["rule"].as_str().unwrap())).collect();
    said.sort();
    assert_eq!(said, ["10.20.0.5 cpu", "10.20.0.6 mem", "10.20.0.7 disk", "10.20.0.8 seen"]);
    let numbers = until("history has readings", || {
        let (code, out, _) = run(&example, &["history", "fleet", "10.20.0.49", "mem", "--json"]);
        (code == 0 && out.len() > 10).then_some(out)
    });
    assert!(numbers.contains("\"mean\": 39.0"), "{numbers}");
    program.stop();
}

#[test]
fn metrics_farm() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(30, "3 cpu 95 @2-, 4 cpu 95 @2-3, 9 disk 99% @1-"));
    let environment = [
        ("TELEGRAM_TOKEN", "4200:CANARY-canary"),
        ("TELEGRAM_CHAT", "-100123"),
        ("TELEGRAM_API", &bot.url),
        ("FARM_URL", &farm.url),
        ("EVERY", "200ms"),
    ];
    let example = Example::new("metrics-farm", &environment);
    let program = example.start();
    let texts = bot.texts(2);
    assert!(texts[0].contains("10.20.0.3") && texts[0].contains("avg(cpu, 3) 95% &gt; 80%"), "{texts:?}");
    assert!(texts[1].contains("10.20.0.9") && texts[1].contains("avg(disk, 9) 99% &gt; 95%"), "{texts:?}");
    assert!(farm.answers() >= 9, "nine records make a mean of nine");
    program.stop();
}

#[test]
fn host_mail() {
    let server = smtp::Shared::new(smtp::MailServer::default());
    let shared = server.clone();
    let address = format!("smtp://{}", serve(|listener| smtp::serve(listener, shared)));
    let machine = Machine::start(850);
    let environment = [
        ("SMTP_URL", &*address),
        ("STARTTLS", "none"),
        ("MAIL_FROM", "vakhta@example.com"),
        ("MAIL_TO", "ops@example.com"),
        ("ROOT", machine.root()),
        ("EVERY", "100ms"),
    ];
    let example = Example::new("host-mail", &environment);
    let program = example.start();
    let letters =
        || -> Vec<String> { server.lock().receipts.iter().map(|receipt| receipt["letter"].as_str().unwrap().to_owned()).collect() };
    until("the letter of the last hour arrives", || letters().iter().any(|letter| letter.contains("min(mem, 60) 85%")).then_some(()));
    assert_eq!(server.lock().receipts[0]["to"], serde_json::json!(["ops@example.com"]));
    program.stop();
}
