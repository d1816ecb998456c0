//! What an answer must be like, and the numbers that are read out of it. Pure: bytes in, verdict out.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::checks::request::json::{self, excerpt, shown};
use crate::checks::request::{Answer, Statuses};
use crate::settings::Secret;

/// All that a user expects of an answer.
#[derive(Default)]
pub struct Expectations {
    pub status: Statuses,
    pub contains: Option<Text>,
    pub not_contains: Option<Text>,
    pub regex: Option<regex::bytes::Regex>,
    /// What each path must lead to.
    pub json: Vec<(JsonPath, Value)>,
    /// Which number each path leads to.
    pub values: Vec<(String, JsonPath)>,
    /// What nobody may see when the server echoes it.
    pub hidden: Vec<Secret>,
}

/// A text to search for.
pub struct Text {
    text: String,
    /// The literal search of this crate is linear on hostile text.
    search: regex::bytes::Regex,
}

/// What came of the expectations.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Every expectation that was not met, in words for a person.
    pub failed: Vec<String>,
    /// The numbers, each or why it could not be read.
    pub values: Vec<(String, Result<f64, String>)>,
}

impl Text {
    pub fn new(text: String) -> Result<Self, regex::Error> {
        let search = regex::bytes::Regex::new(&regex::escape(&text))?;
        Ok(Self { text, search })
    }

    fn is_in(&self, body: &[u8]) -> bool {
        self.search.is_match(body)
    }
}

impl Expectations {
    pub fn judge(&self, answer: &Answer) -> Verdict {
        let mut failed = Vec::new();
        if let Some(unexpected) = answer.unexpected(&self.status) {
            failed.push(unexpected);
            // A page that says it is not well need not look well.
            let values = self.values(&self.document(answer));
            return Verdict { failed, values };
        }
        let excerpt = || excerpt(&answer.body, &self.hidden);
        if let Some(text) = self.contains.as_ref().filter(|text| !text.is_in(&answer.body)) {
            failed.push(format!("the answer has no `{}`: `{}`", text.text, excerpt()));
        }
        if let Some(text) = self.not_contains.as_ref().filter(|text| text.is_in(&answer.body)) {
            failed.push(format!("the answer has `{}` in it", text.text));
        }
        if let Some(regex) = self.regex.as_ref().filter(|regex| !regex.is_match(&answer.body)) {
            failed.push(format!("the answer has no match of `{regex}`: `{}`", excerpt()));
        }
        let document = self.document(answer);
        match &document {
            Ok(document) => {
                failed.extend(self.json.iter().filter_map(|(path, expected)| assert(document, path, expected, &self.hidden).err()))
            }
            Err(reason) if !self.json.is_empty() => failed.push(reason.clone()),
            Err(_) => {}
        }
        Verdict { failed, values: self.values(&document) }
    }

    /// The body as JSON, where anyone asks for it.
    fn document(&self, answer: &Answer) -> Result<Value, String> {
        if self.json.is_empty() && self.values.is_empty() {
            return Ok(Value::Null);
        }
        json::read(&answer.body, &self.hidden)
    }

    fn values(&self, document: &Result<Value, String>) -> Vec<(String, Result<f64, String>)> {
        let read = |path| document.as_ref().map_err(Clone::clone).and_then(|document| number(document, path, &self.hidden));
        self.values.iter().map(|(metric, path)| (metric.clone(), read(path))).collect()
    }
}

/// Every value that the path leads to must equal the expected one, and there must be one.
fn assert(document: &Value, path: &JsonPath, expected: &Value, hidden: &[Secret]) -> Result<(), String> {
    let found = path.query(document).all();
    match found.iter().find(|value| !same(value, expected)) {
        Some(wrong) => Err(format!("`{path}` is {}, expected {}", shown(wrong, hidden), shown(expected, hidden))),
        None if found.is_empty() => Err(format!("`{path}` is missing, expected {}", shown(expected, hidden))),
        None => Ok(()),
    }
}

/// Equal as a person means it: `1` is `1.0`, but `"1"` is not `1`.
fn same(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Number(value), Value::Number(expected)) => value == expected || value.as_f64() == expected.as_f64(),
        (Value::Array(values), Value::Array(expected)) => {
            values.len() == expected.len() && values.iter().zip(expected).all(|(value, expected)| same(value, expected))
        }
        (Value::Object(values), Value::Object(expected)) => {
            values.len() == expected.len()
                && expected.iter().all(|(key, expected)| values.get(key).is_some_and(|value| same(value, expected)))
        }
        (value, expected) => value == expected,
    }
}

/// The one number that the path leads to: a JSON number, or a text such as `30`, `30.5` or `30%`.
fn number(document: &Value, path: &JsonPath, hidden: &[Secret]) -> Result<f64, String> {
    let found = path.query(document).all();
    let value = match found[..] {
        [value] => value,
        [] => return Err(format!("`{path}` is not in the answer")),
        _ => return Err(format!("`{path}` leads to {} values, not to one", found.len())),
    };
    json::number(value).ok_or_else(|| format!("`{path}` is {}, not a number", shown(value, hidden)))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), body: body.to_vec(), redirect: None }
    }

    /// F38: reads `$.v` out of a body.
    #[track_caller]
    fn check_value(body: impl AsRef<[u8]>, expect: Result<f64, &str>) {
        let expectations = Expectations { values: vec![("v".into(), JsonPath::parse("$.v").unwrap())], ..Default::default() };
        let verdict = expectations.judge(&answer(200, body.as_ref()));
        assert_eq!(verdict.failed, [""; 0], "a number that cannot be read is no failure");
        assert_eq!(verdict.values, [("v".into(), expect.map_err(str::to_owned))]);
    }

    #[test]
    fn numbers_out_of_json() {
        check_value(r#"{"v": 12}"#, Ok(12.0));
        check_value(r#"{"v": -0.5e1}"#, Ok(-5.0));
        check_value(r#"{"v": "30"}"#, Ok(30.0));
        check_value(r#"{"v": " 30.5 "}"#, Ok(30.5));
        check_value(r#"{"v": "30%"}"#, Ok(30.0));
        check_value(r#"{"v": "30 %"}"#, Ok(30.0));
        check_value(r#"{"v": 18446744073709551616}"#, Ok(18446744073709551616.0));
        check_value(r#"{"v": 1, "v": 2}"#, Ok(2.0));
        check_value(r#"{"v": -0.0}"#, Ok(0.0));
        check_value(r#"{"v": "1,5"}"#, Err(r#"`$.v` is "1,5", not a number"#));
        check_value(r#"{"v": ""}"#, Err(r#"`$.v` is "", not a number"#));
        check_value(r#"{"v": "%"}"#, Err(r#"`$.v` is "%", not a number"#));
        check_value(r#"{"v": "NaN"}"#, Err(r#"`$.v` is "NaN", not a number"#));
        check_value(r#"{"v": "inf"}"#, Err(r#"`$.v` is "inf", not a number"#));
        check_value(r#"{"v": "1e999"}"#, Err(r#"`$.v` is "1e999", not a number"#));
        check_value(r#"{"v": "0x10"}"#, Err(r#"`$.v` is "0x10", not a number"#));
        check_value(r#"{"v": "1d 2h"}"#, Err(r#"`$.v` is "1d 2h", not a number"#));
        check_value(r#"{"v": null}"#, Err("`$.v` is null, not a number"));
        check_value(r#"{"v": true}"#, Err("`$.v` is true, not a number"));
        check_value(r#"{"v": [1]}"#, Err("`$.v` is a list, not a number"));
        check_value(r#"{"v": {}}"#, Err("`$.v` is an object, not a number"));
        check_value(r#"{"w": 1}"#, Err("`$.v` is not in the answer"));
        check_value("[]", Err("`$.v` is not in the answer"));
    }

    #[test]
    fn bodies_that_are_no_json() {
        check_value("", Err("the answer is not JSON (EOF while parsing a value at line 1 column 0): ``"));
        check_value("<html>", Err("the answer is not JSON (expected value at line 1 column 1): `<html>`"));
        check_value(r#"{"v": 1} x"#, Err(r#"the answer is not JSON (trailing characters at line 1 column 10): `{"v": 1} x`"#));
        check_value(r#"{"v": 1e999}"#, Err(r#"the answer is not JSON (number out of range at line 1 column 11): `{"v": 1e999}`"#));
        check_value(r#"{"v": NaN}"#, Err(r#"the answer is not JSON (expected value at line 1 column 7): `{"v": NaN}`"#));
        check_value(b"\xef\xbb\xbf{}", Err(r"the answer is not JSON (expected value at line 1 column 1): `\u{feff}{}`"));
        check_value(
            b"{\"v\": \"\xff\"}",
            Err("the answer is not JSON (invalid unicode code point at line 1 column 8): `{\"v\": \"\u{fffd}\"}`"),
        );
        check_value(
            r#"{"v": "\ud800"}"#,
            Err(r#"the answer is not JSON (unexpected end of hex escape at line 1 column 14): `{"v": "\ud800"}`"#),
        );
        check_value(
            "[".repeat(200),
            Err(&format!("the answer is not JSON (recursion limit exceeded at line 1 column 128): `{}…`", "[".repeat(60))),
        );
    }

    #[test]
    fn several_matches_are_no_number() {
        let path = JsonPath::parse("$[*].v").unwrap();
        let document = serde_json::json!([{"v": 1}, {"v": 2}]);
        assert_eq!(number(&document, &path, &[]), Err("`$[*].v` leads to 2 values, not to one".into()));
    }

    #[track_caller]
    fn check_json(body: &str, path: &str, expected: &str, expect: &str) {
        let json = vec![(JsonPath::parse(path).unwrap(), serde_yaml::from_str(expected).unwrap())];
        let verdict = Expectations { json, ..Default::default() }.judge(&answer(200, body.as_bytes()));
        assert_eq!(verdict.failed.join("; "), expect);
    }

    #[test]
    fn assertions_know_types() {
        check_json(r#"{"state": "ok"}"#, "$.state", "ok", "");
        check_json(r#"{"n": 1.0}"#, "$.n", "1", "");
        check_json(r#"{"on": true}"#, "$.on", "true", "");
        check_json(r#"{"x": null}"#, "$.x", "null", "");
        check_json(r#"{"x": [1, {"a": 2.0}]}"#, "$.x", "[1, {a: 2}]", "");
        check_json(r#"[{"s": "ok"}, {"s": "ok"}]"#, "$[*].s", "ok", "");
        check_json(r#"[{"s": "ok"}, {"s": "down"}]"#, "$[*].s", "ok", r#"`$[*].s` is "down", expected "ok""#);
        check_json(r#"{"n": "1"}"#, "$.n", "1", r#"`$.n` is "1", expected 1"#);
        check_json(r#"{"on": "true"}"#, "$.on", "true", r#"`$.on` is "true", expected true"#);
        check_json(r#"{"state": "a\u001b[2Jb"}"#, "$.state", "ok", r#"`$.state` is "a\u001b[2Jb", expected "ok""#);
        check_json("{}", "$.state", "ok", r#"`$.state` is missing, expected "ok""#);
        check_json("oops", "$.state", "ok", "the answer is not JSON (expected value at line 1 column 1): `oops`");
    }

    #[test]
    fn texts_and_statuses() {
        let expectations = Expectations {
            contains: Some(Text::new("PONG".into()).unwrap()),
            not_contains: Some(Text::new("error".into()).unwrap()),
            regex: Some(regex::bytes::Regex::new("^P").unwrap()),
            hidden: vec![Secret::new("CANARY".into())],
            ..Default::default()
        };
        let check = |status, body: &str, expect: &[&str]| {
            let verdict = expectations.judge(&answer(status, body.as_bytes()));
            assert_eq!(verdict.failed, expect);
        };
        check(200, "PONG", &[]);
        check(503, "PONG", &["status 503, expected 200-299"]);
        check(
            200,
            "an error CANARY\n",
            &[
                "the answer has no `PONG`: `an error ***`",
                "the answer has `error` in it",
                "the answer has no match of `^P`: `an error ***`",
            ],
        );
        let moved = Answer { redirect: Some("https://other.example/?key=***".into()), ..answer(302, b"") };
        let told = expectations.judge(&moved).failed;
        assert_eq!(told, ["status 302, expected 200-299: redirect to https://other.example/?key=***, not followed"]);
    }
}
