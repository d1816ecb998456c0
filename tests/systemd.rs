//! What the real program says to systemd: the test holds the socket that systemd would.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bot::FakeBot;
use crate::program::{PATIENCE, Place, Program, until};
use crate::service::Service;

/// systemd's side of the socket.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn start(place: &Place, watchdog: Duration) -> (Self, Program) {
        let path = place.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = place.command(&["run"]);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        (Self { socket, heard: Vec::new() }, Program::start(command))
    }

    /// Listens until such a line comes.
    #[track_caller]
    fn hear(&mut self, what: &str) -> String {
        let started = Instant::now();
        let mut buffer = [0; 4096];
        while started.elapsed() < PATIENCE {
            self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let Ok(size) = self.socket.recv(&mut buffer) else { break };
            let words = String::from_utf8(buffer[..size].to_vec()).unwrap();
            self.heard.push(words.clone());
            if words.lines().any(|line| line.contains(what)) {
                return words;
            }
        }
        panic!("no `{what}` in {:?}", self.heard)
    }

    /// What was said until now does not count.
    fn forget(&self) {
        let mut buffer = [0; 4096];
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut buffer).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Nothing comes for so long; what was on its way does not count.
    #[track_caller]
    fn hear_nothing(&self, lasting: Duration) {
        let mut buffer = [0; 4096];
        self.forget();
        self.socket.set_read_timeout(Some(lasting)).unwrap();
        let heard = self.socket.recv(&mut buffer).map(|size| String::from_utf8_lossy(&buffer[..size]).into_owned());
        assert!(heard.is_err(), "{heard:?}");
    }
}

fn checks(service: &Service, comment: &str) -> String {
    let section = service.section();
    format!(
        "log: {{ status_every: 1s }}\nchannels: {{ console: {{ console: {{}} }} }}\nchecks:\n  - {{ name: atto, {section}, every: 100ms, fail_after: 3, notify: [console], comment: {comment} }}\n"
    )
}

#[test]
fn systemd_hears_of_its_beginning_its_life_an_edit_and_its_end() {
    let service = Service::start();
    let place = Place::new(&checks(&service, "a"));
    let (mut systemd, program) = Manager::start(&place, Duration::from_millis(300));
    systemd.hear("READY=1");
    assert_eq!(systemd.heard.len(), 1, "nothing comes before it is ready: {:?}", systemd.heard);
    systemd.hear("WATCHDOG=1");
    systemd.hear("STATUS=1 of 1 checks are True, 0 incidents; looked ");

    service.well.store(false, Ordering::SeqCst);
    systemd.hear("STATUS=0 of 1 checks are True, 1 incidents");

    place.write("checks.yaml", &checks(&service, "b"));
    program.signal(Signal::HUP);
    let reloading = systemd.hear("RELOADING=1");
    assert!(reloading.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading}");
    systemd.hear("READY=1");

    program.signal(Signal::TERM);
    systemd.hear("STOPPING=1");
}

#[test]
fn a_broken_file_is_no_reload() {
    let service = Service::start();
    let place = Place::new(&checks(&service, "a"));
    let (mut systemd, program) = Manager::start(&place, Duration::from_secs(60));
    systemd.hear("READY=1");
    place.write("checks.yaml", "checks: [");
    program.signal(Signal::HUP);
    crate::program::until("it is refused", || program.stderr().iter().any(|line| line.contains("is not taken up")).then_some(()));
    program.signal(Signal::TERM);
    systemd.hear("STOPPING=1");
    assert!(!systemd.heard.iter().any(|words| words.contains("RELOADING")), "{:?}", systemd.heard);
}

#[test]
fn a_watch_that_stands_still_is_not_alive() {
    let service = Service::start();
    let place = Place::new(&checks(&service, "a"));
    let (mut systemd, program) = Manager::start(&place, Duration::from_millis(150));
    systemd.hear("WATCHDOG=1");
    program.signal(Signal::STOP);
    systemd.hear_nothing(Duration::from_millis(300));
    program.signal(Signal::CONT);
    systemd.hear("WATCHDOG=1");
    program.stop();
}

/// Five signs of life, one after the other.
#[track_caller]
fn lives_on(systemd: &mut Manager) {
    systemd.forget();
    (0..5).for_each(|_| drop(systemd.hear("WATCHDOG=1")));
}

#[test]
fn a_channel_that_never_answers_is_no_end_of_life() {
    let (service, bot) = (Service::start(), FakeBot::start("take-and-hang"));
    let check = format!("{{ name: atto, {}, every: 100ms, fail_after: 1, notify: [ops] }}", service.section());
    let place = Place::new(&format!("channels: {{ ops: {} }}\nchecks: [ {check} ]\n", bot.section()));
    let (mut systemd, program) = Manager::start(&place, Duration::from_millis(150));
    systemd.hear("READY=1");
    service.well.store(false, Ordering::SeqCst);
    until("the message is on its way", || (bot.requests() == 1).then_some(()));
    lives_on(&mut systemd);
    assert_eq!(bot.requests(), 1, "it still waits for its answer");
    service.asked_again(3);
    program.stop();
}

#[test]
fn a_check_that_hangs_is_no_end_of_life() {
    let (service, slow) = (Service::start(), Service::start());
    slow.takes(PATIENCE);
    let checks = format!(
        "log: {{ status_every: 1s }}\nchecks:\n  - {{ name: atto, {}, every: 100ms }}\n  - {{ name: slow, {}, every: 100ms, timeout: 1m }}\n  \
         - {{ name: hung, command: {{ run: [sleep, \"60\"] }}, every: 100ms, timeout: 1m }}\n",
        service.section(),
        slow.section()
    );
    let place = Place::new(&checks);
    let (mut systemd, program) = Manager::start(&place, Duration::from_millis(150));
    service.asked_again(3);
    lives_on(&mut systemd);
    service.asked_again(3);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 0, "it still hangs");
    program.stop();
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let service = Service::start();
    let place = Place::new(&checks(&service, "a"));
    let path = place.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = place.command(&["run"]);
    command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "30000").env("WATCHDOG_PID", "1");
    let program = Program::start(command);
    let mut systemd = Manager { socket, heard: Vec::new() };
    systemd.hear("STATUS=");
    program.stop();
    systemd.hear("STOPPING=1");
    assert!(!systemd.heard.iter().any(|words| words.contains("WATCHDOG")), "{:?}", systemd.heard);
}
