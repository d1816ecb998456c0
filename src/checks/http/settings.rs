//! The section of an `http` check.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json_path::JsonPath;

use super::Http;
use super::expect::{Expectations, Text};
use crate::checks::request::{BasicSection, RequestKeys, Statuses, json_path, metric_name};
use crate::checks::{Check, pattern};
use crate::settings::{BuildContext, Problem, Problems, Secret, Settings, Size};

const DEFAULT_MAX_BYTES: Size = Size(1 << 20);

/// A page: asks for it and judges status, text and JSON of the answer; reads numbers out of it.
///
/// Each URL is a target of its own, shown without the values of its query, which are often keys.
/// Every look makes a connection of its own, ignores `http_proxy` and the like, and never asks twice.
/// Metrics: `latency` (until the answer was read), `resolve`, `connect`, `tls`, `first_byte` (from the start), all in
/// seconds; `status`; `size` (of the body, in bytes); `cert_days` (until the certificate expires, negative when it has);
/// and what `values` names.
///
/// ```yaml
/// http: { url: "http://127.0.0.1:9200/health", status: 200, json: { "$.state": ok }, values: { queue: "$.queue.depth" } }
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// `http://` or `https://`; a password belongs in `basic`, a key in `headers`.
    url: Option<String>,
    /// Several of them, instead of `url`.
    urls: Option<Vec<String>>,
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`. Default: `GET`.
    method: Option<String>,
    /// Headers to send, by name. They never follow a redirect to another host.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// The body to send; name its type in `headers: { Content-Type: … }`.
    body: Option<Secret>,
    /// Log in with a user and a password.
    basic: Option<BasicSection>,
    /// Log in with a bearer token.
    bearer: Option<Secret>,
    /// The codes that are good: `200`, `2xx`, `200-399`, or a list of them. Default: `2xx`.
    #[serde(default)]
    status: Statuses,
    /// A text that the body must have in it.
    contains: Option<String>,
    /// A text that the body must not have in it.
    not_contains: Option<String>,
    /// A regular expression that the body must match.
    regex: Option<String>,
    /// What must stand at a JSONPath (RFC 9535), type included: `"$.state": ok`. Of several matches each must equal.
    #[serde(default)]
    json: BTreeMap<String, serde_json::Value>,
    /// Numbers to read, each a metric by its name and a JSONPath: `queue: "$.queue.depth"`. Texts like `30%` count as numbers.
    #[serde(default)]
    values: BTreeMap<String, String>,
    /// How much of the unpacked body is read, 1 byte to 64 MiB; more is a failure. Default: 1 MiB.
    max_bytes: Option<Size>,
    /// How many redirects are followed, 0 to 20. Default: 0.
    #[serde(default)]
    follow: usize,
    /// Go through a proxy: `http://`, `https://`, `socks5://` or `socks5h://` (the proxy looks the name up). Default: none.
    proxy: Option<Secret>,
    /// A PEM file of authorities that are trusted instead of the system's; a relative path starts at `checks.yaml`.
    ca: Option<PathBuf>,
    /// Take any certificate. Default: no.
    #[serde(default)]
    insecure: bool,
    /// Keep the connection for the next look; `resolve`, `connect`, `tls` and `cert_days` are then there only when it is new.
    /// Default: no.
    #[serde(default)]
    keepalive: bool,
}

impl Settings for HttpSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let request = RequestKeys {
            url: self.url,
            urls: self.urls,
            method: self.method,
            headers: self.headers,
            body: self.body,
            basic: self.basic,
            bearer: self.bearer,
            max_bytes: self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
            follow: self.follow,
            proxy: self.proxy,
            ca: self.ca,
            insecure: self.insecure,
            keepalive: self.keepalive,
        };
        let hidden = request.secrets();
        let request = problems.keep_all(request.build(at).map(Some));
        let expect = Expectations {
            hidden,
            status: self.status,
            contains: problems.keep(text("contains", self.contains)).flatten(),
            not_contains: problems.keep(text("not_contains", self.not_contains)).flatten(),
            regex: problems.keep(self.regex.map(|source| pattern("regex", &source)).transpose()).flatten(),
            json: self
                .json
                .into_iter()
                .filter_map(|(path, value)| Some((problems.keep(json_path("json", &path, &path))?, value)))
                .collect(),
            values: self.values.into_iter().filter_map(|(name, path)| problems.keep(value(name, &path))).collect(),
        };
        match request {
            Some((pages, requests)) if problems.0.is_empty() => Ok(Box::new(Http { pages, requests, expect })),
            _ => Err(problems.0),
        }
    }
}

fn text(key: &str, text: Option<String>) -> Result<Option<Text>, Problem> {
    match text {
        Some(text) if text.is_empty() => Err(Problem::at(key, format!("`{key}` is empty"))),
        Some(text) => Text::new(text).map(Some).map_err(|_| Problem::at(key, format!("`{key}` is too long"))),
        None => Ok(None),
    }
}

fn value(name: String, path: &str) -> Result<(String, JsonPath), Problem> {
    metric_name("values", &name)?;
    json_path("values", &name, path).map(|path| (name, path))
}
