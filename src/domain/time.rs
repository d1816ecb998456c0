//! The two clocks of the engine: people's hours and the watch's own steady time.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The instant of a step, by both clocks. Windows and messages go by the wall; intervals, holds,
/// back-off and reminders go by the steady clock, which no one can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: DateTime<Utc>,
    pub steady: Steady,
}

/// Time that only runs forward: since the watch's first start, as far as it can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Steady(pub Duration);

impl Steady {
    /// How long ago `earlier` was; nothing if it is not earlier.
    pub fn since(self, earlier: Steady) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Steady {
    type Output = Steady;
    fn add(self, length: Duration) -> Steady {
        Steady(self.0.saturating_add(length))
    }
}
