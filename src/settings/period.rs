//! A duration as a person writes it: `30s`, `1h 30m`, `100ms`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A length of time in a setting; never longer than 10 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl Period {
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.chars().any(char::is_uppercase) {
            // For humantime `1M` is a month and `1m` a minute: one slip of the shift key makes 43,830 of one.
            return Err(format!("`{text}` has a unit in capitals; the units are ms, s, m (minutes), h and d"));
        }
        let duration = humantime::parse_duration(text)
            .map_err(|_| format!("`{text}` is not a duration; write a number with ms, s, m, h or d, such as `30s` or `1h 30m`"))?;
        if duration > LONGEST {
            return Err(format!("`{text}` is longer than 10 years"));
        }
        Ok(Self(duration))
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Period;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as `30s` or `5m`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                Period::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Period, E> {
                Err(E::custom(format!("`{number}` has no unit; write `{number}s` for seconds")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time with its unit: ms, s, m, h or d, such as `30s` or `1h 30m`",
            "pattern": r"^\s*(\d+\s*[a-zµ]+\s*)+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_number_and_a_unit() {
        let millis = |text: &str| Period::parse(text).map(|Period(time)| time.as_millis());
        assert_eq!(millis("100ms"), Ok(100));
        assert_eq!(millis(" 30s "), Ok(30_000));
        assert_eq!(millis("1h 30m"), Ok(5_400_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("2d"), Ok(172_800_000));
        for text in ["", "30", "s", "-5s", "1M", "5 parsecs", "1.5", "11y", "99999999999999999999s"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }
}
