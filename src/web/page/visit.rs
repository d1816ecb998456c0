//! One request for a view: who asks, in which language, and the frame around what they see.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::de::DeserializeOwned;

use super::super::House;
use super::super::caller::Caller;
use super::super::past::NoPast;
use super::super::take;
use super::words::Tongue;
use super::{EDITION, POLICY, views};
use crate::access::Role;
use crate::control::{Body, Request, Status};

/// Somebody looks at the page.
pub struct Visit {
    pub house: Arc<House>,
    pub tongue: Tongue,
    /// Nobody on what everybody may see.
    pub caller: Option<Caller>,
}

/// What stands behind the `?` of a page; what is wrong with it is said on one.
pub struct Query<T>(pub T);

/// A view, and what stands around it.
pub struct View<'a> {
    pub title: String,
    /// The path of the view among those of the header.
    pub at: &'a str,
    /// Nothing while the watch does not answer.
    pub status: Option<&'a Status>,
    pub body: Markup,
}

impl FromRequestParts<Arc<House>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Self { house: house.clone(), tongue: Tongue::of(&parts.headers), caller })
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<House>> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Response> {
        let problem = match take::Query::of(&parts.uri) {
            Ok(take::Query(value)) => return Ok(Self(value)),
            Err(problem) => problem,
        };
        let Ok(visit) = Visit::from_request_parts(parts, house).await;
        let words = visit.tongue.no_such_query(problem.at(), problem.detail());
        // The login is for nobody yet, who is not to learn how the watch is.
        let status = if visit.caller.is_some() { visit.status().await } else { None };
        Err(visit.nothing(StatusCode::BAD_REQUEST, &words, status.as_ref()))
    }
}

impl Visit {
    pub fn may(&self, role: Role) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.role >= role)
    }

    pub fn say(&self, english: &'static str, russian: &'static str) -> &'static str {
        self.tongue.say(english, russian)
    }

    /// What shows that a request comes from a page of this session.
    pub fn csrf_token(&self) -> Option<String> {
        Some(self.caller.as_ref()?.session?.csrf_token())
    }

    /// A form, for it is to work without the script; whoever shows a token has nothing to leave.
    pub fn log_out(&self, class: Option<&str>) -> Markup {
        html! {
            @if let Some(token) = self.csrf_token() {
                form method="post" action="/logout" {
                    input type="hidden" name="csrf_token" value=(token);
                    button class=[class] { (self.say("Log out", "Выйти")) }
                }
            }
        }
    }

    /// The watch at this instant; nothing if it does not answer.
    pub async fn status(&self) -> Option<Status> {
        match self.house.ask(Request::Status).await {
            Some(Body::Status(status)) => Some(status),
            _ => None,
        }
    }

    pub fn show(&self, view: View<'_>) -> Response {
        self.answer(StatusCode::OK, view)
    }

    /// The watch has not answered.
    pub fn silent(&self) -> Response {
        self.nothing(StatusCode::SERVICE_UNAVAILABLE, self.tongue.silent(), None)
    }

    /// There is nothing to see, and why.
    pub fn nothing(&self, code: StatusCode, why: &str, status: Option<&Status>) -> Response {
        let body = html! {
            h1 { (why_title(code, self.tongue)) }
            p.empty { (views::clean(why)) }
            p {
                a.button href="/" { (self.say("To the overview", "К обзору")) }
            }
        };
        self.answer(code, View { title: why_title(code, self.tongue).to_owned(), at: "", status, body })
    }

    /// Why history shows nothing here.
    pub fn missing(&self, missing: &NoPast) -> Markup {
        let words = match missing {
            NoPast::Off => self
                .say("No history is kept: `history: off` stands in the configuration.", "История не ведётся: в настройках `history: off`."),
            NoPast::Empty => self
                .say("Nothing is kept yet: history begins with the first looks.", "История пока пуста: она начнётся с первыми взглядами."),
            NoPast::Away(_) => self.say(
                "The database of history does not answer. Checks and messages go on; what is to be kept waits.",
                "База истории не отвечает. Проверки и сообщения идут; записи ждут.",
            ),
        };
        html! {
            p.empty { (words) }
        }
    }

    fn answer(&self, code: StatusCode, view: View<'_>) -> Response {
        shown(code, self.frame(view))
    }

    fn frame(&self, View { title, at, status, body }: View<'_>) -> Markup {
        let failing =
            status.map_or(0, |status| status.checks.iter().filter(|check| !check.status).count() + usize::from(!status.trouble.is_empty()));
        let count = if failing > 0 { format!("({failing}) ") } else { String::new() };
        let host = status.map(|status| views::clean(&status.host));
        let title = match &host {
            Some(host) => format!("{count}{title} · {host}"),
            None => format!("{title} · Vakhta"),
        };
        sheet(
            &title,
            self.tongue,
            failing > 0,
            self.csrf_token(),
            html! {
                header {
                    a.brand href="/" { (icon()) "Vakhta" }
                    span #host {
                        @if let Some(host) = &host { (host) }
                    }
                    @if let Some(caller) = &self.caller {
                        nav aria-label=(self.say("Views", "Разделы")) {
                            (self.tab("/", at, self.say("Overview", "Обзор"), (failing > 0).then_some(failing)))
                            (self.tab("/incidents", at, self.say("Incidents", "Инциденты"), None))
                            (self.tab("/silences", at, self.say("Silences", "Тишина"), None))
                            @if self.may(Role::Admin) { (self.tab("/admin", at, self.say("Admin", "Управление"), None)) }
                        }
                        div.me {
                            a href="/account" aria-current=[(at == "/account").then_some("page")] { (views::clean(&caller.name)) }
                            (self.log_out(Some("quiet")))
                        }
                    }
                }
                p #lost.notice.bad role="alert" hidden {
                    (self.say("The watch does not answer; what you see may be old.", "Вахта не отвечает; данные могли устареть."))
                }
                p #over.notice.bad role="alert" hidden {
                    (self.tongue.session_over())
                    " "
                    a href="/login" { (self.say("Log in", "Войти")) }
                }
                main #main tabindex="-1" { (body) }
                @if let Some(status) = status {
                    footer {
                        "vakhta "
                        (status.vakhta)
                        " · "
                        (self.say("watches since", "следит с"))
                        " "
                        (status.since.format("%Y-%m-%d %H:%M"))
                        " · "
                        (status.time.format("UTC%:z"))
                        @if self.caller.is_some() { " · " a href="/docs" aria-current=[(at == "/docs").then_some("page")] { "API" } }
                    }
                }
            },
        )
    }

    fn tab(&self, path: &str, at: &str, words: &str, count: Option<usize>) -> Markup {
        html! {
            a href=(path) aria-current=[(at == path).then_some("page")] {
                (words)
                @if path == "/" {
                    span #failing.count hidden[count.is_none()] title=(self.say("failing checks", "проверок со сбоем")) {
                        (count.unwrap_or_default())
                    }
                }
            }
        }
    }
}

/// A document with the headers of one.
pub fn shown(code: StatusCode, html: Markup) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (code, headers, html.into_string()).into_response()
}

/// A whole document; with the token of the session that it is for, which the script sends back.
pub fn sheet(title: &str, tongue: Tongue, fails: bool, csrf_token: Option<String>, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(tongue.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(token) = csrf_token { meta #csrf name="csrf-token" content=(token); }
                title { (title) }
                link rel="icon" id="icon" type="image/svg+xml" href=(if fails { "/icon-bad.svg" } else { "/icon.svg" });
                link rel="stylesheet" href={ "/page.css?" (*EDITION) };
                script src={ "/page.js?" (*EDITION) } defer {}
            }
            body {
                a.skip href="#main" { (tongue.say("Skip to the content", "К содержанию")) }
                (body)
            }
        }
    }
}

fn icon() -> Markup {
    PreEscaped(include_str!("mark.svg").trim().to_owned())
}

fn why_title(code: StatusCode, tongue: Tongue) -> &'static str {
    match code {
        StatusCode::NOT_FOUND => tongue.say("Not found", "Не найдено"),
        StatusCode::FORBIDDEN => tongue.say("Not for you", "Нет доступа"),
        StatusCode::SERVICE_UNAVAILABLE => tongue.say("No answer", "Нет ответа"),
        StatusCode::BAD_REQUEST => tongue.say("A wrong address", "Неверный адрес"),
        _ => tongue.say("Something went wrong", "Что-то не так"),
    }
}
