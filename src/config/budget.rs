//! How large a document would grow, counted from its events before anything is built: a few lines of aliases of
//! aliases could fill all memory, and deep nesting the stack.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::Event;

use super::report::Finding;

/// Values of the whole document, aliases expanded: some 30,000 checks.
const MOST_VALUES: usize = 400_000;
/// Bytes of all scalars, aliases expanded.
const MOST_TEXT: usize = 16 << 20;
const DEEPEST: usize = 64;

/// What a value takes with all that is in it.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    values: usize,
    text: usize,
    depth: usize,
}

/// Follows the events of one document.
#[derive(Debug, Default)]
pub struct Budget {
    total: Size,
    /// Lists and mappings that have not ended, with their anchors and what was counted before each.
    open: Vec<(usize, Size)>,
    /// The deepest level reached inside each of them.
    deepest: Vec<usize>,
    anchors: HashMap<usize, Size>,
}

impl Budget {
    /// Counts one event; `at` is where it stands.
    pub fn take(&mut self, event: &Event<'_>, at: &Range<usize>) -> Result<(), Finding> {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let size = Size { values: 1, text: text.len(), depth: 0 };
                self.anchors.insert(*anchor, size);
                self.add(size, at)
            }
            Event::Alias(anchor) => match self.anchors.get(anchor) {
                Some(size) => self.add(*size, at),
                None => Err(Finding::at(at.clone(), "this alias is inside its own anchor")),
            },
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.open.push((*anchor, self.total));
                self.deepest.push(0);
                self.add(Size { values: 1, ..Size::default() }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (Some((anchor, before)), Some(inside)) = (self.open.pop(), self.deepest.pop()) else { return Ok(()) };
                let depth = inside + 1;
                if let Some(around) = self.deepest.last_mut() {
                    *around = depth.max(*around);
                }
                let size = Size { values: self.total.values - before.values, text: self.total.text - before.text, depth };
                self.anchors.insert(anchor, size);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, size: Size, at: &Range<usize>) -> Result<(), Finding> {
        self.total.values += size.values;
        self.total.text += size.text;
        if let Some(inside) = self.deepest.last_mut() {
            *inside = size.depth.max(*inside);
        }
        if self.open.len() + size.depth > DEEPEST {
            return Err(Finding::at(at.clone(), too_deep()));
        }
        if self.total.values > MOST_VALUES || self.total.text > MOST_TEXT {
            let message = format!("the file is too large from here on: more than {MOST_VALUES} values, aliases counted in full");
            return Err(Finding::at(at.clone(), message).help("put long lists of targets into a file of their own"));
        }
        Ok(())
    }
}

pub fn too_deep() -> String {
    format!("more than {DEEPEST} levels inside each other")
}
