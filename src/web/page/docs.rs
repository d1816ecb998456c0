//! `/docs`: the description of the API for people, out of the same document that programs read.

mod shape;

use axum::Extension;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::super::origin::Origin;
use super::visit::{View, Visit};
use shape::Shapes;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const JSON: &str = "application/json";

/// What is no part of the document: path, who may, what it says.
const BESIDE: [(&str, &str, &str); 6] = [
    ("/metrics", "metrics", "The watch itself in numbers, for Prometheus"),
    ("/status", "metrics", "This machine in numbers, for another Vakhta"),
    ("/live", "viewer", "Decisions as they are made; the same as `/api/events`"),
    ("/healthz", "", "200 while the watch makes progress, else 503 with what does not"),
    ("/public", "", "With `public: true`, which checks are True: a page for everybody, without targets and reasons"),
    ("/api/openapi.json", "viewer", "This description (OpenAPI 3.1)"),
];

/// One path with one method.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    said: &'a Value,
}

/// What every part of the page needs.
struct Docs<'a> {
    visit: &'a Visit,
    shapes: Shapes<'a>,
    /// Where this watch is, as the reader's browser sees it.
    base: String,
}

pub async fn docs(visit: Visit, Extension(origin): Extension<Origin>) -> Response {
    let status = visit.status().await;
    // It is ours: what cannot be read is empty.
    let api: Value = serde_json::from_str(&visit.house.description()).unwrap_or_default();
    let host = if origin.host.is_empty() { "localhost" } else { &origin.host };
    let docs = Docs { visit: &visit, shapes: Shapes::of(&api), base: format!("{}://{host}", origin.scheme) };
    visit.show(View { title: "API".to_owned(), at: "/docs", status: status.as_ref(), body: docs.body(&api) })
}

impl Docs<'_> {
    fn body(&self, api: &Value) -> Markup {
        let visit = self.visit;
        let operations = operations(api);
        let of = |tag: &Value| operations.iter().filter(|operation| operation.said["tags"][0] == tag["name"]).collect::<Vec<_>>();
        let parts: Vec<(&Value, Vec<&Operation<'_>>)> = list(&api["tags"]).map(|tag| (tag, of(tag))).collect();
        html! {
            div.docs {
                h1 { "API" }
                (words(text(&api["info"]["description"])))
                p { (visit.say("A program shows a token with every request, and may what the token's role may. One is made under your name above, or by:", "Программа показывает токен с каждым запросом и может то, что позволяет его роль. Токен делают в своей учётной записи (имя наверху) или так:")) }
                pre { code { "export TOKEN=$(vakhta token add NAME --user USER --role viewer)" } }
                nav aria-label=(visit.say("Contents", "Содержание")) {
                    @for (tag, operations) in &parts {
                        h2 { a href={ "#" (text(&tag["name"])) } { (text(&tag["description"])) } }
                        ul.plain { @for operation in operations {
                            li { a href={ "#" (operation.anchor()) } { (operation.title()) } " " span.faint { (coded(text(&operation.said["summary"]))) } }
                        } }
                    }
                    h2 { a href="#beside" { (visit.say("Beside the API", "Кроме API")) } " · " a href="#schemas" { (visit.say("Schemas", "Схемы")) } }
                }
                @for (tag, operations) in &parts {
                    h2 id=(text(&tag["name"])) { (text(&tag["description"])) }
                    @for operation in operations { (self.operation(operation)) }
                }
                (self.beside())
                h2 #schemas { (visit.say("Schemas", "Схемы")) }
                @for (name, schema) in self.shapes.all() {
                    section id=(shape::anchor(name)) { h3 { code { (name) } } (words(text(&schema["description"]))) (self.shapes.fields(schema, visit.tongue)) }
                }
            }
        }
    }

    fn operation(&self, operation: &Operation<'_>) -> Markup {
        let (visit, said) = (self.visit, operation.said);
        let parameters: Vec<&Value> = list(&said["parameters"]).collect();
        let body = &said["requestBody"]["content"][JSON]["schema"];
        html! {
            section id=(operation.anchor()) {
                h3 { (operation.title()) }
                p { strong { (coded(text(&said["summary"]))) } }
                (words(text(&said["description"])))
                @if !parameters.is_empty() {
                    h4 { (visit.say("Parameters", "Параметры")) }
                    table.cards { tbody { @for parameter in &parameters { (self.parameter(parameter)) } } }
                }
                @if !body.is_null() {
                    h4 { (visit.say("Body", "Тело")) ": " (self.shapes.kind(body)) }
                    (self.shapes.fields(body, visit.tongue))
                }
                h4 { (visit.say("Example", "Пример")) }
                pre { code { (self.curl(operation, &parameters, body)) } }
                @if operation.is_to_be_looked_at(&parameters) { p { a href=(operation.path) { (visit.say("See the answer here", "Посмотреть ответ здесь")) } } }
                h4 { (visit.say("Answers", "Ответы")) }
                table.cards { tbody { @for (code, answer) in entries(&said["responses"]) { (self.answer(code, answer)) } } }
            }
        }
    }

    fn parameter(&self, parameter: &Value) -> Markup {
        let needed = parameter["required"] == true;
        html! {
            tr {
                td.name { code { (text(&parameter["name"])) } @if needed { " " (self.shapes.needed(self.visit.tongue)) } }
                td.wide { (self.shapes.kind(&parameter["schema"])) @if parameter["in"] == "path" { span.faint { ", " (self.visit.say("in the path", "в пути")) } } }
                td.wide { (coded(text(&parameter["description"]))) }
            }
        }
    }

    fn answer(&self, code: &str, answer: &Value) -> Markup {
        let (kind, schema) = entries(&answer["content"]).next().map_or(("", &Value::Null), |(kind, content)| (kind, &content["schema"]));
        let is_good = code.starts_with('2');
        html! {
            tr {
                td.number { code { (code) } }
                td.wide {
                    (coded(text(&answer["description"])))
                    @if !schema.is_null() { ": " (self.shapes.kind(schema)) @if kind != JSON { " " span.faint { (kind) } } }
                    @if is_good && let Some(named) = self.shapes.named(schema) {
                        details { summary { (self.visit.say("Fields", "Поля")) } (self.shapes.fields(named, self.visit.tongue)) }
                    }
                }
            }
        }
    }

    /// What to type; `$TOKEN` is the reader's.
    fn curl(&self, operation: &Operation<'_>, parameters: &[&Value], body: &Value) -> String {
        let mut path = operation.path.to_owned();
        let mut query = Vec::new();
        for parameter in parameters.iter().filter(|parameter| parameter["required"] == true) {
            let (name, is_number) = (text(&parameter["name"]), parameter["schema"]["type"] == "integer");
            let value = if is_number { "1".to_owned() } else { name.to_uppercase() };
            match parameter["in"] == "path" {
                true => path = path.replace(&format!("{{{name}}}"), &value),
                false => query.push(format!("{name}={value}")),
            }
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let how = match operation.method {
            "get" if operation.is_stream() => " -N".to_owned(),
            "get" => String::new(),
            method => format!(" -X {}", method.to_uppercase()),
        };
        let sent = match self.shapes.example(body) {
            Value::Null => String::new(),
            example => format!(" -H 'Content-Type: {JSON}' -d '{example}'"),
        };
        format!("curl{how} -H \"Authorization: Bearer $TOKEN\"{sent} '{}{path}{query}'", self.base)
    }

    fn beside(&self) -> Markup {
        html! {
            h2 #beside { (self.visit.say("Beside the API", "Кроме API")) }
            table.cards { tbody { @for (path, role, said) in BESIDE {
                tr {
                    td.name { code { "GET " (path) } }
                    td.wide { (coded(said)) ". " @if role.is_empty() { (self.visit.say("Open to everybody.", "Открыто для всех.")) } @else { "Needs the role " code { (role) } "." } }
                }
            } } }
        }
    }
}

impl Operation<'_> {
    /// `get-api-checks-name`
    fn anchor(&self) -> String {
        format!("{}{}", self.method, self.path).replace('/', "-").replace(['{', '}'], "")
    }

    fn title(&self) -> Markup {
        html! { code { (self.method.to_uppercase()) " " (self.path) } }
    }

    fn is_stream(&self) -> bool {
        self.said["responses"]["200"]["content"].get("text/event-stream").is_some()
    }

    /// A browser may ask for it as it is, and it ends.
    fn is_to_be_looked_at(&self, parameters: &[&Value]) -> bool {
        self.method == "get" && !self.is_stream() && parameters.iter().all(|parameter| parameter["required"] != true)
    }
}

fn operations(api: &Value) -> Vec<Operation<'_>> {
    let paths = entries(&api["paths"]);
    paths
        .flat_map(|(path, item)| METHODS.iter().filter_map(move |method| Some(Operation { method, path, said: item.get(method)? })))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Paragraphs.
fn words(text: &str) -> Markup {
    html! { @for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) { p { (coded(paragraph)) } } }
}

/// What stands between backticks is code.
fn coded(text: &str) -> Markup {
    html! { @for (index, part) in text.split('`').enumerate() { @if index % 2 == 0 { (part) } @else { code { (part) } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_are_code_and_nothing_is_markup() {
        assert_eq!(coded("a `b<c` <d>").into_string(), "a <code>b&lt;c</code> &lt;d&gt;");
        assert_eq!(words("a\nb\n\nc").into_string(), "<p>a\nb</p><p>c</p>");
    }

    #[test]
    fn anchors_tell_methods_and_slashes_apart() {
        let anchor = |method, path| Operation { method, path, said: &Value::Null }.anchor();
        assert_eq!(anchor("get", "/api/checks/{name}"), "get-api-checks-name");
        assert_ne!(anchor("get", "/api/incidents"), anchor("get", "/api/incidents/"));
    }
}
