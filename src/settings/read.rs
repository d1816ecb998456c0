//! A section of YAML into a struct, with every wrong key reported, in words a person understands.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use serde_yaml::{Number, Value};

use super::{PathStep, Problem};

/// More wrong keys than this in one section are not worth reading.
const MOST_PROBLEMS: usize = 20;

/// Reads a section into its settings struct; every error carries the path of the key at fault.
pub fn read<S: DeserializeOwned>(section: Value) -> Result<S, Vec<Problem>> {
    match read_partly(section) {
        (Some(settings), problems) if problems.is_empty() => Ok(settings),
        (_, problems) => Err(problems),
    }
}

/// Reads what can be read: serde stops at the first error, so each key at fault is taken out and the rest tried again.
pub fn read_partly<S: DeserializeOwned>(mut section: Value) -> (Option<S>, Vec<Problem>) {
    let mut problems: Vec<Problem> = Vec::new();
    let mut removed: Vec<String> = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize(&section) {
            Ok(settings) => return (Some(settings), problems),
            Err(error) => error,
        };
        let text = error.inner().to_string();
        let path = steps(error.path());
        if asks_for_number(&text) && unquote(&mut section, &path) {
            continue;
        }
        let problem = Words(&text).problem(path);
        let missing = problem.message.strip_prefix('`').and_then(|message| message.strip_suffix("` is missing"));
        // A key that was taken out, or that is there but misspelt, is no second problem.
        let known_already = missing.is_some_and(|missing| removed.iter().any(|gone| closest(gone, [missing]).is_some()));
        let taken = take_out(&mut section, &problem.path);
        if !known_already {
            problems.push(problem);
        }
        match taken {
            Some(key) if problems.len() < MOST_PROBLEMS => removed.push(key),
            _ => return (None, problems),
        }
    }
}

/// The one of `known` that was most likely meant.
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|name| (strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase()), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    let tolerated = (written.chars().count().max(name.chars().count()) / 3).max(1);
    (distance <= tolerated).then_some(name)
}

fn steps(path: &Path) -> Vec<PathStep> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(PathStep::Index(*index)),
        Segment::Map { key } => Some(PathStep::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

/// Whether text stands where a number or a boolean belongs.
fn asks_for_number(error: &str) -> bool {
    let expected =
        error.strip_prefix("invalid type: string ").and_then(|rest| rest.rsplit_once(", expected ")).map(|(_, expected)| expected);
    expected.is_some_and(|expected| {
        matches!(wanted(expected), Some("true or false" | "a number"))
            || wanted(expected).is_some_and(|wanted| wanted.starts_with("a whole number"))
    })
}

/// Turns text such as `"80"` into the number: templates and `${PORT}` cannot always write it without quotes.
fn unquote(section: &mut Value, path: &[PathStep]) -> bool {
    let place = path.iter().try_fold(section, |value, step| match step {
        PathStep::Key(key) => value.get_mut(key.as_str()),
        PathStep::Index(index) => value.get_mut(*index),
    });
    let Some(place) = place else { return false };
    let meant = match place.as_str().map(str::trim) {
        Some("true") => Some(Value::Bool(true)),
        Some("false") => Some(Value::Bool(false)),
        Some(text) => parse_number(text).map(Value::Number),
        None => None,
    };
    meant.map(|meant| *place = meant).is_some()
}

/// A number as the core schema of YAML 1.2 writes it, except that `017` is none.
pub fn parse_number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Number::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    let written_as_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
        && digits.contains(|c: char| c.is_ascii_digit());
    let zero_padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !written_as_number || zero_padded {
        return None;
    }
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    whole.ok().or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Number::from))
}

/// Removes the innermost key above any list on the path.
fn take_out(section: &mut Value, path: &[PathStep]) -> Option<String> {
    let keys: Vec<&String> = path.iter().map_while(|step| if let PathStep::Key(key) = step { Some(key) } else { None }).collect();
    let (last, above) = keys.split_last()?;
    let parent = above.iter().try_fold(section, |value, key| value.get_mut(key.as_str()))?;
    parent.as_mapping_mut()?.shift_remove(last.as_str()).map(|_| (*last).clone())
}

/// What serde says, to be said again in terms of YAML and without the value, which may be a secret.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn problem(&self, mut path: Vec<PathStep>) -> Problem {
        let text = self.0;
        if let Some((key, expected)) = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, ")) {
            if path.last() != Some(&PathStep::Key(key.to_owned())) {
                path.push(PathStep::Key(key.to_owned()));
            }
            let known = quoted(expected);
            return Problem { path, ..Problem::new(format!("unknown key `{key}`")).help(advice(key, &known, "keys")).at_key() };
        }
        if let Some((_, expected)) = text.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, ")) {
            let known = quoted(expected);
            let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Problem { path, ..Problem::new(format!("expected one of {list}")) };
        }
        if let Some(key) = text.strip_prefix("missing field `") {
            return Problem { path, ..Problem::new(format!("`{} is missing", key)) };
        }
        let typed = text
            .strip_prefix("invalid type: ")
            .or_else(|| text.strip_prefix("invalid value: "))
            .or_else(|| text.strip_prefix("invalid length "));
        if let Some((found, expected)) = typed.and_then(|rest| rest.rsplit_once(", expected ")) {
            return Problem { path, ..wrong_type(found, expected) };
        }
        if text.starts_with("data did not match any variant") {
            return Problem { path, ..Problem::new("this value has none of the forms that are allowed here") };
        }
        Problem { path, ..Problem::new(text) }
    }
}

fn wrong_type(found: &str, expected: &str) -> Problem {
    let expected = wanted(expected).unwrap_or(expected);
    let kind = found.split([' ', '`']).next().unwrap_or_default();
    let found = match kind {
        "string" | "character" => "text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a mapping",
        "unit" | "null" | "Option" => "nothing",
        _ => "something else",
    };
    let problem = Problem::new(match expected.starts_with("a whole number") && found == "a number" {
        true => format!("expected {expected}"),
        false => format!("expected {expected}, found {found}"),
    });
    match (expected, found) {
        ("text", "a number" | "true or false") => problem.help("put it in quotes"),
        ("a list", "text" | "a number") => problem.help("write it in brackets: `[…]`"),
        _ => problem,
    }
}

/// What serde expects, in words of YAML; none where it says so itself.
fn wanted(expected: &str) -> Option<&'static str> {
    Some(match expected {
        "a string" | "a borrowed string" | "a str" | "path string" | "string" | "a character" => "text",
        "a boolean" => "true or false",
        "a map" => "a mapping",
        "a sequence" => "a list",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a whole number, 1 or more",
        "f32" | "f64" => "a number",
        "unit" => "nothing",
        other if other.starts_with("struct ") => "a mapping",
        _ => return None,
    })
}

/// Did you mean …, or else all there are.
pub fn advice(written: &str, known: &[&str], what: &str) -> String {
    let habit = HABITS.iter().find(|(habit, ours)| closest(written, [*habit]).is_some() && known.contains(ours)).map(|(_, ours)| *ours);
    match closest(written, known.iter().copied()).or(habit) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => format!("there are no {what} here"),
        None => format!("the {what} are {}", known.join(", ")),
    }
}

/// What other tools call our keys.
const HABITS: [(&str, &str); 16] = [
    ("interval", "every"),
    ("period", "every"),
    ("schedule", "every"),
    ("threshold", "rules"),
    ("conditions", "rules"),
    ("alerts", "notify"),
    ("notifications", "notify"),
    ("retries", "fail_after"),
    ("failure_threshold", "fail_after"),
    ("success_threshold", "recover_after"),
    ("description", "comment"),
    ("host", "address"),
    ("hosts", "targets"),
    ("file", "list"),
    ("chat", "chat_id"),
    ("thread_id", "topic_id"),
];

/// The names in backticks: "expected one of `a`, `b`".
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Section {
        address: String,
        port: u16,
        fast: Option<bool>,
        deep: Option<Deep>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Deep {
        list: Vec<f64>,
    }

    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let problems = read::<Section>(serde_yaml::from_str(yaml).unwrap()).err().unwrap_or_default();
        let said: Vec<String> = problems.iter().map(|problem| format!("{:?} {}", problem.path, problem.message)).collect();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn every_key_at_fault_is_named() {
        check("{ address: a, port: 1 }", &[]);
        check("{ address: a }", &["[] `port` is missing"]);
        check(
            "{ adress: a, port: 70000, fast: 2 }",
            &[
                r#"[Key("adress")] unknown key `adress`"#,
                r#"[Key("port")] expected a whole number from 0 to 65535"#,
                r#"[Key("fast")] expected true or false, found a number"#,
            ],
        );
        check(
            "{ address: a, port: 1, deep: { list: [1, x] } }",
            &[r#"[Key("deep"), Key("list"), Index(1)] expected a number, found text"#],
        );
        check("[1]", &["[] expected a mapping, found a list"]);
    }

    #[test]
    fn quoted_numbers_are_numbers_where_one_is_asked_for() {
        check("{ address: '5', port: '80', fast: 'true', deep: { list: ['1.5'] } }", &[]);
        check("{ address: 5, port: 80 }", &[r#"[Key("address")] expected text, found a number"#]);
    }

    #[test]
    fn the_closest_name_is_close() {
        assert_eq!(closest("intervall", ["interval", "name"]), Some("interval"));
        assert_eq!(closest("evrey", ["every", "name"]), Some("every"));
        assert_eq!(closest("x", ["every", "name"]), None);
        assert_eq!(closest("colour", ["cpu", "count"]), None);
    }
}
