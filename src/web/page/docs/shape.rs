//! What a value looks like, out of its JSON Schema: in words, field by field, and as an example.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::words::Tongue;
use super::{coded, entries, list, text};

const NAMED: &str = "#/components/schemas/";

/// The schemas of the document.
pub struct Shapes<'a>(&'a Value);

impl<'a> Shapes<'a> {
    pub fn of(api: &'a Value) -> Self {
        Self(&api["components"]["schemas"])
    }

    pub fn all(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        entries(self.0)
    }

    /// The schema behind a name, or behind a list of such.
    pub fn named(&self, schema: &Value) -> Option<&'a Value> {
        match name(schema) {
            Some(name) => self.0.get(name),
            None => schema.get("items").and_then(|items| self.named(items)),
        }
    }

    /// `string, date-time`, `integer from 1 to 1000, else 100`, `list of` a link
    pub fn kind(&self, schema: &Value) -> Markup {
        html! {
            @if let Some(name) = name(schema) { a href={ "#" (anchor(name)) } { (name) } }
            @else if let Some(items) = schema.get("items") { "list of " (self.kind(items)) }
            @else if let Some(values) = schema.get("enum") { (joined(list(values).map(|value| html! { code { (text(value)) } }), " or ")) }
            @else if let Some(any) = schema.get("oneOf").or_else(|| schema.get("anyOf")) { (joined(list(any).map(|one| self.kind(one)), " or ")) }
            @else if let Some(all) = schema.get("allOf") { (joined(list(all).map(|one| self.kind(one)), " and ")) }
            @else if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) { "object of names, each with " (self.kind(values)) }
            @else { (types(schema)) }
            (bounds(schema))
        }
    }

    pub fn needed(&self, tongue: Tongue) -> Markup {
        html! { span.faint { (tongue.say("needed", "нужен")) } }
    }

    /// A row for each field; nothing for what has none.
    pub fn fields(&self, schema: &Value, tongue: Tongue) -> Markup {
        let schema = self.named(schema).unwrap_or(schema);
        let needed: Vec<&Value> = list(&schema["required"]).collect();
        let parts = schema.get("oneOf").or_else(|| schema.get("allOf"));
        html! {
            @if let Some(fields) = schema.get("properties") {
                table.cards { tbody { @for (name, field) in entries(fields) {
                    tr {
                        td.name { code { (name) } @if needed.iter().any(|needed| *needed == name) { " " (self.needed(tongue)) } }
                        td.wide { (self.kind(field)) }
                        td.wide { (coded(text(&field["description"]))) }
                    }
                } } }
            }
            @else if let Some(parts) = parts {
                @for part in list(parts) {
                    @if name(part).is_some() { p { (tongue.say("All of", "Всё из")) " " (self.kind(part)) } }
                    @else { p { (coded(text(&part["description"]))) } (self.fields(part, tongue)) }
                }
            }
            @else { p { (self.kind(schema)) } }
        }
    }

    /// What must be said, or the first of what may be; null for what has no schema.
    pub fn example(&self, schema: &Value) -> Value {
        let schema = self.named(schema).unwrap_or(schema);
        if let Some(value) = schema.get("example").or_else(|| schema["enum"].get(0)) {
            return value.clone();
        }
        if let Some(first) = schema.get("oneOf").and_then(|any| any.get(0)) {
            return self.example(first);
        }
        let is = |kind: &str| schema["type"] == kind || list(&schema["type"]).any(|one| one == kind);
        if is("object") {
            let known = schema["properties"].as_object();
            let needed = list(&schema["required"]).filter_map(Value::as_str);
            let mut names: Vec<&str> = needed.collect();
            names.extend(known.and_then(|known| known.keys().next()).filter(|_| names.is_empty()).map(String::as_str));
            let fields = names.into_iter().map(|name| (name.to_owned(), self.example_of(name, &schema["properties"][name])));
            return Value::Object(fields.collect::<Map<_, _>>());
        }
        match schema.get("type") {
            None => Value::Null,
            Some(_) if is("boolean") => json!(true),
            Some(_) if is("integer") || is("number") => schema.get("minimum").filter(|least| **least != 0).cloned().unwrap_or(json!(1)),
            Some(_) => json!("…"),
        }
    }

    /// A text is called after its field.
    fn example_of(&self, name: &str, schema: &Value) -> Value {
        match self.example(schema) {
            Value::String(text) if text == "…" => json!(name.to_uppercase()),
            example => example,
        }
    }
}

pub fn anchor(name: &str) -> String {
    format!("schema-{name}")
}

/// Of what the schema only refers to.
fn name(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(NAMED)
}

fn joined(parts: impl Iterator<Item = Markup>, between: &str) -> Markup {
    html! { @for (index, part) in parts.enumerate() { @if index > 0 { (between) } (part) } }
}

fn types(schema: &Value) -> String {
    let of_list: Vec<&str> = list(&schema["type"]).map(text).collect();
    let types = if of_list.is_empty() { text(&schema["type"]).to_owned() } else { of_list.join(" or ") };
    // The width of a number is ours alone.
    match text(&schema["format"]) {
        "" | "int32" | "int64" | "double" => types,
        format => format!("{types}, {format}"),
    }
}

fn bounds(schema: &Value) -> String {
    let mut words = String::new();
    for (least, most, what) in [("minimum", "maximum", ""), ("minLength", "maxLength", ", length")] {
        words += &match (schema.get(least), schema.get(most)) {
            (Some(least), Some(most)) => format!("{what} from {least} to {most}"),
            (Some(least), None) => format!("{what} from {least}"),
            (None, Some(most)) => format!("{what} up to {most}"),
            (None, None) => String::new(),
        };
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        words += &format!(", like {pattern}");
    }
    match schema.get("default") {
        Some(Value::String(default)) => words + &format!(", else {default}"),
        Some(default) => words + &format!(", else {default}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Value {
        json!({ "components": { "schemas": {
            "Role": { "type": "string", "enum": ["metrics", "viewer"] },
            "User": { "type": "object", "required": ["name", "role", "days"], "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 64, "description": "As `people` <say>" },
                "role": { "$ref": "#/components/schemas/Role" },
                "days": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 9, "default": 3 },
                "seen": { "type": ["string", "null"], "format": "date-time" },
            } },
        } } })
    }

    #[test]
    fn a_kind_is_said_in_words() {
        let api = api();
        let shapes = Shapes::of(&api);
        let kind = |schema: Value| shapes.kind(&schema).into_string();
        let user = &api["components"]["schemas"]["User"]["properties"];
        assert_eq!(kind(user["name"].clone()), "string, length from 1 to 64");
        assert_eq!(kind(user["days"].clone()), "integer from 1 to 9, else 3");
        assert_eq!(kind(user["seen"].clone()), "string or null, date-time");
        assert_eq!(kind(json!({ "type": "array", "items": user["role"] })), "list of <a href=\"#schema-Role\">Role</a>");
        assert_eq!(kind(json!({ "oneOf": [user["role"], { "type": "null" }] })), "<a href=\"#schema-Role\">Role</a> or null");
    }

    #[test]
    fn an_example_has_what_is_needed() {
        let api = api();
        let shapes = Shapes::of(&api);
        let example = shapes.example(&json!({ "$ref": "#/components/schemas/User" }));
        assert_eq!(example, json!({ "name": "NAME", "role": "metrics", "days": 1 }));
        assert_eq!(shapes.example(&Value::Null), Value::Null);
    }

    #[test]
    fn fields_stand_with_their_words() {
        let api = api();
        let fields = Shapes::of(&api).fields(&json!({ "$ref": "#/components/schemas/User" }), Tongue::English).into_string();
        assert!(fields.contains("As <code>people</code> &lt;say&gt;") && fields.matches("needed").count() == 3, "{fields}");
    }
}
