//! The JSON Schema of `checks.yaml`, for editors: made from the structs that read it and their doc comments.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Registry;
use super::defaults::shared_keys;
use super::sections::{ChannelSection, CheckSection, FileSection};

/// What stands in the file before it is filled in, where a number or a boolean is wanted.
const REFERENCE: &str = r"\$\{.+\}";

impl Registry {
    /// The schema of a whole file with these kinds; draft 07, which every editor knows.
    pub fn schema(&self) -> Value {
        let mut schema = self.plain_schema();
        for_editors(&mut schema);
        schema
    }

    /// The schema as the structs give it: what the reference is made from.
    pub(super) fn plain_schema(&self) -> Value {
        let mut generator = SchemaSettings::draft07().into_generator();
        let kinds = self.kinds.iter().map(|kind| (kind.name, (kind.schema)(&mut generator))).collect();
        let check = with_kinds(object_of::<CheckSection>(&mut generator), kinds, &["name"]);
        let kinds = self.channels.iter().map(|kind| (kind.name, (kind.schema)(&mut generator))).collect();
        let channel = with_kinds(object_of::<ChannelSection>(&mut generator), kinds, &[]);
        let defaults = shared(object_of::<CheckSection>(&mut generator));

        let mut root = generator.into_root_schema_for::<FileSection>().to_value();
        root["title"] = json!("checks.yaml of Vakhta");
        root["required"] = json!(["checks"]);
        for (name, schema) in [("Check", check), ("Channel", channel), ("Defaults", defaults)] {
            root["definitions"][name] = schema;
        }
        for name in ["CheckSection", "ChannelSection"] {
            root["definitions"].as_object_mut().map(|definitions| definitions.remove(name));
        }
        // Read from the tree entry by entry, these three have no type of their own.
        let properties = &mut root["properties"];
        for (key, shape) in [
            ("checks", json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/Check" } })),
            ("channels", json!({ "type": "object", "additionalProperties": { "$ref": "#/definitions/Channel" } })),
            ("defaults", json!({ "$ref": "#/definitions/Defaults" })),
        ] {
            let description = properties[key]["description"].take();
            properties[key] = shape;
            properties[key]["description"] = description;
        }
        root
    }
}

/// The struct's own schema in place of a reference to it.
fn object_of<S: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    S::json_schema(generator).to_value()
}

/// Adds the kinds as keys, of which exactly one must be there.
fn with_kinds(mut object: Value, kinds: Vec<(&str, Schema)>, required: &[&str]) -> Value {
    object["oneOf"] = kinds.iter().map(|(name, _)| json!({ "required": [name] })).collect();
    object["required"] = json!(required);
    for (name, schema) in kinds {
        object["properties"][name] = schema.to_value();
    }
    object
}

/// Leaves only the keys that `defaults` may hold.
fn shared(mut object: Value) -> Value {
    let keys = shared_keys();
    if let Some(properties) = object["properties"].as_object_mut() {
        properties.retain(|key, _| keys.contains(key));
    }
    object["description"] = json!("Common keys for all checks that do not have them themselves.");
    object
}

/// Allows what is resolved before a struct sees it: merge keys, room for anchors, `${…}` where no text is wanted.
fn for_editors(root: &mut Value) {
    visit(root);
    root["patternProperties"]["^x-"] = json!({ "description": "Free room for anchors; not read." });
}

fn visit(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(visit),
        Value::Object(object) => {
            object.values_mut().for_each(visit);
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.insert("patternProperties".into(), json!({ "^<<$": {} }));
            }
            // `int64` and the like are Rust's; editors warn of formats they do not know.
            object.remove("format");
            if may_be_filled(object) {
                let description = object.remove("description");
                let own = Value::Object(std::mem::take(object));
                object.insert("anyOf".into(), json!([own, { "type": "string", "pattern": REFERENCE }]));
                description.map(|description| object.insert("description".into(), description));
            }
        }
        _ => {}
    }
}

fn may_be_filled(object: &Map<String, Value>) -> bool {
    let types = match object.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return false,
    };
    types.iter().any(|name| ["integer", "number", "boolean"].contains(name)) || object.contains_key("pattern")
}
