//! The status codes that a page may answer with: `200`, `2xx`, `200-399`, or a list of them.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// One or more ranges of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("`{text}` is not a status code; write `200`, `2xx` or `200-399`");
        let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
        let text = text.trim();
        let range = match text.split_once('-') {
            Some((low, high)) => code(low).zip(code(high)).filter(|(low, high)| low <= high).map(|(low, high)| low..=high),
            None => match text.strip_suffix("xx") {
                Some(class) => code(&format!("{class}00")).filter(|_| class.len() == 1).map(|low| low..=low + 99),
                None => code(text).map(|code| code..=code),
            },
        };
        self.0.push(range.ok_or_else(wrong)?);
        Ok(())
    }
}

/// Any success.
impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor(Statuses);
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Statuses;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status code, such as `200`, `2xx` or `200-399`, or a list of them")
            }
            fn visit_u64<E: de::Error>(self, code: u64) -> Result<Statuses, E> {
                self.visit_str(&code.to_string())
            }
            fn visit_str<E: de::Error>(mut self, text: &str) -> Result<Statuses, E> {
                self.0.add(text).map_err(E::custom)?;
                Ok(self.0)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut all = Vec::new();
                while let Some(Statuses(ranges)) = list.next_element()? {
                    all.extend(ranges);
                }
                if all.is_empty() { Err(de::Error::custom("the list of status codes is empty")) } else { Ok(Statuses(all)) }
            }
        }
        deserializer.deserialize_any(Visitor(Statuses(Vec::new())))
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*([1-5]xx|[1-5]\d\d(\s*-\s*[1-5]\d\d)?)\s*$";
        let one = serde_json::json!({ "type": ["integer", "string"], "pattern": pattern, "minimum": 100, "maximum": 599 });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ranges_and_lists() {
        let check = |yaml: &str, expect: &str| {
            let seen = serde_yaml::from_str::<Statuses>(yaml).map(|statuses| statuses.to_string());
            assert_eq!(seen.unwrap_or_else(|error| error.to_string()), expect, "{yaml}");
        };
        check("200", "200");
        check("2xx", "200-299");
        check("'200-399'", "200-399");
        check("[200, 204, 3xx]", "200, 204, 300-399");
        check("[]", "the list of status codes is empty");
        check("99", "`99` is not a status code; write `200`, `2xx` or `200-399`");
        check("'400-300'", "`400-300` is not a status code; write `200`, `2xx` or `200-399`");
        check("20xx", "`20xx` is not a status code; write `200`, `2xx` or `200-399`");
        check("ok", "`ok` is not a status code; write `200`, `2xx` or `200-399`");
    }
}
