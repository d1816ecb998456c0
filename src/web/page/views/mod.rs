//! The views, a file each, and the parts that they share. Whatever comes from a target or a file is text here, quoted by the macro.

pub mod account;
pub mod admin;
pub mod check;
pub mod incident;
pub mod incidents;
pub mod login;
pub mod overview;
mod people;
pub mod public;
pub mod silences;
pub mod target;

use chrono::{DateTime, FixedOffset};
use maud::{Markup, html};

use super::links;
use super::visit::Visit;
use super::words::Tongue;
use crate::access::Role;
use crate::domain::text::{shortened, visible};

/// A reason is a line, not a page.
const LONGEST: usize = 300;

/// How long somebody may want silence, in seconds.
const SILENCES: [(u64, &str, &str); 7] = [
    (3600, "1 hour", "1 час"),
    (7200, "2 hours", "2 часа"),
    (14_400, "4 hours", "4 часа"),
    (28_800, "8 hours", "8 часов"),
    (86_400, "1 day", "1 день"),
    (259_200, "3 days", "3 дня"),
    (604_800, "1 week", "1 неделя"),
];

/// One line without control characters, of bearable length.
pub fn clean(text: &str) -> String {
    shortened(&visible(text), LONGEST).into_owned()
}

/// A status, by shape and word.
fn mark(is_good: bool) -> Markup {
    html! {
        @if is_good {
            span.mark.good { "True" }
        } @else {
            span.mark.bad { "False" }
        }
    }
}

fn severity(word: &str, tongue: Tongue) -> Markup {
    html! {
        @if !word.is_empty() {
            span.severity.(if word == "warning" { "warning" } else { "critical" }) { (tongue.severity(&clean(word))) }
        }
    }
}

fn moment(at: DateTime<FixedOffset>, now: DateTime<FixedOffset>, tongue: Tongue) -> Markup {
    html! {
        time datetime=(at.to_rfc3339()) title=(at.format("%Y-%m-%d %H:%M:%S %:z")) { (tongue.moment(at, now)) }
    }
}

/// When it began and for how long it lasts, or lasted.
fn since(at: DateTime<FixedOffset>, until: Option<DateTime<FixedOffset>>, now: DateTime<FixedOffset>, tongue: Tongue) -> Markup {
    let lasts = (until.unwrap_or(now) - at).num_seconds().max(0) as u64;
    html! {
        (moment(at, now, tongue))
        " "
        span.faint { (tongue.lasting(lasts)) }
    }
}

/// A target by its address and name; one that is its check itself says so.
fn target_words(target: &str, name: Option<&str>, tongue: Tongue) -> Markup {
    html! {
        @if target.is_empty() { (tongue.say("the check itself", "сама проверка")) } @else { (clean(target)) }
        @if let Some(name) = name {
            " "
            span.faint { "(" (clean(name)) ")" }
        }
    }
}

/// A button that the script sends to the API, with what is `fixed` in its body. `send` is a method and a path.
fn button(send: &str, label: &str, fixed: &[(&str, &str)]) -> Markup {
    html! {
        form.act data-send=(send) {
            @for (name, value) in fixed {
                input type="hidden" name=(name) value=(value);
            }
            button { (label) }
            output role="status" {}
        }
    }
}

/// The same for what is not easily undone: it asks before it is sent.
fn careful_button(send: &str, label: &str, sure: &str) -> Markup {
    html! {
        form.act data-send=(send) {
            button data-sure=(sure) { (label) }
            output role="status" {}
        }
    }
}

/// The check looks at once.
fn look_now(visit: &Visit, check: &str) -> Markup {
    button(&format!("POST /api/checks/{}/recheck", links::quoted(check)), visit.say("Look now", "Посмотреть сейчас"), &[])
}

/// Where people act, but only with a script.
fn without_script(visit: &Visit) -> Markup {
    html! {
        noscript {
            p.notice {
                (visit.say(
                    "To act from this page, JavaScript is needed; the command line does the same.",
                    "Чтобы действовать со страницы, нужен JavaScript; командная строка умеет то же.",
                ))
            }
        }
    }
}

/// A form that silences a check, a target or everything.
fn silence_form(visit: &Visit, about: Option<&str>) -> Markup {
    html! {
        form.act.row data-send="POST /api/silences" {
            @match about {
                Some(about) => input type="hidden" name="about" value=(about);,
                None => label {
                    (visit.say("Of what; empty: of everything", "О чём; пусто: обо всём"))
                    input
                        type="text"
                        name="about"
                        data-optional
                        placeholder=(visit.say("CHECK or CHECK/TARGET", "ПРОВЕРКА или ПРОВЕРКА/ЦЕЛЬ"))
                        size="32"
                        autocomplete="off";
                },
            }
            label {
                (visit.say("For how long", "На сколько"))
                select name="seconds" data-number {
                    @for (seconds, english, russian) in SILENCES {
                        option value=(seconds) { (visit.say(english, russian)) }
                    }
                }
            }
            label {
                (visit.say("Why", "Почему"))
                input type="text" name="comment" maxlength="300" autocomplete="off";
            }
            button { (visit.say("Silence", "Заглушить")) }
            output role="status" {}
        }
    }
}

/// A form that takes on an incident, or all that are open of something. `field` is `incident` or `about`.
fn acknowledge_form(visit: &Visit, field: &str, value: &str) -> Markup {
    html! {
        details #acknowledge-it.act {
            summary { (visit.say("Acknowledge…", "Принять…")) }
            form.act.row data-send="POST /api/acknowledgements" {
                input type="hidden" name=(field) value=(value) data-number[field == "incident"];
                label {
                    (visit.say("Note", "Заметка"))
                    input
                        type="text"
                        name="note"
                        maxlength="300"
                        size="32"
                        autocomplete="off"
                        placeholder=(visit.say("what is being done", "что делается"));
                }
                button { (visit.say("Acknowledge", "Принять")) }
                output role="status" {}
            }
            p.faint {
                (visit.say("Reminders stop; a recovery is told all the same.", "Напоминания прекратятся; о восстановлении будет сообщено."))
            }
        }
    }
}

/// Acknowledge what fails, silence and look now, for who may.
fn check_actions(visit: &Visit, check: &str, about: &str, fails: bool) -> Markup {
    html! {
        @if visit.may(Role::Operator) {
            div #actions.actions data-live {
                @if fails { (acknowledge_form(visit, "about", about)) }
                (look_now(visit, check))
                details #silence-it.act {
                    summary { (visit.say("Silence…", "Заглушить…")) }
                    (silence_form(visit, Some(about)))
                }
            }
            (without_script(visit))
        }
    }
}

/// `1–100 of 10,000`, with the ways to the pages beside.
fn pager(offset: usize, shown: usize, found: usize, tongue: Tongue, to: &dyn Fn(usize) -> String, size: usize) -> Markup {
    html! {
        @if shown < found {
            nav.pager aria-label=(tongue.say("Pages", "Страницы")) {
                @if offset > 0 {
                    a rel="prev" href=(to(offset.saturating_sub(size))) { "‹ " (tongue.say("Back", "Назад")) }
                }
                span { (tongue.count(offset + 1)) "–" (tongue.count(offset + shown)) " " (tongue.say("of", "из")) " " (tongue.count(found)) }
                @if offset + shown < found {
                    a rel="next" href=(to(offset + size)) { (tongue.say("Next", "Дальше")) " ›" }
                }
            }
        }
    }
}

/// A time of history as people of this watch read it.
fn local(visit: &Visit, millis: i64) -> DateTime<FixedOffset> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().with_timezone(&visit.house.zone).fixed_offset()
}
