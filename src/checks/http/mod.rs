//! `http`: does a page answer, how fast, and with what?

mod expect;
mod settings;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use expect::{Answer, Expectations};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
pub use settings::{BasicSection, HttpSettings};
use tokio::time::Instant;
use tower::util::Oneshot;
use tower::{Layer, Service};

use crate::checks::{Check, Kind, Run, outcome_of};
use crate::domain::reading::{Reading, Target};
use crate::net::trace::{Phases, Trace, note};
use crate::net::{Fault, LookupError, http as fault, in_time, words};
use crate::settings::Secret;

/// Built from [`HttpSettings`].
struct Http {
    pages: Vec<Page>,
    client: reqwest::Client,
    /// Sent to the page's own origin only, never where a redirect leads: any of them may be a credential.
    headers: HeaderMap,
    login: Option<Login>,
    method: Method,
    body: Option<Secret>,
    follow: usize,
    max_bytes: usize,
    expect: Expectations,
    proxied: bool,
}

/// Who we say we are.
enum Login {
    Basic { user: String, password: Secret },
    Bearer(Secret),
}

struct Page {
    target: Arc<Target>,
    url: Url,
}

impl Kind for HttpSettings {
    const NETWORK: bool = true;
    const AT_ONCE: usize = 200;
}

#[async_trait]
impl Check for Http {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        run.each(&self.pages, HttpSettings::AT_ONCE, |page| self.look(page, run.timeout)).await
    }

    fn size(&self) -> usize {
        self.pages.len()
    }

    fn longest(&self, run: &Run) -> Duration {
        run.longest(self.pages.len(), HttpSettings::AT_ONCE)
    }
}

/// How far a look has come; it stays when the deadline cuts the look off.
struct Progress {
    started: Instant,
    /// Of the connection under way: each redirect begins a new one.
    trace: Trace,
    host: String,
    first_byte: Option<Instant>,
    ended: Option<Instant>,
    status: Option<StatusCode>,
    size: Option<usize>,
}

impl Http {
    async fn look(&self, page: &Page, within: Duration) -> Reading {
        let mut progress = Progress::new();
        let visit = in_time(within, self.visit(page, &mut progress)).await;
        let fault = match visit {
            Ok(Ok(answer)) => return self.judge(page, &answer, &progress),
            Ok(Err(fault)) => fault,
            Err(_) => progress.too_late(within),
        };
        progress.measured(Reading { outcome: outcome_of(fault), ..Reading::pass(&page.target) })
    }

    fn judge(&self, page: &Page, answer: &Answer, progress: &Progress) -> Reading {
        let verdict = self.expect.judge(answer);
        let mut reading = match verdict.failed.is_empty() {
            true => Reading::pass(&page.target),
            false => Reading::fail(&page.target, words::clean(&verdict.failed.join("; "))),
        };
        reading = progress.measured(reading);
        for (metric, value) in verdict.values {
            reading = match value {
                Ok(value) => reading.with(metric, value),
                Err(reason) => reading.without(metric, words::clean(&reason)),
            };
        }
        reading
    }

    /// Asks for the page, and for where it leads as far as the user wants to follow.
    async fn visit(&self, page: &Page, progress: &mut Progress) -> Result<Answer, Fault> {
        let mut step = Step { url: page.url.clone(), method: self.method.clone(), with_body: true, ours: true };
        let mut followed = 0;
        loop {
            let response = self.ask(&step, progress).await?;
            let Some(location) = location(&response) else { return self.read(response, None, progress).await };
            if self.follow == 0 {
                let shown = step.url.join(&location).map_or("something that is no URL".into(), |url| masked(&url));
                return self.read(response, Some(shown), progress).await;
            }
            if followed == self.follow {
                return Err(Fault::Theirs(format!("more than {} redirects, the last from {}", self.follow, masked(&step.url))));
            }
            step = step.next(response.status(), &location, &page.url)?;
            followed += 1;
        }
    }

    async fn ask(&self, step: &Step, progress: &mut Progress) -> Result<Response, Fault> {
        progress.begin(&step.url);
        let mut sent = self.send(step, &progress.trace).await;
        // The server closed a kept connection just as it was used again: that says nothing of the server.
        if let Err(error) = &sent
            && step.method.is_safe()
            && progress.trace.phases().connect_started.is_none()
            && fault::is_lost(error)
        {
            sent = self.send(step, &progress.trace).await;
        }
        let response = sent.map_err(|error| fault::of(error, &progress.trace.phases(), self.proxied))?;
        progress.first_byte = Some(Instant::now());
        progress.status = Some(response.status());
        Ok(response)
    }

    async fn send(&self, step: &Step, trace: &Trace) -> reqwest::Result<Response> {
        let mut request = self.client.request(step.method.clone(), step.url.clone());
        if step.ours {
            request = request.headers(self.headers.clone());
            request = match &self.login {
                Some(Login::Basic { user, password }) => request.basic_auth(user, Some(password.expose())),
                Some(Login::Bearer(token)) => request.bearer_auth(token.expose()),
                None => request,
            };
        }
        if let Some(body) = self.body.as_ref().filter(|_| step.with_body) {
            request = request.body(body.expose().to_owned());
        }
        trace.over(self.client.execute(request.build()?)).await
    }

    async fn read(&self, mut response: Response, redirect: Option<String>, progress: &mut Progress) -> Result<Answer, Fault> {
        let mut answer = Answer { status: response.status(), body: Vec::new(), redirect };
        // Of a page that says it is not well, that is the news, whatever its body is like.
        let unwell = !self.expect.status.contains(answer.status.as_u16());
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(_) if unwell => break,
                Err(error) => return Err(fault::of(error, &progress.trace.phases(), self.proxied)),
            };
            match answer.body.len() + chunk.len() > self.max_bytes {
                false => answer.body.extend_from_slice(&chunk),
                true if unwell => break,
                true => return Err(Fault::Theirs(format!("the body is larger than {}", words::size(self.max_bytes as u64)))),
            }
        }
        progress.ended = Some(Instant::now());
        progress.size = Some(answer.body.len());
        Ok(answer)
    }
}

/// One request of a look: the page itself, or where it led.
struct Step {
    url: Url,
    method: Method,
    with_body: bool,
    /// Still at the page's own origin, so it may see the credentials.
    ours: bool,
}

impl Step {
    /// Where a redirect leads; an error when nobody should go there.
    fn next(&self, status: StatusCode, location: &str, page: &Url) -> Result<Self, Fault> {
        let Ok(url) = self.url.join(location) else {
            return Err(Fault::Theirs(format!("status {}, with a redirect that is no URL", status.as_u16())));
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Fault::Theirs(format!("redirect to {}, which is neither http nor https", masked(&url))));
        }
        let ours = self.ours && url.origin() == page.origin();
        // RFC 9110 §15.4: 303 always asks anew with GET, 301 and 302 do for a POST; 307 and 308 repeat the request.
        let anew =
            self.method != Method::HEAD && (status == StatusCode::SEE_OTHER || (status.as_u16() < 303 && self.method == Method::POST));
        let method = if anew { Method::GET } else { self.method.clone() };
        let with_body = self.with_body && !anew && ours;
        Ok(Self { url, method, with_body, ours })
    }
}

/// Where an answer leads, if it is a redirect.
fn location(response: &Response) -> Option<String> {
    let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| leads)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

impl Progress {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            trace: Trace::default(),
            host: String::new(),
            first_byte: None,
            ended: None,
            status: None,
            size: None,
        }
    }

    fn begin(&mut self, url: &Url) {
        self.trace = Trace::default();
        self.host = url.host_str().unwrap_or_default().to_owned();
        self.first_byte = None;
        self.status = None;
    }

    fn too_late(&self, within: Duration) -> Fault {
        let phases = self.trace.phases();
        let span = words::span(within);
        if phases.lookup_started.is_some() && phases.lookup_ended.is_none() {
            Fault::from(&LookupError::NoAnswer { name: self.host.clone(), within })
        } else if phases.connect_started.is_some() && phases.connected.is_none() {
            Fault::Theirs(match phases.tls_started {
                Some(_) => format!("no end of the TLS handshake in {span}"),
                None => format!("no connection in {span}"),
            })
        } else if self.first_byte.is_none() {
            Fault::Theirs(format!("no answer in {span}"))
        } else {
            Fault::Theirs(format!("the answer did not end in {span}"))
        }
    }

    /// Adds what was measured to a reading, as far as the look came.
    fn measured(&self, reading: Reading) -> Reading {
        let phases = self.trace.phases();
        let Phases { lookup_started, lookup_ended, connect_started, tls_started, connected, certificate } = phases;
        let numbers = [
            ("latency", since(Some(self.started), self.ended)),
            ("resolve", since(lookup_started, lookup_ended)),
            ("connect", since(lookup_ended.or(connect_started), tls_started.or(connected))),
            ("tls", since(tls_started, connected)),
            ("first_byte", since(Some(self.started), self.first_byte)),
            ("status", self.status.map(|status| f64::from(status.as_u16()))),
            ("size", self.size.map(|size| size as f64)),
            ("cert_days", certificate.map(|certificate| certificate.days_left())),
        ];
        let known = numbers.into_iter().filter_map(|(metric, value)| value.map(|value| (metric, value)));
        known.fold(reading, |reading, (metric, value)| reading.with(metric, value))
    }
}

fn since(from: Option<Instant>, to: Option<Instant>) -> Option<f64> {
    Some(to?.saturating_duration_since(from?).as_secs_f64())
}

/// A URL as anyone may see it: no user, no password, no values of the query (they are often keys).
fn masked(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if let Some(query) = url.query() {
        let parts: Vec<_> =
            query.split('&').map(|part| part.split_once('=').map_or("***".into(), |(key, _)| format!("{key}=***"))).collect();
        shown.set_query(Some(&parts.join("&")));
    }
    shown.into()
}

/// Notes when a connection is begun and when it stands.
async fn connecting<T, E>(connection: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    note(|phases| phases.connect_started = Some(Instant::now()));
    let connected = connection.await;
    if connected.is_ok() {
        note(|phases| phases.connected = Some(Instant::now()));
    }
    connected
}

/// Shares the connector below. The HTTP client clones the whole stack half a dozen times for each request,
/// where only the connection itself needs a connector of its own.
#[derive(Clone)]
struct Sharing;

#[derive(Clone)]
struct Shared<S>(Arc<S>);

impl<S> Layer<S> for Sharing {
    type Service = Shared<S>;

    fn layer(&self, connector: S) -> Shared<S> {
        Shared(Arc::new(connector))
    }
}

impl<S: Service<To> + Clone, To> Service<To> for Shared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, To>;

    /// The clone that makes the connection waits until it is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: To) -> Oneshot<S, To> {
        Oneshot::new(S::clone(&self.0), to)
    }
}
