//! Users and tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::super::caller::{self, Caller};
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::super::take::{Body, Path};
use super::super::{House, first};
use crate::access::{Role, Ticket, Verdict, fit_name, fit_password};
use crate::store::accounts::{By, Guesses, NewToken, Refused, TOKEN_PREFIX, Token, User};

/// A token that nobody renews is forgotten.
const LONGEST_DAYS: u16 = 3650;

pub fn add(routes: Routes) -> Routes {
    routes
        .api(Role::Metrics, routes!(me))
        .api(Role::Viewer, routes!(change_own_password))
        .api(Role::Admin, routes!(list_users, add_user))
        .api(Role::Admin, routes!(change_user, remove_user))
        .api(Role::Viewer, routes!(list_tokens, add_token))
        .api(Role::Viewer, routes!(remove_token))
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    name: String,
    role: Role,
}

#[derive(Debug, Serialize, ToSchema)]
struct UserNow {
    name: String,
    role: Role,
    created: DateTime<Utc>,
    /// When a session of theirs was last used.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// Letters, digits and the signs `.`, `_`, `-` and `@`.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    role: Role,
    #[schema(min_length = 10, max_length = 1024, format = Password)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    role: Option<Role>,
    #[schema(min_length = 10, max_length = 1024, format = Password)]
    password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnPassword {
    #[schema(format = Password)]
    old: String,
    #[schema(min_length = 10, max_length = 1024, format = Password)]
    new: String,
}

/// A token; its secret is shown only when it is made.
#[derive(Debug, Serialize, ToSchema)]
struct TokenNow {
    number: i64,
    name: String,
    user: String,
    /// The most it may do; less where its user may less.
    role: Role,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    role: Role,
    #[schema(minimum = 1, maximum = 3650, example = 365)]
    days: u16,
    /// Whose it is; an admin may make one for others.
    user: Option<String>,
}

/// The only answer that holds the token.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    number: i64,
    token: String,
    until: DateTime<Utc>,
}

/// Who asks, as the watch knows them
#[utoipa::path(get, path = "/api/me", tag = "people", responses((status = 200, body = Me)))]
async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    Json(Me { name: caller.name, role: caller.role })
}

/// Change one's own password
///
/// All sessions end; the browser that asks gets a new one, and its pages the token of that in `X-CSRF-Token`. A program
/// cannot do this.
#[utoipa::path(post, path = "/api/me/password", tag = "people", request_body = OwnPassword, responses(
    (status = 204, description = "Changed"),
    (status = 422, description = "The old password is wrong, or the new one is not taken", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many wrong passwords", body = Problem, content_type = "application/problem+json"),
))]
async fn change_own_password(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    extensions: Extensions,
    Body(wanted): Body<OwnPassword>,
) -> Result<Response, Problem> {
    if caller.session.is_none() {
        return Err(Problem::new(StatusCode::FORBIDDEN, "a token changes no password; log in with a browser"));
    }
    fit_password(&caller.name, &wanted.new).map_err(|unfit| unprocessable(unfit, "new"))?;
    let (now, address) = (house.clock.now().wall, caller::address(&extensions).to_string());
    let guesses = Guesses { user: &caller.name, address: &address };
    if house.accounts.held_until(guesses, now).await.map_err(unreadable)?.is_some() {
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords; wait a little"));
    }
    let kept = house.accounts.password(&caller.name).await.map_err(unreadable)?.map(|(_, kept)| kept);
    if house.passwords.verify(wanted.old, kept).await.map_err(unreadable)? == Verdict::Wrong {
        house.accounts.note_wrong(guesses, now).await.map_err(unreadable)?;
        return Err(unprocessable("this is not the password", "old"));
    }
    let kept = house.passwords.keep(wanted.new).await.map_err(unreadable)?;
    house.accounts.set_password(&caller.name, &kept, By { name: &caller.name, at: now }).await.map_err(refused)?;
    let ticket = Ticket::draw("").map_err(unreadable)?;
    house.accounts.begin_session(&caller.name, ticket.digest(), None, now).await.map_err(unreadable)?;
    let token = [(caller::CSRF_HEADER, ticket.digest().csrf_token())];
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, caller::cookie(&house, Some(&ticket)))], token).into_response())
}

/// All users
#[utoipa::path(get, path = "/api/users", tag = "people", responses((status = 200, body = Vec<UserNow>)))]
async fn list_users(State(house): State<Arc<House>>) -> Result<Json<Vec<UserNow>>, Problem> {
    let users = house.accounts.users().await.map_err(unreadable)?;
    Ok(Json(users.into_iter().map(UserNow::from).collect()))
}

/// Let somebody log in
#[utoipa::path(post, path = "/api/users", tag = "people", request_body = NewUser, responses(
    (status = 201, description = "They may log in"),
    (status = 409, description = "There is such a user", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is not taken", body = Problem, content_type = "application/problem+json"),
))]
async fn add_user(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Body(user): Body<NewUser>,
) -> Result<StatusCode, Problem> {
    fit_name(&user.name).map_err(|unfit| unprocessable(unfit, "name"))?;
    fit_password(&user.name, &user.password).map_err(|unfit| unprocessable(unfit, "password"))?;
    for_people(user.role)?;
    let kept = house.passwords.keep(user.password).await.map_err(unreadable)?;
    let by = By { name: &caller.name, at: house.clock.now().wall };
    house.accounts.add_user(&user.name, user.role, &kept, by).await.map_err(refused)?;
    first::take_back(&house);
    Ok(StatusCode::CREATED)
}

/// Give somebody another role or password
///
/// All their sessions end.
#[utoipa::path(patch, path = "/api/users/{name}", tag = "people", params(("name" = String, Path)), request_body = UserChange, responses(
    (status = 204, description = "Changed"),
    (status = 404, description = "There is no such user", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "This is the only admin", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is not taken", body = Problem, content_type = "application/problem+json"),
))]
async fn change_user(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<StatusCode, Problem> {
    let by = By { name: &caller.name, at: house.clock.now().wall };
    change.role.map_or(Ok(()), for_people)?;
    house.accounts.password(&name).await.map_err(unreadable)?.ok_or(Refused::Missing).map_err(refused)?;
    if let Some(password) = change.password {
        fit_password(&name, &password).map_err(|unfit| unprocessable(unfit, "password"))?;
        let kept = house.passwords.keep(password).await.map_err(unreadable)?;
        house.accounts.set_password(&name, &kept, by).await.map_err(refused)?;
    }
    if let Some(role) = change.role {
        house.accounts.set_role(&name, role, by).await.map_err(refused)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Let somebody log in no more
///
/// Their sessions and tokens end.
#[utoipa::path(delete, path = "/api/users/{name}", tag = "people", params(("name" = String, Path)), responses(
    (status = 204, description = "Removed"),
    (status = 404, description = "There is no such user", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "This is the only admin", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_user(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let by = By { name: &caller.name, at: house.clock.now().wall };
    house.accounts.remove_user(&name, by).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// One's own tokens; an admin sees all
#[utoipa::path(get, path = "/api/tokens", tag = "people", responses((status = 200, body = Vec<TokenNow>)))]
async fn list_tokens(State(house): State<Arc<House>>, Extension(caller): Extension<Caller>) -> Result<Json<Vec<TokenNow>>, Problem> {
    let tokens = house.accounts.tokens(only_own(&caller)).await.map_err(unreadable)?;
    Ok(Json(tokens.into_iter().map(TokenNow::from).collect()))
}

/// Make a token for a program
///
/// It is in this answer and never shown again.
#[utoipa::path(post, path = "/api/tokens", tag = "people", request_body = WantedToken, responses(
    (status = 201, body = MadeToken),
    (status = 404, description = "There is no such user", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is not taken", body = Problem, content_type = "application/problem+json"),
))]
async fn add_token(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<WantedToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    if !(1..=64).contains(&wanted.name.chars().count()) {
        return Err(unprocessable("a name has 1 to 64 letters", "name"));
    }
    if !(1..=LONGEST_DAYS).contains(&wanted.days) {
        return Err(unprocessable(format!("a token lasts from 1 to {LONGEST_DAYS} days"), "days"));
    }
    if wanted.role > caller.role {
        return Err(Problem::new(StatusCode::FORBIDDEN, format!("you have the role `{}`", caller.role.name())).field("role"));
    }
    let user = wanted.user.as_deref().unwrap_or(&caller.name);
    if user != caller.name && !caller.may(Role::Admin) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "only an admin makes tokens for others").field("user"));
    }
    let Some((user, _)) = house.accounts.password(user).await.map_err(unreadable)? else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such user").field("user"));
    };
    let now = house.clock.now().wall;
    let until = now + TimeDelta::days(i64::from(wanted.days));
    let ticket = Ticket::draw(TOKEN_PREFIX).map_err(unreadable)?;
    let token = NewToken { digest: ticket.digest(), name: &wanted.name, user: &user, role: wanted.role, until };
    let number = house.accounts.add_token(token, By { name: &caller.name, at: now }).await.map_err(unreadable)?;
    Ok((StatusCode::CREATED, Json(MadeToken { number, token: ticket.expose().to_owned(), until })))
}

/// End a token
#[utoipa::path(delete, path = "/api/tokens/{number}", tag = "people", params(("number" = i64, Path)), responses(
    (status = 204, description = "Ended"),
    (status = 400, description = "This is no number", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such token", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_token(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<i64>,
) -> Result<StatusCode, Problem> {
    let by = By { name: &caller.name, at: house.clock.now().wall };
    let removed = house.accounts.remove_token(number, only_own(&caller), by).await.map_err(unreadable)?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::new(StatusCode::NOT_FOUND, "there is no such token")) }
}

fn only_own(caller: &Caller) -> Option<&str> {
    (!caller.may(Role::Admin)).then_some(&caller.name)
}

fn for_people(role: Role) -> Result<(), Problem> {
    let fits = role >= Role::Viewer;
    if fits { Ok(()) } else { Err(unprocessable("`metrics` is for tokens; a user is viewer, operator or admin", "role")) }
}

fn unprocessable(why: impl ToString, field: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why.to_string()).field(field)
}

fn unreadable(error: impl ToString) -> Problem {
    tracing::warn!(error = error.to_string(), "the accounts cannot be read or written");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the accounts cannot be read or written now; the log says why")
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Store(error) => unreadable(error),
        Refused::Missing => Problem::new(StatusCode::NOT_FOUND, refused.to_string()),
        Refused::Taken | Refused::LastAdmin | Refused::NotFirst => Problem::new(StatusCode::CONFLICT, refused.to_string()),
    }
}

impl From<User> for UserNow {
    fn from(user: User) -> Self {
        Self { name: user.name, role: user.role, created: user.created, seen: user.seen }
    }
}

impl From<Token> for TokenNow {
    fn from(token: Token) -> Self {
        let Token { number, name, user, role, since, until, seen } = token;
        Self { number, name, user, role, since, until, seen }
    }
}
