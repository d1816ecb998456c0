//! The views. Whatever comes from a target or a file is text here, escaped by the macro.

use maud::{DOCTYPE, Markup, html};

use super::words::Tongue;
use crate::control::{CheckNow, CheckStatus, OpenIncident, Status, TargetNow, lasting, shown};
use crate::domain::text::{shortened, visible};
use crate::journal::Tale;

/// A reason is a line, not a page.
const LONGEST: usize = 300;

/// Everything around a view.
fn frame(title: &str, tongue: Tongue, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(tongue.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                header { a href="/" { "Vakhta" } }
                p #lost hidden role="alert" { (tongue.say("The watch does not answer; what you see may be old.", "Вахта не отвечает; данные могли устареть.")) }
                main { (body) }
            }
        }
    }
}

pub fn nothing(why: &str, tongue: Tongue) -> Markup {
    frame("Vakhta", tongue, html! { p.empty { (clean(why)) } p { a href="/" { (tongue.say("Back to all checks", "Ко всем проверкам")) } } })
}

pub fn overview(status: &Status, tongue: Tongue) -> Markup {
    let failing = status.checks.iter().filter(|check| !check.status).count();
    let title = match failing {
        0 => format!("✓ {} · Vakhta", status.host),
        failing => format!("({failing}) {} · Vakhta", status.host),
    };
    let mut checks: Vec<&CheckStatus> = status.checks.iter().collect();
    checks.sort_by_key(|check| check.status);
    frame(
        &title,
        tongue,
        html! {
            div #live {
                h1 { (clean(&status.host)) }
                p.verdict.bad[failing > 0] {
                    @if failing == 0 { (tongue.say("Everything is in order", "Всё в порядке")) }
                    @else { (tongue.say("Failing checks", "Проверок со сбоем")) ": " (failing) }
                }
                @if !status.trouble.is_empty() {
                    h2 { (tongue.say("The watch's own trouble", "Неполадки самой вахты")) }
                    (incidents(&status.trouble, 0, tongue))
                }
                @if !status.incidents.is_empty() {
                    h2 { (tongue.say("What fails", "Сбои")) }
                    (incidents(&status.incidents, status.incidents_more, tongue))
                }
                @if !status.waiting.is_empty() {
                    h2 { (tongue.say("Not told yet", "Ещё не сообщено")) }
                    table {
                        thead { tr {
                            th { (tongue.say("Channel", "Канал")) } th { (tongue.say("Check", "Проверка")) }
                            th { (tongue.say("Owed", "Что")) } th { (tongue.say("Why not yet", "Почему ещё нет")) }
                        } }
                        tbody { @for waiting in &status.waiting {
                            tr {
                                td { (clean(&waiting.channel)) } td { (clean(&waiting.check)) }
                                td { (waiting.count) " " (waiting.kind) } td { (clean(&waiting.why.words(status.time))) }
                            }
                        } }
                    }
                }
                @if !status.silences.is_empty() {
                    h2 { (tongue.say("Silences", "Тишина")) }
                    table { tbody { @for silence in &status.silences {
                        tr {
                            td { (clean(&silence.about)) }
                            td { (tongue.say("until", "до")) " " (silence.until.format("%Y-%m-%d %H:%M")) }
                            td { (clean(&silence.by)) } td { (clean(&silence.comment)) }
                        }
                    } } }
                }
                h2 { (tongue.say("Checks", "Проверки")) }
                table {
                    thead { tr { th {} th { (tongue.say("Check", "Проверка")) } th { (tongue.say("Targets", "Целей")) } th { (tongue.say("Next look", "Следующий взгляд")) } } }
                    tbody { @for check in checks {
                        tr.bad[!check.status] {
                            td { (mark(check.status)) }
                            td { a href=(link("/check", "name", &check.name)) { (clean(&check.name)) } }
                            td { (tongue.failing(check.failing, check.targets)) }
                            td { @if let Some(seconds) = check.next_in { (tongue.say("in", "через")) " " (lasting(seconds)) } @else { "–" } }
                        }
                    } }
                }
                footer { "vakhta " (status.vakhta) " · " (tongue.say("since", "с")) " " (status.since.format("%Y-%m-%d %H:%M:%S")) " · " (status.time.format("%H:%M:%S")) }
            }
        },
    )
}

fn incidents(incidents: &[OpenIncident], more: usize, tongue: Tongue) -> Markup {
    html! {
        table.incidents {
            thead { tr {
                th { "#" } th { (tongue.say("Check", "Проверка")) } th { (tongue.say("Target", "Цель")) }
                th { (tongue.say("Since", "С")) } th { (tongue.say("Reason", "Причина")) }
            } }
            tbody { @for incident in incidents {
                tr.bad {
                    td { a href=(link("/incident", "number", &incident.number.to_string())) { "#" (incident.number) } }
                    td { a href=(link("/check", "name", &incident.check)) { (clean(&incident.check)) } }
                    td { (clean(&incident.target)) @if let Some(name) = &incident.name { " (" (clean(name)) ")" } }
                    td { (incident.since.format("%Y-%m-%d %H:%M:%S")) }
                    td { (clean(&incident.reason)) }
                }
            } }
        }
        @if more > 0 { p { (tongue.say("and more", "и ещё")) ": " (more) } }
    }
}

pub fn check(check: &CheckNow, filter: &str, tongue: Tongue) -> Markup {
    frame(
        &format!("{} · Vakhta", check.name),
        tongue,
        html! {
            h1 { (mark(check.status)) " " (clean(&check.name)) }
            form method="get" action="/check" role="search" {
                input type="hidden" name="name" value=(check.name);
                label { (tongue.say("Find a target", "Найти цель")) " " input type="search" name="filter" value=(filter); }
                button { (tongue.say("Find", "Найти")) }
            }
            div #live {
                @if check.targets.is_empty() {
                    p.empty { @if filter.is_empty() { (tongue.say("Not looked at yet.", "Ещё не смотрели.")) } @else { (tongue.say("No such target.", "Такой цели нет.")) } }
                } @else {
                    table {
                        thead { tr { th {} th { (tongue.say("Target", "Цель")) } th { (tongue.say("Rules", "Правила")) } th { (tongue.say("Last look", "Последний взгляд")) } } }
                        tbody { @for target in &check.targets { (target_row(target, tongue)) } }
                    }
                    @if check.more > 0 { p { (tongue.say("and more, find them by name", "и ещё, ищите по имени")) ": " (check.more) } }
                }
            }
        },
    )
}

fn target_row(target: &TargetNow, tongue: Tongue) -> Markup {
    let is_good = target.rules.iter().all(|rule| rule.status);
    html! {
        tr.bad[!is_good] {
            td { (mark(is_good)) }
            td { @if target.target.is_empty() { (tongue.say("the check itself", "сама проверка")) } @else { (clean(&target.target)) } @if let Some(name) = &target.name { " (" (clean(name)) ")" } }
            td { @for rule in &target.rules {
                div {
                    (clean(&rule.rule)) ": " (rule.failures) " / " (rule.of)
                    @if let Some(number) = rule.incident { " · " a href=(link("/incident", "number", &number.to_string())) { "#" (number) } }
                }
            } }
            td {
                @if let Some(reason) = &target.reason { div { (clean(reason)) } }
                @if !target.values.is_empty() { span.values { @for value in &target.values { span { (clean(&value.metric)) " " (shown(&value.metric, value.value)) } " " } } }
            }
        }
    }
}

pub fn incident(tale: &Tale, tongue: Tongue) -> Markup {
    let title = tale.title();
    frame(
        &title,
        tongue,
        html! {
            h1 { (clean(&title)) }
            div #live {
                ol.tale { @for (time, sentence) in tale.sentences() {
                    li { time { (time) } " " (clean(&sentence)) }
                } }
                @if !tale.is_over() { p.verdict.bad { (tongue.say("It still fails", "Сбой ещё длится")) } }
            }
        },
    )
}

fn mark(is_good: bool) -> Markup {
    html! { @if is_good { span.mark.good { "True" } } @else { span.mark { "False" } } }
}

/// One line without control characters, of bearable length.
fn clean(text: &str) -> String {
    shortened(&visible(text), LONGEST).into_owned()
}

/// `/check?name=billing%20api`
fn link(path: &str, key: &str, value: &str) -> String {
    let mut link = format!("{path}?{key}=");
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => link.push(char::from(byte)),
            byte => link.push_str(&format!("%{byte:02X}")),
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_any_name() {
        assert_eq!(link("/check", "name", "billing \"api\"/ж&x=1"), "/check?name=billing%20%22api%22%2F%D0%B6%26x%3D1");
    }
}
