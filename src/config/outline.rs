//! What a configuration says, entry by entry, so that two can be compared by those who ask what an edit would change.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::tree::{Entry, Node};

/// Keys whose values may be shown: none of them can hold a secret.
const SHOWN: &[&str] = &[
    "every",
    "timeout",
    "fail_after",
    "recover_after",
    "unknown_after",
    "notify",
    "window",
    "severity",
    "remind",
    "group_wait",
    "needs",
    "enabled",
    "rules",
    "recoveries",
    "digest",
    "storm",
    "max_age",
    "fallback",
];
/// A longer value is not shown.
const LONGEST_SHOWN: usize = 60;

/// The keys of the file with their values, references filled in and defaults applied.
#[derive(Clone, Default)]
pub struct Outline {
    checks: BTreeMap<String, BTreeMap<String, Value>>,
    channels: BTreeMap<String, BTreeMap<String, Value>>,
    rest: BTreeMap<String, Value>,
}

impl Outline {
    pub(super) fn of(tree: &Node) -> Self {
        let keys = |entries: &[Entry]| -> BTreeMap<String, Value> {
            entries.iter().filter(|entry| !entry.value.is_null()).map(|entry| (entry.key.clone(), entry.value.value())).collect()
        };
        let items = tree.get("checks").and_then(Node::list).unwrap_or_default().iter().filter_map(Node::map);
        let named = items.filter_map(|entries| {
            let name = entries.iter().find(|entry| entry.key == "name")?;
            Some((name.value.text()?.to_owned(), keys(entries)))
        });
        let channels = tree.get("channels").and_then(Node::map).unwrap_or_default();
        let elsewhere = ["checks", "channels", "defaults"];
        let mut rest = keys(tree.map().unwrap_or_default());
        rest.retain(|key, _| !elsewhere.contains(&key.as_str()) && !key.starts_with("x-"));
        Self {
            checks: named.collect(),
            channels: channels.iter().map(|entry| (entry.key.clone(), keys(entry.value.map().unwrap_or_default()))).collect(),
            rest,
        }
    }

    /// Whether a key of the top level says something else in the later one.
    pub fn differs(&self, later: &Self, key: &str) -> bool {
        self.rest.get(key) != later.rest.get(key)
    }

    /// What the later one adds (`+`), drops (`-`) and changes (`~`), a line each. Settings that may hold a secret are
    /// named and not shown.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let mut lines = entries("check", &self.checks, &later.checks);
        lines.extend(entries("channel", &self.channels, &later.channels));
        let keys: Vec<&String> = self.rest.keys().chain(later.rest.keys().filter(|key| !self.rest.contains_key(*key))).collect();
        lines.extend(keys.into_iter().filter(|key| self.differs(later, key)).map(|key| format!("~ {key}")));
        lines
    }
}

fn entries(
    what: &str,
    before: &BTreeMap<String, BTreeMap<String, Value>>,
    after: &BTreeMap<String, BTreeMap<String, Value>>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, keys) in before {
        match after.get(name) {
            None => lines.push(format!("- {what} `{name}`")),
            Some(now) => {
                let changed = changed_keys(keys, now);
                lines.extend((!changed.is_empty()).then(|| format!("~ {what} `{name}`: {}", changed.join(", "))));
            }
        }
    }
    lines.extend(after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("+ {what} `{name}`")));
    lines
}

fn changed_keys(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    let changed = keys.filter(|key| before.get(*key) != after.get(*key));
    changed
        .map(|key| match (shown(key, before.get(key)), shown(key, after.get(key))) {
            (Some(before), Some(after)) => format!("{key} {before} → {after}"),
            _ => key.clone(),
        })
        .collect()
}

/// Nothing if the value is not for everyone, or too long.
fn shown(key: &str, value: Option<&Value>) -> Option<String> {
    let Some(value) = value else { return Some("default".to_owned()) };
    if !SHOWN.contains(&key) {
        return None;
    }
    let text = match value {
        Value::String(text) => text.clone(),
        value => serde_json::to_string(value).ok()?,
    };
    (text.chars().count() <= LONGEST_SHOWN).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        Outline::of(&super::super::tree::parse(text).map_err(|_| "it is no YAML").unwrap())
    }

    #[test]
    fn an_edit_is_told_entry_by_entry_without_secrets() {
        let before = outline(
            "channels: { ops: { telegram: { token: old } } }\nchecks:\n  - { name: a, every: 30s, tcp: { send: old } }\n  - { name: gone, host: {} }\n  - { name: same, host: {} }",
        );
        let after = outline(
            "language: ru\nchannels: { ops: { telegram: { token: new }, recoveries: false } }\nchecks:\n  - { name: same, host: {} }\n  - { name: a, every: 10s, tcp: { send: new }, rules: [ latency > 1s ] }\n  - { name: new, host: {} }",
        );
        assert_eq!(
            before.changes(&after),
            [
                "~ check `a`: every 30s → 10s, tcp, rules default → [\"latency > 1s\"]",
                "- check `gone`",
                "+ check `new`",
                "~ channel `ops`: telegram, recoveries default → false",
                "~ language",
            ]
        );
        assert!(after.changes(&after).is_empty());
    }
}
