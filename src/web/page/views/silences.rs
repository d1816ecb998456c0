//! `/silences`: what nobody is told of for a while.

use axum::response::Response;
use maud::{Markup, html};

use super::super::visit::{View, Visit};
use super::{careful_button, clean, moment, silence_form, without_script};
use crate::access::Role;
use crate::control::Status;

pub async fn silences(visit: Visit) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let body = body(&visit, &status);
    visit.show(View { title: visit.say("Silences", "Тишина").to_owned(), at: "/silences", status: Some(&status), body })
}

fn body(visit: &Visit, status: &Status) -> Markup {
    let may = visit.may(Role::Operator);
    html! {
        h1 { (visit.say("Silences", "Тишина")) }
        p.faint {
            (visit.say(
                "Checks go on and incidents open; nobody is told of them until the silence is over.",
                "Проверки идут и инциденты открываются; пока длится тишина, о них не сообщают.",
            ))
        }
        @if may {
            (without_script(visit))
            section.act aria-labelledby="new" {
                h2 #new { (visit.say("A new silence", "Новая тишина")) }
                (silence_form(visit, None))
            }
        }
        div #live data-live {
            h2 { (visit.say("Now", "Сейчас")) }
            @if status.silences.is_empty() {
                p.empty { (visit.say("Nothing is silenced.", "Ничего не заглушено.")) }
            } @else {
                table.cards {
                    thead {
                        tr {
                            th { (visit.say("Number", "Номер")) }
                            th { (visit.say("Of what", "О чём")) }
                            th { (visit.say("Until", "До")) }
                            th { (visit.say("By", "Кто")) }
                            th { (visit.say("Why", "Почему")) }
                            @if may {
                                th {
                                    span.sight { (visit.say("What can be done", "Действия")) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for silence in &status.silences {
                            tr #{ "s" (silence.number) } {
                                td { (silence.number) }
                                td {
                                    @if silence.about == "everything" { (visit.say("everything", "всё")) } @else {
                                        (clean(&silence.about))
                                    }
                                }
                                td data-label=(visit.say("Until", "До")) {
                                    (moment(silence.until, status.time, visit.tongue))
                                    " "
                                    span.faint {
                                        (visit.say("for", "ещё"))
                                        " "
                                        (visit.tongue.lasting((silence.until - status.time).num_seconds().max(0) as u64))
                                    }
                                }
                                td { (clean(&silence.by)) }
                                td { (clean(&silence.comment)) }
                                @if may {
                                    td.buttons {
                                        (careful_button(
                                            &format!("DELETE /api/silences/{}", silence.number),
                                            visit.say("End", "Закончить"),
                                            visit.say("End it now?", "Закончить сейчас?"),
                                        ))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
