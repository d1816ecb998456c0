//! The other end of a dead man's switch: says to a service outside that this watch lives, as long as it truly does.
//!
//! Whether it does is asked of the loop each time, as everyone asks it: a loop that hangs sends nothing.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, Method, Url, redirect};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::control::{Body, Health, Question, Request};
use crate::domain::reading::Reason;
use crate::net::http::Lookups;
use crate::net::tls::TlsPolicy;
use crate::net::trace::{Phases, Trace};
use crate::net::{Fault, Net, http, words};
use crate::settings::Secret;

/// A loop that answers later than this is in trouble.
const PATIENCE: Duration = Duration::from_secs(3);
/// One that was not taken may be the network's; so many in a row are told.
const TOLD_AFTER: u32 = 3;

/// One service that is told.
#[derive(Clone)]
pub struct Heartbeat {
    client: Client,
    /// Its path is the key: it is shown nowhere.
    url: Secret,
    method: Method,
    every: Duration,
    within: Duration,
}

impl Heartbeat {
    /// The error is a sentence for the user, without the address.
    pub fn new(url: Secret, post: bool, every: Duration, within: Duration, net: &Arc<Net>) -> Result<Self, String> {
        let parsed = Url::parse(url.expose()).map_err(|error| format!("this is not a URL: {error}"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err("the address is neither `http:` nor `https:`".into());
        }
        if parsed.scheme() == "https" {
            net.load_authorities();
        }
        let tls = net.tls(&TlsPolicy::default()).map_err(|error| error.to_string())?;
        let client = Client::builder()
            .use_preconfigured_tls((*tls).clone())
            .user_agent(concat!("vakhta/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .timeout(within)
            // A kept connection would be closed by the next time.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Lookups { net: net.clone(), within }))
            .build()
            .map_err(|error| format!("cannot make an HTTP client: {}", error.without_url()))?;
        let method = if post { Method::POST } else { Method::GET };
        Ok(Self { client, url, method, every, within })
    }

    /// Sends one; the error says why it was not taken, without the address.
    async fn send(&self) -> Result<(), String> {
        let trace = Trace::default();
        let request = self.client.request(self.method.clone(), self.url.expose());
        match trace.over(request.send()).await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("the answer is {}", response.status())),
            Err(error) if error.is_timeout() => Err(format!("no answer in {}", words::span(self.within))),
            Err(error) => {
                let phases = Phases { connected: (!error.is_connect()).then(Instant::now), ..trace.phases() };
                let (Fault::Theirs(cause) | Fault::Ours(cause)) = http::of(error, &phases, false);
                Err(words::clean(&self.url.scrub(&cause)))
            }
        }
    }
}

/// The beating: it goes on until this is dropped.
pub struct Pulse {
    questions: mpsc::Sender<Question>,
    beats: JoinSet<()>,
    trouble: watch::Sender<Option<Reason>>,
}

impl Pulse {
    /// Asks the loop by `questions` how it is.
    pub fn start(heartbeats: Vec<Heartbeat>, questions: mpsc::Sender<Question>) -> Self {
        let mut pulse = Self { questions, beats: JoinSet::new(), trouble: watch::Sender::new(None) };
        pulse.change(heartbeats);
        pulse
    }

    /// From now on these are told. What was trouble before, perhaps in an earlier life, is over when one is taken.
    pub fn change(&mut self, heartbeats: Vec<Heartbeat>) {
        self.beats = JoinSet::new();
        if heartbeats.is_empty() {
            self.trouble.send_replace(None);
        }
        let causes = Arc::new(Mutex::new((false, vec![None; heartbeats.len()])));
        for (index, heartbeat) in heartbeats.into_iter().enumerate() {
            let (trouble, causes) = (self.trouble.clone(), causes.clone());
            let note = move |cause: Option<Reason>| {
                let (said, causes) = &mut *causes.lock().unwrap_or_else(PoisonError::into_inner);
                causes[index] = cause;
                let first = causes.iter().flatten().next().cloned();
                trouble.send_if_modified(|told| {
                    let news = told.is_some() != first.is_some() || !*said;
                    *told = first;
                    news
                });
                *said = true;
            };
            self.beats.spawn(beat(heartbeat, self.questions.clone(), note));
        }
    }

    /// Why a service does not take heartbeats any more.
    pub fn trouble(&self) -> watch::Receiver<Option<Reason>> {
        self.trouble.subscribe()
    }
}

async fn beat(heartbeat: Heartbeat, questions: mpsc::Sender<Question>, note: impl Fn(Option<Reason>)) {
    let mut next = interval(heartbeat.every);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut held, mut failures) = (false, 0_u32);
    loop {
        next.tick().await;
        if let Some(reason) = unwell(&questions).await {
            if !held {
                tracing::warn!(%reason, "no heartbeat is sent while the watch is not well");
            }
            held = true;
            continue;
        }
        if std::mem::take(&mut held) {
            tracing::info!("heartbeats are sent again");
        }
        match heartbeat.send().await {
            Ok(()) => {
                failures = 0;
                note(None);
            }
            Err(cause) => {
                failures = failures.saturating_add(1);
                tracing::debug!(%cause, failures, "a heartbeat was not taken");
                if failures >= TOLD_AFTER {
                    note(Some(format!("is not taken: {cause}").into()));
                }
            }
        }
    }
}

/// Why the watch is not well.
async fn unwell(questions: &mpsc::Sender<Question>) -> Option<String> {
    let (answer, answered) = oneshot::channel();
    let asked = async {
        questions.send(Question { request: Request::Health, answer }).await.ok()?;
        answered.await.ok()
    };
    match timeout(PATIENCE, asked).await.ok().flatten().map(|answer| answer.body) {
        Some(Body::Health(health)) if health.is_good() => None,
        Some(Body::Health(Health { checks, messages, state, .. })) => {
            let troubles = [checks, messages, state].into_iter().filter(|progress| !progress.good);
            Some(troubles.map(|progress| progress.trouble).collect::<Vec<_>>().join("; "))
        }
        _ => Some("it does not answer".into()),
    }
}
