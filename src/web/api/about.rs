//! What the API is, and which program answers.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{ComponentsBuilder, Info, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};

use super::super::problem;

/// What there is, in the order in which people look for it.
const TAGS: [(&str, &str); 5] = [
    ("checks", "Checks and their targets"),
    ("incidents", "Incidents, silences and acknowledgements"),
    ("history", "How numbers went"),
    ("watch", "The watch itself"),
    ("people", "Users and tokens"),
];

/// What stands above the paths.
pub fn about() -> OpenApi {
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of `vakhta token add`, or of the page")).build();
    let components =
        ComponentsBuilder::new().schemas_from_iter([problem::schema()]).security_scheme("token", SecurityScheme::Http(bearer)).build();
    OpenApiBuilder::new()
        .info(info())
        .tags(Some(TAGS.map(tag)))
        .components(Some(components))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
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
