//! The keys of a section that say what is asked for and how. Each kind lists them among its own, because a section that
//! is flattened into another loses the places of its problems.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json_path::JsonPath;
use tower::util::MapFutureLayer;

use super::sharing::{Sharing, connecting};
use super::{Login, METRICS, Page, Requests, masked};
use crate::domain::reading::Target;
use crate::net::http::Lookups;
use crate::net::tls::TlsPolicy;
use crate::settings::{BuildContext, Listed, Problem, Problems, Secret, Size, one_or_many};

const MOST_BYTES: u64 = 64 << 20;
const MOST_REDIRECTS: usize = 20;

/// What a section says of its requests; REFERENCE.md has each key.
pub struct RequestKeys {
    pub url: Option<String>,
    pub urls: Option<Vec<String>>,
    pub method: Option<String>,
    pub headers: BTreeMap<String, Secret>,
    pub body: Option<Secret>,
    pub basic: Option<BasicSection>,
    pub bearer: Option<Secret>,
    pub max_bytes: Size,
    pub follow: usize,
    pub proxy: Option<Secret>,
    pub ca: Option<PathBuf>,
    pub insecure: bool,
    pub keepalive: bool,
}

/// HTTP's own login.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicSection {
    /// The user's name.
    user: String,
    /// The user's password.
    password: Secret,
}

impl RequestKeys {
    /// What a server may echo and nobody may see.
    pub fn secrets(&self) -> Vec<Secret> {
        let password = self.basic.as_ref().map(|basic| &basic.password);
        self.headers.values().chain(&self.body).chain(password).chain(&self.bearer).chain(&self.proxy).cloned().collect()
    }

    /// The pages and how they are asked for, or all that is wrong.
    pub fn build(self, at: &BuildContext) -> Result<(Vec<Page>, Requests), Vec<Problem>> {
        let mut problems = Problems::default();
        let pages = problems.keep_all(pages(self.url, self.urls));
        let method = problems.keep(method(self.method)).unwrap_or_default();
        let headers = problems.keep_all(headers(self.headers));
        let login = problems.keep(login(self.basic, self.bearer, &headers)).flatten();
        let Size(max_bytes) = self.max_bytes;
        if !(1..=MOST_BYTES).contains(&max_bytes) {
            problems.0.push(Problem::at("max_bytes", "`max_bytes` must be from 1 byte to 64 MiB"));
        }
        if self.follow > MOST_REDIRECTS {
            problems.0.push(Problem::at("follow", format!("`follow` must be from 0 to {MOST_REDIRECTS}")));
        }
        let proxied = self.proxy.is_some();
        let connection = Connection { proxy: self.proxy, ca: self.ca, insecure: self.insecure, keepalive: self.keepalive };
        match problems.keep(connection.client(at)) {
            Some(client) if problems.0.is_empty() => {
                if pages.iter().any(|page| page.url.scheme() == "https") {
                    at.net.load_authorities();
                }
                let (follow, max_bytes, body) = (self.follow, max_bytes as usize, self.body);
                Ok((pages, Requests { client, headers, login, method, body, follow, max_bytes, proxied }))
            }
            _ => Err(problems.0),
        }
    }
}

/// How connections are made.
struct Connection {
    proxy: Option<Secret>,
    ca: Option<PathBuf>,
    insecure: bool,
    keepalive: bool,
}

impl Connection {
    fn client(self, at: &BuildContext) -> Result<Client, Problem> {
        let policy = TlsPolicy { ca: self.ca.map(|file| at.folder.join(file)), insecure: self.insecure };
        let tls = at.net.tls(&policy).map_err(|error| Problem::at("ca", error.to_string()))?;
        let mut client = Client::builder()
            .use_preconfigured_tls((*tls).clone())
            .user_agent(concat!("vakhta/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            // The environment's proxies are for people at a shell, not for a watch.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(Lookups { net: at.net.clone(), within: at.timeout }))
            .connector_layer((MapFutureLayer::new(connecting), Sharing));
        if !self.keepalive {
            // A connection that lives for one look needs no care for the time after it: five system calls less.
            client = client.pool_max_idle_per_host(0).tcp_keepalive(None).tcp_keepalive_interval(None).tcp_keepalive_retries(None);
            client = client.tcp_user_timeout(None);
        }
        if let Some(proxy) = self.proxy {
            client = client.proxy(proxy_of(&proxy)?);
        }
        client.build().map_err(|error| Problem::new(format!("cannot make an HTTP client: {}", error.without_url())))
    }
}

fn pages(url: Option<String>, urls: Option<Vec<String>>) -> Result<Vec<Page>, Vec<Problem>> {
    let mut problems = Problems::default();
    let listed = one_or_many(("url", url), ("urls", urls))?;
    let urls: Vec<_> = listed.iter().filter_map(|listed| Some((&listed.text, problems.keep(parse_url(listed))?))).collect();
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    // Two that differ only in what is not shown need a number to be told apart.
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut key = |text: &str, url: &Url| {
        let shown = if url.query().is_none() && url.fragment().is_none() { text.to_owned() } else { masked(url) };
        let count = seen.entry(shown.clone()).and_modify(|count| *count += 1).or_insert(1);
        if *count == 1 { shown } else { format!("{shown} #{count}") }
    };
    Ok(urls.into_iter().map(|(text, url)| Page { target: Target::new(key(text, &url)), url }).collect())
}

fn parse_url(listed: &Listed) -> Result<Url, Problem> {
    const EXAMPLE: &str = "Write it in full, such as `https://example.com/health`.";
    let url = Url::parse(&listed.text).map_err(|error| listed.problem(format!("this is not a URL: {error}")).help(EXAMPLE))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(listed.problem(format!("`{}:` is neither `http:` nor `https:`", url.scheme())).help(EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(listed.problem("the URL has a user or a password in it").help("Write `basic: { user: …, password: \"${…}\" }`."));
    }
    Ok(url)
}

fn method(name: Option<String>) -> Result<Method, Problem> {
    const KNOWN: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let Some(name) = name else { return Ok(Method::GET) };
    let known = KNOWN.into_iter().find(|method| method.as_str() == name.to_uppercase());
    known.ok_or_else(|| {
        Problem::at("method", format!("`{name}` is not a method; write `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`"))
    })
}

fn headers(given: BTreeMap<String, Secret>) -> Result<HeaderMap, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let at = |message: String| Problem::at(&name, message).below_key("headers");
        let key = problems.keep(HeaderName::from_bytes(name.as_bytes()).map_err(|_| at(format!("`{name}` is not the name of a header"))));
        let value = problems.keep(
            sensitive(value.expose())
                .ok_or_else(|| at(format!("the value of `{name}` has a line's end or another control character in it"))),
        );
        if let (Some(key), Some(value)) = (key, value) {
            headers.insert(key, value);
        }
    }
    if problems.0.is_empty() { Ok(headers) } else { Err(problems.0) }
}

fn login(basic: Option<BasicSection>, bearer: Option<Secret>, headers: &HeaderMap) -> Result<Option<Login>, Problem> {
    let twice = |key: &str, other: &str| Problem::at(key, format!("`{key}` and {other} are both given")).help("Keep one of the two.");
    match (basic, bearer) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(twice("basic", "`bearer`")),
        (Some(_), None) if headers.contains_key(AUTHORIZATION) => Err(twice("basic", "the header `Authorization`")),
        (None, Some(_)) if headers.contains_key(AUTHORIZATION) => Err(twice("bearer", "the header `Authorization`")),
        (Some(BasicSection { user, password }), None) => Ok(Some(Login::Basic { user, password })),
        (None, Some(token)) if sensitive(token.expose()).is_none() => {
            Err(Problem::at("bearer", "the token has a line's end or another control character in it"))
        }
        (None, Some(token)) => Ok(Some(Login::Bearer(token))),
    }
}

/// A header's value that the HTTP library shows in no debug output.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a user's name can name a metric.
pub fn metric_name(section: &str, name: &str) -> Result<(), Problem> {
    let at = |message: String| Problem::at(name, message).below_key(section);
    if METRICS.contains(&name) {
        return Err(at(format!("`{name}` is a metric of every http check")).help("Choose another name."));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(at(format!("`{name}` cannot name a metric")).help("A name begins with a letter and has letters, digits and `_`."));
    }
    Ok(())
}

pub fn json_path(section: &str, key: &str, path: &str) -> Result<JsonPath, Problem> {
    let wrong = |error: serde_json_path::ParseError| {
        let message = format!("`{path}` is not a JSONPath: wrong from character {} on", error.position() + 1);
        Problem::at(key, message).below_key(section).help("It begins with `$`, such as `$.queue.depth`.")
    };
    JsonPath::parse(path).map_err(wrong)
}

fn proxy_of(url: &Secret) -> Result<reqwest::Proxy, Problem> {
    let scheme = Url::parse(url.expose()).ok().map(|url| url.scheme().to_owned());
    let known = scheme.is_some_and(|scheme| ["http", "https", "socks5", "socks5h"].contains(&scheme.as_str()));
    let proxy = known.then(|| reqwest::Proxy::all(url.expose()).ok()).flatten();
    proxy
        .ok_or_else(|| Problem::at("proxy", "`proxy` is not the URL of a proxy").help("Write `http://host:3128` or `socks5h://host:1080`."))
}
