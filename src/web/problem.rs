//! What was wrong with a request, as a program reads it (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{Content, ContentBuilder, Ref};
use utoipa::{PartialSchema, ToSchema};

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What to do about it.
    detail: String,
    /// The field at fault, such as `seconds` or `targets[2]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
}

impl Problem {
    pub fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        let title = code.canonical_reason().unwrap_or("Error").to_owned();
        Self { kind: "about:blank", title, status: code.as_u16(), detail: detail.into(), field: None }
    }

    pub fn field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    pub fn is(&self, code: StatusCode) -> bool {
        self.status == code.as_u16()
    }

    /// The field at fault, if it is one.
    pub fn at(&self) -> Option<&str> {
        self.field.as_deref()
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The watch has not answered.
    pub fn silent() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the watch does not answer; ask again in a moment")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        (code, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

/// Where an operation says that it may answer with a problem.
pub fn content() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build()
}

/// Its schema, which [`content`] names.
pub fn schema() -> (String, utoipa::openapi::RefOr<utoipa::openapi::Schema>) {
    (Problem::name().into_owned(), Problem::schema())
}
