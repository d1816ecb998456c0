//! From the body of an answer to the records in it, and from a record to its numbers. Pure: bytes in, numbers out.
//!
//! Each record is parsed by itself, so that one that cannot be read spoils no other, and a body of megabytes is never
//! a tree in memory as a whole.

use std::collections::HashMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::JsonPath;

use crate::checks::request::json;
use crate::domain::reading::Metric;
use crate::net::words;
use crate::settings::targets::MOST_TARGETS;
use crate::settings::{Period, Secret};

/// The longest name of a machine, in characters.
const LONGEST_NAME: usize = 100;
/// The largest record, in bytes.
const MOST_RECORD: usize = 1 << 20;
/// Text that is longer is no number.
const LONGEST_NUMBER: usize = 64;
/// A number beyond this is an error of whoever reports it; sums of many stay finite.
const LARGEST: f64 = 1e15;
/// Numbers that cannot be below 0.
const NOT_NEGATIVE: [&str; 4] = ["cpu", "mem", "disk", "uptime"];
/// So many bad records are told in words.
const MOST_TOLD: usize = 3;

/// What the records of an answer look like.
pub struct Format {
    /// Where the list stands in the answer: names of fields, from the outside in.
    pub records: Vec<String>,
    /// What names the machine; none when the answer is one machine.
    pub machine: Option<Place>,
    pub fields: Vec<(Metric, Place)>,
    /// What nobody may see when the server echoes it.
    pub hidden: Vec<Secret>,
}

/// Where something stands in a record.
pub enum Place {
    Field(String),
    Path(JsonPath),
}

/// The numbers of one machine, each or why it could not be read.
pub type Numbers = Vec<(Metric, Result<f64, String>)>;

/// What an answer lists.
#[derive(Debug, Default, PartialEq)]
pub struct Listing {
    pub machines: Vec<(String, Numbers)>,
    /// How many records could not be laid to a machine.
    pub bad: usize,
    /// What is wrong with the first of them.
    pub why: Vec<String>,
}

impl Format {
    /// The one machine that an answer is.
    pub fn one(&self, body: &[u8]) -> Result<Numbers, String> {
        let root = self.root(body)?;
        if is_list(root) {
            return Err("the answer is a list of machines; say with `machine` which field names them".into());
        }
        let record = self.record(root, self.top())?;
        Ok(self.numbers(&record, &self.top()))
    }

    /// The machines that an answer lists, each once: of two of one name the first counts.
    pub fn many(&self, machine: &Place, body: &[u8]) -> Result<Listing, String> {
        let root = self.root(body)?;
        let top = self.top();
        let listed = match is_list(root) {
            true => list(root)
                .map_err(|error| format!("`{top}` {error}"))?
                .into_iter()
                .enumerate()
                .map(|(index, raw)| (format!("{top}[{index}]"), raw))
                .collect(),
            false => vec![(top.clone(), root)],
        };
        if listed.is_empty() {
            return Err("the answer lists no machine".into());
        }
        let mut listing = Listing::default();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, (place, raw)) in listed.iter().enumerate() {
            let record = self.record(raw, place.clone()).and_then(|record| Ok((self.name(machine, &record, place)?, record)));
            let (name, record) = match record {
                Ok(named) => named,
                Err(reason) => {
                    listing.spoilt(reason);
                    continue;
                }
            };
            if let Some(first) = seen.get(&name) {
                listing.spoilt(format!("`{place}` is `{name}`, which `{}` is already", listed[*first].0));
                continue;
            }
            let numbers = self.numbers(&record, place);
            seen.insert(name.clone(), index);
            listing.machines.push((name, numbers));
        }
        match listing.machines.is_empty() {
            true => Err(format!("no record of {} can be read: {}", listing.bad, listing.told())),
            false => Ok(listing),
        }
    }

    /// The list, or what stands in its place.
    fn root<'a>(&self, body: &'a [u8]) -> Result<&'a RawValue, String> {
        let mut value: &RawValue = json::read(body, &self.hidden)?;
        let mut place = "$".to_owned();
        for name in &self.records {
            value = member(value, name).ok_or_else(|| format!("the answer has no `{}`", below(&place, name)))?;
            place = below(&place, name);
        }
        Ok(value)
    }

    fn top(&self) -> String {
        self.records.iter().fold("$".to_owned(), |place, name| below(&place, name))
    }

    fn record(&self, raw: &RawValue, place: String) -> Result<Value, String> {
        if raw.get().len() > MOST_RECORD {
            return Err(format!("`{place}` is larger than {}", words::size(MOST_RECORD as u64)));
        }
        match serde_json::from_str(raw.get()) {
            Ok(record @ Value::Object(_)) => Ok(record),
            Ok(other) => Err(format!("`{place}` is {}, not an object", json::shown(&other, &self.hidden))),
            Err(error) => Err(format!("`{place}` cannot be read ({error})")),
        }
    }

    fn name(&self, machine: &Place, record: &Value, place: &str) -> Result<String, String> {
        let at = machine.within(place);
        let name = match machine.find(record, place)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            other => return Err(format!("`{at}` is {}, not a name", json::shown(other, &self.hidden))),
        };
        // What is asked has `://` in its key, and what is found must not be taken for it.
        let fits = !name.is_empty() && name.chars().take(LONGEST_NAME + 1).count() <= LONGEST_NAME;
        if !fits || words::clean(&name) != name || name.contains("://") {
            return Err(format!("`{at}` is {}, which cannot name a machine", json::shown(&name.into(), &self.hidden)));
        }
        Ok(name)
    }

    fn numbers(&self, record: &Value, place: &str) -> Numbers {
        let read = |metric: &Metric, field: &Place| {
            let value = field.find(record, place)?;
            let wrong = |what: &str| Err(format!("`{}` is {}, {what}", field.within(place), json::shown(value, &self.hidden)));
            match number(value) {
                None => wrong("not a number"),
                Some(number) if number.abs() > LARGEST => wrong("too large to be true"),
                Some(number) if number < 0.0 && (NOT_NEGATIVE.contains(&&**metric) || is_percentage(value)) => wrong("less than nothing"),
                Some(number) => Ok(number),
            }
        };
        self.fields.iter().map(|(metric, field)| (metric.clone(), read(metric, field))).collect()
    }
}

impl Place {
    fn find<'a>(&self, record: &'a Value, place: &str) -> Result<&'a Value, String> {
        let found = match self {
            Self::Field(name) => record.get(name).into_iter().collect(),
            Self::Path(path) => path.query(record).all(),
        };
        match found[..] {
            [value] => Ok(value),
            [] => Err(format!("`{}` is missing", self.within(place))),
            _ => Err(format!("`{}` leads to {} values, not to one", self.within(place), found.len())),
        }
    }

    /// The full JSONPath, so that a person can look at the very place.
    fn within(&self, place: &str) -> String {
        match self {
            Self::Field(name) => below(place, name),
            Self::Path(path) => format!("{place}{}", path.to_string().trim_start_matches('$')),
        }
    }
}

impl Listing {
    /// The first of what is wrong, and how much more.
    pub fn told(&self) -> String {
        match self.bad - self.why.len() {
            0 => self.why.join("; "),
            more => format!("{}; and {more} more", self.why.join("; ")),
        }
    }

    pub fn spoilt(&mut self, reason: String) {
        self.bad += 1;
        if self.why.len() < MOST_TOLD {
            self.why.push(reason);
        }
    }
}

/// Beside what every kind takes for a number, a length of time such as `1d 2h 37m 6s`.
fn number(value: &Value) -> Option<f64> {
    json::number(value).or_else(|| {
        let text = value.as_str().filter(|text| text.len() <= LONGEST_NUMBER)?;
        Period::parse(text).ok().map(|Period(time)| time.as_secs_f64())
    })
}

fn is_percentage(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim_end().ends_with('%'))
}

fn is_list(value: &RawValue) -> bool {
    value.get().trim_start().starts_with('[')
}

fn below(place: &str, name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain { format!("{place}.{name}") } else { format!("{place}['{name}']") }
}

/// The items of a list, as many as a check may have targets.
fn list(value: &RawValue) -> Result<Vec<&RawValue>, serde_json::Error> {
    struct Items;
    impl<'de> de::Visitor<'de> for Items {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MOST_TARGETS {
                    return Err(de::Error::custom(format!("has more than {MOST_TARGETS} records")));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    serde_json::Deserializer::from_str(value.get()).deserialize_seq(Items)
}

/// A field of an object; of two of one name the last counts, as everywhere in JSON.
fn member<'a>(value: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    struct Member<'n>(&'n str);
    impl<'de> de::Visitor<'de> for Member<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = object.next_key::<std::borrow::Cow<'_, str>>()? {
                match key == self.0 {
                    true => found = Some(object.next_value()?),
                    false => drop(object.next_value::<IgnoredAny>()?),
                }
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Member(name)).ok().flatten()
}

#[cfg(test)]
mod tests;
