//! What the watch decides, for whoever follows it as it happens.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Whoever is further behind misses the oldest.
const LONGEST: usize = 256;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Of its kind, as `event` in the line has it; or `status`.
    pub name: &'static str,
    /// One line of JSON.
    pub line: Arc<str>,
}

/// Where decisions are published; every copy is the same feed. It keeps nothing and waits for nobody.
#[derive(Debug, Clone)]
pub struct Feed(broadcast::Sender<News>);

/// One who follows, from now on.
#[derive(Debug)]
pub struct Follower(broadcast::Receiver<News>);

/// What a follower gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    News(News),
    /// So many were lost to a follower that was too slow; it goes on with the next.
    Missed(u64),
}

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(LONGEST))
    }
}

impl Feed {
    /// Tells those who follow; the line is made only if somebody does.
    pub fn publish<L: Serialize>(&self, name: &'static str, line: impl FnOnce() -> L) {
        if self.0.receiver_count() == 0 {
            return;
        }
        if let Ok(line) = serde_json::to_string(&line()) {
            // The last one may just have left.
            let _ = self.0.send(News { name, line: line.into() });
        }
    }

    pub fn follow(&self) -> Follower {
        Follower(self.0.subscribe())
    }
}

impl Follower {
    /// Waits for it; nothing when the feed has ended.
    pub async fn next(&mut self) -> Option<Next> {
        match self.0.recv().await {
            Ok(news) => Some(Next::News(news)),
            Err(RecvError::Lagged(count)) => Some(Next::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_follows_hears_all_or_how_much_was_missed() {
        let feed = Feed::default();
        feed.publish("failed", || -> u32 { unreachable!("nobody follows") });
        let (mut quick, mut slow) = (feed.follow(), feed.follow());
        for number in 0..LONGEST + 3 {
            feed.publish("failed", || number);
            assert_eq!(quick.next().await, Some(Next::News(News { name: "failed", line: number.to_string().into() })));
        }
        assert_eq!(slow.next().await, Some(Next::Missed(3)));
        assert_eq!(slow.next().await, Some(Next::News(News { name: "failed", line: "3".into() })));
        drop(feed);
        assert_eq!(quick.next().await, None);
    }
}
