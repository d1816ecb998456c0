//! Where the time comes from: the only place that asks for it.

use chrono::Utc;
use tokio::time::Instant;

use crate::domain::time::{Now, Steady};

/// Reads the wall clock and the steady one together.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    /// What the steady clock showed then: it goes on from the watch's life before.
    before: Steady,
}

impl Clock {
    pub fn system() -> Self {
        Self { started: Instant::now(), before: Steady::default() }
    }

    /// The same clock, with the steady one set to what it shows now.
    pub fn going_on_at(self, steady: Steady) -> Self {
        Self { started: Instant::now(), before: steady }
    }

    pub fn now(&self) -> Now {
        Now { wall: Utc::now(), steady: self.before + self.started.elapsed() }
    }
}
