//! One thing that is wrong in the configuration: where, what, and what to do.

use std::ops::Range;

/// One step from the top of a section down to the value at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    Key(String),
    Index(usize),
}

impl From<&str> for PathStep {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for PathStep {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What is wrong with a value, before anyone knows its line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From the top of the section (a plugin's own) down to the value.
    pub path: Vec<PathStep>,
    /// Bytes of the scalar at fault, when only a part of it is (a rule's text).
    pub within: Option<Range<usize>>,
    /// The key itself is at fault (unknown, misspelt), not the value under it.
    pub at_key: bool,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do, one sentence; empty when the message says it already.
    pub help: String,
}

impl Problem {
    /// A problem of the section as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), within: None, at_key: false, message: message.into(), help: String::new() }
    }

    /// A problem of one key of the section.
    pub fn at(key: &str, message: impl Into<String>) -> Self {
        Self::new(message).below_key(key)
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Points to the key at the end of the path, not to its value.
    pub fn at_key(mut self) -> Self {
        self.at_key = true;
        self
    }

    pub fn within(mut self, bytes: Range<usize>) -> Self {
        self.within = Some(bytes);
        self
    }

    /// The same problem seen from the mapping that holds this section under `key`.
    pub fn below_key(mut self, key: &str) -> Self {
        self.path.insert(0, PathStep::Key(key.to_owned()));
        self
    }

    /// The same problem seen from the list that holds this section.
    pub fn below_index(mut self, index: usize) -> Self {
        self.path.insert(0, PathStep::Index(index));
        self
    }
}

/// Collects what is wrong with a section, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The good value, or nothing and one problem more.
    pub fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// The good value, or an empty one and some problems more.
    pub fn keep_all<T: Default>(&mut self, result: Result<T, Vec<Problem>>) -> T {
        result.unwrap_or_else(|found| {
            self.0.extend(found);
            T::default()
        })
    }
}
