//! Texts with `{{ names }}`, compiled when the configuration is read, escaped for where they go.

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;

/// How what is substituted is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    #[default]
    None,
    /// `& < > "` for Telegram and mail.
    Html,
    /// Inside the quotes of a JSON string; numbers stay numbers.
    Json,
}

/// The names a template of a message may use.
pub const NAMES: &[&str] = &[
    "kind",
    "host",
    "version",
    "check",
    "checks",
    "comment",
    "severity",
    "labels",
    "time",
    "since",
    "until",
    "duration",
    "seconds",
    "count",
    "failing",
    "total",
    "repeat",
    "link",
    "incidents",
    "over",
    "more",
    "alike",
    "id",
    "target",
    "name",
    "rule",
    "reason",
    "value",
    "unit",
    "failures",
];

/// What the body of a request may hold besides.
const BODY_NAMES: &[&str] = &["text", "key"];

/// Enough for a message about ten thousand targets, and the end of a template that loops for ever.
const FUEL: u64 = 2_000_000;

/// A compiled text.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// Compiles the text of a message. The error says what is wrong, with the line in it.
    pub fn compile(source: &str) -> Result<Self, String> {
        Self::knowing(source, &[])
    }

    /// Compiles the body of a request, which may also hold the finished message and its key.
    pub fn body(source: &str) -> Result<Self, String> {
        Self::knowing(source, BODY_NAMES)
    }

    fn knowing(source: &str, more: &[&str]) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(write_value);
        environment.set_auto_escape_callback(|name| match name {
            "html" => AutoEscape::Html,
            "json" => AutoEscape::Custom("json".into()),
            _ => AutoEscape::None,
        });
        environment.add_filter("clock", clock);
        for name in ["text", "html", "json"] {
            environment.add_template_owned(name, source.to_owned()).map_err(|error| explain(&error))?;
        }
        let names = [NAMES, more].concat();
        let unknown = undeclared(&environment, &names);
        if let Some(name) = unknown.first() {
            let near = names.iter().filter(|known| strsim::jaro_winkler(known, name) > 0.8).max_by(|a, b| {
                let likeness = |known: &str| strsim::jaro_winkler(known, name);
                likeness(a).total_cmp(&likeness(b))
            });
            let help = near.map_or_else(|| format!("the names are {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
            return Err(format!("a message has no `{name}`; {help}"));
        }
        Ok(Self { source: source.into(), environment: Arc::new(environment) })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills the names in. Fails when the template asks for what this message does not have.
    pub fn render(&self, facts: &impl Serialize, escape: Escape) -> Result<String, String> {
        let name = match escape {
            Escape::None => "text",
            Escape::Html => "html",
            Escape::Json => "json",
        };
        let template = self.environment.get_template(name).map_err(|error| explain(&error))?;
        template.render(Value::from(Serde(facts))).map_err(|error| explain(&error))
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

fn undeclared(environment: &Environment<'_>, names: &[&str]) -> Vec<String> {
    let Ok(template) = environment.get_template("text") else { return Vec::new() };
    let functions: Vec<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    let mut unknown: Vec<String> = template
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !names.contains(&name.as_str()) && !functions.contains(name))
        .collect();
    unknown.sort();
    unknown
}

fn explain(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{what} (line {line} of the text)"),
        _ => what,
    }
}

/// Numbers keep their type, nothing is `none`, and JSON is escaped for the inside of a string.
fn write_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match state.auto_escape() {
        AutoEscape::Custom(_) => write_json(out, value),
        escape => match value.kind() {
            ValueKind::None => Ok(()),
            ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
            ValueKind::Number => Ok(out.write_str(&number(value))?),
            ValueKind::String if matches!(escape, AutoEscape::Html) && !value.is_safe() => {
                Ok(out.write_str(&escape_html(value.as_str().unwrap_or_default()))?)
            }
            _ => minijinja::escape_formatter(out, state, value),
        },
    }
}

fn write_json(out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Number => number(value),
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        _ => {
            let json = serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
            match value.kind() {
                ValueKind::String => json[1..json.len() - 1].to_owned(),
                _ => json,
            }
        }
    };
    Ok(out.write_str(&text)?)
}

/// 75.2 is `75.2`, 80.0 is `80`.
fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        _ => value.to_string(),
    }
}

/// The four characters that mean something to Telegram's HTML, and nothing more: it knows few entities.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `{{ since|clock }}`: the time of day of a time, with the day where it is not that of the message.
fn clock(state: &mut State<'_, '_>, time: String) -> Result<String, Error> {
    let parse = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    let Some(moment) = parse(&time) else {
        return Err(Error::new(ErrorKind::InvalidOperation, "clock wants a time, such as `since`"));
    };
    let today = state.lookup("time").and_then(|now| parse(now.as_str()?)).map(|now| now.date_naive());
    let mut text = String::new();
    if today.is_some_and(|today| today != moment.date_naive()) {
        let _ = write!(text, "{} ", moment.format("%Y-%m-%d"));
    }
    let _ = write!(text, "{}", moment.format("%H:%M:%S"));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(source: &str, escape: Escape, expect: Result<&str, &str>) {
        let facts = json!({
            "host": "srv <1> & \"co\"", "value": 75.2, "count": 80.0, "repeat": true, "labels": {"a": "b"}, "target": null,
            "time": "2026-11-20T12:02:10+03:00", "since": "2026-11-19T08:00:00+03:00", "until": "2026-11-20T12:00:00+03:00",
        });
        let rendered = Template::compile(source).and_then(|template| template.render(&facts, escape));
        assert_eq!(rendered.as_deref().map_err(String::as_str), expect);
    }

    #[test]
    fn substitutes_and_escapes_for_where_it_goes() {
        check("{{ host }}!", Escape::None, Ok("srv <1> & \"co\"!"));
        check("<b>{{ host }}</b>", Escape::Html, Ok("<b>srv &lt;1&gt; &amp; &quot;co&quot;</b>"));
        check(r#"{"h":"{{ host }}","v":{{ value }}}"#, Escape::Json, Ok(r#"{"h":"srv <1> & \"co\"","v":75.2}"#));
        check(r#"{"n":{{ target }},"r":{{ repeat }},"l":{{ labels }}}"#, Escape::Json, Ok(r#"{"n":null,"r":true,"l":{"a":"b"}}"#));
        check("{{ value }} {{ count }} {{ repeat }}{{ target }}", Escape::None, Ok("75.2 80 true"));
    }

    #[test]
    fn shows_times_shortly() {
        check("{{ until|clock }}, {{ since|clock }}", Escape::None, Ok("12:00:00, 2026-11-19 08:00:00"));
        check("{{ host|clock }}", Escape::None, Err("clock wants a time, such as `since`"));
    }

    #[test]
    fn refuses_what_no_message_has() {
        check("{{ hots }}", Escape::None, Err("a message has no `hots`; did you mean `host`?"));
        check("{% for i in incidents %}{{ i.target }}{% endfor", Escape::None, Err("unexpected end of input, expected end of block"));
        check("{{ count }}{{ kind }}", Escape::None, Err("undefined value"));
    }

    #[test]
    fn stops_what_runs_for_ever() {
        check("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", Escape::None, Err("engine ran out of fuel"));
    }

    #[test]
    fn leaves_braces_of_targets_alone() {
        let facts = json!({"reason": "{{ 7 * 7 }}"});
        let template = Template::compile("{{ reason }}").unwrap();
        assert_eq!(template.render(&facts, Escape::Html).unwrap(), "{{ 7 * 7 }}");
    }
}
