//! Targets that were added beside those of the file: they are written into the tree, so that the same code reads both.

use super::tree::{Content, Entry, Node, Scalar};
use crate::checks::KindEntry;

/// One more target of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    pub check: String,
    pub target: String,
}

/// Why something cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdditionError {
    #[error("there is no check `{0}`")]
    NoCheck(String),
    #[error("a check of the kind `{0}` takes no more targets")]
    NotOfThisKind(String),
}

/// Writes them in; what the file has already stays one target. What cannot be written in is said and left out.
pub fn write(tree: &mut Node, additions: &[Addition], kinds: &[KindEntry]) -> Vec<(Addition, AdditionError)> {
    let mut left_out = Vec::new();
    for addition in additions {
        if let Err(error) = write_one(tree, addition, kinds) {
            left_out.push((addition.clone(), error));
        }
    }
    left_out
}

fn write_one(tree: &mut Node, addition: &Addition, kinds: &[KindEntry]) -> Result<(), AdditionError> {
    let no_check = || AdditionError::NoCheck(addition.check.clone());
    let Content::Map(top) = &mut tree.content else { return Err(no_check()) };
    let checks = top.iter_mut().find(|entry| entry.key == "checks").ok_or_else(no_check)?;
    let Content::List(checks) = &mut checks.value.content else { return Err(no_check()) };
    let is_it = |check: &&mut Node| check.get("name").and_then(Node::text) == Some(addition.check.as_str());
    let Content::Map(keys) = &mut checks.iter_mut().find(is_it).ok_or_else(no_check)?.content else { return Err(no_check()) };
    for entry in keys {
        let Some(kind) = kinds.iter().find(|kind| kind.name == entry.key) else { continue };
        let (one, many) = kind.targets.ok_or_else(|| AdditionError::NotOfThisKind(kind.name.to_owned()))?;
        let at = entry.value.at.clone();
        let Content::Map(section) = &mut entry.value.content else { return Err(AdditionError::NotOfThisKind(kind.name.to_owned())) };
        let scalar = Node {
            at: at.clone(),
            content: Content::Scalar(Scalar { text: addition.target.clone(), plain: false, filled: false, foreign: Vec::new() }),
        };
        if let Some(listed) = section.iter_mut().find(|entry| entry.key == many) {
            if let Content::List(items) = &mut listed.value.content
                && items.iter().all(|item| item.text() != Some(addition.target.as_str()))
            {
                items.push(scalar);
            }
        } else if let Some(single) = section.iter_mut().find(|entry| entry.key == one) {
            if single.value.text() != Some(addition.target.as_str()) {
                let first = single.value.clone();
                single.key = many.to_owned();
                single.value = Node { at: first.at.clone(), content: Content::List(vec![first, scalar]) };
            }
        } else {
            section.push(Entry { key: many.to_owned(), key_at: at.clone(), value: Node { at, content: Content::List(vec![scalar]) } });
        }
        return Ok(());
    }
    Err(no_check())
}
