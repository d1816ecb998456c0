//! REFERENCE.md: every key of `checks.yaml`, made from the schema and so from doc comments.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::Registry;

const INTRODUCTION: &str = "# Reference of `checks.yaml`

<!-- Made from the doc comments by a test: `UPDATE_EXPECT=1 cargo test reference` writes it anew. -->

Every key, with its type and default. Unknown keys are errors. Durations are written with their unit (`100ms`, `30s`,
`1h 30m`). In any value `${NAME}`, `${NAME:-default}`, `${file:PATH}` and `${credential:NAME}` are filled in (`$${` is a
`${` that stays); inside brackets they need quotes. Anchors, aliases and `<<` merges work; top-level keys that start with
`x-` are free room for them.
";

const RULES: &str = "
A rule is a sentence about what a check sees: `value op number[unit] [for hold] [until op number[unit]]`.

- `value`: a name (`cpu`), or `avg`, `min` or `max` of one over a span: `avg(cpu, 60)` readings, `min(load5, 1h)`.
- `op`: `>`, `>=`, `<`, `<=`, `==`, `!=`. The rule is broken while the comparison is true.
- Units: `%`, `ms`, `s`, `m`, `h`, `d`, `KiB`, `MiB`, `GiB`, `TiB`, or none.
- `for`: `for 5` readings in a row, or `for 30m` in which every reading was bad. Default: one reading.
- `until`: the value at which it counts as good again: `disk > 95% for 2h until < 90%`.

What a rule is called, and so its history, hangs on its value (`avg(cpu, 60)`) or its `name`, never on its thresholds.
Every check also has the rules `up` (it did not fail) and `seen` (it was possible to look).
";

impl Registry {
    /// The reference as Markdown.
    pub fn reference(&self) -> String {
        let schema = self.plain_schema();
        let mut pages = Pages { definitions: &schema["definitions"], told: BTreeSet::new() };
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name).collect();
        let channels: Vec<&str> = self.channels.iter().map(|kind| kind.name).collect();
        let mut out = INTRODUCTION.to_owned();
        pages.section(&mut out, "## The file", &schema, &[]);
        pages.section(&mut out, "## Checks", pages.named("Check"), &kinds);
        out.push_str("\n## Rules\n");
        out.push_str(RULES);
        for kind in &self.kinds {
            pages.section(&mut out, &format!("## Check kind `{}`", kind.name), pages.kind("Check", kind.name), &[]);
        }
        pages.section(&mut out, "## Channels", pages.named("Channel"), &channels);
        for kind in &self.channels {
            pages.section(&mut out, &format!("## Channel kind `{}`", kind.name), pages.kind("Channel", kind.name), &[]);
        }
        out
    }
}

/// These have sections of their own.
const APART: [&str; 3] = ["Check", "Channel", "Defaults"];

struct Pages<'a> {
    definitions: &'a Value,
    /// Mappings that several sections use stand under the first of them.
    told: BTreeSet<&'a str>,
}

impl<'a> Pages<'a> {
    fn named(&self, name: &str) -> &'a Value {
        &self.definitions[name]
    }

    /// The settings of a kind.
    fn kind(&self, of: &str, name: &str) -> &'a Value {
        self.resolved(&self.definitions[of]["properties"][name])
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        target(schema).map_or(schema, |name| &self.definitions[name])
    }

    /// A heading, its words, its keys, and a table for each mapping its keys lead to.
    fn section(&mut self, out: &mut String, heading: &str, schema: &'a Value, left_out: &[&str]) {
        let mut waiting = vec![(heading.to_owned(), schema)];
        while let Some((heading, schema)) = waiting.pop() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\n{heading}\n");
            if let Some(text) = schema["description"].as_str() {
                let _ = write!(out, "\n{text}\n");
            }
            let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else { continue };
            let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            out.push_str("\n| key | type | |\n|---|---|---|\n");
            for (key, value) in properties.iter().filter(|(key, _)| !left_out.contains(&key.as_str())) {
                self.row(out, key, value, required.contains(&key.as_str()));
                let mut found = Vec::new();
                self.mappings(value, &mut found);
                found.retain(|name| !APART.contains(name) && self.told.insert(name));
                waiting.extend(found.into_iter().rev().map(|name| (format!("### {}", title(name)), &self.definitions[name])));
            }
        }
    }

    fn row(&self, out: &mut String, key: &str, schema: &Value, required: bool) {
        let described = schema["description"].as_str().or_else(|| self.described(schema)).unwrap_or_default();
        let mut words = described.replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|");
        if required {
            words.insert_str(0, "**Required.** ");
        }
        match &schema["default"] {
            Value::Null => {}
            default if words.contains("Default:") || default.as_object().is_some_and(Map::is_empty) => {}
            default => {
                let _ = write!(words, " Default: `{default}`.");
            }
        }
        let _ = writeln!(out, "| `{key}` | {} | {} |", self.type_of(schema).replace('|', "\\|"), words.trim());
    }

    fn described(&self, schema: &'a Value) -> Option<&'a str> {
        None.or_else(|| self.definitions[target(schema)?]["description"].as_str())
    }

    /// The type in words.
    fn type_of(&self, schema: &Value) -> String {
        if let Some(name) = target(schema) {
            return match name {
                "Period" => "duration".to_owned(),
                "Hold" => "count or duration".to_owned(),
                "Secret" => "secret".to_owned(),
                name if !APART.contains(&name) && self.definitions[name]["properties"].is_object() => {
                    format!("[{}](#{})", title(name), anchor(&title(name)))
                }
                "Defaults" => "keys of a check".to_owned(),
                "Check" => "[check](#checks)".to_owned(),
                "Channel" => "[channel](#channels)".to_owned(),
                name => self.type_of(&self.definitions[name]),
            };
        }
        if let Some(choices) = schema["enum"].as_array() {
            return choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", ");
        }
        if let Some(only) = schema["const"].as_str() {
            return format!("`{only}`");
        }
        for either in ["anyOf", "oneOf", "allOf"] {
            if let Some(forms) = schema[either].as_array().filter(|_| schema["properties"].is_null()) {
                let mut words: Vec<String> = forms.iter().map(|form| self.type_of(form)).filter(|words| words != "nothing").collect();
                words.dedup();
                return words.join(" or ");
            }
        }
        let names: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
            _ => vec![],
        };
        let words = names.iter().map(|name| match *name {
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "null" => "nothing".to_owned(),
            "array" => format!("list of {}", self.type_of(&schema["items"])),
            "object" => match &schema["additionalProperties"] {
                Value::Object(_) => format!("name: {}", self.type_of(&schema["additionalProperties"])),
                _ => "mapping".to_owned(),
            },
            other => other.to_owned(),
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
    }

    /// The mappings a key's value is made of.
    fn mappings(&self, schema: &'a Value, found: &mut Vec<&'a str>) {
        if let Some(name) = target(schema) {
            if self.definitions[name]["properties"].is_object() {
                found.push(name);
            } else {
                self.mappings(&self.definitions[name], found);
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            schema[key].as_array().into_iter().flatten().for_each(|form| self.mappings(form, found));
        }
        for key in ["items", "additionalProperties"] {
            if schema[key].is_object() {
                self.mappings(&schema[key], found);
            }
        }
    }
}

/// The definition a schema refers to, also when a description stands beside the reference.
fn target(schema: &Value) -> Option<&str> {
    let own = schema["$ref"].as_str();
    let only = || schema["allOf"].as_array().filter(|all| all.len() == 1).and_then(|all| all[0]["$ref"].as_str());
    own.or_else(only)?.strip_prefix("#/definitions/")
}

/// `RouteKeys` as a reader sees it.
fn title(name: &str) -> String {
    name.trim_end_matches("Section").trim_end_matches("Keys").trim_end_matches("Settings").to_lowercase()
}

fn anchor(title: &str) -> String {
    title.replace(' ', "-")
}
