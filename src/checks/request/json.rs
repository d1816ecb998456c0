//! JSON out of answers, read with care: numbers as people write them, and what is shown of the rest.

use serde::Deserialize;
use serde_json::Value;

use crate::net::words;
use crate::settings::Secret;

/// A body as JSON, or why it is none.
pub fn read<'a, T: Deserialize<'a>>(body: &'a [u8], hidden: &[Secret]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON ({error}): `{}`", excerpt(body, hidden)))
}

/// A JSON number, or a text such as `30`, `30.5` or `30%`. Always finite.
pub fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => decimal(text.trim()),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// Stricter than `f64::from_str`, which takes `inf` and `nan`.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    digits.parse().ok().filter(|_| plain)
}

pub fn shown(value: &Value, hidden: &[Secret]) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        value => excerpt(value.to_string().as_bytes(), hidden),
    }
}

pub fn excerpt(bytes: &[u8], hidden: &[Secret]) -> String {
    words::excerpt(bytes, hidden.iter().map(Secret::expose))
}
