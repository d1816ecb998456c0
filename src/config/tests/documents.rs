//! The schema and the reference: fresh, closed in themselves, and with examples that work.

use expect_test::expect_file;
use serde_json::Value;

use super::*;

#[test]
fn the_reference_is_fresh() {
    expect_file![concat!(env!("CARGO_MANIFEST_DIR"), "/REFERENCE.md")].assert_eq(&reference());
}

#[test]
fn the_reference_shows_every_form_of_a_key() {
    expect_file!["reference.md"].assert_eq(&registry().reference());
}

#[test]
fn every_reference_in_the_schema_leads_somewhere() {
    for schema in [schema(), registry().schema()] {
        let mut targets = Vec::new();
        collect(&schema, "$ref", &mut targets);
        assert!(!targets.is_empty());
        for target in targets {
            let pointer = target.as_str().unwrap().trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{target}");
        }
    }
}

#[test]
fn the_schema_knows_kinds_merges_and_references() {
    let schema = registry().schema();
    let check = &schema["definitions"]["Check"];
    assert!(check["properties"]["tcp"].is_object());
    assert_eq!(check["additionalProperties"], Value::Bool(false));
    assert_eq!(check["oneOf"].as_array().map(Vec::len), Some(4));
    assert_eq!(check["required"], serde_json::json!(["name"]));
    assert!(check["patternProperties"]["^<<$"].is_object());
    assert!(schema["patternProperties"]["^x-"].is_object());
    assert!(schema["definitions"]["Defaults"]["properties"]["name"].is_null());
    assert!(!schema.to_string().contains(r#""format":"#), "no format that editors do not know");
    let mut without_description = Vec::new();
    for (key, value) in check["properties"].as_object().unwrap() {
        if value["description"].is_null() && value["$ref"].is_null() {
            without_description.push(key);
        }
    }
    assert!(without_description.is_empty(), "{without_description:?}");
}

/// The machine on which the documentation's examples are read: no variables, so their defaults.
struct Bare;

impl Environment for Bare {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn host_name(&self) -> String {
        "example".to_owned()
    }

    fn time_zone(&self) -> Option<String> {
        None
    }
}

#[test]
fn every_documented_example_works() {
    let registry = Registry::default();
    let schema = registry.plain_schema();
    let examples = |of: &str, name: &str| {
        let reference = schema["definitions"][of]["properties"][name]["$ref"].as_str().unwrap();
        let text = schema.pointer(&reference[1..]).unwrap()["description"].as_str().unwrap_or_default();
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let works = |text: String| {
        let source = Source { path: Path::new(env!("CARGO_MANIFEST_DIR")).join("checks.yaml"), text };
        source.load(&registry, &Bare, &Net::new()).map(|_| ()).unwrap_or_else(|report| panic!("{}\n{report}", source.text));
    };
    for kind in kinds() {
        let examples = examples("Check", kind.name);
        assert!(!examples.is_empty(), "{} has no example", kind.name);
        for example in examples {
            let item = match example.starts_with("- ") {
                true => example,
                false if example.starts_with("name:") || example.contains("\nname:") => format!("- {}", indented(&example)),
                false => format!("- name: example\n  {}", indented(&example)),
            };
            works(format!("checks:\n{item}"));
        }
    }
    for kind in channels() {
        let examples = examples("Channel", kind.name);
        assert!(!examples.is_empty(), "{} has no example", kind.name);
        for example in examples {
            let example = indented(&indented(&example));
            works(format!("checks: [{{ name: a, host: {{}} }}]\nchannels:\n  example:\n    {example}\n"));
        }
    }
}

/// Two spaces before every line but the first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n  ")
}

fn collect<'a>(schema: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            if name == key {
                found.push(value);
            } else {
                collect(value, key, found);
            }
        }),
        _ => {}
    }
}
