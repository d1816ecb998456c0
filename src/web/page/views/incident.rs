//! `/incident`: the story of one: why somebody got a message, or got none.

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, FixedOffset};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::incidents::as_kept;
use super::super::links;
use super::super::visit::{Query, View, Visit};
use super::{acknowledge_form, button, clean, look_now, moment, severity, silence_form, target_words, without_script};
use crate::access::Role;
use crate::control::{OpenIncident, Status};
use crate::journal::{Happened, Tale};
use crate::store::history::{KeptIncident, KeptTold};

#[derive(Debug, Deserialize)]
pub struct Asked {
    number: u64,
}

/// What is known of it, from wherever.
struct Known {
    number: u64,
    check: String,
    target: String,
    name: Option<String>,
    rule: String,
    severity: String,
    reason: String,
    since: DateTime<FixedOffset>,
    until: Option<DateTime<FixedOffset>>,
}

pub async fn incident(visit: Visit, Query(asked): Query<Asked>) -> Response {
    let number = asked.number;
    let Some(status) = visit.status().await else { return visit.silent() };
    let open = visit.house.open_incident(number).await;
    let tale = visit.house.tale(number).await.ok().flatten();
    let kept = if tale.is_none() { visit.house.kept_incident(number, &status.host).await.ok().flatten() } else { None };
    let of_kept = || kept.as_ref().map(|(kept, _)| of_history(&visit, kept));
    let of_watch = || open.as_ref().map(|open| of_history(&visit, &as_kept(open, &status.host)));
    let known = tale.as_ref().and_then(of_tale).or_else(of_kept).or_else(of_watch);
    let Some(known) = known else { return visit.nothing(StatusCode::NOT_FOUND, &visit.tongue.no_incident(number), Some(&status)) };
    let story = match (&tale, &kept) {
        (Some(tale), _) => told_by_events(&visit, tale),
        (None, Some((_, told))) => told_by_history(&visit, told),
        (None, None) => html! {
            p.empty { (visit.say("Its story is not kept any more.", "Её история больше не хранится.")) }
        },
    };
    let body = body(&visit, &known, open.as_ref(), &status, story);
    visit.show(View { title: format!("#{number} · {}", clean(&known.check)), at: "", status: Some(&status), body })
}

fn of_tale(tale: &Tale) -> Option<Known> {
    let Happened::Failed { incident, check, target, name, rule, severity, since, reason, .. } = &tale.events.first()?.what else {
        return None;
    };
    let until = tale.events.iter().find(|line| matches!(line.what, Happened::Recovered { .. })).map(|line| line.time);
    Some(Known {
        number: *incident,
        check: check.clone(),
        target: target.clone(),
        name: name.clone(),
        rule: rule.clone(),
        severity: severity.clone(),
        reason: reason.clone(),
        since: *since,
        until,
    })
}

fn of_history(visit: &Visit, kept: &KeptIncident) -> Known {
    Known {
        number: kept.number as u64,
        check: kept.check.clone(),
        target: kept.target.clone(),
        name: kept.name.clone(),
        rule: kept.rule.clone(),
        severity: kept.severity.clone(),
        reason: kept.reason.clone(),
        since: super::local(visit, kept.since),
        until: kept.until.map(|until| super::local(visit, until)),
    }
}

fn body(visit: &Visit, known: &Known, open: Option<&OpenIncident>, status: &Status, story: Markup) -> Markup {
    let (tongue, about) =
        (visit.tongue, if known.target.is_empty() { known.check.clone() } else { format!("{}/{}", known.check, known.target) });
    let reason = open.map_or(&known.reason, |open| &open.reason);
    let lasts = (known.until.unwrap_or(status.time) - known.since).num_seconds().max(0) as u64;
    html! {
        div #live data-live {
            h1 {
                "#"
                (known.number)
                " · "
                (clean(&known.check))
                @if !known.target.is_empty() { " · " (target_words(&known.target, known.name.as_deref(), tongue)) }
            }
            div.verdict.(if known.until.is_some() { "good" } else { "bad" }) {
                p.said {
                    @if known.until.is_some() { (visit.say("It is over", "Закончилось")) } @else {
                        (visit.say("It still fails", "Сбой ещё длится"))
                    }
                }
                p.reason.large { (clean(reason)) }
                dl.facts {
                    div {
                        dt { (visit.say("Check", "Проверка")) }
                        dd {
                            a href=(links::check(&known.check)) { (clean(&known.check)) }
                        }
                    }
                    div {
                        dt { (visit.say("Target", "Цель")) }
                        dd {
                            a href=(links::target(&known.check, &known.target)) {
                                (target_words(&known.target, known.name.as_deref(), tongue))
                            }
                        }
                    }
                    div {
                        dt { (visit.say("Rule", "Правило")) }
                        dd { (clean(&known.rule)) }
                    }
                    div {
                        dt { (visit.say("Severity", "Важность")) }
                        dd { (severity(&known.severity, tongue)) }
                    }
                    div {
                        dt { (visit.say("Since", "С")) }
                        dd { (moment(known.since, status.time, tongue)) }
                    }
                    div {
                        dt { (visit.say("Until", "До")) }
                        dd {
                            @match known.until {
                                Some(until) => (moment(until, status.time, tongue)),
                                None => (visit.say("now", "сейчас")),
                            }
                        }
                    }
                    div {
                        dt {
                            @if known.until.is_some() { (visit.say("Lasted", "Длилось")) } @else { (visit.say("Lasts", "Длится")) }
                        }
                        dd { (tongue.lasting(lasts)) }
                    }
                    @if let Some(taken) = open.and_then(|open| open.acknowledged.as_ref()) {
                        div {
                            dt { (visit.say("Acknowledged by", "Принял")) }
                            dd {
                                (clean(&taken.by))
                                ", "
                                (moment(taken.at, status.time, tongue))
                                @if !taken.note.is_empty() { ": " (clean(&taken.note)) }
                            }
                        }
                    }
                }
            }
        }
        @if visit.may(Role::Operator) && known.until.is_none() {
            div #actions data-live { (actions(visit, known, &about, open.is_some_and(|open| open.acknowledged.is_some()))) }
        }
        section aria-labelledby="story" {
            h2 #story { (visit.say("Why somebody was told, or was not", "Почему сообщили или нет")) }
            div #tale data-live { (story) }
        }
    }
}

fn actions(visit: &Visit, known: &Known, about: &str, is_taken: bool) -> Markup {
    html! {
        div.actions {
            @if is_taken {
                (button(&format!("DELETE /api/acknowledgements/{}", known.number), visit.say("Give back", "Вернуть"), &[]))
            } @else {
                (acknowledge_form(visit, "incident", &known.number.to_string()))
            }
            (look_now(visit, &known.check))
            details #silence-it.act {
                summary { (visit.say("Silence…", "Заглушить…")) }
                (silence_form(visit, Some(about)))
            }
        }
        (without_script(visit))
    }
}

fn told_by_events(visit: &Visit, tale: &Tale) -> Markup {
    let mut items: Vec<(DateTime<FixedOffset>, &'static str, String)> = Vec::new();
    for line in &tale.events {
        if let Happened::Failed { since, .. } = &line.what {
            items.push((*since, "", visit.tongue.first_bad().to_owned()));
        }
        items.push((line.time, tone(&line.what), visit.tongue.sentence(line)));
    }
    let mut day = None;
    html! {
        ol.tale {
            @for (time, tone, sentence) in items {
                @let date = time.date_naive();
                @if day.replace(date) != Some(date) {
                    li.day { (time.format("%Y-%m-%d")) }
                }
                li.(tone) {
                    time datetime=(time.to_rfc3339()) { (time.format("%H:%M:%S")) }
                    span { (clean(&sentence)) }
                }
            }
        }
    }
}

/// How it is shown: what opened and closed, and what was told, stand out.
fn tone(what: &Happened) -> &'static str {
    match what {
        Happened::Failed { .. } | Happened::NotTold { .. } => "bad",
        Happened::Recovered { .. } => "good",
        Happened::Told { .. } => "told",
        Happened::Acknowledged { .. } => "taken",
        _ => "",
    }
}

/// When the events are gone, history still knows who was told.
fn told_by_history(visit: &Visit, told: &[KeptTold]) -> Markup {
    html! {
        p.faint {
            (visit.say(
                "The events of that time are not kept any more; who was told is.",
                "События того времени больше не хранятся; кому сообщали — известно.",
            ))
        }
        @if told.is_empty() {
            p.empty { (visit.say("Nobody was told.", "Никому не сообщали.")) }
        }
        ol.tale {
            @for told in told {
                @let at = super::local(visit, told.time);
                li.(if told.outcome == "taken" { "told" } else { "bad" }) {
                    time datetime=(at.to_rfc3339()) { (at.format("%Y-%m-%d %H:%M:%S")) }
                    span {
                        (clean(&told.channel))
                        ": "
                        (visit.tongue.kind(&told.kind))
                        ", "
                        (outcome(visit, &told.outcome))
                        @if let Some(cause) = &told.cause { ": " (clean(cause)) }
                    }
                }
            }
        }
    }
}

fn outcome(visit: &Visit, outcome: &str) -> &'static str {
    match outcome {
        "taken" => visit.say("taken", "принято"),
        "never" => visit.say("refused for good", "отказано навсегда"),
        _ => visit.say("may or may not have been taken", "неизвестно, принято ли"),
    }
}
