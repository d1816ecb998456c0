//! The real program and a service that misses what does not come.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::bot::FakeBot;
use crate::program::{Place, until};

/// Counts heartbeats under one path; what it answers can be changed.
struct Switch {
    address: SocketAddr,
    heard: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
}

impl Switch {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let switch = Self { address: listener.local_addr().unwrap(), heard: Arc::default(), refuses: Arc::default() };
        let (heard, refuses) = (switch.heard.clone(), switch.refuses.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 2048];
                let length = stream.read(&mut request).unwrap_or(0);
                assert!(request[..length].starts_with(b"GET /ping/CANARY-42 HTTP/1.1\r\n"));
                let status = if refuses.load(Ordering::SeqCst) { "404 Not Found" } else { "200 OK" };
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                heard.fetch_add(1, Ordering::SeqCst);
            }
        });
        switch
    }

    fn hears(&self, more: usize) {
        let wanted = self.heard.load(Ordering::SeqCst) + more;
        until("a heartbeat comes", || (self.heard.load(Ordering::SeqCst) >= wanted).then_some(()));
    }
}

#[test]
fn a_living_watch_beats_and_tells_of_a_service_that_takes_no_heartbeats() {
    let (bot, switch) = (FakeBot::start(""), Switch::start());
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nheartbeat: {{ url: 'http://{}/ping/CANARY-42', every: 1s }}\nchannels:\n  ops: {}\nchecks:\n  - name: this machine\n    host: {{ disks: [], interfaces: [] }}\n",
        switch.address,
        bot.section(),
    ));
    let program = place.start();
    switch.hears(2);
    switch.refuses.store(true, Ordering::SeqCst);
    let failed = bot.texts(1);
    assert!(failed[0].contains("heartbeat") && failed[0].contains("is not taken: the answer is 404 Not Found"), "{failed:?}");
    switch.refuses.store(false, Ordering::SeqCst);
    let texts = bot.texts(2);
    assert!(texts[1].starts_with('✅'), "{texts:?}");
    let said = program.stop();
    let written = std::fs::read_to_string(place.path("logs/events.jsonl")).unwrap();
    assert!(!said.contains("CANARY-42") && !written.contains("CANARY-42") && !texts.concat().contains("CANARY-42"), "{said}");
}
