//! `channels:`, where people are told.

use std::sync::Arc;
use std::time::Duration;

use super::super::sections::ChannelSection;
use super::super::tree::Entry;
use super::super::{ConfiguredChannel, Texts};
use super::{Resolver, below, keys_of, names, section_of};
use crate::domain::watch::ChannelPlan;
use crate::settings::{PathStep, Problem, advice};

/// What there is when the file names no channel.
const FALLBACK: &str = "console";
/// After so long a message is news of yesterday.
const MAX_AGE: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(10);

impl Resolver<'_> {
    pub(super) fn channels(&mut self) -> (Vec<ConfiguredChannel>, Vec<ChannelPlan>) {
        let tree = self.tree;
        let at = steps!["channels"];
        let entries = match tree.get("channels") {
            Some(node) if !node.is_null() => match node.map() {
                Some(entries) => entries,
                None => {
                    let help = "write `name: { kind: settings }`, such as `console: { console: {} }`";
                    self.problem(&at, Problem::new("expected channels by their names").help(help));
                    return Default::default();
                }
            },
            _ => &[],
        };
        if entries.is_empty() {
            return self.fallback().into_iter().unzip();
        }
        let known = keys_of::<ChannelSection>();
        entries.iter().filter_map(|entry| self.channel(entry, &known)).unzip()
    }

    fn fallback(&mut self) -> Option<(ConfiguredChannel, ChannelPlan)> {
        let kind = self.registry.channels.iter().find(|kind| kind.name == FALLBACK)?;
        let name: Arc<str> = FALLBACK.into();
        let section = serde_yaml::Value::Mapping(Default::default());
        let built = (kind.build)(section, &self.context(name.clone(), TIMEOUT, TIMEOUT));
        let notifier = built.map_err(|problems| problems.into_iter().for_each(|problem| self.problem(&[], problem))).ok()?;
        let plan = ChannelPlan {
            name: name.clone(),
            window: None,
            recoveries: true,
            digest: false,
            storm: kind.storm,
            max_age: MAX_AGE,
            fallback: None,
        };
        Some((ConfiguredChannel { name, kind: kind.name, notifier: notifier.into(), texts: Texts::default() }, plan))
    }

    /// The channel that is told in place of this one.
    fn stand_in(&mut self, at: &[PathStep], own: &str, named: &str) -> Option<Arc<str>> {
        let written = names(self.tree.get("channels"));
        let problem = match named {
            named if named == own => Problem::new("a channel cannot stand in for itself").help("name another channel"),
            named if !written.contains(&named) => {
                Problem::new(format!("there is no channel `{named}`")).help(advice(named, &written, "channels"))
            }
            named => return Some(named.into()),
        };
        self.problem(at, problem);
        None
    }

    fn channel(&mut self, entry: &Entry, known: &[String]) -> Option<(ConfiguredChannel, ChannelPlan)> {
        let at = steps!["channels", entry.key.as_str()];
        let kinds: Vec<&str> = self.registry.channels.iter().map(|kind| kind.name).collect();
        let Some(entries) = entry.value.map() else {
            let help = format!("write `{}: {{ kind: settings }}`; the kinds are {}", entry.key, kinds.join(", "));
            self.problem(&at, Problem::new("this channel has no kind").help(help));
            return None;
        };
        self.printable(&at, "a channel", &entry.key);
        let all: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).chain(known.iter().cloned()).collect();
        self.unknown_keys(&at, entries, &all);
        let common: ChannelSection =
            self.read(&at, entries.iter().filter(|entry| known.contains(&entry.key) && !entry.value.is_null())).unwrap_or_default();
        let window = self.window(&below(&at, "window"), common.window.as_deref());
        let texts = self.texts(&below(&at, "templates"), &common.templates);
        let registry = self.registry;
        let (kind, section) = self.only_kind(&at, entries, &registry.channels, |kind| kind.name, "channel")?;

        let name: Arc<str> = entry.key.as_str().into();
        let built = (kind.build)(section_of(&section.value), &self.context(name.clone(), TIMEOUT, TIMEOUT));
        let place = below(&at, kind.name);
        let notifier = built.map_err(|problems| problems.into_iter().for_each(|problem| self.problem(&place, problem))).ok()?;
        let plan = ChannelPlan {
            name: name.clone(),
            window,
            recoveries: common.recoveries.unwrap_or(true),
            digest: common.digest.unwrap_or(false),
            storm: common.storm.map_or(kind.storm, |section| section.0),
            max_age: common.max_age.map_or(MAX_AGE, |period| period.0),
            fallback: common.fallback.and_then(|fallback| self.stand_in(&below(&at, "fallback"), &name, &fallback)),
        };
        Some((ConfiguredChannel { name, kind: kind.name, notifier: notifier.into(), texts }, plan))
    }
}
