//! Where the time comes from: the only place that asks for it.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::domain::time::{Now, Steady};

/// Reads the wall clock and the steady one together.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    /// The wall clock follows the steady one from here, or is the system's.
    wall: Option<DateTime<Utc>>,
}

impl Clock {
    pub fn system() -> Self {
        Self { started: Instant::now(), wall: None }
    }

    /// A clock that starts at an instant of its own: virtual time.
    pub fn starting_at(wall: DateTime<Utc>) -> Self {
        Self { started: Instant::now(), wall: Some(wall) }
    }

    pub fn now(&self) -> Now {
        let elapsed = self.started.elapsed();
        let wall = match self.wall {
            Some(start) => start + elapsed,
            None => Utc::now(),
        };
        Now { wall, steady: Steady(elapsed) }
    }
}
