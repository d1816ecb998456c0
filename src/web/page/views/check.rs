//! `/check`: one check, its rules and its targets, by pages.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::links;
use super::super::visit::{Query, View, Visit};
use super::{check_actions, clean, incidents, mark, pager, severity, target_words};
use crate::control::{Body, CheckNow, Request, RuleAbout, RuleNow, TargetNow, Wanted, shown};

/// Targets on one page.
const PAGE: usize = 100;
/// Numbers of one target in a row of the list.
const MOST_VALUES: usize = 8;

#[derive(Debug, Deserialize)]
pub struct Asked {
    name: String,
    #[serde(default)]
    filter: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    offset: usize,
}

pub async fn check(visit: Visit, Query(asked): Query<Asked>) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let wanted = Wanted {
        name: asked.name.clone(),
        filter: asked.filter.clone(),
        failing: asked.state == "failing",
        offset: asked.offset,
        limit: Some(PAGE),
        target: None,
    };
    match visit.house.ask(Request::Check(wanted)).await {
        Some(Body::Check(check)) => {
            let recent = incidents::recent(&visit, &status, &check.name, None).await;
            let body = body(&visit, &check, &asked, recent);
            visit.show(View { title: clean(&check.name), at: "", status: Some(&status), body })
        }
        Some(Body::Error(_)) => visit.nothing(StatusCode::NOT_FOUND, &visit.tongue.no_check(&asked.name), Some(&status)),
        _ => visit.silent(),
    }
}

fn body(visit: &Visit, check: &CheckNow, asked: &Asked, recent: Markup) -> Markup {
    html! {
        div #head data-live {
            h1 { (mark(check.status)) " " (clean(&check.name)) }
            (about(visit, check))
        }
        (check_actions(visit, &check.name, &check.name, !check.status))
        (rules(visit, &check.rules))
        section aria-labelledby="targets" {
            h2 #targets { (visit.say("Targets", "Цели")) }
            form.row.find method="get" action="/check" role="search" {
                input type="hidden" name="name" value=(check.name);
                label {
                    (visit.say("Find", "Найти"))
                    input
                        #find
                        type="search"
                        name="filter"
                        value=(asked.filter)
                        placeholder=(visit.say("address or name", "адрес или имя"))
                        autocomplete="off";
                }
                label.tick {
                    input type="checkbox" name="state" value="failing" checked[asked.state == "failing"];
                    (visit.say("failing only", "только со сбоем"))
                }
                button { (visit.say("Show", "Показать")) }
            }
            div #live data-live { (targets(visit, check, asked)) }
        }
        section aria-labelledby="recent" {
            h2 #recent { (visit.say("Recent incidents", "Недавние инциденты")) }
            div #history data-live { (recent) }
            p {
                a href=(links::link("/incidents", &[("check", &check.name)])) {
                    (visit.say("All incidents of this check", "Все инциденты этой проверки"))
                }
            }
        }
    }
}

fn about(visit: &Visit, check: &CheckNow) -> Markup {
    let tongue = visit.tongue;
    let list = |names: &[String]| names.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
    html! {
        @if let Some(comment) = &check.comment {
            p.comment { (clean(comment)) }
        }
        dl.facts {
            div {
                dt { (visit.say("Targets", "Целей")) }
                dd { (tongue.failing(check.failing, check.total)) }
            }
            div {
                dt { (visit.say("Severity", "Важность")) }
                dd { (severity(&check.severity, tongue)) }
            }
            div {
                dt { (visit.say("Tells", "Сообщает")) }
                dd {
                    @if check.notify.is_empty() { (visit.say("nobody", "никому")) } @else { (list(&check.notify)) }
                }
            }
            @if !check.needs.is_empty() {
                div {
                    dt { (visit.say("Needs", "Зависит от")) }
                    dd { (list(&check.needs)) }
                }
            }
            div {
                dt { (visit.say("Next look", "Следующий взгляд")) }
                dd { (tongue.next_look(check.next_in)) }
            }
            @for (key, value) in check.labels.iter().take(12) {
                div {
                    dt { (clean(key)) }
                    dd { (clean(value)) }
                }
            }
        }
    }
}

/// As they stand in the file.
fn rules(visit: &Visit, rules: &[RuleAbout]) -> Markup {
    html! {
        details.rules {
            summary { (visit.say("Rules", "Правила")) " (" (rules.len()) ")" }
            ul.plain {
                @for rule in rules {
                    li { (rule_words(visit, rule)) }
                }
            }
        }
    }
}

pub fn rule_words(visit: &Visit, rule: &RuleAbout) -> Markup {
    let words = match rule.rule.as_str() {
        "up" => visit.say("the look did not fail", "взгляд не показал сбоя"),
        "seen" => visit.say("it could be looked at", "взглянуть удалось"),
        _ => "",
    };
    html! {
        @if let Some(text) = &rule.text {
            @if !text.starts_with(&rule.rule) {
                code { (clean(&rule.rule)) }
                " · "
            }
            (clean(text))
        } @else {
            code { (clean(&rule.rule)) }
            " "
            span.faint { (words) "; " (visit.say("False after", "False после")) " " (rule.of) }
        }
    }
}

fn targets(visit: &Visit, check: &CheckNow, asked: &Asked) -> Markup {
    let tongue = visit.tongue;
    let to = |offset: usize| {
        let offset = if offset == 0 { String::new() } else { offset.to_string() };
        links::link("/check", &[("name", &check.name), ("filter", &asked.filter), ("state", &asked.state), ("offset", &offset)])
    };
    html! {
        @if check.targets.is_empty() {
            p.empty {
                @if check.total == 0 {
                    (visit.say("Not looked at yet.", "Ещё не смотрели."))
                } @else if asked.filter.is_empty() && asked.offset == 0 {
                    (visit.say("None of its targets fails.", "Ни одна цель не сбоит."))
                } @else { (visit.say("No such target.", "Такой цели нет.")) }
            }
        } @else {
            p.faint role="status" { (visit.say("Found", "Найдено")) ": " (tongue.count(check.found)) }
            table.cards.targets {
                thead {
                    tr {
                        th { (visit.say("Status", "Статус")) }
                        th { (visit.say("Target", "Цель")) }
                        th { (visit.say("Not in order", "Не в порядке")) }
                        th { (visit.say("Last look", "Последний взгляд")) }
                    }
                }
                tbody {
                    @for target in &check.targets { (row(visit, check, target)) }
                }
            }
            (pager(asked.offset, check.targets.len(), check.found, tongue, &to, PAGE))
        }
    }
}

fn row(visit: &Visit, check: &CheckNow, target: &TargetNow) -> Markup {
    html! {
        tr.bad[!target.status] {
            td.status { (mark(target.status)) }
            td {
                a href=(links::target(&check.name, &target.target)) { (target_words(&target.target, target.name.as_deref(), visit.tongue)) }
            }
            td {
                @for rule in &target.rules {
                    div { (rule_now(rule)) }
                }
            }
            td {
                @if let Some(reason) = &target.reason {
                    div.reason { (clean(reason)) }
                }
                (values(target))
            }
        }
    }
}

/// `mem 3 / 5 · #17`
pub fn rule_now(rule: &RuleNow) -> Markup {
    html! {
        (clean(&rule.rule))
        " "
        span.faint { (rule.failures) " / " (rule.of) }
        @if let Some(number) = rule.incident {
            " · "
            a href=(links::incident(number)) { "#" (number) }
        }
    }
}

fn values(target: &TargetNow) -> Markup {
    html! {
        @if !target.values.is_empty() {
            div.values {
                @for value in target.values.iter().take(MOST_VALUES) {
                    span {
                        (clean(&value.metric))
                        " "
                        b { (shown(&value.metric, value.value)) }
                    }
                    " "
                }
                @if target.values.len() > MOST_VALUES {
                    span { "+" (target.values.len() - MOST_VALUES) }
                }
            }
        }
    }
}
