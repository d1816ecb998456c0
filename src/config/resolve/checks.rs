//! `checks:`, what is looked at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_yaml::Value;

use super::super::ConfiguredCheck;
use super::super::defaults::shared_keys;
use super::super::sections::{CheckSection, RouteSection};
use super::super::tree::Entry;
use super::rules::Holds;
use super::{EXAMPLE, Resolver, below, keys_of, section_of};
use crate::checks::{Check, KindEntry};
use crate::domain::engine::OWN;
use crate::domain::rule::Hold;
use crate::domain::uplink::UPLINK_CHECK;
use crate::domain::watch::{ChannelPlan, CheckPlan, Route, Severity};
use crate::settings::{PathStep, Period, Problem, advice};

const EVERY: Duration = Duration::from_secs(30);
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const SHORTEST_EVERY: Duration = Duration::from_millis(100);
/// A look that takes longer is not a look; and a run must end for the next to start.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// Looks in a row that make a failure of a kind that crosses a network: one packet may be lost.
const NETWORK_FAIL_AFTER: u32 = 3;

impl Resolver<'_> {
    pub(super) fn checks(&mut self, channels: &[ChannelPlan]) -> (Vec<ConfiguredCheck>, Vec<CheckPlan>) {
        self.defaults();
        let tree = self.tree;
        let Some(list) = tree.get("checks").filter(|node| !node.is_null()) else {
            if tree.map().is_some() {
                self.problem(&[], Problem::new("`checks` is missing").help(EXAMPLE));
            }
            return Default::default();
        };
        let at = steps!["checks"];
        let Some(items) = list.list() else {
            let help = "put a `-` before each: `- name: this machine`";
            self.problem(&at, Problem::new("expected a list of checks").help(help));
            return Default::default();
        };
        if items.is_empty() {
            self.problem(&at, Problem::new("there are no checks").help(EXAMPLE));
        }
        self.double_names();
        let known = keys_of::<CheckSection>();
        let checks: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| match item.map() {
                Some(entries) => self.check(&below(&at, index), entries, &known, channels),
                None => {
                    let help = "write `- { name: …, KIND: { … } }`";
                    self.problem(&below(&at, index), Problem::new("expected a check").help(help));
                    None
                }
            })
            .collect();
        let (looks, mut plans): (Vec<_>, Vec<_>) = checks.into_iter().unzip();
        self.needs(&mut plans);
        (looks, plans)
    }

    /// Looks at `defaults` by itself too: there may be no check that inherits.
    fn defaults(&mut self) {
        let at = steps!["defaults"];
        let Some(node) = self.tree.get("defaults").filter(|node| !node.is_null()) else { return };
        let Some(entries) = node.map() else {
            self.problem(&at, Problem::new("expected keys such as `every: 30s`"));
            return;
        };
        let known = shared_keys();
        self.unknown_keys(&at, entries, &known);
        let own = entries.iter().filter(|entry| known.contains(&entry.key) && !entry.value.is_null());
        let section: CheckSection = self.read(&at, own).unwrap_or_default();
        self.periods(&at, &section, None);
        self.texts(&below(&at, "templates"), &section.templates);
        self.window(&below(&at, "window"), section.window.as_deref());
        self.routes(&below(&at, "notify"), section.notify.as_deref().unwrap_or_default());
    }

    fn check(
        &mut self,
        at: &[PathStep],
        entries: &[Entry],
        known: &[String],
        channels: &[ChannelPlan],
    ) -> Option<(ConfiguredCheck, CheckPlan)> {
        let registry = self.registry;
        let kinds = registry.kinds.iter().map(|kind| kind.name.to_owned());
        self.unknown_keys(at, entries, &known.iter().cloned().chain(kinds).collect::<Vec<_>>());
        let own = entries.iter().filter(|entry| known.contains(&entry.key) && !entry.value.is_null());
        let section: CheckSection = self.read(at, own).unwrap_or_default();
        if entries.iter().all(|entry| entry.key != "name") {
            self.problem(at, Problem::new("`name` is missing"));
        }
        let name: Arc<str> = section.name.as_deref().unwrap_or_default().into();
        if section.name.is_some() {
            self.printable(&below(at, "name"), "a check", &name);
            self.not_taken(&below(at, "name"), &name);
        }
        let kind = self.only_kind(at, entries, &registry.kinds, |kind| kind.name, "check");
        let (every, timeout) = self.periods(at, &section, kind.and_then(|(kind, _)| kind.every));
        let texts = self.texts(&below(at, "templates"), &section.templates);
        let window = self.window(&below(at, "window"), section.window.as_deref());
        let notify = match &section.notify {
            Some(routes) => self.routes(&below(at, "notify"), routes),
            None => channels.iter().map(to_channel).collect(),
        };

        let holds = Holds::of(&section, kind.is_some_and(|(kind, _)| kind.network));
        let rules = self.rules(&below(at, "rules"), section.rules.as_deref(), holds, every);
        let (kind, own) = kind?;
        let look = self.look(&below(at, kind.name), kind, section_of(&own.value), (&name, every, timeout))?;
        if section.enabled == Some(false) || section.name.is_none() {
            return None;
        }
        let plan = CheckPlan {
            name: name.clone(),
            rules,
            notify,
            window,
            comment: section.comment.map(Into::into),
            severity: section.severity.map_or_else(Severity::default, Into::into),
            remind: section.remind.map(|Period(time)| time),
            group_wait: section.group_wait.map_or(Duration::ZERO, |Period(time)| time),
            needs: section.needs.unwrap_or_default().into_iter().map(Into::into).collect(),
            crosses_network: kind.network,
            labels: section.labels,
        };
        Some((ConfiguredCheck { name, kind: kind.name, every, timeout, look, texts }, plan))
    }

    pub(super) fn look(
        &mut self,
        at: &[PathStep],
        kind: &KindEntry,
        section: Value,
        (name, every, timeout): (&Arc<str>, Duration, Duration),
    ) -> Option<Arc<dyn Check>> {
        let built = (kind.build)(section, &self.context(name.clone(), every, timeout));
        built.map(Arc::from).map_err(|problems| problems.into_iter().for_each(|problem| self.problem(at, problem))).ok()
    }

    /// `every` and `timeout`, within what makes sense.
    fn periods(&mut self, at: &[PathStep], section: &CheckSection, usual: Option<Duration>) -> (Duration, Duration) {
        let every = section.every.map_or(usual.unwrap_or(EVERY), |Period(time)| time);
        let timeout = section.timeout.map_or(TIMEOUT, |Period(time)| time);
        if every < SHORTEST_EVERY {
            self.problem(&below(at, "every"), Problem::new("a check looks every `100ms` at most"));
        }
        if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
            self.problem(&below(at, "timeout"), Problem::new("a look may take up to `10m`, and more than nothing"));
        }
        if section.remind.is_some_and(|Period(time)| time < Duration::from_secs(60)) {
            self.problem(&below(at, "remind"), Problem::new("a reminder comes every `1m` at most"));
        }
        (every.max(SHORTEST_EVERY), timeout)
    }

    pub(super) fn routes(&mut self, at: &[PathStep], items: &[Value]) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = below(at, index);
            let before = self.findings.len();
            let Some(section) = self.read_value(&at, item.clone()) else { continue };
            let (name, place, window, min_severity) = match &section {
                RouteSection::Name(name) => (name, at.clone(), None, None),
                RouteSection::Route(keys) => (&keys.channel, below(&at, "channel"), keys.window.as_deref(), keys.min_severity),
            };
            self.channel_exists(&place, name);
            let window = self.window(&below(&at, "window"), window);
            let min_severity = min_severity.map_or(Severity::Warning, Into::into);
            let route = Route { channel: name.as_str().into(), window, min_severity };
            if routes.contains(&route) && self.findings.len() == before {
                self.problem(&place, Problem::new(format!("`{name}` is in this list twice")));
            }
            routes.push(route);
        }
        routes
    }

    fn channel_exists(&mut self, at: &[PathStep], name: &str) {
        let mut written = super::names(self.tree.get("channels"));
        if written.is_empty() {
            written.push("console");
        }
        if !written.contains(&name) {
            self.problem(at, Problem::new(format!("there is no channel `{name}`")).help(advice(name, &written, "channels")));
        }
    }

    /// The watch tells of itself under these names.
    fn not_taken(&mut self, at: &[PathStep], name: &str) {
        if [OWN, UPLINK_CHECK].contains(&name) {
            self.problem(at, Problem::new(format!("`{name}` is a name of the watch itself")).help("give the check another one"));
        }
    }

    fn double_names(&mut self) {
        let tree = self.tree;
        let items = tree.get("checks").and_then(|checks| checks.list()).unwrap_or_default();
        let mut first: HashMap<&str, usize> = HashMap::new();
        for node in items.iter().filter_map(|item| item.get("name")) {
            let Some(name) = node.text().filter(|name| !name.is_empty()) else { continue };
            if let Some(byte) = first.get(name) {
                let finding = super::Finding::at(node.at.clone(), format!("two checks are called `{name}`")).first_at(*byte);
                self.findings.push(finding.help("give each a name of its own"));
            } else {
                first.insert(name, node.at.start);
            }
        }
    }
}

impl Holds {
    fn of(section: &CheckSection, network: bool) -> Self {
        let usual = Hold::Count(if network { NETWORK_FAIL_AFTER } else { 1 });
        let fail = section.fail_after.map_or(usual, |hold| hold.0);
        Self {
            fail,
            unknown: section.unknown_after.map_or(fail, |hold| hold.0),
            recover: section.recover_after.map_or(Hold::Count(1), |hold| hold.0),
        }
    }
}

fn to_channel(channel: &ChannelPlan) -> Route {
    Route { channel: channel.name.clone(), window: None, min_severity: Severity::Warning }
}
