//! Logging in and out, and the first login of all.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::page::{self, Query, Tongue};
use super::routes::Routes;
use super::{House, caller};
use crate::access::{Digest, Ticket, Unfit, Verdict, fit_name, fit_password};
use crate::domain::text::{shortened, visible};
use crate::store::accounts::{Guesses, Refused};

/// Of a name in the log, in characters.
const LONGEST: usize = 64;

pub fn add(routes: Routes) -> Routes {
    routes.open(Method::GET, "/login", ask).open(Method::POST, "/login", log_in).open(Method::POST, "/setup", first_login).open(
        Method::POST,
        "/logout",
        log_out,
    )
}

#[derive(Debug, Deserialize)]
struct Next {
    /// Where to go then.
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct First {
    token: String,
    name: String,
    password: String,
}

#[derive(Default, Deserialize)]
struct LogOut {
    #[serde(default)]
    csrf_token: String,
}

/// What the log-in comes to.
enum Outcome {
    In(Ticket),
    Wrong,
    /// Too many wrong ones.
    Later(DateTime<Utc>),
}

async fn ask(State(house): State<Arc<House>>, headers: HeaderMap, Query(query): Query<Next>) -> Response {
    let tongue = Tongue::of(&headers);
    if caller::anybody(&house, &headers).await.is_some() {
        return Redirect::to(local(&query.next)).into_response();
    }
    match house.accounts.is_anybody().await {
        Ok(true) => page::shown(StatusCode::OK, page::login(tongue, None, local(&query.next))),
        Ok(false) => page::shown(StatusCode::OK, page::first_login(tongue, None)),
        Err(error) => cannot(&error, tongue),
    }
}

async fn log_in(State(house): State<Arc<House>>, request: Request) -> Response {
    let (headers, address) = (request.headers().clone(), caller::address(request.extensions()));
    let tongue = Tongue::of(&headers);
    // Before a login there is no session that a token could be of: here, and at the first one, this has to do.
    if !caller::is_from_here(&headers, request.extensions().get()) {
        return caller::foreign().into_response();
    }
    let login: Login = match taken(request, tongue).await {
        Ok(login) => login,
        Err(refusal) => return refusal,
    };
    let next = local(&login.next).to_owned();
    let before = caller::session(&house, &headers);
    match check(&house, &login.name, login.password, address, before).await {
        Ok(Outcome::In(ticket)) => enter(&house, &ticket, &next),
        Ok(Outcome::Wrong) => page::shown(StatusCode::UNAUTHORIZED, page::login(tongue, Some(tongue.wrong()), &next)),
        Ok(Outcome::Later(until)) => {
            let seconds = (until - house.clock.now().wall).num_seconds().max(0) + 1;
            let words = page::shown(StatusCode::TOO_MANY_REQUESTS, page::login(tongue, Some(&tongue.later(seconds)), &next));
            ([(header::RETRY_AFTER, seconds.to_string())], words).into_response()
        }
        Err(error) => cannot(&error, tongue),
    }
}

/// As slow, and with the same words, whether the name or the password is wrong.
async fn check(
    house: &House,
    name: &str,
    password: String,
    address: IpAddr,
    before: Option<Digest>,
) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    let (now, address) = (house.clock.now().wall, address.to_string());
    // A name that nobody can have is counted as one.
    let user = if fit_name(name).is_ok() { name } else { "" };
    let guesses = Guesses { user, address: &address };
    if let Some(until) = house.accounts.held_until(guesses, now).await? {
        return Ok(Outcome::Later(until));
    }
    let kept = house.accounts.password(user).await?;
    let verdict = house.passwords.verify(password.clone(), kept.as_ref().map(|(_, kept)| kept.clone())).await?;
    let (Some((user, kept)), Verdict::Right | Verdict::Old) = (kept, verdict) else {
        tracing::warn!(user = %shortened(&visible(name), LONGEST), address, "a login with a wrong name or password");
        house.accounts.note_wrong(guesses, now).await?;
        return Ok(Outcome::Wrong);
    };
    if verdict == Verdict::Old {
        let anew = house.passwords.keep(password).await?;
        house.accounts.keep_anew(&user, &kept, &anew).await?;
    }
    house.accounts.note_right(guesses, now).await?;
    let ticket = Ticket::draw("").map_err(|_| "the system gives no random numbers")?;
    house.accounts.begin_session(&user, ticket.digest(), before, now).await?;
    tracing::info!(user, address, "logged in");
    Ok(Outcome::In(ticket))
}

/// Makes the first user, for who has read the secret on the watch's own machine.
async fn first_login(State(house): State<Arc<House>>, request: Request) -> Response {
    let (headers, address) = (request.headers().clone(), caller::address(request.extensions()).to_string());
    let tongue = Tongue::of(&headers);
    if !caller::is_from_here(&headers, request.extensions().get()) {
        return caller::foreign().into_response();
    }
    let first: First = match taken(request, tongue).await {
        Ok(first) => first,
        Err(refusal) => return refusal,
    };
    let refuse = |code, why: &str| page::shown(code, page::first_login(tongue, Some(why)));
    if let Err(unfit) = fit_name(&first.name).and_then(|()| fit_password(&first.name, &first.password)) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, tongue.unfit(unfit));
    }
    let now = house.clock.now().wall;
    let made = async {
        let kept = house.passwords.keep(first.password).await?;
        let secret = Ticket::shown(first.token.trim()).digest();
        match house.accounts.add_first_user(secret, &first.name, &kept, now).await {
            Ok(()) => {}
            Err(Refused::Store(error)) => return Err(error.into()),
            Err(_) => return Ok(None),
        }
        let ticket = Ticket::draw("").map_err(|_| "the system gives no random numbers")?;
        house.accounts.begin_session(&first.name, ticket.digest(), None, now).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Some(ticket))
    };
    match made.await {
        Ok(Some(ticket)) => {
            super::first::take_back(&house);
            tracing::info!(user = first.name, address, "the first user is made");
            enter(&house, &ticket, "/")
        }
        Ok(None) => refuse(StatusCode::UNAUTHORIZED, tongue.not_first()),
        Err(error) => cannot(&error, tongue),
    }
}

async fn log_out(State(house): State<Arc<House>>, request: Request) -> Response {
    let (tongue, session) = (Tongue::of(request.headers()), caller::session(&house, request.headers()));
    if !caller::is_from_here(request.headers(), request.extensions().get()) {
        return caller::foreign().into_response();
    }
    if let Some(session) = session {
        let Form(form) = Form::<LogOut>::from_request(request, &()).await.unwrap_or_default();
        if !session.is_csrf_token(&form.csrf_token) {
            return page::shown(StatusCode::FORBIDDEN, page::nothing(tongue.stale(), tongue));
        }
        if let Err(error) = house.accounts.end_session(session).await {
            return cannot(&error, tongue);
        }
    }
    ([(header::SET_COOKIE, caller::cookie(&house, None))], Redirect::to("/login")).into_response()
}

fn enter(house: &House, ticket: &Ticket, next: &str) -> Response {
    ([(header::SET_COOKIE, caller::cookie(house, Some(ticket)))], Redirect::to(next)).into_response()
}

/// What a form brought.
async fn taken<T: serde::de::DeserializeOwned>(request: Request, tongue: Tongue) -> Result<T, Response> {
    let form: Result<Form<T>, FormRejection> = Form::from_request(request, &()).await;
    form.map(|Form(form)| form).map_err(|refused| page::shown(refused.status(), page::nothing(&refused.body_text(), tongue)))
}

/// A path of this watch, whatever somebody wrote behind `?next=`.
fn local(next: &str) -> &str {
    let plain = next.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'\\');
    if plain && next.starts_with('/') && !next.starts_with("//") { next } else { "/" }
}

fn cannot(error: &impl ToString, tongue: Tongue) -> Response {
    tracing::warn!(error = error.to_string(), "nobody can log in");
    page::shown(StatusCode::SERVICE_UNAVAILABLE, page::nothing(tongue.no_accounts(), tongue))
}

impl Tongue {
    fn wrong(self) -> &'static str {
        self.say("Wrong name or password", "Неверное имя или пароль")
    }

    fn later(self, seconds: i64) -> String {
        match self {
            Self::English => format!("Too many wrong passwords; try again in {seconds} s"),
            Self::Russian => format!("Слишком много неверных паролей; попробуйте через {seconds} с"),
        }
    }

    fn not_first(self) -> &'static str {
        self.say("The secret is wrong, or was used", "Секрет неверен или уже использован")
    }

    pub(super) fn no_accounts(self) -> &'static str {
        self.say("The accounts cannot be read or written now; the log says why.", "Учётные записи сейчас недоступны; причина — в журнале.")
    }

    pub fn unfit(self, unfit: Unfit) -> &'static str {
        match unfit {
            Unfit::Short => self.say("A password has at least 10 characters", "В пароле не меньше 10 знаков"),
            Unfit::Long => self.say("A password has at most 1024 bytes", "В пароле не больше 1024 байт"),
            Unfit::Name => self.say("A password is not the name", "Пароль не может быть именем"),
            Unfit::Letters => self.say("A name has 1 to 64 letters, digits or . _ - @", "В имени от 1 до 64 букв, цифр или знаков . _ - @"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (next, path) in [("/check?name=a%20b", "/check?name=a%20b"), ("", "/"), ("//evil.example", "/"), ("/\\evil.example", "/")] {
            assert_eq!(local(next), path);
        }
        for next in ["https://evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: x", "/\tevil", "/ü"] {
            assert_eq!(local(next), "/", "{next}");
        }
    }
}
