//! Where the time comes from: the only place that asks for it.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::domain::time::{Now, Steady};

/// Reads the wall clock and the steady one together.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    /// What the steady clock showed then: it goes on from the watch's life before.
    before: Steady,
    /// The wall clock follows the steady one from here, or is the system's.
    wall: Option<DateTime<Utc>>,
}

impl Clock {
    pub fn system() -> Self {
        Self { started: Instant::now(), before: Steady::default(), wall: None }
    }

    /// A clock that starts at an instant of its own: virtual time.
    pub fn starting_at(wall: DateTime<Utc>) -> Self {
        Self { started: Instant::now(), before: Steady::default(), wall: Some(wall) }
    }

    /// The same clock, with the steady one set to what it shows now.
    pub fn going_on_at(self, steady: Steady) -> Self {
        Self { started: Instant::now(), before: steady, wall: self.wall.map(|start| start + self.started.elapsed()) }
    }

    pub fn now(&self) -> Now {
        let elapsed = self.started.elapsed();
        let wall = match self.wall {
            Some(start) => start + elapsed,
            None => Utc::now(),
        };
        Now { wall, steady: self.before + elapsed }
    }
}
