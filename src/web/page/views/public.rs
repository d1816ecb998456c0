//! `/public`: which checks are True, for everybody, where that is wanted: no targets, no reasons, no addresses.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};

use super::super::super::nowhere;
use super::super::visit::{Visit, sheet, shown};
use super::{clean, mark, moment};
use crate::control::Status;

/// Seconds until a browser looks again.
const REFRESH: &str = "30";

pub async fn public(visit: Visit, headers: HeaderMap) -> Response {
    if !visit.house.settings.public {
        return nowhere(headers).await;
    }
    let status = visit.status().await;
    let (code, title, body) = match &status {
        Some(status) => (StatusCode::OK, clean(&status.host), body(&visit, status)),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Vakhta".to_owned(),
            html! {
                main #main.public {
                    p.empty { (visit.tongue.silent()) }
                }
            },
        ),
    };
    let fails = status.as_ref().is_some_and(|status| status.checks.iter().any(|check| !check.status));
    let mut answer = shown(code, sheet(&title, visit.tongue, fails, None, body));
    answer.headers_mut().insert(header::REFRESH, HeaderValue::from_static(REFRESH));
    answer
}

fn body(visit: &Visit, status: &Status) -> Markup {
    let failing = status.checks.iter().filter(|check| !check.status).count();
    html! {
        main #main.public tabindex="-1" {
            h1 { (clean(&status.host)) }
            div.verdict.(if failing == 0 { "good" } else { "bad" }) {
                p.said {
                    @if failing == 0 { (visit.say("Everything is in order", "Всё в порядке")) } @else {
                        (visit.say("Failing checks", "Проверок со сбоем"))
                        ": "
                        (failing)
                        " "
                        (visit.say("of", "из"))
                        " "
                        (status.checks.len())
                    }
                }
            }
            table.cards {
                thead {
                    tr {
                        th { (visit.say("Status", "Статус")) }
                        th { (visit.say("Check", "Проверка")) }
                        th { (visit.say("Since", "С")) }
                    }
                }
                tbody {
                    @for check in &status.checks {
                        @let since = status
                            .incidents
                            .iter()
                            .filter(|incident| incident.check == check.name)
                            .map(|incident| incident.since)
                            .min();
                        tr.bad[!check.status] {
                            td.status { (mark(check.status)) }
                            td { (clean(&check.name)) }
                            td {
                                @if let Some(since) = since { (moment(since, status.time, visit.tongue)) } @else { "–" }
                            }
                        }
                    }
                }
            }
            footer { (visit.say("As of", "По состоянию на")) " " (status.time.format("%Y-%m-%d %H:%M:%S %:z")) }
        }
    }
}
