//! `uplink:`, whom to ask whether we ourselves are cut off.

use std::sync::Arc;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::super::sections::UplinkSection;
use super::super::{ConfiguredCheck, Texts};
use super::Resolver;
use super::checks::{SHORTEST_EVERY, TIMEOUT};
use crate::domain::rule::Hold;
use crate::domain::uplink::UPLINK_CHECK;
use crate::settings::{Period, Problem};

const EVERY: Duration = Duration::from_secs(10);
/// One less than kinds that cross a network have, so that it turns before they do.
const FAIL_AFTER: Hold = Hold::Count(2);
/// The kind that looks.
const KIND: &str = "ping";

impl Resolver<'_> {
    /// A check of the kind `ping`, and how long it must fail.
    pub(super) fn uplink(&mut self, section: UplinkSection) -> Option<(ConfiguredCheck, Hold)> {
        let at = steps!["uplink"];
        let every = section.every.map_or(EVERY, |Period(time)| time);
        if every < SHORTEST_EVERY {
            self.problem(&steps!["uplink", "every"], Problem::new("the uplink is asked every `100ms` at most"));
        }
        if section.targets.is_empty() {
            let help = "name some hosts that always answer, such as `targets: [192.0.2.1, 192.0.2.2]`, or leave `uplink` out";
            self.problem(&steps!["uplink", "targets"], Problem::new("this list is empty").help(help));
            return None;
        }
        let Some(kind) = self.registry.kinds.iter().find(|kind| kind.name == KIND) else {
            self.problem(&at, Problem::new(format!("the uplink is asked by the kind `{KIND}`, which this program does not have")));
            return None;
        };
        let (name, timeout): (Arc<str>, _) = (UPLINK_CHECK.into(), TIMEOUT.min(every.max(SHORTEST_EVERY) / 2));
        let targets = section.targets.into_iter().map(Value::String).collect();
        let settings = Mapping::from_iter([(Value::from("targets"), Value::Sequence(targets))]);
        let look = self.look(&at, kind, Value::Mapping(settings), (&name, every, timeout))?;
        let check = ConfiguredCheck { name, kind: kind.name, every, timeout, look, texts: Texts::default() };
        Some((check, section.fail_after.map_or(FAIL_AFTER, |hold| hold.0)))
    }
}
