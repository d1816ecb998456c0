//! From a notice to the words a channel gets: the built-in texts, and the cut to the channel's limits.

pub mod sample;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde::Serialize;

use super::{Limits, Measure, Message};
use crate::domain::incident::ClosedBy;
use crate::domain::message::{Kind, Notice, NoticeIncident};
use crate::domain::text::{shortened, visible};
use crate::domain::watch::Severity;
use crate::settings::template::{Escape, Template, escape_html};

/// More targets than this say nothing more to a person.
const MOST_LISTED: usize = 30;
/// A body of one's own may list more, but not without end.
const MOST_FACTS: usize = 1000;
/// A reason is a line, not a page.
const LONGEST_REASON: usize = 300;

/// Of the built-in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    Russian,
}

/// Texts that replace the built-in ones; a check's win over a channel's, a channel's over the file's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    pub failed: Option<Template>,
    pub recovered: Option<Template>,
    pub reminder: Option<Template>,
    pub digest: Option<Template>,
}

impl Texts {
    fn of(&self, kind: Kind) -> Option<&Template> {
        match kind {
            Kind::Failed => self.failed.as_ref(),
            Kind::Recovered => self.recovered.as_ref(),
            Kind::Reminder => self.reminder.as_ref(),
            Kind::Digest => self.digest.as_ref(),
        }
    }
}

/// The built-in texts of a language, compiled once.
#[derive(Debug, Clone)]
pub struct Words {
    language: Language,
    texts: Texts,
    /// Where people reach the page.
    page: Option<Url>,
}

impl Words {
    pub fn new(language: Language) -> Result<Self, String> {
        let source = match language {
            Language::English => ENGLISH,
            Language::Russian => RUSSIAN,
        };
        let [failed, recovered, reminder, digest] = source.map(Template::compile);
        let texts = Texts { failed: Some(failed?), recovered: Some(recovered?), reminder: Some(reminder?), digest: Some(digest?) };
        Ok(Self { language, texts, page: None })
    }

    /// The same, with links to the page at this address.
    pub fn linked(self, page: Option<Url>) -> Self {
        Self { page, ..self }
    }

    /// The message for a channel. The first of `own` that has a text of this kind gives the words; one that
    /// does not work for this notice is replaced by the built-in text, and the second value says why.
    pub fn message(&self, notice: &Notice, own: &[&Texts], limits: Limits) -> (Message, Option<String>) {
        let mut trouble = None;
        let chosen = own.iter().find_map(|texts| texts.of(notice.kind));
        let written = chosen.and_then(|template| self.fit(template, notice, limits).map_err(|error| trouble = Some(error)).ok());
        let text = written
            .or_else(|| self.texts.of(notice.kind).and_then(|template| self.fit(template, notice, limits).ok()))
            .unwrap_or_else(|| cut(&notice.key(), limits));
        let plain = match limits.escape {
            Escape::Html => without_markup(&text),
            Escape::None | Escape::Json => text.clone(),
        };
        let facts = serde_json::to_value(self.facts(notice, MOST_FACTS)).unwrap_or_default();
        let over = notice.incidents.iter().all(|incident| incident.until.is_some());
        let quiet = notice.kind == Kind::Recovered || notice.kind == Kind::Digest && over;
        (Message { text, plain, quiet, key: notice.key(), facts }, trouble)
    }

    /// Renders with as many incidents listed as the channel's limits allow.
    fn fit(&self, template: &Template, notice: &Notice, limits: Limits) -> Result<String, String> {
        let render = |listed| template.render(&self.facts(notice, listed), limits.escape);
        let (mut fits, mut too_many) = (0, notice.incidents.len().min(MOST_LISTED) + 1);
        let mut best = None;
        // Most often all fit at once; else halve until the boundary is found.
        let mut listed = too_many - 1;
        while fits + 1 < too_many {
            let text = render(listed)?;
            if measure(&text, limits) <= limits.length {
                fits = listed;
                best = Some(text);
            } else {
                too_many = listed;
            }
            listed = (fits + too_many) / 2;
        }
        best.map_or_else(|| render(1).map(|text| cut(&text, limits)), Ok)
    }

    fn facts<'a>(&self, notice: &'a Notice, listed: usize) -> Facts<'a> {
        let alone = notice.checks.len() == 1;
        let incidents: Vec<_> = notice.incidents.iter().take(listed).map(|incident| self.listed(incident, alone)).collect();
        let mut targets: Vec<_> = notice.incidents.iter().map(|incident| (&incident.check, &incident.target.key)).collect();
        targets.sort_unstable();
        targets.dedup();
        let alike = alone && notice.incidents.windows(2).all(|pair| pair[0].reason == pair[1].reason);
        Facts {
            kind: notice.kind.name(),
            host: visible(&notice.host).into_owned(),
            version: env!("CARGO_PKG_VERSION"),
            check: match &notice.checks[..] {
                [check] => visible(check).into_owned(),
                checks => self.number_of_checks(checks.len()),
            },
            checks: notice.checks.iter().take(MOST_FACTS).map(|check| visible(check).into_owned()).collect(),
            comment: &notice.comment,
            severity: match notice.severity {
                Severity::Warning => "warning",
                Severity::Critical => "critical",
            },
            labels: &notice.labels,
            time: notice.time.to_rfc3339(),
            count: targets.len(),
            failing: notice.failing,
            total: notice.total,
            repeat: notice.repeat,
            link: self.link(notice),
            over: notice.incidents.iter().filter(|incident| incident.until.is_some()).count(),
            more: notice.incidents.len() - incidents.len(),
            alike,
            first: notice.incidents.first().map(|incident| self.incident(incident)),
            incidents,
        }
    }

    /// To the story of one incident, or to what fails of the check.
    fn link(&self, notice: &Notice) -> Option<String> {
        let page = self.page.as_ref()?;
        let mut link = page.clone();
        match (&notice.incidents[..], &notice.checks[..]) {
            ([incident], _) => {
                link.path_segments_mut().ok()?.pop_if_empty().push("incident");
                link.query_pairs_mut().append_pair("number", &incident.id.to_string());
            }
            (_, [check]) => {
                link.path_segments_mut().ok()?.pop_if_empty().push("check");
                link.query_pairs_mut().append_pair("name", check);
            }
            _ => {}
        }
        Some(link.into())
    }

    fn listed(&self, incident: &NoticeIncident, alone: bool) -> ListedFacts {
        let (facts, check) = (self.incident(incident), visible(&incident.check).into_owned());
        let name = if facts.name.is_empty() { String::new() } else { format!("({})", facts.name) };
        let parts = [if alone { "" } else { check.as_str() }, &facts.target, &name];
        let label = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        ListedFacts { check, label, facts }
    }

    /// `12 checks`
    fn number_of_checks(&self, count: usize) -> String {
        let word = match (self.language, count % 100, count % 10) {
            (Language::English, ..) => "checks",
            (Language::Russian, 11..=14, _) => "проверок",
            (Language::Russian, _, 1) => "проверка",
            (Language::Russian, _, 2..=4) => "проверки",
            (Language::Russian, ..) => "проверок",
        };
        format!("{count} {word}")
    }

    fn incident(&self, incident: &NoticeIncident) -> IncidentFacts {
        let reason = match incident.closed_by {
            Some(ClosedBy::Removal) => match self.language {
                Language::English => "no longer watched",
                Language::Russian => "больше не наблюдается",
            },
            _ => &incident.reason,
        };
        IncidentFacts {
            id: incident.id,
            target: visible(&incident.target.key).into_owned(),
            name: incident.target.name.as_deref().map(|name| visible(name).into_owned()).unwrap_or_default(),
            rule: incident.rule.to_string(),
            reason: shortened(&visible(reason), LONGEST_REASON).into_owned(),
            value: incident.value.map(|base| round(incident.unit.from_base(base))),
            unit: incident.unit.to_string(),
            since: incident.since.to_rfc3339(),
            until: incident.until.map(|until| until.to_rfc3339()).unwrap_or_default(),
            duration: self.lasting(incident.duration),
            seconds: incident.duration.as_secs(),
            failures: incident.failures,
        }
    }

    /// `45 s`, `12 min`, `1 h 5 min`, `2 d 3 h`: the two largest units.
    pub fn lasting(&self, duration: Duration) -> String {
        let units = match self.language {
            Language::English => ["d", "h", "min", "s"],
            Language::Russian => ["д", "ч", "мин", "с"],
        };
        let seconds = duration.as_secs();
        let parts = [seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
        let first = parts.iter().position(|part| *part > 0).unwrap_or(3);
        // Seconds matter in the first minutes only.
        let last = if first == 2 && parts[2] >= 10 { first } else { (first + 1).min(3) };
        let shown = (first..=last).filter(|at| *at == first || parts[*at] > 0);
        shown.map(|at| format!("{} {}", parts[at], units[at])).collect::<Vec<_>>().join(" ")
    }
}

/// The names and values of a message, as templates and JSON bodies see them.
#[derive(Debug, Serialize)]
struct Facts<'a> {
    kind: &'static str,
    host: String,
    version: &'static str,
    check: String,
    checks: Vec<String>,
    comment: &'a str,
    severity: &'static str,
    labels: &'a BTreeMap<String, String>,
    time: String,
    count: usize,
    failing: usize,
    total: usize,
    repeat: bool,
    link: Option<String>,
    over: usize,
    more: usize,
    alike: bool,
    /// The fields of the first incident stand at the top level too.
    #[serde(flatten)]
    first: Option<IncidentFacts>,
    incidents: Vec<ListedFacts>,
}

#[derive(Debug, Clone, Serialize)]
struct ListedFacts {
    check: String,
    /// The target as a list names it: with its name, and with its check in a message about several.
    label: String,
    #[serde(flatten)]
    facts: IncidentFacts,
}

#[derive(Debug, Clone, Serialize)]
struct IncidentFacts {
    id: u64,
    target: String,
    name: String,
    rule: String,
    reason: String,
    value: Option<f64>,
    unit: String,
    since: String,
    until: String,
    duration: String,
    seconds: u64,
    failures: u32,
}

/// Three decimals are enough for anyone, and keep 0.1 + 0.2 out of messages.
fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn measure(text: &str, limits: Limits) -> usize {
    let count = |text: &str| match limits.measure {
        Measure::Utf16 => text.encode_utf16().count(),
        Measure::Bytes => text.len(),
    };
    match limits.escape {
        Escape::Html => count(&without_markup(text)),
        Escape::None | Escape::Json => count(text),
    }
}

/// The text without its markup, cut between two characters, escaped again.
fn cut(text: &str, limits: Limits) -> String {
    let plain = match limits.escape {
        Escape::Html => without_markup(text),
        Escape::None | Escape::Json => text.to_owned(),
    };
    let size = |character: char| match limits.measure {
        Measure::Utf16 => character.len_utf16(),
        Measure::Bytes => character.len_utf8(),
    };
    let mut room = limits.length.saturating_sub(size('…'));
    let mut kept = String::new();
    for character in plain.chars() {
        let Some(left) = room.checked_sub(size(character)) else {
            kept.push('…');
            break;
        };
        room = left;
        kept.push(character);
    }
    match limits.escape {
        Escape::Html => escape_html(&kept),
        Escape::None | Escape::Json => kept,
    }
}

/// What a reader of Telegram's HTML sees: no tags, entities as the characters they stand for.
pub fn without_markup(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with('<') { rest.find('>') } else { rest.find(';').filter(|end| *end <= 6) };
        let Some(end) = end else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        match &rest[..=end] {
            "&amp;" => text.push('&'),
            "&lt;" => text.push('<'),
            "&gt;" => text.push('>'),
            "&quot;" => text.push('"'),
            tag if tag.starts_with('<') => {}
            entity => text.push_str(entity),
        }
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    text
}

const ENGLISH: [&str; 4] = [
    // failed
    r#"{% if severity == "warning" %}🟡{% else %}🔴{% endif %} {{ host }} · {{ check }}{% if total > 1 %}: {{ count }} of {{ total }}{% endif %} failed{% if repeat %} (may be a repeat){% endif %}
{%- if alike %}
{%- if target %}
{% for i in incidents %}{{ i.label }}{% if not loop.last %}, {% endif %}{% endfor %}{% if more %}, … and {{ more }} more{% endif %}
{%- endif %}
{{ reason }} · since {{ since|clock }} · #{{ id }}{% if count > 1 %}…{% endif %}
{%- else %}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}: {% endif %}{{ i.reason }} · since {{ i.since|clock }} · #{{ i.id }}
{%- endfor %}{% if more %}
… and {{ more }} more{% endif %}
{%- endif %}{% if comment %}
{{ comment }}{% endif %}{% if link %}
{{ link }}{% endif %}"#,
    // recovered
    r#"✅ {{ host }} · {{ check }}{% if total > 1 %}: {{ count }} of {{ count + failing }}{% endif %} recovered after {{ duration }}{% if repeat %} (may be a repeat){% endif %}
{%- if alike %}
{%- if target %}
{% for i in incidents %}{{ i.label }}{% if not loop.last %}, {% endif %}{% endfor %}{% if more %}, … and {{ more }} more{% endif %}
{%- endif %}
was: {{ reason }} · {{ since|clock }} to {{ until|clock }} · #{{ id }}{% if count > 1 %}…{% endif %}
{%- else %}
{%- for i in incidents %}
{% if i.label %}{{ i.label }} {% endif %}was: {{ i.reason }} · {{ i.since|clock }} to {{ i.until|clock }} · #{{ i.id }}
{%- endfor %}{% if more %}
… and {{ more }} more{% endif %}
{%- endif %}{% if link %}
{{ link }}{% endif %}"#,
    // reminder
    r#"🔁 {{ host }} · {{ check }}{% if total > 1 %}: {{ count }} of {{ total }}{% endif %} still failing for {{ duration }}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}: {% endif %}{{ i.reason }} · since {{ i.since|clock }} · #{{ i.id }}
{%- endfor %}{% if more %}
… and {{ more }} more{% endif %}{% if comment %}
{{ comment }}{% endif %}{% if link %}
{{ link }}{% endif %}"#,
    // digest
    r#"{% if over < incidents|length + more %}🔴{% else %}📋{% endif %} {{ host }} · {{ check }}{% if over == incidents|length + more %}: failed and recovered before you could be told{% else %}, while you could not be reached: {{ incidents|length + more }} failed, {{ over }} of them are over{% endif %}{% if repeat %} (may be a repeat){% endif %}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}: {% endif %}{{ i.reason }} · {% if i.until %}{{ i.since|clock }} to {{ i.until|clock }} ({{ i.duration }}){% else %}since {{ i.since|clock }}, still failing{% endif %} · #{{ i.id }}
{%- endfor %}{% if more %}
… and {{ more }} more{% endif %}{% if link %}
{{ link }}{% endif %}"#,
];

const RUSSIAN: [&str; 4] = [
    // failed
    r#"{% if severity == "warning" %}🟡{% else %}🔴{% endif %} {{ host }} · {{ check }}: сбой{% if total > 1 %} у {{ count }} из {{ total }}{% endif %}{% if repeat %} (возможен повтор){% endif %}
{%- if alike %}
{%- if target %}
{% for i in incidents %}{{ i.label }}{% if not loop.last %}, {% endif %}{% endfor %}{% if more %}, … и ещё {{ more }}{% endif %}
{%- endif %}
{{ reason }} · с {{ since|clock }} · #{{ id }}{% if count > 1 %}…{% endif %}
{%- else %}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}: {% endif %}{{ i.reason }} · с {{ i.since|clock }} · #{{ i.id }}
{%- endfor %}{% if more %}
… и ещё {{ more }}{% endif %}
{%- endif %}{% if comment %}
{{ comment }}{% endif %}{% if link %}
{{ link }}{% endif %}"#,
    // recovered
    r#"✅ {{ host }} · {{ check }}: снова в порядке{% if total > 1 %} {{ count }} из {{ count + failing }}{% endif %}, сбой длился {{ duration }}{% if repeat %} (возможен повтор){% endif %}
{%- if alike %}
{%- if target %}
{% for i in incidents %}{{ i.label }}{% if not loop.last %}, {% endif %}{% endfor %}{% if more %}, … и ещё {{ more }}{% endif %}
{%- endif %}
было: {{ reason }} · с {{ since|clock }} до {{ until|clock }} · #{{ id }}{% if count > 1 %}…{% endif %}
{%- else %}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}, {% endif %}было: {{ i.reason }} · с {{ i.since|clock }} до {{ i.until|clock }} · #{{ i.id }}
{%- endfor %}{% if more %}
… и ещё {{ more }}{% endif %}
{%- endif %}{% if link %}
{{ link }}{% endif %}"#,
    // reminder
    r#"🔁 {{ host }} · {{ check }}: сбой{% if total > 1 %} у {{ count }} из {{ total }}{% endif %} длится уже {{ duration }}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}: {% endif %}{{ i.reason }} · с {{ i.since|clock }} · #{{ i.id }}
{%- endfor %}{% if more %}
… и ещё {{ more }}{% endif %}{% if comment %}
{{ comment }}{% endif %}{% if link %}
{{ link }}{% endif %}"#,
    // digest
    r#"{% if over < incidents|length + more %}🔴{% else %}📋{% endif %} {{ host }} · {{ check }}{% if over == incidents|length + more %}: сбой прошёл раньше, чем о нём можно было сообщить{% else %}, пока вам нельзя было сообщить: сбоев {{ incidents|length + more }}, из них прошли {{ over }}{% endif %}{% if repeat %} (возможен повтор){% endif %}
{%- for i in incidents %}
{% if i.label %}{{ i.label }}: {% endif %}{{ i.reason }} · с {{ i.since|clock }}{% if i.until %} до {{ i.until|clock }} ({{ i.duration }}){% else %}, ещё длится{% endif %} · #{{ i.id }}
{%- endfor %}{% if more %}
… и ещё {{ more }}{% endif %}{% if link %}
{{ link }}{% endif %}"#,
];

#[cfg(test)]
mod tests;
