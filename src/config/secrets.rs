//! What a report must not show: values under telling names, values from outside the file, passwords in addresses.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::tree::{Node, Scalar};

/// What is shown in place of a secret.
pub const BLOT: &str = "***";

const SECRET_NAMES: &str = "token|passw|secret|bearer|smtp|heartbeat|authorization|headers|cookie|api_?key";
/// What is shorter is no secret, and blotting it out would make messages unreadable.
const SHORTEST_SECRET: usize = 4;

/// What must not be shown: values under telling names, values from outside the file, passwords in addresses.
pub struct Secrets {
    ranges: Vec<Range<usize>>,
    texts: Vec<String>,
}

impl Secrets {
    pub fn of(tree: Option<&Node>) -> Self {
        let mut secrets = Self { ranges: Vec::new(), texts: Vec::new() };
        if let Some(tree) = tree {
            tree.scalars(false, &mut |scalar, at, secret| secrets.note(scalar, at, secret));
        }
        // Longest first, so that no part of one is left behind.
        secrets.texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.texts.dedup();
        secrets
    }

    /// The same for a text that more people read: the address of a webhook is often all that it takes to write to it.
    pub fn for_all(tree: &Node) -> Self {
        let mut secrets = Self::of(Some(tree));
        let channels = tree.get("channels").and_then(Node::map).unwrap_or_default();
        let sections = channels.iter().filter_map(|channel| channel.value.map()).flatten();
        for url in sections.filter_map(|section| section.value.get("url")) {
            url.scalars(true, &mut |scalar, at, secret| secrets.note(scalar, at, secret));
        }
        secrets
    }

    fn note(&mut self, scalar: &Scalar, at: &Range<usize>, secret: bool) {
        if secret && !scalar.filled {
            self.ranges.push(at.clone());
        }
        let whole = Some(&scalar.text).filter(|_| secret);
        let texts = scalar.foreign.iter().chain(whole).filter(|text| text.len() >= SHORTEST_SECRET);
        self.texts.extend(texts.cloned());
    }

    /// The text with every secret in it blotted out.
    pub fn scrub(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, secret| if text.contains(secret) { text.replace(secret, BLOT) } else { text })
    }

    /// The bytes of a line that are shown as a blot.
    pub fn blots(&self, line: &str, start: usize) -> Vec<Range<usize>> {
        static LOOKS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
            let value =
                format!(r#"(?i)(?:{SECRET_NAMES})\w*["']?\s*:\s+("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,}}#'"\[{{](?:[^,}}]*[^\s,}}])?)"#);
            // Then: the user and password of an address, a key in its query, one in its path (of a heartbeat, or a UUID), a
            // Telegram token.
            let query = r#"(?i)[?&][\w-]*(?:key|token|secret|pass|sig|auth)[\w-]*=([^&\s"'}]+)"#;
            let heartbeat = r#"(?i)heartbeat["']?\s*:.*?://([^\s"'}]+)"#;
            let path = r"://[^\s?]*/([0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27})";
            let patterns = [value.as_str(), r"://([^/@\s]+)@", query, heartbeat, path, r"(\d{6,}:[A-Za-z0-9_-]{30,})"];
            patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
        });
        let inside = |at: &Range<usize>| at.start.max(start)..at.end.min(start + line.len());
        let known = self.ranges.iter().map(inside).filter(|at| at.start < at.end).map(|at| at.start - start..at.end - start);
        let looks = LOOKS.iter().flat_map(|look| look.captures_iter(line)).filter_map(|found| found.get(1));
        // `${NAME}` is where a secret should be; showing the name helps.
        let looks = looks.filter(|found| !is_reference(found.as_str())).map(|found| found.range());
        let written_out = self.texts.iter().flat_map(|text| line.match_indices(text.as_str())).map(|(at, text)| at..at + text.len());
        let mut blots: Vec<_> = known.chain(looks).chain(written_out).collect();
        blots.sort_by_key(|blot| blot.start);
        blots.dedup_by(|next, blot| {
            let touch = next.start <= blot.end;
            if touch {
                blot.end = blot.end.max(next.end);
            }
            touch
        });
        blots
    }
}

fn is_reference(text: &str) -> bool {
    let text = text.trim_matches(['"', '\'']).trim();
    text.starts_with("${") && text.ends_with('}') && !text.contains(":-")
}

/// Whether a key's name says that its value must not be shown.
pub fn is_secret(key: &str) -> bool {
    static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("(?i){SECRET_NAMES}")).ok());
    NAMES.as_ref().is_none_or(|names| names.is_match(key))
}
