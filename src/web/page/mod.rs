//! The page: how the watch is, at a glance; why somebody was or was not told; and what people may do about it. Every
//! view is whole as the server writes it; the script refreshes it in place, and sends what people ask for to the API.

mod chart;
mod docs;
mod links;
mod russian;
mod views;
mod visit;
mod words;

use std::sync::LazyLock;

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};

use super::routes::Routes;
use crate::access::Role;
pub use links::quoted;
pub use views::login::{first_login, login, nothing};
pub use visit::{Query, shown};
pub use words::Tongue;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("icon.svg");
const BAD_ICON: &str = include_str!("icon-bad.svg");
/// Stands in their addresses: browsers keep them for good, and another content has another address.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let both = digest(&SHA256, [STYLE, SCRIPT].concat().as_bytes());
    // As much of it as tells editions apart.
    BASE64.encode(&both.as_ref()[..9])
});
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Nothing but what the binary holds, and nobody may frame it.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// What people see.
pub fn add(routes: Routes) -> Routes {
    routes
        .open(Method::GET, "/page.css", style)
        .open(Method::GET, "/page.js", script)
        .open(Method::GET, "/icon.svg", icon)
        .open(Method::GET, "/icon-bad.svg", bad_icon)
        .open(Method::GET, "/public", views::public::public)
        .page(Role::Viewer, Method::GET, "/", views::overview::overview)
        .page(Role::Viewer, Method::GET, "/check", views::check::check)
        .page(Role::Viewer, Method::GET, "/target", views::target::target)
        .page(Role::Viewer, Method::GET, "/chart.json", views::target::numbers)
        .page(Role::Viewer, Method::GET, "/incidents", views::incidents::incidents)
        .page(Role::Viewer, Method::GET, "/incident", views::incident::incident)
        .page(Role::Viewer, Method::GET, "/silences", views::silences::silences)
        .page(Role::Viewer, Method::GET, "/docs", docs::docs)
        .page(Role::Viewer, Method::GET, "/account", views::account::account)
        .page(Role::Admin, Method::GET, "/admin", views::admin::admin)
}

async fn style() -> Response {
    kept("text/css; charset=utf-8", STYLE)
}

async fn script() -> Response {
    kept("text/javascript; charset=utf-8", SCRIPT)
}

async fn icon() -> Response {
    kept("image/svg+xml", ICON)
}

async fn bad_icon() -> Response {
    kept("image/svg+xml", BAD_ICON)
}

fn kept(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, FOR_GOOD)], content).into_response()
}
