//! The YAML document as a tree that knows where everything stands.
//!
//! Built from parser events, after a budget has seen them all. Merge keys are applied and double keys refused on the way.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_yaml::{Mapping, Value};

use super::budget::{Budget, too_deep};
use super::report::{Finding, Place};
use super::secrets::is_secret;
use crate::settings::{PathStep, parse_number};

/// A value and the bytes of the file it was read from; an alias has those of its anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub at: Range<usize>,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    pub text: String,
    /// Without quotes: `5` is a number, `true` a boolean, nothing a null.
    pub plain: bool,
    /// A reference in it was filled in.
    pub filled: bool,
    /// What came from outside the file, and must not be shown.
    pub foreign: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_at: Range<usize>,
    pub value: Node,
}

/// Reads the one document of `text`; stops at the first thing that is not YAML, collects double keys.
pub fn parse(text: &str) -> Result<Node, Vec<Finding>> {
    let offsets = Offsets::of(text);
    measure(text, &offsets).map_err(|finding| vec![finding])?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| vec![broken(&error, &offsets)])?;
        builder.take(event, offsets.range(span)).map_err(|finding| vec![finding])?;
    }
    let nothing =
        Node { at: 0..0, content: Content::Scalar(Scalar { text: String::new(), plain: true, filled: false, foreign: Vec::new() }) };
    if builder.findings.is_empty() { Ok(builder.root.unwrap_or(nothing)) } else { Err(builder.findings) }
}

/// Reads it once without keeping anything: whether it is one document, and of a bearable size.
fn measure(text: &str, offsets: &Offsets) -> Result<(), Finding> {
    let mut budget = Budget::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| broken(&error, offsets))?;
        let at = offsets.range(span);
        documents += usize::from(matches!(event, Event::DocumentStart(_)));
        if documents > 1 {
            return Err(Finding::at(at, "a second document starts here").help("keep one document in the file; remove the `---`"));
        }
        budget.take(&event, &at)?;
    }
    Ok(())
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    findings: Vec<Finding>,
}

/// A list or mapping whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next, in a mapping.
    key: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Range<usize>) -> Result<(), Finding> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                known_tag(tag.as_deref(), &at)?;
                let forced = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !forced;
                let scalar = Scalar { text: text.into_owned(), plain, filled: false, foreign: Vec::new() };
                self.done(Node { at, content: Content::Scalar(scalar) }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.place(node),
                None => Ok(()),
            },
            Event::SequenceStart(anchor, tag) => {
                known_tag(tag.as_deref(), &at)?;
                self.open(anchor, at, Content::List(Vec::new()));
                Ok(())
            }
            Event::MappingStart(anchor, tag) => {
                known_tag(tag.as_deref(), &at)?;
                self.open(anchor, at, Content::Map(Vec::new()));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at.end),
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, at: Range<usize>, content: Content) {
        self.open.push(Open { node: Node { at, content }, anchor, key: None });
    }

    fn close(&mut self, end: usize) -> Result<(), Finding> {
        let Some(mut closed) = self.open.pop() else { return Ok(()) };
        closed.node.at.end = end.max(closed.node.at.start);
        if let Content::Map(entries) = &mut closed.node.content {
            self.findings.extend(double_keys(entries));
            merge(entries)?;
        }
        self.done(closed.node, closed.anchor)
    }

    fn done(&mut self, node: Node, anchor: usize) -> Result<(), Finding> {
        // 0 is no anchor.
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node) -> Result<(), Finding> {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.content, parent.key.take()) {
            (Content::Map(entries), Some(key)) => {
                let Content::Scalar(scalar) = key.content else {
                    return Err(Finding::at(key.at, "a key must be plain text"));
                };
                entries.push(Entry { key: scalar.text, key_at: key.at, value: node });
            }
            (Content::Map(_), None) => parent.key = Some(node),
            (Content::List(items), _) => items.push(node),
            (Content::Scalar(_), _) => {}
        }
        Ok(())
    }
}

/// `!!str` and its like say what YAML knows; anything else (`!vault`) asks for a program that is not there.
fn known_tag(tag: Option<&Tag>, at: &Range<usize>) -> Result<(), Finding> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            let help = "for secrets write `${NAME}`, `${file:PATH}` or `${credential:NAME}`";
            Err(Finding::at(at.clone(), format!("the tag `{tag}` is not known here")).help(help))
        }
        _ => Ok(()),
    }
}

fn broken(error: &ScanError, offsets: &Offsets) -> Finding {
    let at = offsets.byte(*error.marker());
    let (message, help) = in_plain_words(error.info());
    Finding::at(at..at, message).help(help)
}

/// What the parser says in terms of its own machinery, for the slips that are common.
fn in_plain_words(info: &str) -> (String, &'static str) {
    if info.contains("recursion limit") {
        return (too_deep(), "");
    }
    if info.contains("tab") {
        return ("a tab is used for indentation".to_owned(), "YAML is indented with spaces");
    }
    if info.contains("unknown anchor") {
        return ("this alias names an anchor that is not defined above".to_owned(), "write `&name` where the value first stands");
    }
    let help = if info.contains("quoted scalar") {
        "look for a missing quote"
    } else if info.contains("flow mapping") || info.contains("flow sequence") {
        "look for a missing `,` or bracket; inside brackets put `${…}` and whatever has `{`, `[`, `,` or `: ` in it in quotes"
    } else if info.contains("simple key") || info.contains("mapping values") || info.contains("did not find expected") {
        "look for a missing `:`, a missing quote, or an indentation that differs from the line above"
    } else {
        ""
    };
    (format!("this is not YAML: {info}"), help)
}

fn double_keys(entries: &[Entry]) -> Vec<Finding> {
    let mut seen: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
    let mut findings = Vec::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.key, entry) {
            let finding = Finding::at(entry.key_at.clone(), format!("the key `{}` is written twice", entry.key));
            findings.push(finding.first_at(first.key_at.start));
        }
    }
    findings
}

/// Replaces `<<` by the entries it names; keys of the mapping itself win, then earlier ones.
fn merge(entries: &mut Vec<Entry>) -> Result<(), Finding> {
    let Some(index) = entries.iter().position(|entry| entry.key == "<<") else { return Ok(()) };
    let merged = entries.remove(index).value;
    let sources = match merged.content {
        Content::List(items) => items,
        content => vec![Node { at: merged.at, content }],
    };
    let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    for source in sources {
        let Content::Map(added) = source.content else {
            return Err(Finding::at(source.at, "`<<` merges mappings only").help("write `<<: *name`, where `&name` marks a mapping"));
        };
        entries.extend(added.into_iter().filter(|entry| known.insert(entry.key.clone())));
    }
    Ok(())
}

impl Node {
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.map()?.iter().find(|entry| entry.key == key)
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.value().is_null())
    }

    /// The text, if it is a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// What serde reads.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.value(),
            Content::List(items) => Value::Sequence(items.iter().map(Node::value).collect()),
            Content::Map(entries) => {
                Value::Mapping(entries.iter().map(|entry| (Value::String(entry.key.clone()), entry.value.value())).collect::<Mapping>())
            }
        }
    }

    /// Calls `visit` for every scalar below, with its place.
    pub fn scalars_mut(&mut self, visit: &mut impl FnMut(&mut Scalar, &Range<usize>)) {
        match &mut self.content {
            Content::Scalar(scalar) => visit(scalar, &self.at),
            Content::List(items) => items.iter_mut().for_each(|item| item.scalars_mut(visit)),
            Content::Map(entries) => entries.iter_mut().for_each(|entry| entry.value.scalars_mut(visit)),
        }
    }

    /// Calls `visit` for every scalar below, with its place and whether a key above it says that it is secret.
    pub fn scalars<'a>(&'a self, secret: bool, visit: &mut impl FnMut(&'a Scalar, &'a Range<usize>, bool)) {
        match &self.content {
            Content::Scalar(scalar) => visit(scalar, &self.at, secret),
            Content::List(items) => items.iter().for_each(|item| item.scalars(secret, visit)),
            Content::Map(entries) => {
                entries.iter().for_each(|entry| entry.value.scalars(secret || is_secret(&entry.key), visit));
            }
        }
    }

    /// Where a path leads: as far down as it goes.
    pub fn locate(&self, path: &[PathStep], at_key: bool) -> Place<'_> {
        let mut node = self;
        let mut key = None;
        for (index, step) in path.iter().enumerate() {
            let next = match step {
                PathStep::Key(name) => node.entry(name).map(|entry| (&entry.value, Some(&entry.key_at))),
                PathStep::Index(index) => node.list().and_then(|items| items.get(*index)).map(|item| (item, None)),
            };
            let Some((value, its_key)) = next else { break };
            (node, key) = (value, its_key);
            if at_key && index + 1 == path.len() {
                return Place { node, at: key.cloned().unwrap_or(node.at.clone()), whole: true };
            }
        }
        let at = match (&node.content, key) {
            (Content::Scalar(scalar), Some(key)) if scalar.text.is_empty() => key.clone(),
            (Content::Scalar(_), _) => node.at.clone(),
            (_, Some(key)) => key.clone(),
            (Content::Map(entries), None) => entries.first().map_or(node.at.clone(), |entry| entry.key_at.clone()),
            (Content::List(_), None) => node.at.start..node.at.start + 1,
        };
        Place { node, at, whole: false }
    }
}

impl Scalar {
    /// By the core schema of YAML 1.2.
    pub fn value(&self) -> Value {
        // What is filled in is text: a password of digits is no number. Where a number is asked for, reading turns it into one.
        if !self.plain || self.filled {
            return Value::String(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => parse_number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
        }
    }
}

/// From the parser's count of characters to bytes.
struct Offsets {
    /// The byte at which each character starts; empty when the text is ASCII, where both are the same.
    starts: Vec<u32>,
    length: usize,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let starts = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(byte, _)| byte as u32).collect() };
        Self { starts, length: text.len() }
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start)..self.byte(span.end)
    }

    fn byte(&self, marker: Marker) -> usize {
        let index = marker.index();
        if self.starts.is_empty() { index.min(self.length) } else { self.starts.get(index).map_or(self.length, |byte| *byte as usize) }
    }
}
