//! A service for the real program to look at.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::program::until;

/// A socket that says PONG while it is well and counts who came.
pub struct Service {
    pub address: SocketAddr,
    pub well: Arc<AtomicBool>,
    pub asked: Arc<AtomicUsize>,
    /// Milliseconds until it answers.
    delay: Arc<AtomicU64>,
}

impl Service {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            well: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
            delay: Arc::default(),
        };
        let (well, asked, delay) = (service.well.clone(), service.asked.clone(), service.delay.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut buffer = [0; 64];
                let _ = stream.read(&mut buffer);
                std::thread::park_timeout(Duration::from_millis(delay.load(Ordering::SeqCst)));
                let answer: &[u8] = if well.load(Ordering::SeqCst) { b"PONG" } else { b"NOPE" };
                let _ = stream.write_all(answer);
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        service
    }

    /// From now on it takes so long for an answer, one after the other.
    pub fn takes(&self, delay: Duration) {
        self.delay.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    pub fn section(&self) -> String {
        format!(r#"tcp: {{ address: "{}", send: "PING\n", expect: PONG }}"#, self.address)
    }

    /// Waits until it was asked so many more times.
    pub fn asked_again(&self, times: usize) {
        let before = self.asked.load(Ordering::SeqCst);
        until("the check goes on", || (self.asked.load(Ordering::SeqCst) >= before + times).then_some(()));
    }
}
