//! Values that are written in more than one way: read by hand, so that an error says what was expected there.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer};

use super::{DaysSection, HeartbeatsSection, HistorySection, OneOrMany, RouteSection, RuleSection};
use crate::domain::rule::Hold;
use crate::domain::watch::Storm;
use crate::settings::Period;

/// `3 in 1m`, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormSection(pub Option<Storm>);

impl JsonSchema for StormSection {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Storm".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "So many messages in so long (`3 in 1m`), or `off`",
            "type": "string",
            "pattern": "^(off|[1-9][0-9]* in .+)$"
        })
    }
}

impl<'de> Deserialize<'de> for StormSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "a number of messages and a duration such as `3 in 1m`, or `off`";
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = StormSection;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<StormSection, E> {
                if text.trim() == "off" {
                    return Ok(StormSection(None));
                }
                let (messages, per) = text.split_once(" in ").ok_or_else(|| E::custom(format!("expected {EXPECTED}")))?;
                let messages = messages.trim().parse().ok().filter(|count| (1..=100).contains(count));
                let messages = messages.ok_or_else(|| E::custom("the number of messages is 1 to 100"))?;
                let Period(per) = Period::parse(per.trim()).map_err(E::custom)?;
                if per.is_zero() || per > Duration::from_secs(3600) {
                    return Err(E::custom("the duration is more than nothing and at most `1h`"));
                }
                Ok(StormSection(Some(Storm { messages, per })))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A count in a row (`3`), or a length of time (`10m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldSection(pub Hold);

impl JsonSchema for HoldSection {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hold".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let period = generator.subschema_for::<Period>();
        json_schema!({
            "description": "A count in a row (`3`), or a length of time (`10m`)",
            "anyOf": [{ "type": "integer", "minimum": 1 }, period]
        })
    }
}

impl<'de> Deserialize<'de> for HoldSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = HoldSection;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count such as 3, or a duration such as `10m`")
            }
            fn visit_u64<E: de::Error>(self, count: u64) -> Result<HoldSection, E> {
                match u32::try_from(count) {
                    Ok(count) if count > 0 => Ok(HoldSection(Hold::Count(count))),
                    Ok(_) => Err(E::custom("at least 1 is needed")),
                    Err(_) => Err(E::custom("this count is too large")),
                }
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<HoldSection, E> {
                Err(E::custom("at least 1 is needed"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<HoldSection, E> {
                if let Ok(count) = text.trim().parse() {
                    return self.visit_u64(count);
                }
                let Period(time) = Period::parse(text).map_err(E::custom)?;
                if time.is_zero() { Err(E::custom("at least 1 is needed")) } else { Ok(HoldSection(Hold::Lasting(time))) }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a value that is either of two things. serde's own untagged enums forget which of them was begun,
/// and so cannot say what is wrong in it.
macro_rules! read_either {
    ($type:ident: $expected:literal, $($form:ident $variant:ident),+) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    $(read_either!(@$form $type $variant);)+
                }
                deserializer.deserialize_any(Visitor)
            }
        }
    };
    (@text $type:ident $variant:ident) => {
        fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
            Ok($type::$variant(text.to_owned()))
        }
    };
    (@list $type:ident $variant:ident) => {
        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<$type, A::Error> {
            Deserialize::deserialize(SeqAccessDeserializer::new(list)).map($type::$variant)
        }
    };
    (@mapping $type:ident $variant:ident) => {
        fn visit_map<A: de::MapAccess<'de>>(self, mapping: A) -> Result<$type, A::Error> {
            Deserialize::deserialize(MapAccessDeserializer::new(mapping)).map($type::$variant)
        }
    };
}

read_either!(OneOrMany: "hours such as `{ days: mon-fri, hours: \"09:00-18:00\" }`, or a list of such", mapping One, list Many);
read_either!(DaysSection: "days such as `mon-fri`, or a list of such", text Text, list List);
read_either!(RouteSection: "the name of a channel, or `{ channel: … }`", text Name, mapping Route);
read_either!(HeartbeatsSection: "keys such as `{ url: …, every: 1m }`, or a list of such", mapping One, list Many);
read_either!(HistorySection: "`off`, or `{ url: …, keep: …, max_size: … }`", text Word, mapping Keys);
read_either!(RuleSection: "a rule such as `mem > 90%`, or `{ rule: … }`", text Text, mapping Keys);
