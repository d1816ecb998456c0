//! What the watch did so far, for the goodbye, `/metrics` and `/healthz`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Tally, Watch};
use crate::control::{ChannelNow, CheckNumbers, Health, HistoryNumbers, Numbers, OwnNumbers, Progress};
use crate::domain::engine::{Delivery, OWN};
use crate::domain::time::Steady;
use crate::runner::Finished;

/// A check that is overdue for longer, and for longer than three of its intervals, has stopped.
const OVERDUE: Duration = Duration::from_secs(300);
/// Every channel has its own deadlines; a message without an answer for so long is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// Since the watch began.
#[derive(Default)]
pub struct Counts {
    pub tally: Tally,
    looks: HashMap<Arc<str>, Looks>,
    channels: HashMap<Arc<str>, Answers>,
    /// Messages without an answer, by their dispatch.
    under_way: BTreeMap<u64, (Arc<str>, Instant)>,
}

#[derive(Default)]
struct Looks {
    count: u64,
    last: Duration,
    due: Steady,
}

#[derive(Default)]
struct Answers {
    taken: u64,
    not_taken: u64,
}

impl Counts {
    /// A check has looked and is due again then.
    pub fn looked(&mut self, finished: &Finished, due: Steady) {
        self.tally.runs += 1;
        let looks = self.looks.entry(finished.check.clone()).or_default();
        looks.count += 1;
        (looks.last, looks.due) = (finished.took, due);
    }

    pub fn sent(&mut self, dispatch: u64, channel: &Arc<str>) {
        self.tally.messages += 1;
        self.under_way.insert(dispatch, (channel.clone(), Instant::now()));
    }

    pub fn answered(&mut self, dispatch: u64, delivery: &Delivery) {
        let Some((channel, _)) = self.under_way.remove(&dispatch) else { return };
        let answers = self.channels.entry(channel).or_default();
        match delivery {
            Delivery::Taken => answers.taken += 1,
            _ => answers.not_taken += 1,
        }
    }

    /// Whether a message waits for its answer.
    pub fn any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// A message that waits for its answer for too long.
    fn stuck(&self) -> Option<String> {
        let stuck = self.under_way.values().find(|(_, since)| since.elapsed() > STUCK);
        stuck.map(|(channel, since)| format!("`{channel}` has not answered for {} s", since.elapsed().as_secs()))
    }

    /// When a check is due again, since its last look.
    pub fn due(&self, check: &str) -> Option<Steady> {
        self.looks.get(check).map(|looks| looks.due)
    }

    /// After an edit: what is watched still says so with its next look.
    pub fn forget_dues(&mut self) {
        self.looks.clear();
    }
}

impl Watch {
    pub(super) fn health(&self) -> Health {
        let now = self.clock.now().steady;
        let overdue = self.every.iter().filter_map(|(check, every)| {
            let late = now.since(self.counts.due(check)?);
            (late > OVERDUE.max(*every * 3)).then(|| format!("`{check}` is overdue for {} s", late.as_secs()))
        });
        Health {
            checks: Progress::unless(overdue.min()),
            messages: Progress::unless(self.counts.stuck()),
            state: Progress::unless(self.store.trouble().borrow().as_ref().map(ToString::to_string)),
            history: self.memory.backlog().map(|_| Progress::unless(self.memory.trouble().borrow().as_ref().map(ToString::to_string))),
        }
    }

    pub(super) fn numbers(&self) -> Numbers {
        let now = self.clock.now();
        let checks = self.engine.checks().map(|check| {
            let looks = self.counts.looks.get(&check.name);
            CheckNumbers {
                name: check.name.to_string(),
                status: check.up,
                targets: check.targets,
                failing: check.failing,
                looks: looks.map_or(0, |looks| looks.count),
                took: looks.map_or(0.0, |looks| looks.last.as_secs_f64()),
                late: looks.map_or(0.0, |looks| now.steady.since(looks.due).as_secs_f64()),
            }
        });
        let waiting = self.engine.waiting(now);
        let channels = self.sender.kinds().map(|(channel, kind)| {
            let answers = self.counts.channels.get(channel);
            ChannelNow {
                name: channel.to_string(),
                kind: kind.to_owned(),
                taken: answers.map_or(0, |answers| answers.taken),
                not_taken: answers.map_or(0, |answers| answers.not_taken),
                waiting: waiting.iter().filter(|waiting| waiting.channel == *channel).map(|waiting| waiting.count).sum(),
            }
        });
        let failing = self.engine.snapshot().failing;
        let trouble = failing.iter().filter(|failing| &*failing.check == OWN).count();
        Numbers {
            checks: checks.collect(),
            channels: channels.collect(),
            own: OwnNumbers {
                incidents: failing.len() - trouble,
                trouble,
                silences: self.engine.silences().count(),
                memory: resident(),
                since: self.since.timestamp(),
                state: self.store.trouble().borrow().is_none(),
                history: self.memory.backlog().map(|backlog| HistoryNumbers {
                    good: self.memory.trouble().borrow().is_none(),
                    waiting: backlog.waiting,
                    spooled: backlog.spooled,
                }),
            },
        }
    }
}

/// In bytes, as the kernel says; 0 where it does not.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_is_stuck_when_no_channel_would_wait_that_long() {
        let mut counts = Counts::default();
        counts.sent(1, &"ops".into());
        tokio::time::advance(Duration::from_secs(60)).await;
        counts.sent(2, &"mail".into());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(counts.stuck(), None, "two minutes are not too long");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(counts.stuck().as_deref(), Some("`ops` has not answered for 121 s"));
        counts.answered(1, &Delivery::Later { after: None, cause: "busy".into() });
        assert_eq!(counts.stuck(), None, "any answer is progress");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(counts.stuck().as_deref(), Some("`mail` has not answered for 121 s"));
    }
}
