//! What the API is, and which program answers.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{ComponentsBuilder, Info, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};

use super::super::{caller, problem};

/// What there is, in the order in which people look for it.
const TAGS: [(&str, &str); 5] = [
    ("checks", "Checks and their targets"),
    ("incidents", "Incidents, silences and acknowledgements"),
    ("history", "How numbers went"),
    ("watch", "The watch itself"),
    ("people", "Users and tokens"),
];

/// The other way in, which pages of the watch go.
const SESSION: &str = "The session of a browser (`vakhta` where `plain_http` is set). Whatever is no GET also comes from a page of the \
    watch (`Sec-Fetch-Site: same-origin`, or its `Origin`) and brings the token of the session in `X-CSRF-Token`, which every page holds in \
    `<meta name=\"csrf-token\">`.";

/// What stands above the paths.
pub fn about() -> OpenApi {
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of `vakhta token add`, or of the page")).build();
    let session = ApiKey::Cookie(ApiKeyValue::with_description(caller::COOKIE, SESSION));
    let components = ComponentsBuilder::new()
        .schemas_from_iter([problem::schema()])
        .security_scheme("token", SecurityScheme::Http(bearer))
        .security_scheme("session", SecurityScheme::ApiKey(session))
        .build();
    OpenApiBuilder::new()
        .info(info())
        .tags(Some(TAGS.map(tag)))
        .components(Some(components))
        .security(Some(["token", "session"].map(|way| SecurityRequirement::new(way, Vec::<String>::new()))))
        .build()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Vakhta")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "What the watch knows, and what may be done about it. Errors are problem documents (RFC 9457). Times are RFC 3339.",
        ))
        .build()
}

fn tag((name, words): (&str, &str)) -> Tag {
    TagBuilder::new().name(name).description(Some(words)).build()
}
