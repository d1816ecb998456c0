//! `/`: what fails first, what was not told yet, then all checks.

use axum::response::Response;
use maud::{Markup, html};

use super::super::links;
use super::super::visit::{View, Visit};
use super::{clean, mark, moment, severity, since, target_words};
use crate::control::{CheckStatus, OpenIncident, Status};

/// Of one check; the others are behind a link.
const FEW: usize = 5;
/// Of checks whose incidents are listed; the others stand among the checks.
const MOST_CHECKS: usize = 30;

pub async fn overview(visit: Visit) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let title = match status.is_good() {
        true => visit.say("In order", "В порядке"),
        false => visit.say("Failing", "Сбои"),
    };
    visit.show(View { title: title.to_owned(), at: "/", status: Some(&status), body: body(&visit, &status) })
}

fn body(visit: &Visit, status: &Status) -> Markup {
    let tongue = visit.tongue;
    let failing = status.checks.iter().filter(|check| !check.status).count();
    html! {
        div #live data-live {
            h1.sight { (clean(&status.host)) }
            (verdict(visit, status, failing))
            @if !status.trouble.is_empty() {
                section aria-labelledby="trouble" {
                    h2 #trouble { (visit.say("The watch's own trouble", "Неполадки самой вахты")) }
                    (table(visit, &status.trouble, status))
                }
            }
            @if !status.incidents.is_empty() { (what_fails(visit, status)) }
            @if !status.waiting.is_empty() {
                section aria-labelledby="waiting" {
                    h2 #waiting { (visit.say("Not told yet", "Ещё не сообщено")) }
                    table.cards {
                        thead {
                            tr {
                                th { (visit.say("Channel", "Канал")) }
                                th { (visit.say("Check", "Проверка")) }
                                th { (visit.say("Owed", "Что")) }
                                th { (visit.say("Why not yet", "Почему ещё нет")) }
                            }
                        }
                        tbody {
                            @for waiting in &status.waiting {
                                tr {
                                    td { (clean(&waiting.channel)) }
                                    td {
                                        a href=(links::check(&waiting.check)) { (clean(&waiting.check)) }
                                    }
                                    td { (tongue.owed(waiting.count, &waiting.kind)) }
                                    td { (clean(&tongue.why(&waiting.why, status.time))) }
                                }
                            }
                        }
                    }
                }
            }
            @if !status.silences.is_empty() {
                section aria-labelledby="silenced" {
                    h2 #silenced { (visit.say("Silences", "Тишина")) }
                    ul.plain {
                        @for silence in &status.silences {
                            li {
                                strong { (clean(&silence.about)) }
                                " "
                                (visit.say("until", "до"))
                                " "
                                (moment(silence.until, status.time, tongue))
                                " "
                                span.faint {
                                    (clean(&silence.by))
                                    @if !silence.comment.is_empty() { ": " (clean(&silence.comment)) }
                                }
                            }
                        }
                    }
                }
            }
            (checks(visit, status))
        }
    }
}

fn verdict(visit: &Visit, status: &Status, failing: usize) -> Markup {
    let tongue = visit.tongue;
    let (checks, targets): (usize, usize) = (status.checks.len(), status.checks.iter().map(|check| check.targets).sum());
    let down: usize = status.checks.iter().map(|check| check.failing).sum();
    let incidents = status.incidents.len() + status.incidents_more;
    let fresh = status.checks.iter().filter(|check| check.targets == 0).count();
    html! {
        div.verdict.(if status.is_good() { "good" } else { "bad" }) {
            p.said {
                @if status.is_good() && fresh == checks && checks > 0 {
                    (visit.say("Nothing was looked at yet", "Ещё ни на что не смотрели"))
                } @else if status.is_good() { (visit.say("Everything is in order", "Всё в порядке")) } @else if failing == 0 {
                    (visit.say("All checks are True, but the watch itself is in trouble", "Все проверки True, но у самой вахты неполадки"))
                } @else { (visit.say("Failing checks", "Проверок со сбоем")) ": " (tongue.count(failing)) }
            }
            dl.facts {
                div {
                    dt { (visit.say("Checks", "Проверок")) }
                    dd { (tongue.count(checks)) }
                }
                div {
                    dt { (visit.say("Targets", "Целей")) }
                    dd {
                        (tongue.count(targets))
                        @if down > 0 {
                            ", "
                            span.bad { (tongue.count(down)) " " (visit.say("fail", "со сбоем")) }
                        }
                    }
                }
                div {
                    dt { (visit.say("Open incidents", "Открытых инцидентов")) }
                    dd {
                        a href="/incidents?state=open" { (tongue.count(incidents)) }
                    }
                }
            }
        }
    }
}

fn what_fails(visit: &Visit, status: &Status) -> Markup {
    let mut groups: Vec<&[OpenIncident]> = status.incidents.chunk_by(|a, b| a.check == b.check).collect();
    groups.sort_by_key(|group| group.iter().all(|incident| incident.severity == "warning"));
    html! {
        section aria-labelledby="fails" {
            h2 #fails { (visit.say("What fails", "Что не работает")) }
            @for group in groups.iter().take(MOST_CHECKS) { (failing_check(visit, group, status)) }
            @if groups.len() > MOST_CHECKS {
                p {
                    a href="/incidents?state=open" {
                        (visit.say("and more checks", "и ещё проверок"))
                        ": "
                        (visit.tongue.count(groups.len() - MOST_CHECKS))
                    }
                }
            }
        }
    }
}

/// `terminals: 37 of 10,000`, with the first few.
fn failing_check(visit: &Visit, group: &[OpenIncident], status: &Status) -> Markup {
    let (tongue, name) = (visit.tongue, &group[0].check);
    let check = status.checks.iter().find(|check| check.name == *name);
    let is_warning = group.iter().all(|incident| incident.severity == "warning");
    html! {
        article.failing.(if is_warning { "warning" } else { "critical" }) {
            h3 {
                (mark(false))
                a href=(links::failing(name)) { (clean(name)) }
                @if let Some(check) = check {
                    span.faint { (tongue.failing(check.failing, check.targets)) }
                }
                @if is_warning { (severity("warning", tongue)) }
            }
            (table(visit, &group[..group.len().min(FEW)], status))
            @if let Some(check) = check && check.failing > FEW {
                p.more {
                    a href=(links::failing(name)) { (visit.say("All that fail", "Все со сбоем")) ": " (tongue.count(check.failing)) }
                }
            }
        }
    }
}

fn table(visit: &Visit, incidents: &[OpenIncident], status: &Status) -> Markup {
    html! {
        table.cards.incidents {
            colgroup {
                col.number;
                col.target;
                col.rule;
                col.reason;
                col.when;
            }
            thead.sight {
                tr {
                    th { "#" }
                    th { (visit.say("Target", "Цель")) }
                    th { (visit.say("Rule", "Правило")) }
                    th { (visit.say("Reason", "Причина")) }
                    th { (visit.say("Since", "С")) }
                }
            }
            tbody {
                @for incident in incidents {
                    tr #{ "i" (incident.number) } {
                        td.number {
                            a href=(links::incident(incident.number)) { "#" (incident.number) }
                        }
                        td {
                            a href=(links::target(&incident.check, &incident.target)) {
                                (target_words(&incident.target, incident.name.as_deref(), visit.tongue))
                            }
                        }
                        td.faint { (clean(&incident.rule)) }
                        td.reason {
                            (clean(&incident.reason))
                            @if let Some(taken) = &incident.acknowledged {
                                div.taken {
                                    (visit.say("acknowledged by", "принял"))
                                    " "
                                    (clean(&taken.by))
                                    @if !taken.note.is_empty() { ": " (clean(&taken.note)) }
                                }
                            }
                        }
                        td.when { (since(incident.since, None, status.time, visit.tongue)) }
                    }
                }
            }
        }
    }
}

fn checks(visit: &Visit, status: &Status) -> Markup {
    let mut groups: Vec<Option<&str>> = Vec::new();
    for check in &status.checks {
        if !groups.contains(&check.group.as_deref()) {
            groups.push(check.group.as_deref());
        }
    }
    // Those without a group come last.
    groups.sort_by_key(Option::is_none);
    let named = groups.iter().any(Option::is_some);
    html! {
        section aria-labelledby="checks" {
            h2 #checks { (visit.say("Checks", "Проверки")) }
            @for group in groups {
                @let members: Vec<&CheckStatus> = status
                    .checks
                    .iter()
                    .filter(|check| check.group.as_deref() == group)
                    .collect();
                @if named {
                    h3.group {
                        @match group {
                            Some(group) => (clean(group)),
                            None => (visit.say("Without a group", "Без группы")),
                        }
                        " "
                        span.faint { (visit.tongue.failing(members.iter().filter(|check| !check.status).count(), members.len())) }
                    }
                }
                (group_table(visit, members))
            }
        }
    }
}

fn group_table(visit: &Visit, mut checks: Vec<&CheckStatus>) -> Markup {
    checks.sort_by_key(|check| check.status);
    html! {
        table.cards.checks {
            thead {
                tr {
                    th { (visit.say("Status", "Статус")) }
                    th { (visit.say("Check", "Проверка")) }
                    th { (visit.say("Targets", "Целей")) }
                    th { (visit.say("Next look", "Следующий взгляд")) }
                }
            }
            tbody {
                @for check in checks {
                    tr.bad[!check.status] {
                        td.status {
                            @if check.targets == 0 && check.status {
                                span.mark.none { (visit.say("not yet", "ещё нет")) }
                            } @else { (mark(check.status)) }
                        }
                        td {
                            a href=(links::check(&check.name)) { (clean(&check.name)) }
                        }
                        td { (visit.tongue.failing(check.failing, check.targets)) }
                        td.faint { (visit.tongue.next_look(check.next_in)) }
                    }
                }
            }
        }
    }
}
