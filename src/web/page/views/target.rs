//! `/target`: one target as it is now, how its numbers went, and its incidents.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::past::NoPast;
use super::super::super::problem::Problem;
use super::super::super::take;
use super::super::chart::{Chart, clock};
use super::super::links;
use super::super::visit::{Query, View, Visit};
use super::{check_actions, clean, incidents, mark, since, target_words};
use crate::control::{Body, CheckNow, Request, Status, TargetNow, Wanted, shown};
use crate::store::history::{IncidentFilter, Page, Series, SeriesQuery};

/// Points of one chart.
const POINTS: usize = 240;
/// Charts of one target.
const MOST_CHARTS: usize = 24;
/// Failures that are shown in them.
const MOST_FAILURES: u32 = 100;
const HOUR: i64 = 3_600_000;
/// By name, in hours.
const RANGES: [(&str, i64, &str, &str); 4] =
    [("1h", 1, "1 hour", "1 час"), ("24h", 24, "24 hours", "24 часа"), ("7d", 168, "7 days", "7 дней"), ("30d", 720, "30 days", "30 дней")];

#[derive(Debug, Deserialize)]
pub struct Asked {
    check: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    range: String,
}

/// What history has of the target.
struct Kept {
    numbers: Vec<(String, Series)>,
    more: usize,
    failures: Vec<(i64, i64)>,
    from: i64,
    to: i64,
}

impl Asked {
    /// Its name and its hours; an hour unless something else is asked for.
    fn range(&self) -> (&'static str, i64) {
        let (name, hours, ..) = RANGES.iter().find(|(name, ..)| *name == self.range).unwrap_or(&RANGES[0]);
        (name, *hours)
    }
}

pub async fn target(visit: Visit, Query(asked): Query<Asked>) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let wanted = Wanted { name: asked.check.clone(), target: Some(asked.target.clone()), limit: Some(1), ..Wanted::default() };
    let check = match visit.house.ask(Request::Check(wanted)).await {
        Some(Body::Check(check)) => check,
        Some(Body::Error(_)) => return visit.nothing(StatusCode::NOT_FOUND, &visit.tongue.no_check(&asked.check), Some(&status)),
        _ => return visit.silent(),
    };
    let kept = kept(&visit, &asked, &status).await;
    if check.targets.is_empty() && kept.as_ref().is_ok_and(|kept| kept.numbers.is_empty() && kept.failures.is_empty()) {
        let why = visit.say("This check has no such target.", "У этой проверки нет такой цели.");
        return visit.nothing(StatusCode::NOT_FOUND, why, Some(&status));
    }
    let recent = incidents::recent(&visit, &status, &asked.check, Some(&asked.target)).await;
    let body = body(&visit, &check, &asked, &status, kept, recent);
    let title = if asked.target.is_empty() { clean(&asked.check) } else { format!("{} · {}", clean(&asked.target), clean(&asked.check)) };
    visit.show(View { title, at: "", status: Some(&status), body })
}

async fn kept(visit: &Visit, asked: &Asked, status: &Status) -> Result<Kept, NoPast> {
    let to = status.time.timestamp_millis();
    let from = to - asked.range().1 * HOUR;
    let host = Some(status.host.as_str());
    visit
        .house
        .past
        .ask(async |history| {
            let mut names: Vec<String> =
                history.latest(host, &asked.check, Some(&asked.target)).await?.into_iter().map(|latest| latest.metric).collect();
            names.dedup();
            let more = names.len().saturating_sub(MOST_CHARTS);
            let mut numbers = Vec::new();
            for metric in names.into_iter().take(MOST_CHARTS) {
                let query = SeriesQuery { host, check: &asked.check, target: &asked.target, metric: &metric, from, to, max_points: POINTS };
                let series = history.series(&query, to).await?;
                numbers.push((metric, series));
            }
            let filter = IncidentFilter { host, check: Some(&asked.check), target: Some(&asked.target), ..IncidentFilter::default() };
            let incidents = history.incidents(&filter, Page { after: None, limit: MOST_FAILURES }).await?;
            let failures =
                incidents.iter().map(|incident| (incident.since, incident.until.unwrap_or(to))).filter(|(_, until)| *until > from);
            Ok(Kept { numbers, more, failures: failures.collect(), from, to })
        })
        .await
}

fn body(visit: &Visit, check: &CheckNow, asked: &Asked, status: &Status, kept: Result<Kept, NoPast>, recent: Markup) -> Markup {
    let now = check.targets.first();
    let about = if asked.target.is_empty() { asked.check.clone() } else { format!("{}/{}", asked.check, asked.target) };
    html! {
        div #head data-live {
            p.path {
                a href=(links::check(&asked.check)) { (clean(&asked.check)) }
                " ›"
            }
            h1 {
                @if let Some(now) = now { (mark(now.status)) " " }
                (target_words(&asked.target, now.and_then(|now| now.name.as_deref()), visit.tongue))
            }
            @match now {
                Some(now) => (as_it_is(visit, check, now, status)),
                None => p.empty {
                    (visit.say(
                        "It is not watched any more; this is what is kept of it.",
                        "За ней больше не следят; это то, что сохранилось.",
                    ))
                },
            }
        }
        @if let Some(now) = now { (check_actions(visit, &asked.check, &about, !now.status)) }
        section aria-labelledby="numbers" {
            h2 #numbers { (visit.say("Numbers", "Показатели")) }
            (ranges(visit, asked))
            div #live data-live { (charts(visit, check, asked, kept)) }
        }
        section aria-labelledby="recent" {
            h2 #recent { (visit.say("Incidents", "Инциденты")) }
            div #history data-live { (recent) }
        }
    }
}

fn as_it_is(visit: &Visit, check: &CheckNow, now: &TargetNow, status: &Status) -> Markup {
    let tongue = visit.tongue;
    html! {
        @if let Some(reason) = &now.reason {
            p.reason.large { (clean(reason)) }
        }
        @if let Some(comment) = &check.comment {
            p.comment { (clean(comment)) }
        }
        table.cards.rules {
            thead {
                tr {
                    th { (visit.say("Status", "Статус")) }
                    th { (visit.say("Rule", "Правило")) }
                    th { (visit.say("Failures in a row", "Плохих подряд")) }
                    th { (visit.say("Fails since", "Сбой с")) }
                    th { (visit.say("Incident", "Инцидент")) }
                }
            }
            tbody {
                @for rule in &now.rules {
                    tr.bad[!rule.status] {
                        td.status { (mark(rule.status)) }
                        td {
                            @if let Some(about) = check.rules.iter().find(|about| about.rule == rule.rule) {
                                (super::check::rule_words(visit, about))
                            } @else { (clean(&rule.rule)) }
                        }
                        td data-label=(visit.say("Failures in a row", "Плохих подряд")) { (rule.failures) " / " (rule.of) }
                        td {
                            @if let Some(at) = rule.since.filter(|_| !rule.status) { (since(at, None, status.time, tongue)) }
                        }
                        td {
                            @if let Some(number) = rule.incident {
                                a href=(links::incident(number)) { "#" (number) }
                            }
                        }
                    }
                }
            }
        }
        @if !now.values.is_empty() {
            dl.facts.numbers {
                @for value in &now.values {
                    div {
                        dt { (clean(&value.metric)) }
                        dd { (shown(&value.metric, value.value)) }
                    }
                }
            }
        }
    }
}

fn ranges(visit: &Visit, asked: &Asked) -> Markup {
    let chosen = asked.range().0;
    html! {
        nav.tabs aria-label=(visit.say("Length of time", "За сколько времени")) {
            @for (name, _, english, russian) in RANGES {
                a href={ (links::target(&asked.check, &asked.target)) "&range=" (name) } aria-current=[(name == chosen).then_some("true")] {
                    (visit.say(english, russian))
                }
            }
        }
    }
}

fn charts(visit: &Visit, check: &CheckNow, asked: &Asked, kept: Result<Kept, NoPast>) -> Markup {
    let kept = match kept {
        Ok(kept) => kept,
        Err(missing) => return visit.missing(&missing),
    };
    let drawn: Vec<&(String, Series)> = kept.numbers.iter().filter(|(_, series)| !series.points.is_empty()).collect();
    let local = |millis: i64| super::local(visit, millis);
    html! {
        @if drawn.is_empty() {
            p.empty { (visit.say("No numbers are kept of this time.", "За это время показателей нет.")) }
        }
        div.charts {
            @for (metric, series) in drawn {
                @let numbers = format!(
                    "{}&range={}&metric={}",
                    links::target(&asked.check, &asked.target)
                        .replacen("/target", "/chart.json", 1),
                    asked.range().0,
                    links::quoted(metric),
                );
                @let limit = check
                    .rules
                    .iter()
                    .find(|rule| rule.metric.as_ref() == Some(metric))
                    .and_then(|rule| rule.limit);
                @let chart = Chart { metric, series, from: kept.from, to: kept.to, limit, failures: &kept.failures, numbers: &numbers };
                (chart.draw(visit.tongue, &local))
            }
        }
        @if kept.more > 0 {
            p.faint {
                (visit.say(
                    "More numbers are kept; the command line shows them",
                    "Хранятся и другие показатели; их покажет командная строка",
                ))
                ": "
                (kept.more)
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Numbers {
    check: String,
    #[serde(default)]
    target: String,
    metric: String,
    #[serde(default)]
    range: String,
}

/// The numbers of one chart in words: what its read-out says.
pub async fn numbers(visit: Visit, take::Query(asked): take::Query<Numbers>) -> Result<Json<Value>, Problem> {
    let status = visit.status().await.ok_or_else(Problem::silent)?;
    let Numbers { check, target, metric, range } = asked;
    let asked = Asked { check, target, range };
    let (to, span) = (status.time.timestamp_millis(), asked.range().1 * HOUR);
    let from = to - span;
    let found = visit.house.past.ask(async |history| {
        let query = SeriesQuery {
            host: Some(&status.host),
            check: &asked.check,
            target: &asked.target,
            metric: &metric,
            from,
            to,
            max_points: POINTS,
        };
        history.series(&query, to).await
    });
    let series = found.await?;
    let points = series.points.iter().map(|point| {
        let at = super::local(&visit, point.time);
        let at = if span <= 24 * HOUR && series.step < 60_000 {
            at.format("%H:%M:%S").to_string()
        } else {
            at.format(visit.say("%a %H:%M", "%d.%m %H:%M")).to_string()
        };
        let spread = (point.high > point.low).then(|| format!("{}–{}", shown(&metric, point.low), shown(&metric, point.high)));
        json!({ "x": (point.time - from) as f64 / span as f64, "at": at, "mean": shown(&metric, point.mean), "spread": spread })
    });
    let ends = [clock(super::local(&visit, from), span, visit.tongue), clock(super::local(&visit, to), span, visit.tongue)];
    Ok(Json(json!({ "ends": ends, "points": points.collect::<Vec<_>>() })))
}
