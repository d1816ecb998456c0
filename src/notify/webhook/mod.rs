//! `webhook`: sends messages as JSON to an address, and takes every status for what it means.
//!
//! Source of statuses: RFC 9110 §15, RFC 6585; of the key: draft-ietf-httpapi-idempotency-key-header.

mod settings;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use serde_json::Value;
pub use settings::WebhookSettings;
use signature::Signer;
use tokio::time::{Instant, timeout};

use super::{Limits, Measure, Message, Notifier, Receipt, SendError};
use crate::net::trace::{Phases, Trace};
use crate::net::{Fault, http, words};
use crate::settings::Secret;
use crate::settings::template::{Escape, Template};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Until the connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// From the start to the head of the answer.
const ANSWER: Duration = Duration::from_secs(15);
/// For the words of a refusal, which are nice to have.
const WORDS: Duration = Duration::from_secs(2);
const MOST_WORDS: usize = 4096;
/// A server that asks for more is asked again earlier.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Built from [`WebhookSettings`].
struct Webhook {
    client: Client,
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Option<Template>,
    signer: Option<Signer>,
    proxied: bool,
    /// What a server may echo and nobody may see.
    hidden: Vec<Secret>,
}

#[async_trait]
impl Notifier for Webhook {
    fn limits(&self) -> Limits {
        Limits { length: 16 * 1024, measure: Measure::Bytes, escape: Escape::None }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let (body, remark) = self.body(message);
        let trace = Trace::default();
        let sent = trace.over(self.post(message, body)).await;
        let response = sent.map_err(|error| self.not_sent(error, trace.phases()))?;
        match response.status().is_success() {
            true => Ok(Receipt { id: None, remark }),
            false => Err(self.refused(response).await),
        }
    }
}

impl Webhook {
    /// The body, and why it is not the one that was asked for.
    fn body(&self, message: &Message) -> (String, Option<String>) {
        let Some(template) = &self.body else { return (everything(message), None) };
        match filled(template, message) {
            Ok(body) if serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok() => (body, None),
            Ok(_) => (everything(message), Some("the body would not have been JSON here: everything went out instead".into())),
            Err(error) => (everything(message), Some(format!("the body did not work here, everything went out instead: {error}"))),
        }
    }

    async fn post(&self, message: &Message, body: String) -> reqwest::Result<Response> {
        let mut request = self.client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        if let Ok(key) = HeaderValue::from_str(&message.key) {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(signer) = &self.signer {
            let time = message.facts["time"].as_str().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
            request = request.headers(signer.headers(&message.key, time.map_or(0, |time| time.timestamp()), &body));
        }
        request.body(body).send().await
    }

    fn not_sent(&self, error: reqwest::Error, phases: Phases) -> SendError {
        let (before, late) = (error.is_connect(), error.is_timeout());
        if error.is_builder() {
            return SendError::Never { cause: format!("no request can be made: {}", error.without_url()) };
        }
        if late {
            return match before {
                true => SendError::Later { after: None, cause: format!("no connection in {}", words::span(CONNECT)) },
                false => SendError::Unsure { cause: format!("no answer in {}", words::span(ANSWER)) },
            };
        }
        let phases = Phases { connected: (!before).then(Instant::now), ..phases };
        let (Fault::Theirs(cause) | Fault::Ours(cause)) = http::of(error, &phases, self.proxied);
        let cause = self.safe(&cause);
        if before { SendError::Later { after: None, cause } } else { SendError::Unsure { cause } }
    }

    async fn refused(&self, response: Response) -> SendError {
        let (status, after) = (response.status(), wait(response.headers()));
        if status.is_redirection() {
            return SendError::Broken { cause: redirected(&response, &self.url) };
        }
        let said = self.words_of(response).await;
        let cause = match said.is_empty() {
            true => format!("the answer is {status}"),
            false => format!("the answer is {status}: {said}"),
        };
        match status.as_u16() {
            408 | 425 | 429 | 500.. => SendError::Later { after, cause },
            // Someone has to mend the address or the secret; a message that waits for it is not lost.
            401 | 403 | 404 | 405 | 407 | 410 => SendError::Broken { cause },
            _ => SendError::Never { cause },
        }
    }

    async fn words_of(&self, mut response: Response) -> String {
        let mut said = Vec::new();
        let reading = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                said.extend_from_slice(&chunk[..chunk.len().min(MOST_WORDS - said.len())]);
                if said.len() == MOST_WORDS {
                    break;
                }
            }
        };
        // What came in time will do.
        let _ = timeout(WORDS, reading).await;
        words::excerpt(&said, self.hidden.iter().map(Secret::expose))
    }

    /// What a server or library said, without secrets, on one short line.
    fn safe(&self, text: &str) -> String {
        let hidden = self.hidden.iter().filter(|secret| secret.expose().len() > 3);
        words::clean(&hidden.fold(text.to_owned(), |text, secret| secret.scrub(&text)))
    }
}

/// A body of the user's own, for one message.
fn filled(template: &Template, message: &Message) -> Result<String, String> {
    template.render(&facts(message), Escape::Json)
}

fn everything(message: &Message) -> String {
    facts(message).to_string()
}

fn facts(message: &Message) -> Value {
    let mut facts = message.facts.clone();
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("text".into(), message.plain.clone().into());
        facts.insert("key".into(), message.key.clone().into());
    }
    facts
}

/// Where a redirect leads, as far as anyone may see it: the rest often is a token.
fn redirected(response: &Response, url: &Url) -> String {
    let status = response.status().as_u16();
    let location = response.headers().get(LOCATION).and_then(|location| url.join(location.to_str().ok()?).ok());
    match location.filter(|to| to.has_host()) {
        Some(to) => format!("redirect ({status}) to {}, not followed: mend `url`", words::clean(&to.origin().ascii_serialization())),
        None => format!("redirect ({status}) that leads nowhere: mend `url`"),
    }
}

/// `Retry-After`: seconds, or a date by the server's own clock.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let date = |name| text(name).and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    let seconds = text(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let wait = seconds.map(Duration::from_secs).or_else(|| (date(RETRY_AFTER)? - date(DATE)?).to_std().ok())?;
    Some(wait.min(LONGEST_WAIT))
}
