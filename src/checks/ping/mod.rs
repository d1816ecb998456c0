//! The `ping` kind: ICMP echoes to one or to thousands of addresses.

mod sweep;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sweep::Sweep;

use super::{Check, Kind, Run};
use crate::domain::reading::Reading;
use crate::net::Net;
use crate::net::icmp::Pace;
use crate::settings::targets::{MOST_TARGETS, TargetList};
use crate::settings::{BuildContext, Period, Problem, Settings};

/// Sends ICMP echoes and measures the replies, over IPv4 and IPv6. A target passes when at least one echo
/// is answered within the check's `timeout`, which all echoes of one look share.
///
/// | metric | unit | |
/// |---|---|---|
/// | `loss` | percent | echoes without a reply |
/// | `rtt` `rtt_min` `rtt_max` | seconds | round-trip times of the replies; `rtt` is their mean |
/// | `jitter` | seconds | mean difference from one round-trip time to the next; needs two replies |
///
/// Needs `sysctl net.ipv4.ping_group_range` to allow our group, or the capability CAP_NET_RAW.
///
/// ```yaml
/// ping: { list: ips.txt, count: 3 }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// Addresses, host names, CIDR blocks (`10.0.0.0/24`, without its network and broadcast address) and ranges
    /// (`10.0.0.1-20`), each with an optional name after it: `10.0.0.7 till 3`. Host names are looked up in each run. 65,536 targets at
    /// most, each once.
    #[serde(default)]
    targets: Vec<String>,
    /// A file with one such entry a line, beside this one or with its full path; `#` and `;` begin comments. It is
    /// read again when it changes; while it is empty, bad or unreadable, the last good list stays.
    list: Option<PathBuf>,
    /// Echoes to each target in one look, 1 to 100.
    #[serde(default = "three")]
    count: u32,
    /// From one echo to the next of the same target; 200ms by default, less where `timeout` is short. All echoes
    /// of a look must be out by half of the `timeout`.
    interval: Option<Period>,
    /// Bytes of data in each echo, 0 to 65507, zeros.
    #[serde(default = "usual_size")]
    size: u32,
    /// Echoes that this check sends in a second at most, 1 to 100000. Default: 100000, over all checks. Give less where
    /// the line is thin: 1000 echoes of the usual size are 0.8 Mbit.
    rate: Option<u32>,
}

const USUAL_INTERVAL: Duration = Duration::from_millis(200);

fn three() -> u32 {
    3
}

/// What the command `ping` sends.
fn usual_size() -> u32 {
    56
}

impl Kind for Ping {
    const NETWORK: bool = true;
    const TARGETS: Option<(&'static str, &'static str)> = Some(("target", "targets"));
    /// All at once: a waiting echo holds no socket of its own, only some memory.
    const AT_ONCE: usize = MOST_TARGETS;
}

impl Settings for Ping {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Vec::new();
        if !(1..=100).contains(&self.count) {
            problems.push(Problem::at("count", format!("{} echoes are not between 1 and 100", self.count)));
        }
        if self.size > 65_507 {
            problems.push(Problem::at("size", format!("{} bytes do not fit into a packet; 65507 do", self.size)));
        }
        if self.rate.is_some_and(|rate| !(1..=100_000).contains(&rate)) {
            problems.push(Problem::at("rate", "the rate is not between 1 and 100000 echoes a second"));
        }
        let gaps = self.count.clamp(1, 100) - 1;
        let half = at.timeout / 2;
        let interval = self.interval.map_or(USUAL_INTERVAL.min(half / gaps.max(1)), |interval| interval.0);
        if interval * gaps > half {
            let message = format!("{} echoes {interval:?} apart take more than half of the timeout of {:?}", self.count, at.timeout);
            problems.push(Problem::at("interval", message).help("give a shorter interval, fewer echoes or a longer timeout"));
        }
        match TargetList::open(&self.targets, self.list.map(|list| at.folder.join(list))) {
            Ok(targets) if problems.is_empty() => {
                let pace = self.rate.map(|rate| Pace::new(Duration::from_secs(1) / rate));
                let payload = vec![0; self.size as usize].into();
                Ok(Box::new(PingCheck { net: at.net.clone(), targets, count: self.count, interval, payload, pace }))
            }
            Ok(_) => Err(problems),
            Err(more) => Err([problems, more].concat()),
        }
    }
}

struct PingCheck {
    net: Arc<Net>,
    targets: TargetList,
    count: u32,
    interval: Duration,
    payload: Box<[u8]>,
    /// Of this check, besides that of all.
    pace: Option<Pace>,
}

impl PingCheck {
    /// Waits until one more echo may go.
    async fn turn(&self) {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        self.net.icmp().pace().turn().await;
    }
}

#[async_trait]
impl Check for PingCheck {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        Sweep::new(self, run).over(&self.targets.current()).await
    }

    fn size(&self) -> usize {
        self.targets.last().len()
    }

    fn longest(&self, run: &Run) -> Duration {
        let echoes = u32::try_from(self.size()).unwrap_or(u32::MAX).saturating_mul(self.count);
        let spacing = self.pace.as_ref().unwrap_or_else(|| self.net.icmp().pace()).spacing();
        // Timers are a millisecond coarse, and 10,000 targets may be waking at the same one.
        run.timeout + spacing * echoes + run.timeout / 20
    }
}
