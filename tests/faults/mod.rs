//! The proof of delivery: the real program under every fault that can be made here, and a checker that compares what
//! arrived with what is written down and with the scripted truth.
//!
//! `cargo test` plays the short form; `scripts/faults --long` all of it, and prints the figures.

mod channels;
mod checker;
mod clock;
mod dice;
mod disk;
mod kills;
mod limits;
mod lives;
mod peer;
mod power;
mod receipts;
mod reload;
mod storm;
mod strace;

use std::io::Write;
use std::time::{Duration, Instant};

/// Whether there is time for all of it.
fn long() -> bool {
    std::env::var("VAKHTA_FAULTS").is_ok_and(|form| form == "long")
}

/// Lets so much time pass: what is waited for is that nothing happens.
fn wait(length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// A line of the table that the long form ends with, past the harness.
fn figure(what: &str, figures: &str) {
    if long() {
        let _ = writeln!(std::io::stderr(), "FIGURE {what}: {figures}");
    }
}
