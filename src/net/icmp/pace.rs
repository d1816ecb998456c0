//! How fast something may be done at most, in small batches.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Timers wake once a millisecond, so turns are given out for about as long at once.
const BATCH: Duration = Duration::from_millis(2);

/// Gives out turns, first come, first served.
#[derive(Debug)]
pub struct Pace {
    spacing: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// One turn in each `spacing` in the long run; as many as fit into 2 ms, at least one, at once.
    pub const fn new(spacing: Duration) -> Self {
        Self { spacing, next: Mutex::new(None) }
    }

    pub fn spacing(&self) -> Duration {
        self.spacing
    }

    /// Waits for the next turn.
    pub async fn turn(&self) {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            // Turns that nobody took are lost, but for a batch.
            let earliest = now.checked_sub(BATCH).unwrap_or(now);
            let turn = next.map_or(earliest, |next| next.max(earliest));
            *next = Some(turn + self.spacing);
            turn
        };
        if turn > now {
            sleep_until(turn).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long so many turns take that are asked for one after another.
    async fn time(pace: &Pace, turns: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..turns {
            pace.turn().await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_goes_at_once_and_the_rest_at_its_pace() {
        let pace = Pace::new(Duration::from_micros(20));
        assert_eq!(time(&pace, 100).await, Duration::ZERO);
        let rest = time(&pace, 5_000).await;
        assert!((99..=102).contains(&rest.as_millis()), "{rest:?}");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(time(&pace, 100).await, Duration::ZERO, "a long rest saves up no more than a batch");
        assert!(time(&pace, 100).await > Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_pace_is_kept() {
        assert_eq!(time(&Pace::new(Duration::from_millis(100)), 11).await.as_millis() / 10, 99);
    }
}
