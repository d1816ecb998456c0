//! All that is wrong with a file: each with its line, a caret under it and what to do. Secrets are blotted out.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar;

use super::secrets::{BLOT, Secrets};
use super::tree::{Content, Node, Scalar};

/// Nobody reads more; the rest is counted.
const MOST_SHOWN: usize = 100;
/// How much of a line is shown, in columns.
const WIDEST: usize = 100;
const TAB: &str = "    ";

/// Every problem of a file, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    file: String,
    /// The first of them.
    entries: Vec<ReportEntry>,
    count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ReportEntry {
    message: String,
    help: String,
    /// Absent when it is about the file as a whole.
    excerpt: Option<Excerpt>,
}

/// A line of the file with the place at fault, safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    /// Columns of the terminal before the carets, and their number.
    caret: (usize, usize),
}

/// A problem and the bytes of the file it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    at: Option<Range<usize>>,
    message: String,
    help: String,
    first_at: Option<usize>,
}

/// Where a path of a problem leads in the tree.
#[derive(Debug)]
pub struct Place<'a> {
    pub node: &'a Node,
    pub at: Range<usize>,
    /// Points to the key, not into the value.
    pub whole: bool,
}

impl Finding {
    pub fn of_file(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into(), help: String::new(), first_at: None }
    }

    pub fn at(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at: Some(at), ..Self::of_file(message) }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Whether both are about the same bytes.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.at.is_some() && self.at == other.at
    }

    /// Names the byte where the same thing stands for the first time.
    pub fn first_at(mut self, byte: usize) -> Self {
        self.first_at = Some(byte);
        self
    }
}

impl Report {
    /// `tree` tells which values are secret; without it only the look of a line does.
    pub fn new(file: String, text: &str, tree: Option<&Node>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.at.as_ref().map_or(0, |at| at.start));
        // A value behind an alias or in `defaults` is found wrong once for every check that uses it.
        let mut seen = HashSet::new();
        findings.retain(|finding| seen.insert((finding.at.clone(), finding.message.clone())));
        let secrets = Secrets::of(tree);
        let count = findings.len();
        let entries = findings.into_iter().take(MOST_SHOWN).map(|finding| ReportEntry::of(finding, text, &secrets)).collect();
        Self { file, entries, count }
    }

    /// How many problems there are; never 0.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The report with colours, for a terminal.
    pub fn coloured(&self) -> impl fmt::Display {
        Coloured(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, paint: &Paint) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let Paint { place, error, caret, help } = paint;
            let position = entry.excerpt.as_ref().map_or(String::new(), |at| format!(":{}:{}", at.line, at.column));
            writeln!(f, "{place}{}{position}:{place:#} {error}{}{error:#}", self.file, entry.message)?;
            if let Some(excerpt) = &entry.excerpt {
                let (before, length) = excerpt.caret;
                writeln!(f, "  | {}", excerpt.text)?;
                writeln!(f, "  | {}{caret}{}{caret:#}", " ".repeat(before), "^".repeat(length))?;
            }
            if !entry.help.is_empty() {
                writeln!(f, "  {help}help:{help:#} {}", entry.help)?;
            }
        }
        if self.count > self.entries.len() {
            writeln!(f, "\nand {} more problems", self.count - self.entries.len())?;
        }
        Ok(())
    }
}

struct Paint {
    place: Style,
    error: Style,
    caret: Style,
    help: Style,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = Style::new();
        self.write(f, &Paint { place: none, error: none, caret: none, help: none })
    }
}

impl std::error::Error for Report {}

struct Coloured<'a>(&'a Report);

impl fmt::Display for Coloured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paint = Paint {
            place: Style::new().dimmed(),
            error: Style::new().bold(),
            caret: AnsiColor::Red.on_default().bold(),
            help: AnsiColor::Cyan.on_default(),
        };
        self.0.write(f, &paint)
    }
}

impl ReportEntry {
    fn of(finding: Finding, text: &str, secrets: &Secrets) -> Self {
        let mut message = secrets.scrub(&finding.message);
        if let Some(first) = finding.first_at {
            let (line, column, _) = position(text, first);
            message.push_str(&format!("; the first is at {line}:{column}"));
        }
        Self { message, help: secrets.scrub(&finding.help), excerpt: finding.at.map(|at| Excerpt::of(text, at, secrets)) }
    }
}

impl Excerpt {
    fn of(text: &str, at: Range<usize>, secrets: &Secrets) -> Self {
        let (line, column, start) = position(text, at.start);
        let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let source = text[start..end].trim_end_matches('\r');
        let blots = secrets.blots(source, start);
        let caret = at.start - start..(at.end - start).clamp(at.start - start, source.len().max(at.start - start));

        // One cell for each thing shown; carets are counted in cells, then in columns.
        let mut cells: Vec<(String, bool)> = Vec::new();
        let mut byte = 0;
        while byte < source.len() {
            let (shown, length) = match blots.iter().find(|blot| blot.contains(&byte)) {
                Some(blot) => (BLOT.to_owned(), blot.end - byte),
                None => source[byte..].chars().next().map_or((String::new(), 1), |c| (visible(c), c.len_utf8())),
            };
            let marked = byte < caret.end.max(caret.start + 1) && byte + length > caret.start;
            cells.push((shown, marked));
            byte += length;
        }
        if !cells.iter().any(|(_, marked)| *marked) {
            cells.push((" ".to_owned(), true));
        }
        Self { line, column, ..cut(&cells) }
    }
}

/// The cells around the caret as a line that fits.
fn cut(cells: &[(String, bool)]) -> Excerpt {
    let widths: Vec<usize> = cells.iter().map(|(shown, _)| columns(shown)).collect();
    let first = cells.iter().position(|(_, marked)| *marked).unwrap_or(0);
    let last = cells.iter().rposition(|(_, marked)| *marked).unwrap_or(first);
    let (mut from, mut to) = (0, cells.len());
    if widths.iter().sum::<usize>() > WIDEST {
        // The caret's start a third from the left.
        let mut room = WIDEST / 3;
        from = first;
        while from > 0 && widths[from - 1] <= room {
            from -= 1;
            room -= widths[from];
        }
        let mut room = WIDEST;
        to = from;
        while to < cells.len() && widths[to] <= room {
            room -= widths[to];
            to += 1;
        }
    }
    let (head, tail) = (if from > 0 { "… " } else { "" }, if to < cells.len() { " …" } else { "" });
    let body: String = cells[from..to].iter().map(|(shown, _)| shown.as_str()).collect();
    let before = columns(head) + widths[from..first].iter().sum::<usize>();
    let length = widths[first..=last.min(to.saturating_sub(1)).max(first)].iter().sum::<usize>().max(1);
    Excerpt { line: 0, column: 0, text: format!("{head}{body}{tail}").trim_end().to_owned(), caret: (before, length) }
}

fn visible(c: char) -> String {
    match c {
        '\t' => TAB.to_owned(),
        c if c.is_control() || c.width().is_none() => '\u{fffd}'.to_string(),
        c => c.to_string(),
    }
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Line and column of a byte, from 1, and the byte its line starts at.
fn position(text: &str, byte: usize) -> (usize, usize, usize) {
    let before = &text[..byte.min(text.len())];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1, start)
}

impl Place<'_> {
    /// The bytes of a part of the scalar: quotes and escapes make them differ from those of its text.
    pub fn within(&self, text: &str, part: &Range<usize>) -> Range<usize> {
        match &self.node.content {
            Content::Scalar(scalar) if !self.whole && !scalar.filled => inside_scalar(&text[self.at.clone()], scalar, part)
                .map_or(self.at.clone(), |at| self.at.start + at.start..self.at.start + at.end),
            _ => self.at.clone(),
        }
    }
}

/// Walks over the scalar as it is written; none when it is written over several lines or in other escapes.
fn inside_scalar(raw: &str, scalar: &Scalar, part: &Range<usize>) -> Option<Range<usize>> {
    let quote = raw.chars().next().filter(|c| ['"', '\''].contains(c) && !scalar.plain);
    let mut at = usize::from(quote.is_some());
    let mut bytes = Vec::with_capacity(scalar.text.len() + 1);
    for c in scalar.text.chars() {
        bytes.extend(std::iter::repeat_n(at, c.len_utf8()));
        let written = raw.get(at..)?;
        at += match (quote, c) {
            (Some('\''), '\'') => written.starts_with("''").then_some(2)?,
            (Some('"'), '"' | '\\') => written.starts_with('\\').then_some(2)?,
            _ => written.starts_with(c).then_some(c.len_utf8())?,
        };
    }
    bytes.push(at);
    Some(*bytes.get(part.start)?..*bytes.get(part.end)?)
}
