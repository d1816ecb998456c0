//! `/incidents`: what failed, and what fails now.

use axum::response::Response;
use chrono::{NaiveDate, NaiveDateTime, TimeZone};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::incidents::Listed;
use super::super::links;
use super::super::visit::{Query, View, Visit};
use super::{clean, severity, since, target_words};
use crate::control::Status;
use crate::store::history::{IncidentFilter, KeptIncident, Page};

/// On one page.
const PAGE: u32 = 50;
/// Beside a check or a target.
const FEW: u32 = 10;
const HOUR: i64 = 3_600_000;
const SPANS: [(&str, i64, &str, &str); 4] = [
    ("24h", 24, "24 hours", "24 часа"),
    ("7d", 168, "7 days", "7 дней"),
    ("30d", 720, "30 days", "30 дней"),
    ("all", 0, "all that is kept", "всё, что есть"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// `open`, `closed` or nothing for all.
    state: String,
    check: String,
    target: String,
    severity: String,
    /// A name of a span; nothing if `since` or `until` is given.
    span: String,
    /// As a browser writes a local time.
    since: String,
    until: String,
    /// Where the page before ended: `MILLIS-NUMBER`.
    after: String,
}

pub async fn incidents(visit: Visit, Query(asked): Query<Asked>) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let listed = search(&visit, &asked, &status).await;
    let body = body(&visit, &asked, &status, listed);
    visit.show(View { title: visit.say("Incidents", "Инциденты").to_owned(), at: "/incidents", status: Some(&status), body })
}

async fn search(visit: &Visit, asked: &Asked, status: &Status) -> Listed {
    let given = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    let (check, text, severity) = (given(&asked.check), given(asked.target.trim()), given(&asked.severity));
    let span = SPANS.iter().find(|(name, ..)| *name == asked.span).filter(|(_, hours, ..)| *hours > 0);
    let since = span.map(|(_, hours, ..)| status.time.timestamp_millis() - hours * HOUR).or_else(|| instant(visit, &asked.since));
    let filter = IncidentFilter {
        check: check.as_deref(),
        text: text.as_deref(),
        severity: severity.as_deref(),
        since,
        before: instant(visit, &asked.until),
        open: asked.state == "open",
        closed: asked.state == "closed",
        ..IncidentFilter::default()
    };
    let after = asked.after.split_once('-').and_then(|(since, number)| Some((since.parse().ok()?, number.parse().ok()?)));
    visit.house.incidents(&filter, Page { after, limit: PAGE + 1 }, &status.host).await
}

/// A local time as a browser writes it, or a day.
fn instant(visit: &Visit, text: &str) -> Option<i64> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok();
    let local = local.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    visit.house.zone.from_local_datetime(&local).earliest().map(|at| at.timestamp_millis())
}

fn body(visit: &Visit, asked: &Asked, status: &Status, listed: Listed) -> Markup {
    html! {
        h1 { (visit.say("Incidents", "Инциденты")) }
        (filters(visit, asked, status))
        div #live data-live {
            @if let Some(without) = &listed.without {
                (visit.missing(without))
                @if asked.state != "closed" {
                    h2 { (visit.say("Open now", "Открытые сейчас")) }
                    (page(visit, asked, status, listed.incidents))
                }
            } @else { (page(visit, asked, status, listed.incidents)) }
        }
    }
}

fn filters(visit: &Visit, asked: &Asked, status: &Status) -> Markup {
    let states = [("", "all", "все"), ("open", "open", "открытые"), ("closed", "over", "закрытые")];
    let severities = [("", "any", "любая"), ("critical", "critical", "критично"), ("warning", "warning", "предупреждение")];
    let span = if asked.span.is_empty() && asked.since.is_empty() && asked.until.is_empty() { "all" } else { asked.span.as_str() };
    html! {
        form.row.find method="get" action="/incidents" role="search" {
            label {
                (visit.say("State", "Состояние"))
                select name="state" {
                    @for (value, english, russian) in states {
                        option value=(value) selected[asked.state == value] { (visit.say(english, russian)) }
                    }
                }
            }
            label {
                (visit.say("Check", "Проверка"))
                select name="check" {
                    option value="" { (visit.say("any", "любая")) }
                    @if {
                        !asked.check.is_empty()
                            && !status
                                .checks
                                .iter()
                                .any(|check| check.name == asked.check)
                    } {
                        option value=(asked.check) selected { (clean(&asked.check)) }
                    }
                    @for check in status.checks.iter().take(1000) {
                        option value=(check.name) selected[asked.check == check.name] { (clean(&check.name)) }
                    }
                }
            }
            label {
                (visit.say("Target", "Цель"))
                input
                    #find
                    type="search"
                    name="target"
                    value=(asked.target)
                    size="16"
                    placeholder=(visit.say("address or name", "адрес или имя"))
                    autocomplete="off";
            }
            label {
                (visit.say("Severity", "Важность"))
                select name="severity" {
                    @for (value, english, russian) in severities {
                        option value=(value) selected[asked.severity == value] { (visit.say(english, russian)) }
                    }
                }
            }
            label {
                (visit.say("Time", "Время"))
                select name="span" {
                    @for (value, _, english, russian) in SPANS {
                        option value=(value) selected[span == value] { (visit.say(english, russian)) }
                    }
                    option value="" selected[span.is_empty()] { (visit.say("from … to …", "с … по …")) }
                }
            }
            label {
                (visit.say("from", "с"))
                input type="datetime-local" name="since" value=(asked.since);
            }
            label {
                (visit.say("to", "по"))
                input type="datetime-local" name="until" value=(asked.until);
            }
            button { (visit.say("Show", "Показать")) }
        }
    }
}

fn page(visit: &Visit, asked: &Asked, status: &Status, mut found: Vec<KeptIncident>) -> Markup {
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let after = found.last().map(|last| format!("{}-{}", last.since, last.number)).unwrap_or_default();
    let to = |after: &str| {
        let values = [
            ("state", &*asked.state),
            ("check", &asked.check),
            ("target", &asked.target),
            ("severity", &asked.severity),
            ("span", &asked.span),
            ("since", &asked.since),
            ("until", &asked.until),
            ("after", after),
        ];
        links::link("/incidents", &values)
    };
    html! {
        (list(visit, &found, status, true))
        @if more || !asked.after.is_empty() {
            nav.pager aria-label=(visit.say("Pages", "Страницы")) {
                @if !asked.after.is_empty() {
                    a href=(to("")) { "‹ " (visit.say("Newest", "Новейшие")) }
                }
                @if more {
                    a rel="next" href=(to(&after)) { (visit.say("Older", "Более ранние")) " ›" }
                }
            }
        }
    }
}

fn list(visit: &Visit, incidents: &[KeptIncident], status: &Status, with_check: bool) -> Markup {
    let (tongue, local) = (visit.tongue, |millis| super::local(visit, millis));
    html! {
        @if incidents.is_empty() {
            p.empty { (visit.say("No incidents.", "Инцидентов нет.")) }
        } @else {
            table.cards.incidents {
                thead {
                    tr {
                        th { "#" }
                        th { (visit.say("State", "Состояние")) }
                        @if with_check {
                            th { (visit.say("Check", "Проверка")) }
                        }
                        th { (visit.say("Target", "Цель")) }
                        th { (visit.say("Rule", "Правило")) }
                        th { (visit.say("Reason", "Причина")) }
                        th { (visit.say("Since", "С")) }
                    }
                }
                tbody {
                    @for incident in incidents {
                        @let own = incident.host == status.host;
                        tr.bad[incident.until.is_none()] {
                            td.number {
                                @if own {
                                    a href=(links::incident(incident.number as u64)) { "#" (incident.number) }
                                } @else { "#" (incident.number) }
                            }
                            td.status {
                                (state(visit, incident))
                                " "
                                @if incident.severity == "warning" { (severity("warning", tongue)) }
                            }
                            @if with_check {
                                td.name {
                                    a href=(links::check(&incident.check)) { (clean(&incident.check)) }
                                    @if !own {
                                        " "
                                        span.faint { (clean(&incident.host)) }
                                    }
                                }
                            }
                            td.name {
                                a href=(links::target(&incident.check, &incident.target)) {
                                    (target_words(&incident.target, incident.name.as_deref(), tongue))
                                }
                            }
                            td.faint { (clean(&incident.rule)) }
                            td.reason { (clean(&incident.reason)) }
                            td.when {
                                (since(local(incident.since), incident.until.map(local), status.time, tongue))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(visit: &Visit, incident: &KeptIncident) -> Markup {
    html! {
        @match (incident.until, incident.closed_by.as_deref()) {
            (None, _) => span.mark.bad { (visit.say("open", "открыт")) },
            (_, Some("removal")) => span.mark.none { (visit.say("not watched any more", "снято с наблюдения")) },
            (_, Some("lost")) => span.mark.none { (visit.say("end not seen", "конец не виден")) },
            _ => span.mark.good { (visit.say("recovered", "восстановлено")) },
        }
    }
}

/// The last few of a check or a target.
pub async fn recent(visit: &Visit, status: &Status, check: &str, target: Option<&str>) -> Markup {
    let filter = IncidentFilter { host: Some(&status.host), check: Some(check), target, ..IncidentFilter::default() };
    let listed = visit.house.incidents(&filter, Page { after: None, limit: FEW }, &status.host).await;
    html! {
        @if let Some(without) = &listed.without { (visit.missing(without)) }
        @if listed.without.is_none() || !listed.incidents.is_empty() { (list(visit, &listed.incidents, status, false)) }
    }
}
