//! Deadlines that blame nobody for a time in which this program itself stood still.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

/// A deadline that is heard so much too late was missed by us.
const STOOD_STILL: Duration = Duration::from_millis(250);

/// What the future brings within this time. What has arrived by then counts even if the timer is heard first, as it is
/// after a stop (SIGSTOP, a frozen machine); after a long one there is as much time again, once.
pub async fn in_time<F: Future>(within: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let deadline = Instant::now() + within;
    if let Ok(output) = timeout(within, &mut future).await {
        return Ok(output);
    }
    let late = Instant::now().saturating_duration_since(deadline);
    // What has arrived is heard of before this goes on.
    yield_now().await;
    timeout(if late > STOOD_STILL { within } else { Duration::ZERO }, future).await
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_in_time_is_nothing() {
        let begun = Instant::now();
        assert!(in_time(Duration::from_secs(5), pending::<()>()).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert_eq!(in_time(Duration::from_secs(5), async { 7 }).await.ok(), Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_standstill_there_is_as_much_time_again() {
        let slow = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            // Nothing of this program moves for a minute.
            tokio::time::advance(Duration::from_secs(60)).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        };
        assert!(in_time(Duration::from_secs(5), slow).await.is_ok());
    }
}
