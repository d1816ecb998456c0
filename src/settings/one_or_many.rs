//! One target or many: `address` or `addresses`, `url` or `urls`.

use std::collections::HashMap;

use super::{PathStep, Problem};

/// A target as the user wrote it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub text: String,
    pub path: Vec<PathStep>,
}

impl Listed {
    /// A problem of this target.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), ..Problem::new(message) }
    }
}

/// The targets of a section that takes exactly one of two keys: at least one target, none twice.
pub fn one_or_many(one: (&str, Option<String>), many: (&str, Option<Vec<String>>)) -> Result<Vec<Listed>, Vec<Problem>> {
    let (one_key, many_key) = (one.0, many.0);
    let listed: Vec<Listed> = match (one.1, many.1) {
        (Some(text), None) => vec![Listed { text, path: vec![PathStep::Key(one_key.to_owned())] }],
        (None, Some(texts)) => {
            let at = |index| vec![PathStep::Key(many_key.to_owned()), PathStep::Index(index)];
            texts.into_iter().enumerate().map(|(index, text)| Listed { text, path: at(index) }).collect()
        }
        (None, None) => {
            return Err(vec![
                Problem::new(format!("`{one_key}` is missing")).help(format!("Write `{one_key}: …`, or `{many_key}: […]` for several.")),
            ]);
        }
        (Some(_), Some(_)) => {
            let problem = Problem::at(one_key, format!("`{one_key}` and `{many_key}` are both given"));
            return Err(vec![problem.help(format!("Keep `{many_key}` and put all of them there."))]);
        }
    };
    if listed.is_empty() {
        return Err(vec![Problem::at(many_key, format!("`{many_key}` is empty")).help("A check needs something to look at.")]);
    }
    let mut seen = HashMap::new();
    let twice = listed.iter().enumerate().filter(|(index, target)| seen.insert(target.text.as_str(), *index).is_some());
    let problems: Vec<_> =
        twice.map(|(_, target)| target.problem(format!("`{}` is listed twice", target.text)).help("Delete one of the two.")).collect();
    if problems.is_empty() { Ok(listed) } else { Err(problems) }
}
