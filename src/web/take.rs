//! What a request brings, taken strictly: what is wrong with it is said with the field at fault.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The body, as JSON.
pub struct Body<T>(pub T);

/// What stands behind the `?`.
pub struct Query<T>(pub T);

/// The parts of the path that differ.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().is_none_or(|kind| !kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, with `Content-Type: application/json`"));
        }
        let bytes =
            axum::body::Bytes::from_request(request, state).await.map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
        // A list would be taken field by field.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "this is a list; send an object"));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (field, error) = (error.path().to_string(), error.into_inner());
            match error.classify() {
                serde_json::error::Category::Data => at(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()), field),
                _ => Problem::new(StatusCode::BAD_REQUEST, format!("this is no JSON: {error}")),
            }
        })?;
        json.end().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("this is no JSON: {error}")))?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// That of this address.
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map(Self).map_err(|error| {
            let field = error.path().to_string();
            at(Problem::new(StatusCode::BAD_REQUEST, error.into_inner().to_string()), field)
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(refused) => Err(Problem::new(refused.status(), refused.body_text())),
        }
    }
}

/// A number of a query that has bounds.
pub fn within<N: PartialOrd + std::fmt::Display + Copy>(field: &str, value: N, bounds: std::ops::RangeInclusive<N>) -> Result<N, Problem> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let words = format!("`{field}` is from {} to {}", bounds.start(), bounds.end());
    Err(Problem::new(StatusCode::BAD_REQUEST, words).field(field))
}

fn at(problem: Problem, field: String) -> Problem {
    if field == "." { problem } else { problem.field(field) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        name: String,
        #[serde(default)]
        limit: u8,
    }

    #[test]
    fn a_query_is_taken_or_refused_with_the_field_at_fault() {
        let asked = |query: &str| Query::<Asked>::of(&format!("/x?{query}").parse().unwrap()).map(|Query(asked)| (asked.name, asked.limit));
        assert_eq!(asked("name=a%20b%26c&limit=7").unwrap(), ("a b&c".to_owned(), 7));
        assert_eq!(asked("name=+").unwrap(), (" ".to_owned(), 0));
        for (query, field, words) in [
            ("name=a&limit=256", Some("limit"), "number too large to fit in target type"),
            ("name=a&limit=", Some("limit"), "cannot parse integer from empty string"),
            ("name=a&colour=red", Some("colour"), "unknown field `colour`, expected `name` or `limit`"),
            ("name=a&name=b", None, "duplicate field `name`"),
            ("", None, "missing field `name`"),
        ] {
            let problem = Problem::new(StatusCode::BAD_REQUEST, words);
            assert_eq!(asked(query).unwrap_err(), at(problem, field.unwrap_or(".").to_owned()), "{query}");
        }
    }
}
