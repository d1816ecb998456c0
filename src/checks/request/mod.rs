//! Asking for a page: what every kind needs that looks by HTTP. It is no kind itself.

pub mod json;
mod progress;
mod settings;
mod sharing;
mod status;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use progress::{METRICS, Progress};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
pub use settings::{BasicSection, RequestKeys, json_path, metric_name};
pub use status::Statuses;
use tokio::time::Instant;

use crate::domain::reading::Target;
use crate::net::trace::Trace;
use crate::net::{Fault, http as fault, in_time, words};
use crate::settings::Secret;

/// How pages are asked for: as whom, by which way, how far and how much.
pub struct Requests {
    client: reqwest::Client,
    /// Sent to the page's own origin only, never where a redirect leads: any of them may be a credential.
    headers: HeaderMap,
    login: Option<Login>,
    method: Method,
    body: Option<Secret>,
    follow: usize,
    max_bytes: usize,
    proxied: bool,
}

/// Who we say we are.
enum Login {
    Basic { user: String, password: Secret },
    Bearer(Secret),
}

pub struct Page {
    pub target: Arc<Target>,
    pub url: Url,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    /// Unpacked.
    pub body: Vec<u8>,
    /// Where it leads, if it is a redirect that was not followed.
    pub redirect: Option<String>,
}

impl Answer {
    /// What is said of a status that is not `good`.
    pub fn unexpected(&self, good: &Statuses) -> Option<String> {
        let redirect = self.redirect.as_ref().map(|url| format!(": redirect to {url}, not followed")).unwrap_or_default();
        let status = self.status.as_u16();
        (!good.contains(status)).then(|| format!("status {status}, expected {good}{redirect}"))
    }
}

impl Requests {
    /// Asks for a page within one deadline, and says how far that came. Of an answer whose status is not `good`, the
    /// body may be cut.
    pub async fn look(&self, page: &Page, good: &Statuses, within: Duration) -> (Result<Answer, Fault>, Progress) {
        let mut progress = Progress::new();
        let visit = in_time(within, self.visit(page, good, &mut progress)).await;
        let answer = visit.unwrap_or_else(|_| Err(progress.too_late(within)));
        (answer, progress)
    }

    /// Asks for the page, and for where it leads as far as the user wants to follow.
    async fn visit(&self, page: &Page, good: &Statuses, progress: &mut Progress) -> Result<Answer, Fault> {
        let mut step = Step { url: page.url.clone(), method: self.method.clone(), with_body: true, ours: true };
        let mut followed = 0;
        loop {
            let response = self.ask(&step, progress).await?;
            let Some(location) = location(&response) else { return self.read(response, None, good, progress).await };
            if self.follow == 0 {
                let shown = step.url.join(&location).map_or("something that is no URL".into(), |url| masked(&url));
                return self.read(response, Some(shown), good, progress).await;
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

    async fn read(
        &self,
        mut response: Response,
        redirect: Option<String>,
        good: &Statuses,
        progress: &mut Progress,
    ) -> Result<Answer, Fault> {
        let mut answer = Answer { status: response.status(), body: Vec::new(), redirect };
        // Of a page that says it is not well, that is the news, whatever its body is like.
        let unwell = !good.contains(answer.status.as_u16());
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
