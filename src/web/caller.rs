//! Who asks, and whether they may.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;

use super::House;
use super::origin::Origin;
use super::page::{self, Tongue};
use super::problem::Problem;
use crate::access::{Digest, Role, Ticket};

/// The cookie that a browser takes only over TLS or from its own machine, and for this host alone
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2>).
pub const COOKIE: &str = "__Host-vakhta";
/// The same where `plain_http` is set.
const PLAIN_COOKIE: &str = "vakhta";
/// In which scripts of our pages bring the token that these hold.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Whoever shows the token of the configuration.
const CONFIGURED: &str = "(configuration)";

/// Somebody who may be here; every handler behind a guard finds it among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Of the person, or of the person whose token it is.
    pub name: String,
    pub role: Role,
    /// Of the browser; nothing for a token.
    pub session: Option<Digest>,
}

/// What kind of answer is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Page,
    Api,
}

impl Caller {
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }
}

/// The caller, or why they are refused.
pub async fn admit(house: &House, least: Role, door: Door, head: &Parts) -> Result<Caller, Response> {
    let identified = identify(house, &head.headers).await.map_err(|error| {
        tracing::warn!(%error, "nobody can be let in: the accounts cannot be read");
        let tongue = Tongue::of(&head.headers);
        match door {
            Door::Page => page::shown(StatusCode::SERVICE_UNAVAILABLE, page::nothing(tongue.no_accounts(), tongue)),
            Door::Api => Problem::new(StatusCode::SERVICE_UNAVAILABLE, tongue.no_accounts()).into_response(),
        }
    })?;
    let Some(caller) = identified else { return Err(unknown(door, head)) };
    // Who shows a token of their own does so knowingly; a browser shows its cookie whoever made it ask.
    if let Some(session) = caller.session.filter(|_| !head.method.is_safe()) {
        if !is_from_here(&head.headers, head.extensions.get()) {
            return Err(foreign().into_response());
        }
        let brought = head.headers.get(CSRF_HEADER).and_then(|token| token.to_str().ok());
        if !brought.is_some_and(|token| session.is_csrf_token(token)) {
            return Err(Problem::new(StatusCode::FORBIDDEN, Tongue::of(&head.headers).stale()).into_response());
        }
    }
    if !caller.may(least) {
        let detail = format!("this needs the role `{}`; {} has `{}`", least.name(), caller.name, caller.role.name());
        return Err(match door {
            Door::Page => page::shown(StatusCode::FORBIDDEN, page::nothing(&detail, Tongue::of(&head.headers))),
            Door::Api => Problem::new(StatusCode::FORBIDDEN, detail).into_response(),
        });
    }
    Ok(caller)
}

/// A token, where one is shown, and then nothing else; or the browser's session.
async fn identify(house: &House, headers: &HeaderMap) -> Result<Option<Caller>, sqlx::Error> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        let Some(shown) = shown.to_str().ok().and_then(bearer) else { return Ok(None) };
        let digest = Ticket::shown(shown).digest();
        if house.settings.token.as_ref().is_some_and(|token| Ticket::shown(token.expose()).digest() == digest) {
            return Ok(Some(Caller { name: CONFIGURED.to_owned(), role: Role::Viewer, session: None }));
        }
        let token = house.accounts.token(digest, house.clock.now().wall).await?;
        return Ok(token.map(|token| Caller { name: token.user, role: token.role, session: None }));
    }
    let Some(digest) = session(house, headers) else { return Ok(None) };
    let session = house.accounts.session(digest, house.clock.now().wall).await?;
    Ok(session.map(|session| Caller { name: session.user, role: session.role, session: Some(digest) }))
}

/// Whoever is logged in, as a page that is open to all may know.
pub async fn anybody(house: &House, headers: &HeaderMap) -> Option<Caller> {
    identify(house, headers).await.ok().flatten()
}

/// What the browser's cookie stands for, if it sends one.
pub fn session(house: &House, headers: &HeaderMap) -> Option<Digest> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, ticket) = pairs.find(|(name, _)| *name == cookie_name(house))?;
    Some(Ticket::shown(ticket).digest())
}

/// What makes a browser show this ticket from now on; without one, what makes it forget.
pub fn cookie(house: &House, ticket: Option<&Ticket>) -> String {
    let (shown, lasting) = ticket.map_or(("", 0), |ticket| (ticket.expose(), crate::store::accounts::LONGEST.num_seconds()));
    let secure = if house.settings.plain_http { "" } else { "; Secure" };
    format!("{}={shown}; Path=/; Max-Age={lasting}; HttpOnly; SameSite=Strict{secure}", cookie_name(house))
}

fn cookie_name(house: &House) -> &'static str {
    if house.settings.plain_http { PLAIN_COOKIE } else { COOKIE }
}

/// Whether a browser sends this from a page of ours: what it says of itself
/// (<https://www.w3.org/TR/fetch-metadata/>), else where the page is from.
pub fn is_from_here(headers: &HeaderMap, here: Option<&Origin>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).and_then(|origin| origin.parse::<Uri>().ok());
    let (Some(origin), Some(here)) = (origin, here) else { return false };
    // A page in the clear may be anybody's; that we are asked in the clear says nothing of a proxy's other side.
    let is_as_safe = here.scheme != "https" || origin.scheme_str() == Some("https");
    is_as_safe && !here.host.is_empty() && origin.authority().is_some_and(|origin| origin.as_str().eq_ignore_ascii_case(&here.host))
}

/// A request that another site made a browser send.
pub fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "this was not sent from a page of this watch; behind a proxy, `Host` must reach it as it was, or `web: { proxies }` name the proxy",
    )
}

/// From where it came.
pub fn address(extensions: &Extensions) -> IpAddr {
    extensions.get::<Origin>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |origin| origin.peer)
}

fn unknown(door: Door, head: &Parts) -> Response {
    let wanted = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let from_elsewhere = head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    match door {
        // A browser that follows a link of another site, in a chat say, leaves a strict cookie at home: asked once more by
        // a page of ours it sends it.
        Door::Page if head.method == Method::GET && from_elsewhere => {
            let again = html! { (maud::DOCTYPE) title { "Vakhta" } meta http-equiv="refresh" content=(format!("0; url={wanted}")); };
            Html(again.into_string()).into_response()
        }
        Door::Page => Redirect::to(&format!("/login?next={}", super::page::quoted(wanted))).into_response(),
        Door::Api => {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "log in, or show a token: `Authorization: Bearer …`");
            ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
        }
    }
}

/// The token in `Bearer TOKEN` (RFC 6750).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, shown) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_site_does_nothing_in_our_name() {
        let from = |scheme, headers: &[(&'static str, &str)]| {
            let here = Origin { peer: Ipv4Addr::LOCALHOST.into(), scheme, host: "watch.example:8080".to_owned() };
            let headers = headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect();
            is_from_here(&headers, Some(&here))
        };
        assert!(from("https", &[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(from("https", &[("origin", "https://watch.example:8080")]));
        assert!(from("http", &[("origin", "http://WATCH.example:8080")]));
        assert!(from("http", &[("origin", "https://watch.example:8080")]), "a proxy may have decrypted it");
        for foreign in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("origin", "http://watch.example:8080")],
            &[("origin", "https://watch.example:8080.evil.example")],
            &[("origin", "https://watch.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://watch.example:8080")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!from("https", foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_token_comes_as_a_bearer() {
        assert_eq!(bearer("bEARER  abc "), Some("abc"));
        assert_eq!([bearer("Basic abc"), bearer("abc"), bearer("")], [None, None, None]);
    }
}
