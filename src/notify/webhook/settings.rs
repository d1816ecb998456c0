//! The section of a `webhook` channel.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use schemars::JsonSchema;
use serde::Deserialize;

use super::signature::{Format, Signer};
use super::{ANSWER, CONNECT, IDEMPOTENCY_KEY, Webhook, filled};
use crate::net::http::Lookups;
use crate::net::tls::TlsPolicy;
use crate::notify::Notifier;
use crate::notify::text::sample;
use crate::settings::template::Template;
use crate::settings::{BuildContext, Problem, Problems, Secret, Settings};

/// Sends each message as JSON to an address of yours.
///
/// Without `body` the JSON has all names and values of the message, its finished `text` and its `key`. A `body` of your own
/// has the names of `templates`, and `text` and `key`; write quotes around texts and none around numbers:
/// `"{{ check }}"`, `{{ value }}`, `{{ incidents }}`, `{{ labels }}`. Values are escaped by themselves, `value` is `null` where
/// there is none, and a body that would not be JSON is refused when the file is read.
///
/// Every request has the header `Idempotency-Key`, `1042-failed`, the same for a repeat: a receiver that keeps it takes nothing
/// twice. 2xx means taken. 408, 425, 429 and 5xx are tried again, not before `Retry-After`; 401, 403, 404, 405, 407, 410 and
/// redirects (never followed: secrets stay here) mean that someone has to mend the channel; any other 4xx refuses this message.
///
/// `vakhta notify` sends made-up values with the `kind` `test`.
///
/// To verify a signature, compute the HMAC-SHA256 of the received bytes with the secret and compare in constant time:
/// `printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET"`.
///
/// ```yaml
/// webhook:
///   url: https://example.com/api/memory-alert
///   body: '{"message":"memory_limit_alarm","mem_usage_percent":{{ value }}}'
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// `http://` or `https://`. It may have a token in it: no message shows it.
    url: Secret,
    /// `POST`, `PUT` or `PATCH`. Default: `POST`.
    method: Option<String>,
    /// Headers to send, by name: `{ Authorization: "Bearer ${HOOK_TOKEN}" }`. `Content-Type` is `application/json` unless you name it.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// The body, a JSON text with `{{ names }}`. Default: everything.
    body: Option<String>,
    /// Sign each request with this secret.
    secret: Option<Secret>,
    /// `github`: the header `X-Hub-Signature-256: sha256=` and the hexadecimal HMAC-SHA256 of the body. `standard`: `webhook-id`,
    /// `webhook-timestamp` and `webhook-signature: v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`, as standardwebhooks.com
    /// has it. Default: `github`.
    #[serde(default)]
    signature: Format,
    /// `http://`, `https://` or `socks5h://` proxy for this channel. No proxy of the environment is used.
    proxy: Option<Secret>,
    /// A PEM file of authorities that are trusted instead of the system's; a relative path starts at `checks.yaml`.
    ca: Option<PathBuf>,
    /// Take any certificate. Default: no.
    #[serde(default)]
    insecure: bool,
}

impl Settings for WebhookSettings {
    type Plugin = dyn Notifier;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Notifier>, Vec<Problem>> {
        let mut problems = Problems::default();
        let url = problems.keep(parse_url(&self.url));
        let method = problems.keep(method(self.method.as_deref()));
        let headers = problems.keep_all(headers(&self.headers));
        let body = problems.keep(self.body.as_deref().map(body).transpose()).flatten();
        let signer = problems.keep(self.secret.as_ref().map(|secret| Signer::new(secret, self.signature)).transpose()).flatten();
        if self.secret.is_none() && self.signature != Format::default() {
            problems.0.push(Problem::at("signature", "nothing can be signed without `secret`"));
        }
        let policy = TlsPolicy { ca: self.ca.map(|file| at.folder.join(file)), insecure: self.insecure };
        let client = problems.keep(client(&policy, self.proxy.as_ref(), at));
        let (Some(url), Some(method), Some(client), true) = (url, method, client, problems.0.is_empty()) else {
            return Err(problems.0);
        };
        if url.scheme() == "https" {
            at.net.load_authorities();
        }
        let proxied = self.proxy.is_some();
        let hidden = self.headers.into_values().chain(self.secret).chain(self.proxy).chain([self.url]).chain(parts(&url)).collect();
        Ok(Box::new(Webhook { client, url, method, headers, body, signer, proxied, hidden }))
    }
}

/// A server that complains often quotes the path, where many services have their token.
fn parts(url: &Url) -> impl Iterator<Item = Secret> + use<> {
    [Some(url.path()), url.query()].map(|part| part.map(|part| Secret::new(part.to_owned()))).into_iter().flatten()
}

fn parse_url(url: &Secret) -> Result<Url, Problem> {
    let help = "Write it in full, such as `https://example.com/alert`.";
    match Url::parse(url.expose()) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(Problem::at("url", "the address is neither `http:` nor `https:`").help(help))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(Problem::at("url", "the address has a user or a password in it")
                .help("Write `headers: { Authorization: \"Basic ${…}\" }`."))
        }
        Ok(url) => Ok(url),
        Err(error) => Err(Problem::at("url", format!("this is not a URL: {error}")).help(help)),
    }
}

fn method(name: Option<&str>) -> Result<Method, Problem> {
    let Some(name) = name else { return Ok(Method::POST) };
    let known = [Method::POST, Method::PUT, Method::PATCH].into_iter().find(|method| method.as_str() == name.to_uppercase());
    known.ok_or_else(|| Problem::at("method", format!("`{name}` sends no message; write `POST`, `PUT` or `PATCH`")))
}

fn headers(given: &BTreeMap<String, Secret>) -> Result<HeaderMap, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    for (name, value) in given {
        let at = |message: String| Problem::at(name, message).below_key("headers");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| at(format!("`{name}` is not the name of a header")));
        let key = key.and_then(|key| match key.as_str() == IDEMPOTENCY_KEY {
            true => Err(at(format!("`{name}` is set by each message"))),
            false => Ok(key),
        });
        let value = HeaderValue::from_str(value.expose())
            .map_err(|_| at(format!("the value of `{name}` has a line's end or another control character in it")));
        if let (Some(key), Some(mut value)) = (problems.keep(key), problems.keep(value)) {
            value.set_sensitive(true);
            headers.insert(key, value);
        }
    }
    if problems.0.is_empty() { Ok(headers) } else { Err(problems.0) }
}

/// Compiles the body and tries it on messages of every kind.
fn body(source: &str) -> Result<Template, Problem> {
    let template = Template::body(source).map_err(|error| Problem::at("body", error))?;
    let messages = sample::messages().map_err(|error| Problem::at("body", error))?;
    for (name, message) in messages {
        let text = filled(&template, &message)
            .map_err(|error| Problem::at("body", format!("the body of {name} cannot be filled in: {error}")).help(LABELS))?;
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|error| Problem::at("body", format!("the body of {name} is not JSON: {error}")).help(QUOTES))?;
    }
    Ok(template)
}

const LABELS: &str = "a check may lack a label: write `{{ labels.team|default(\"\") }}`";
const QUOTES: &str = "texts need quotes around them, `\"{{ check }}\"`; numbers and lists none, `{{ value }}`";

fn client(policy: &TlsPolicy, proxy: Option<&Secret>, at: &BuildContext) -> Result<Client, Problem> {
    let tls = at.net.tls(policy).map_err(|error| Problem::at("ca", error.to_string()))?;
    let mut client = Client::builder()
        .use_preconfigured_tls((*tls).clone())
        .user_agent(concat!("vakhta/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        // A kept connection may be closed as the next message is written, and then nobody knows whether it arrived.
        .pool_max_idle_per_host(0)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(Arc::new(Lookups { net: at.net.clone(), within: CONNECT }));
    if let Some(proxy) = proxy {
        let proxy = reqwest::Proxy::all(proxy.expose())
            .map_err(|_| Problem::at("proxy", "this is not a proxy's address").help("write it like `socks5h://127.0.0.1:1080`"))?;
        client = client.proxy(proxy);
    }
    client.build().map_err(|error| Problem::new(format!("cannot make an HTTP client: {}", error.without_url())))
}
