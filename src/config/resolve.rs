//! From the tree to a configuration: each section read, each name looked up, every problem kept.

/// The steps from the top of the file to a place.
macro_rules! steps {
    ($($step:expr),*) => { [$($crate::settings::PathStep::from($step)),*] };
}

mod channels;
mod checks;
mod heartbeat;
mod history;
mod needs;
mod rules;
mod uplink;
mod web;
mod windows;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use super::report::Finding;
use super::sections::{FileSection, LanguageSection, LevelSection, LogSection, LogTarget, TextsSection};
use super::tree::{Content, Entry, Node};
use super::{Config, Environment, Language, LogSettings, Outline, Registry, Texts};
use crate::domain::watch::Watch;
use crate::domain::window::Window;
use crate::net::Net;
use crate::settings::template::Template;
use crate::settings::{BuildContext, PathStep, Problem, advice, closest, read_partly};

const EXAMPLE: &str = "write at least one check, such as `checks: [{ name: this machine, host: {} }]`";

const LONGEST_NAME: usize = 100;

/// What is needed to make sense of a tree whose references are filled and whose defaults are applied.
pub struct Resolver<'a> {
    tree: &'a Node,
    text: &'a str,
    folder: &'a Path,
    registry: &'a Registry,
    env: &'a dyn Environment,
    net: &'a Arc<Net>,
    zone: Tz,
    windows: HashMap<&'a str, Arc<Window>>,
    findings: Vec<Finding>,
}

/// A place in the tree, from the top.
type Steps = Vec<PathStep>;

/// What the file gives: all of it, or all that is wrong.
pub fn resolve(
    tree: &Node,
    text: &str,
    folder: &Path,
    registry: &Registry,
    env: &dyn Environment,
    net: &Arc<Net>,
) -> Result<Config, Vec<Finding>> {
    let mut resolver = Resolver { tree, text, folder, registry, env, net, zone: Tz::UTC, windows: HashMap::new(), findings: Vec::new() };
    let config = resolver.config();
    if resolver.findings.is_empty() { Ok(config) } else { Err(resolver.findings) }
}

impl<'a> Resolver<'a> {
    fn config(&mut self) -> Config {
        let file = self.file();
        self.zone = self.time_zone(file.timezone.as_deref());
        self.windows = self.windows(file.windows);
        let texts = self.texts(&steps!["templates"], &file.templates);
        let (channels, channel_plans) = self.channels();
        let (checks, check_plans) = self.checks(&channel_plans);
        let (uplink, cut_off_after) = file.uplink.and_then(|section| self.uplink(section)).unzip();
        let log = self.log(file.log);
        let web = file.web.and_then(|section| self.web(section, &log.dir));
        let heartbeats = self.heartbeats(file.heartbeat);
        let history = self.history(file.history);
        let host = file.host.filter(|host| !host.trim().is_empty()).unwrap_or_else(|| self.env.host_name());
        Config {
            watch: Watch { host: host.into(), zone: self.zone, checks: check_plans, channels: channel_plans, cut_off_after },
            checks,
            uplink,
            channels,
            texts,
            language: match file.language {
                LanguageSection::English => Language::English,
                LanguageSection::Russian => Language::Russian,
            },
            log,
            web,
            heartbeats,
            reload_on_change: file.reload_on_change,
            outline: Outline::of(self.tree),
            shown: "".into(),
            state_dir: self.folder.join(file.state_dir.unwrap_or_else(|| "state".into())),
            history,
        }
    }

    /// The keys of the file but for those that are read entry by entry.
    fn file(&mut self) -> FileSection {
        let tree = self.tree;
        let Content::Map(entries) = &tree.content else {
            if tree.is_null() {
                self.findings.push(Finding::of_file("is empty").help(EXAMPLE));
            } else {
                self.findings.push(Finding::at(tree.at.clone(), "expected keys such as `checks:` at the top of the file").help(EXAMPLE));
            }
            return FileSection::default();
        };
        let known = keys_of::<FileSection>();
        self.unknown_keys(&steps![], entries, &known);
        let elsewhere = ["channels", "defaults", "checks"];
        let own =
            entries.iter().filter(|entry| known.contains(&entry.key) && !elsewhere.contains(&entry.key.as_str()) && !entry.value.is_null());
        self.read(&steps![], own).unwrap_or_default()
    }

    fn time_zone(&mut self, written: Option<&str>) -> Tz {
        match written {
            Some(name) => self.zone_named(&steps!["timezone"], name).unwrap_or(Tz::UTC),
            None => self.env.time_zone().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC),
        }
    }

    fn zone_named(&mut self, at: &[PathStep], name: &str) -> Option<Tz> {
        let zone = name.parse().ok();
        if zone.is_none() {
            let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let help = match closest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write an IANA name, such as `Europe/Moscow`".to_owned(),
            };
            self.problem(at, Problem::new(format!("`{name}` is not a time zone")).help(help));
        }
        zone
    }

    fn log(&mut self, section: LogSection) -> LogSettings {
        if section.keep == 0 {
            self.problem(&steps!["log", "keep"], Problem::new("at least 1 day is kept"));
        }
        if section.status_every.0 < Duration::from_secs(1) {
            self.problem(&steps!["log", "status_every"], Problem::new("the status is written every `1s` at most"));
        }
        LogSettings {
            dir: self.folder.join(section.dir),
            level: match section.level {
                LevelSection::Error => tracing::Level::ERROR,
                LevelSection::Warn => tracing::Level::WARN,
                LevelSection::Info => tracing::Level::INFO,
                LevelSection::Debug => tracing::Level::DEBUG,
                LevelSection::Trace => tracing::Level::TRACE,
            },
            keep: section.keep.into(),
            status_every: section.status_every.0,
            readings: section.readings,
            to_file: section.to == LogTarget::File,
        }
    }

    fn texts(&mut self, at: &[PathStep], section: &TextsSection) -> Texts {
        let mut compile = |name: &str, source: &Option<String>| {
            let compiled = Template::compile(source.as_deref()?);
            compiled.map_err(|message| self.problem(&below(at, name), Problem::new(message))).ok()
        };
        Texts {
            failed: compile("failed", &section.failed),
            recovered: compile("recovered", &section.recovered),
            reminder: compile("reminder", &section.reminder),
            digest: compile("digest", &section.digest),
        }
    }

    /// The window of this name, which stands at `at`.
    fn window(&mut self, at: &[PathStep], name: Option<&str>) -> Option<Arc<Window>> {
        let name = name?;
        let found = self.windows.get(name).cloned();
        let written: Vec<&str> = names(self.tree.get("windows"));
        if found.is_none() && !written.contains(&name) {
            self.problem(at, Problem::new(format!("there is no window `{name}`")).help(advice(name, &written, "windows")));
        }
        found
    }

    fn context(&self, name: Arc<str>, every: Duration, timeout: Duration) -> BuildContext {
        BuildContext { name, folder: self.folder.to_owned(), every, timeout, net: self.net.clone() }
    }

    /// Reads some entries of the mapping at `at` into a section; what is wrong is noted, the rest is kept.
    fn read<'n, S: DeserializeOwned>(&mut self, at: &[PathStep], entries: impl Iterator<Item = &'n Entry>) -> Option<S> {
        let section: Mapping = entries.map(|entry| (Value::String(entry.key.clone()), entry.value.value())).collect();
        self.read_value(at, Value::Mapping(section))
    }

    fn read_value<S: DeserializeOwned>(&mut self, at: &[PathStep], value: Value) -> Option<S> {
        let (section, problems) = read_partly(value);
        problems.into_iter().for_each(|problem| self.problem(at, problem));
        section
    }

    fn unknown_keys(&mut self, at: &[PathStep], entries: &[Entry], known: &[String]) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let help = advice(&entry.key, &known, "keys");
            self.problem(at, Problem::at(&entry.key, format!("unknown key `{}`", entry.key)).help(help).at_key());
        }
    }

    /// The one key among `entries` that is the name of a kind.
    fn only_kind<'k, 'n, K>(
        &mut self,
        at: &[PathStep],
        entries: &'n [Entry],
        kinds: &'k [K],
        name: fn(&K) -> &'static str,
        what: &str,
    ) -> Option<(&'k K, &'n Entry)> {
        let kind_of = |entry: &Entry| kinds.iter().find(|kind| name(kind) == entry.key);
        let mut found = entries.iter().filter_map(|entry| Some((kind_of(entry)?, entry)));
        let Some(first) = found.next() else {
            let names: Vec<&str> = kinds.iter().map(name).collect();
            // A misspelt one has been reported as an unknown key.
            if !entries.iter().any(|entry| closest(&entry.key, names.iter().copied()).is_some()) {
                let help = format!("the kinds are {}; write one as a key with its settings under it", names.join(", "));
                self.problem(at, Problem::new(format!("this {what} has no kind")).help(help));
            }
            return None;
        };
        if let Some((_, second)) = found.next() {
            let message = format!("this {what} has two kinds, `{}` and `{}`", first.1.key, second.key);
            self.problem(at, Problem::at(&second.key, message).help(format!("make a {what} of each")).at_key());
            return None;
        }
        Some(first)
    }

    /// Names stand in messages and logs: one line, not too long.
    fn printable(&mut self, at: &[PathStep], what: &str, name: &str) {
        if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            let message = format!("the name of {what} is 1 to {LONGEST_NAME} characters on one line");
            self.problem(at, Problem::new(message));
        }
    }

    /// Notes a problem of the section at `at`.
    fn problem(&mut self, at: &[PathStep], problem: Problem) {
        let path: Steps = at.iter().chain(&problem.path).cloned().collect();
        let place = self.tree.locate(&path, problem.at_key);
        let bytes = match &problem.within {
            Some(part) => place.within(self.text, part),
            None => place.at.clone(),
        };
        self.findings.push(Finding::at(bytes, problem.message).help(problem.help));
    }
}

fn below(at: &[PathStep], step: impl Into<PathStep>) -> Steps {
    at.iter().cloned().chain([step.into()]).collect()
}

/// The keys a section's struct knows.
pub fn keys_of<S: JsonSchema>() -> Vec<String> {
    let schema = SchemaGenerator::default().into_root_schema_for::<S>();
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

fn names(node: Option<&Node>) -> Vec<&str> {
    node.and_then(Node::map).unwrap_or_default().iter().map(|entry| entry.key.as_str()).collect()
}

/// A plugin's section; nothing written is an empty mapping.
fn section_of(node: &Node) -> Value {
    if node.is_null() { Value::Mapping(Mapping::new()) } else { node.value() }
}
