//! `heartbeat:`, who is told that this watch lives.

use std::time::Duration;

use super::super::sections::{HeartbeatSection, HeartbeatsSection, MethodSection};
use super::{Resolver, Steps, below};
use crate::heartbeat::Heartbeat;
use crate::settings::Problem;

const EVERY: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

impl Resolver<'_> {
    pub(super) fn heartbeats(&mut self, section: Option<HeartbeatsSection>) -> Vec<Heartbeat> {
        let at = steps!["heartbeat"];
        let sections: Vec<(Steps, HeartbeatSection)> = match section {
            None => Vec::new(),
            Some(HeartbeatsSection::One(one)) => vec![(at.to_vec(), one)],
            Some(HeartbeatsSection::Many(many)) => {
                many.into_iter().enumerate().map(|(index, section)| (below(&at, index), section)).collect()
            }
        };
        sections.into_iter().filter_map(|(at, section)| self.heartbeat(&at, section)).collect()
    }

    fn heartbeat(&mut self, at: &Steps, section: HeartbeatSection) -> Option<Heartbeat> {
        let every = section.every.map_or(EVERY, |every| every.0);
        let within = section.timeout.map_or(TIMEOUT, |timeout| timeout.0);
        if every < SHORTEST {
            self.problem(at, Problem::at("every", "a heartbeat is sent every `1s` at most"));
        }
        if within.is_zero() || within > LONGEST_TIMEOUT {
            self.problem(at, Problem::at("timeout", "a heartbeat is waited for at most `1m`, and for more than nothing"));
        }
        let post = section.method == MethodSection::Post;
        match Heartbeat::new(section.url, post, every, within, self.net) {
            Ok(heartbeat) => Some(heartbeat),
            Err(message) => {
                let help = "write it in full, as the service shows it: `https://hc-ping.com/${HEARTBEAT_KEY}`";
                self.problem(at, Problem::at("url", message).help(help));
                None
            }
        }
    }
}
