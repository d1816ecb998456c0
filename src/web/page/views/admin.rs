//! `/admin`: machines, people, tokens, channels, and who changed what.

use axum::response::Response;
use maud::{Markup, html};

use super::super::links::{self, quoted};
use super::super::visit::{View, Visit};
use super::{button, careful_button, clean, look_now, moment, people, without_script};
use crate::control::{AuditNow, Body, ChannelNow, MachineNow, Request, Status};

/// Of the audit, newest first.
const MOST_AUDIT: u32 = 100;

pub async fn admin(visit: Visit) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let machines = match visit.house.ask(Request::Machines).await {
        Some(Body::Machines(machines)) => Some(machines),
        _ => None,
    };
    let audit = match visit.house.ask(Request::Audit { most: MOST_AUDIT }).await {
        Some(Body::Audit(audit)) => Some(audit),
        _ => None,
    };
    let channels = match visit.house.ask(Request::Numbers).await {
        Some(Body::Numbers(numbers)) => numbers.channels,
        _ => Vec::new(),
    };
    let (users, tokens) = (people::users(&visit, &status).await, people::tokens(&visit, false).await);
    let body = html! {
        h1 { (visit.say("Admin", "Управление")) }
        (without_script(&visit))
        nav.tabs aria-label=(visit.say("On this page", "На этой странице")) {
            a href="#machines" { (visit.say("Machines", "Машины")) }
            a href="#channels" { (visit.say("Channels", "Каналы")) }
            a href="#users" { (visit.say("People", "Люди")) }
            a href="#tokens" { (visit.say("Tokens", "Токены")) }
            a href="#audit" { (visit.say("Audit", "Аудит")) }
        }
        (add_machine(&visit, &status))
        div #live data-live { (list_machines(&visit, machines, &status)) (list_channels(&visit, &channels)) }
        (users)
        (tokens)
        div #audit-list data-live { (list_audit(&visit, audit, &status)) }
    };
    visit.show(View { title: visit.say("Admin", "Управление").to_owned(), at: "/admin", status: Some(&status), body })
}

fn add_machine(visit: &Visit, status: &Status) -> Markup {
    html! {
        section aria-labelledby="machines" {
            h2 #machines { (visit.say("Machines", "Машины")) }
            p.faint {
                (visit.say(
                    "Targets beside those of the file. They are looked at from the moment they are added.",
                    "Цели помимо тех, что в файле. За ними следят с момента добавления.",
                ))
            }
            form.act.row data-send="POST /api/machines" {
                label {
                    (visit.say("Check", "Проверка"))
                    select name="check" required {
                        @for check in status.checks.iter().take(1000) {
                            option value=(check.name) { (clean(&check.name)) }
                        }
                    }
                }
                label {
                    (visit.say("Target", "Цель"))
                    input
                        type="text"
                        name="target"
                        required
                        size="28"
                        placeholder=(visit.say("address, host:port or URL", "адрес, хост:порт или URL"))
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false";
                }
                button { (visit.say("Add", "Добавить")) }
                output role="status" {}
            }
        }
    }
}

fn list_machines(visit: &Visit, machines: Option<Vec<MachineNow>>, status: &Status) -> Markup {
    let Some(machines) = machines else {
        return html! {
            p.empty { (visit.say("The list cannot be read now.", "Список сейчас не читается.")) }
        };
    };
    html! {
        @if machines.is_empty() {
            p.empty { (visit.say("None was added.", "Пока не добавлено ни одной.")) }
        } @else {
            table.cards {
                thead {
                    tr {
                        th { (visit.say("Target", "Цель")) }
                        th { (visit.say("Check", "Проверка")) }
                        th { (visit.say("Added", "Добавлена")) }
                        th { (visit.say("State", "Состояние")) }
                        th {
                            span.sight { (visit.say("What can be done", "Действия")) }
                        }
                    }
                }
                tbody {
                    @for machine in &machines {
                        tr {
                            td {
                                a href=(links::target(&machine.check, &machine.target)) { (clean(&machine.target)) }
                            }
                            td {
                                a href=(links::check(&machine.check)) { (clean(&machine.check)) }
                            }
                            td.faint { (moment(machine.added, status.time, visit.tongue)) " " (clean(&machine.by)) }
                            td {
                                @if machine.paused {
                                    span.mark.none { (visit.say("paused", "приостановлена")) }
                                } @else {
                                    span.mark.good { (visit.say("watched", "под наблюдением")) }
                                }
                            }
                            td.buttons {
                                (pause(visit, machine))
                                (look_now(visit, &machine.check))
                                (careful_button(
                                    &format!("DELETE /api/machines?check={}&target={}", quoted(&machine.check), quoted(&machine.target)),
                                    visit.say("Remove", "Убрать"),
                                    visit.say("Really remove?", "Точно убрать?"),
                                ))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn pause(visit: &Visit, machine: &MachineNow) -> Markup {
    let fixed = [("check", machine.check.as_str()), ("target", machine.target.as_str())];
    match machine.paused {
        true => button("PATCH /api/machines paused=false", visit.say("Resume", "Возобновить"), &fixed),
        false => button("PATCH /api/machines paused=true", visit.say("Pause", "Приостановить"), &fixed),
    }
}

fn list_channels(visit: &Visit, channels: &[ChannelNow]) -> Markup {
    let tongue = visit.tongue;
    html! {
        section aria-labelledby="channels" {
            h2 #channels { (visit.say("Channels", "Каналы")) }
            table.cards {
                thead {
                    tr {
                        th { (visit.say("Channel", "Канал")) }
                        th { (visit.say("Kind", "Вид")) }
                        th { (visit.say("Taken", "Принято")) }
                        th { (visit.say("Not taken", "Не принято")) }
                        th { (visit.say("Still to hear of", "Ещё не знает о")) }
                        th {
                            span.sight { (visit.say("What can be done", "Действия")) }
                        }
                    }
                }
                tbody {
                    @for channel in channels {
                        tr {
                            td { (clean(&channel.name)) }
                            td data-label=(visit.say("Kind", "Вид")) { (channel.kind) }
                            td data-label=(visit.say("Taken", "Принято")) { (tongue.count(channel.taken as usize)) }
                            td data-label=(visit.say("Not taken", "Не принято")) { (tongue.count(channel.not_taken as usize)) }
                            td data-label=(visit.say("Still to hear of", "Ещё не знает о")) { (tongue.count(channel.waiting)) }
                            td.buttons {
                                (button(&format!("POST /api/channels/{}/test", quoted(&channel.name)), visit.say("Send a test", "Отправить пробу"), &[]))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn list_audit(visit: &Visit, audit: Option<Vec<AuditNow>>, status: &Status) -> Markup {
    html! {
        section aria-labelledby="audit" {
            h2 #audit { (visit.say("Who changed what", "Кто что менял")) }
            @match audit {
                None => p.empty { (visit.say("The list cannot be read now.", "Список сейчас не читается.")) },
                Some(audit) if audit.is_empty() => p.empty { (visit.say("Nothing was changed yet.", "Пока ничего не меняли.")) },
                Some(audit) => table.cards {
                    thead {
                        tr {
                            th { (visit.say("When", "Когда")) }
                            th { (visit.say("Who", "Кто")) }
                            th { (visit.say("What", "Что")) }
                            th { (visit.say("Of what", "О чём")) }
                        }
                    }
                    tbody {
                        @for entry in &audit {
                            tr {
                                td.faint { (moment(entry.time, status.time, visit.tongue)) }
                                td { (clean(&entry.by)) }
                                td { (clean(&entry.what)) }
                                td { (clean(&entry.about)) }
                            }
                        }
                    }
                },
            }
        }
    }
}
