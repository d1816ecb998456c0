//! `windows:`, hours with names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::sections::{DaysSection, OneOrMany, SpanSection};
use super::{Resolver, below};
use crate::domain::window::{Span, Window, parse_days, parse_hours};
use crate::settings::{PathStep, Problem};

impl<'a> Resolver<'a> {
    pub(super) fn windows(&mut self, sections: BTreeMap<String, OneOrMany>) -> HashMap<&'a str, Arc<Window>> {
        let tree = self.tree;
        let mut windows = HashMap::new();
        for name in super::names(tree.get("windows")) {
            if let Some(section) = sections.get(name) {
                let window = self.one_window(name, section);
                windows.insert(name, Arc::new(window));
            }
        }
        windows
    }

    fn one_window(&mut self, name: &str, section: &OneOrMany) -> Window {
        let at = steps!["windows", name];
        let sections: Vec<(Vec<PathStep>, &SpanSection)> = match section {
            OneOrMany::One(span) => vec![(at.to_vec(), span)],
            OneOrMany::Many(spans) => spans.iter().enumerate().map(|(index, span)| (below(&at, index), span)).collect(),
        };
        if sections.is_empty() {
            self.problem(&at, Problem::new("this window has no hours").help("write `{ hours: \"09:00-18:00\" }`"));
        }
        let mut zone = None;
        let mut spans = Vec::with_capacity(sections.len());
        for (at, section) in sections {
            if let Some(written) = &section.timezone {
                let named = self.zone_named(&below(&at, "timezone"), written);
                if zone.is_some_and(|zone| named.is_some_and(|named| named != zone)) {
                    let help = "make a second window of the other hours";
                    self.problem(&below(&at, "timezone"), Problem::new("the hours of one window are all in one zone").help(help));
                }
                zone = zone.or(named);
            }
            spans.extend(self.span(&at, section));
        }
        Window { name: name.into(), zone: zone.unwrap_or(self.zone), spans }
    }

    fn span(&mut self, at: &[PathStep], section: &SpanSection) -> Option<Span> {
        let days = match &section.days {
            None => Ok([true; 7]),
            Some(DaysSection::Text(text)) => parse_days(text),
            Some(DaysSection::List(list)) => parse_days(&list.join(",")),
        };
        let days = days.map_err(|message| self.problem(&below(at, "days"), Problem::new(message)));
        let hours = parse_hours(&section.hours).map_err(|message| self.problem(&below(at, "hours"), Problem::new(message)));
        let (Ok(days), Ok((from, to))) = (days, hours) else { return None };
        Some(Span { days, from, to })
    }
}
