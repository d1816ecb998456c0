//! The same crash script against Debian's Alertmanager, which is told what fails as Prometheus tells it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::dice::Dice;
use super::lives::{Lives, now};
use super::receipts::{Receipt, Said};
use super::{figure, wait};
use crate::program::{Place, Program, left_out};

const TURNS: usize = 40;
/// What people have not heard of by then is lost to them.
const PATIENCE: Duration = Duration::from_secs(15);

/// Somebody who tells people of one service, `a`.
trait Contestant {
    fn start(&mut self) -> Program;
    fn turn(&mut self, well: bool);
    fn receipts(&self) -> Vec<Receipt>;
}

#[test]
#[ignore = "minutes: scripts/faults --long"]
fn the_same_crash_script_against_alertmanager() {
    if !Path::new("/usr/bin/prometheus-alertmanager").exists() {
        return left_out("the_same_crash_script_against_alertmanager", "prometheus-alertmanager is not installed");
    }
    let ours = crash_script(&mut Lives::new(1, &plan()));
    let theirs = crash_script(&mut Alertmanager::new());
    figure("the same crash script", &format!("{TURNS} turns, a kill -9 every 0.5 to 4 s, every fifth message refused"));
    figure("  vakhta", &ours);
    figure("  Alertmanager", &theirs);
}

fn plan() -> String {
    let mut dice = Dice::new(3);
    (0..10_000).map(|_| if dice.below(5) == 0 { "html:502" } else { "ok" }).collect::<Vec<_>>().join(",")
}

fn crash_script(contestant: &mut impl Contestant) -> String {
    let mut dice = Dice::new(5);
    let (mut kills, mut lost, mut began) = (0, [0, 0], false);
    let mut program = contestant.start();
    let mut dies = Instant::now() + Duration::from_secs(2);
    for turn in 0..TURNS {
        let well = turn % 2 == 1;
        contestant.turn(well);
        let (begun, since) = (Instant::now(), now());
        // Every turn lives through a kill at least.
        let mut killed = false;
        loop {
            let heard = contestant.receipts().iter().any(|receipt| receipt.at >= since && receipt.said.is_end() == well);
            // The end of what nobody heard of is owed to nobody.
            if killed && (heard || (well && !began)) {
                began = heard && !well;
                break;
            }
            if begun.elapsed() > PATIENCE {
                lost[usize::from(well)] += 1;
                began = false;
                break;
            }
            if Instant::now() >= dies {
                program.signal(Signal::KILL);
                program.ended();
                program = contestant.start();
                (kills, killed) = (kills + 1, true);
                dies = Instant::now() + Duration::from_millis(500 + dice.below(3500) as u64);
            }
            wait(Duration::from_millis(20));
        }
        // What comes again after a kill comes by then, now and then.
        wait(Duration::from_millis(dice.below(3000) as u64));
    }
    let receipts = contestant.receipts();
    let same = |a: &Receipt, b: &Receipt| a.incident == b.incident && a.said.is_end() == b.said.is_end();
    let copies: Vec<&Receipt> = receipts
        .iter()
        .enumerate()
        .filter(|(index, receipt)| receipts[..*index].iter().any(|before| same(before, receipt)))
        .map(|(_, receipt)| receipt)
        .collect();
    let marked = copies.iter().filter(|copy| copy.repeat).count();
    format!(
        "{kills} kills, {} messages, {} failed lost, {} recovered lost, {} copies, {marked} of them marked",
        receipts.len(),
        lost[0],
        lost[1],
        copies.len()
    )
}

impl Contestant for Lives {
    fn start(&mut self) -> Program {
        self.place.start()
    }

    fn turn(&mut self, well: bool) {
        Lives::turn(self, 0, well);
    }

    fn receipts(&self) -> Vec<Receipt> {
        Lives::receipts(self)
    }
}

/// Alertmanager, somebody who posts to it what Prometheus would, and a webhook that it tells.
struct Alertmanager {
    place: Place,
    port: u16,
    receipts: Arc<Mutex<Vec<Receipt>>>,
    alert: Arc<Mutex<Option<Alert>>>,
    ended: Arc<AtomicBool>,
}

struct Alert {
    starts: DateTime<Utc>,
    ends: Option<DateTime<Utc>>,
}

impl Alertmanager {
    fn new() -> Self {
        let receipts = Arc::default();
        let hook = webhook(Arc::clone(&receipts));
        let place = Place::new("");
        place.write(
            "alertmanager.yml",
            &format!(
                "route: {{ receiver: ops, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 4h }}\n\
                 receivers: [ {{ name: ops, webhook_configs: [ {{ url: 'http://127.0.0.1:{hook}/', send_resolved: true }} ] }} ]\n"
            ),
        );
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let manager = Self { place, port, receipts, alert: Arc::default(), ended: Arc::default() };
        manager.post_for_ever();
        manager
    }

    /// As Prometheus does: what fires is posted again and again, and so is its end.
    fn post_for_ever(&self) {
        let (alert, port, ended) = (self.alert.clone(), self.port, self.ended.clone());
        std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                let body = alert.lock().unwrap().as_ref().map(|alert| {
                    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
                    let ends = alert.ends.unwrap_or(Utc::now() + chrono::TimeDelta::minutes(4));
                    json!([{ "labels": { "alertname": "a" }, "startsAt": time(alert.starts), "endsAt": time(ends) }]).to_string()
                });
                if let (Some(body), Ok(mut stream)) = (body, TcpStream::connect(("127.0.0.1", port))) {
                    let head = "POST /api/v2/alerts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close";
                    // It may die in the middle.
                    let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.read_to_end(&mut Vec::new());
                }
                wait(Duration::from_millis(100));
            }
        });
    }
}

impl Contestant for Alertmanager {
    fn start(&mut self) -> Program {
        let mut command = Command::new("/usr/bin/prometheus-alertmanager");
        command.args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="]);
        command.arg(format!("--web.listen-address=127.0.0.1:{}", self.port)).current_dir(self.place.path(""));
        Program::start(command)
    }

    fn turn(&mut self, well: bool) {
        let mut alert = self.alert.lock().unwrap();
        match (well, &mut *alert) {
            (true, Some(alert)) => alert.ends = Some(Utc::now()),
            _ => *alert = Some(Alert { starts: Utc::now(), ends: None }),
        }
    }

    fn receipts(&self) -> Vec<Receipt> {
        self.receipts.lock().unwrap().clone()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// Takes what Alertmanager sends, refusing by the same plan as the other channel.
fn webhook(receipts: Arc<Mutex<Vec<Receipt>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut plan: Vec<bool> = plan().split(',').map(|answer| answer == "ok").rev().collect();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let Some(body) = body_of(&mut stream) else { continue };
            let takes = plan.pop().unwrap_or(true);
            if takes {
                receipts.lock().unwrap().extend(read(&body));
            }
            let status = if takes { "200 OK" } else { "502 Bad Gateway" };
            let _ = write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

fn body_of(stream: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// An alert is known by when it began.
fn read(body: &Value) -> Vec<Receipt> {
    let receipt = |alert: &Value| Receipt {
        at: now(),
        channel: "ops".into(),
        check: "a".into(),
        incident: DateTime::parse_from_rfc3339(alert["startsAt"].as_str().unwrap()).unwrap().timestamp_millis() as u64,
        said: if alert["status"] == "resolved" { Said::Recovered } else { Said::Failed },
        repeat: false,
        answered: true,
    };
    body["alerts"].as_array().unwrap().iter().map(receipt).collect()
}
