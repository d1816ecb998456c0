//! `rules:` of a check, after the two that every check has.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_yaml::Value;

use super::super::sections::{RuleKeys, RuleSection};
use super::{Resolver, below};
use crate::domain::rule::{Hold, Judge, LONGEST_SPAN, Rule, Sentence, Span};
use crate::settings::{PathStep, Problem};

/// How long a check's failures, blindness and recoveries must last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holds {
    pub fail: Hold,
    pub unknown: Hold,
    pub recover: Hold,
}

const UP: &str = "up";
const SEEN: &str = "seen";

impl Resolver<'_> {
    /// `up`, `seen`, and those of the file.
    pub(super) fn rules(&mut self, at: &[PathStep], items: Option<&[Value]>, holds: Holds, every: Duration) -> Vec<Rule> {
        let implicit = |name: &str, judge, fail_after| Rule {
            identity: name.into(),
            judge,
            fail_after,
            recover_after: holds.recover,
            comment: None,
            severity: None,
            notify: None,
        };
        let mut rules = vec![implicit(UP, Judge::Up, holds.fail), implicit(SEEN, Judge::Seen, holds.unknown)];
        if items.is_some_and(<[_]>::is_empty) {
            self.problem(at, Problem::new("there are no rules in this list").help("leave `rules` out: `up` and `seen` are always there"));
        }
        let mut overridden = HashSet::new();
        for (index, item) in items.unwrap_or_default().iter().enumerate() {
            let at = below(at, index);
            let Some(section) = self.read_value(&at, item.clone()) else { continue };
            let (text, place) = match &section {
                RuleSection::Text(text) => (text, at.clone()),
                RuleSection::Keys(keys) => (&keys.rule, below(&at, "rule")),
            };
            let keys = match &section {
                RuleSection::Text(_) => None,
                RuleSection::Keys(keys) => Some(keys),
            };
            if let Some(implicit) = rules.iter().take(2).position(|rule| *rule.identity == *text.trim()) {
                self.amend(&at, &place, &mut rules[implicit], keys, overridden.insert(implicit));
            } else if let Some(rule) = self.rule(&at, &place, text, keys, holds.recover, every) {
                self.distinct(&place, &rule, &rules);
                rules.push(rule);
            }
        }
        rules
    }

    /// Gives `up` or `seen` a comment, a severity or channels of its own.
    fn amend(&mut self, at: &[PathStep], place: &[PathStep], rule: &mut Rule, keys: Option<&RuleKeys>, first: bool) {
        let name = rule.identity.clone();
        let Some(keys) = keys.filter(|_| first) else {
            let help = format!("write `{{ rule: {name}, … }}` once, with what differs from the check: severity, comment or notify");
            self.problem(place, Problem::new(format!("`{name}` is a rule that every check has")).help(help));
            return;
        };
        if keys.name.is_some() {
            self.problem(&below(at, "name"), Problem::new(format!("the rule `{name}` keeps its name")).help("leave `name` out"));
        }
        self.set_keys(at, rule, keys);
    }

    fn rule(
        &mut self,
        at: &[PathStep],
        place: &[PathStep],
        text: &str,
        keys: Option<&RuleKeys>,
        recover_after: Hold,
        every: Duration,
    ) -> Option<Rule> {
        let Sentence { threshold, hold } = match text.parse() {
            Ok(sentence) => sentence,
            Err(error) => {
                let error: crate::domain::rule::Misread = error;
                self.problem(place, Problem::new(error.message).help(error.help).within(error.at));
                return None;
            }
        };
        if let Some((_, Span::Lasting(time))) = threshold.over
            && time.as_millis() / every.as_millis().max(1) > u128::from(LONGEST_SPAN)
        {
            let message = format!("this looks back on more than {LONGEST_SPAN} readings");
            self.problem(place, Problem::new(message).help("make the span shorter, or look less often"));
        }
        let given = keys.and_then(|keys| keys.name.as_deref());
        if let Some(name) = given {
            let place = below(at, "name");
            self.printable(&place, "a rule", name);
            if [UP, SEEN].contains(&name) {
                self.problem(&place, Problem::new(format!("`{name}` is the name of a rule that every check has")));
            }
        }
        let mut rule = Rule {
            identity: given.map_or_else(|| threshold.value().into(), Arc::from),
            judge: Judge::Threshold(threshold),
            fail_after: hold,
            recover_after,
            comment: None,
            severity: None,
            notify: None,
        };
        if let Some(keys) = keys {
            self.set_keys(at, &mut rule, keys);
        }
        Some(rule)
    }

    fn set_keys(&mut self, at: &[PathStep], rule: &mut Rule, keys: &RuleKeys) {
        rule.comment = keys.comment.as_deref().map(Arc::from);
        rule.severity = keys.severity.map(Into::into);
        rule.notify = keys.notify.as_ref().map(|routes| self.routes(&below(at, "notify"), routes));
    }

    /// Counters and incidents hang on a rule's identity.
    fn distinct(&mut self, place: &[PathStep], rule: &Rule, others: &[Rule]) {
        if others.iter().skip(2).any(|other| other.identity == rule.identity) {
            let name = &rule.identity;
            let help = format!("give one of them a name: `{{ rule: \"{name} …\", name: … }}`");
            self.problem(place, Problem::new(format!("two rules of this check are called `{name}`")).help(help));
        }
    }
}
