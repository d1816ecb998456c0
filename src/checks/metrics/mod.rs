//! `metrics`: machines that report their numbers as JSON, one or thousands in an answer.

mod answer;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use answer::{Format, Listing, Numbers};
use async_trait::async_trait;
pub use settings::MetricsSettings;
use tokio::time::Instant;

use super::request::{Page, Progress, Requests, Statuses};
use crate::checks::{Check, Kind, Run, outcome_of};
use crate::domain::reading::{Others, Reading, Report, Target};
use crate::net::words;
use crate::settings::targets::MOST_TARGETS;

/// Built from [`MetricsSettings`].
struct MetricsCheck {
    endpoints: Vec<Endpoint>,
    requests: Requests,
    format: Format,
    forget_after: Duration,
    built: Instant,
    known: Mutex<HashMap<Box<str>, Known>>,
}

struct Endpoint {
    index: usize,
    page: Page,
}

/// A machine that was listed.
struct Known {
    target: Arc<Target>,
    /// The endpoint that listed it last, and when.
    by: usize,
    at: Instant,
}

impl Kind for MetricsSettings {
    const NETWORK: bool = true;
    const TARGETS: Option<(&'static str, &'static str)> = Some(("url", "urls"));
    const AT_ONCE: usize = 200;
    const EVERY: Option<Duration> = Some(Duration::from_secs(15 * 60));
}

#[async_trait]
impl Check for MetricsCheck {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        match self.report(run).await {
            Report::Readings(readings) | Report::Found { readings, .. } => readings,
            Report::Lost(_) => Vec::new(),
        }
    }

    async fn report(&self, run: &Run) -> Report {
        let listings: Mutex<Vec<Option<Listing>>> = Mutex::new(self.endpoints.iter().map(|_| None).collect());
        let look = |endpoint| self.look(endpoint, run.timeout, &listings);
        let readings = run.each(&self.endpoints, MetricsSettings::AT_ONCE, look).await;
        let listings = listings.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        match self.format.machine {
            Some(_) => self.found(readings, listings),
            None => Report::Readings(readings),
        }
    }

    fn size(&self) -> usize {
        self.endpoints.len() + self.known().len()
    }

    fn longest(&self, run: &Run) -> Duration {
        run.longest(self.endpoints.len(), MetricsSettings::AT_ONCE)
    }
}

impl MetricsCheck {
    fn new(pages: Vec<Page>, requests: Requests, format: Format, forget_after: Duration) -> Self {
        let endpoints = pages.into_iter().enumerate().map(|(index, page)| Endpoint { index, page }).collect();
        Self { endpoints, requests, format, forget_after, built: Instant::now(), known: Mutex::default() }
    }

    /// Asks one URL. What it lists goes to `listings`; the reading is the URL's own.
    async fn look(&self, endpoint: &Endpoint, within: Duration, listings: &Mutex<Vec<Option<Listing>>>) -> Reading {
        let good = Statuses::default();
        let (answer, progress) = self.requests.look(&endpoint.page, &good, within).await;
        let target = &endpoint.page.target;
        let answer = match answer {
            Ok(answer) => answer,
            Err(fault) => return progress.measured(Reading { outcome: outcome_of(fault), ..Reading::pass(target) }),
        };
        let fail = |progress: &Progress, reason: &str| progress.measured(Reading::fail(target, words::clean(reason)));
        if let Some(reason) = answer.unexpected(&good) {
            return fail(&progress, &reason);
        }
        let read = match &self.format.machine {
            None => self.format.one(&answer.body).map(|numbers| with_numbers(progress.measured(Reading::pass(target)), numbers)),
            Some(machine) => self.format.many(machine, &answer.body).map(|listing| {
                listings.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[endpoint.index] = Some(listing);
                progress.measured(Reading::pass(target))
            }),
        };
        read.unwrap_or_else(|reason| fail(&progress, &reason))
    }

    /// The machines of all answers, and what is to be thought of those that are in none.
    fn found(&self, mut readings: Vec<Reading>, listings: Vec<Option<Listing>>) -> Report {
        let now = Instant::now();
        let answered: Vec<bool> = listings.iter().map(Option::is_some).collect();
        let mut known = self.known();
        let mut listed = HashSet::new();
        for (index, mut listing) in listings.into_iter().enumerate().filter_map(|(index, listing)| Some((index, listing?))) {
            let count = listing.machines.len();
            readings.reserve(count);
            for (name, numbers) in std::mem::take(&mut listing.machines) {
                match self.seen(&mut known, index, &name, now) {
                    Err(reason) => listing.spoilt(reason),
                    Ok(target) if !listed.insert(target.clone()) => listing.spoilt(format!("`{name}` is in an earlier answer too")),
                    Ok(target) => readings.push(with_numbers(Reading::pass(&target), numbers)),
                }
            }
            note(&mut readings[index], &listing, count);
        }
        // An endpoint that does not answer says nothing of its machines.
        known.retain(|_, machine| !answered[machine.by] || now.duration_since(machine.at) < self.forget_after);
        for machine in known.values().filter(|machine| answered[machine.by] && !listed.contains(&machine.target)) {
            let url = &self.endpoints[machine.by].page.target.key;
            readings.push(Reading::unknown(&machine.target, words::clean(&format!("no longer listed in the answer of {url}"))));
        }
        if answered.contains(&false) {
            Report::Found { readings, others: Others::Kept }
        } else if now.duration_since(self.built) < self.forget_after {
            Report::Found { readings, others: Others::Missing("no longer listed in any answer".into()) }
        } else {
            Report::Readings(readings)
        }
    }

    /// Remembers that a machine was listed. A hostile endpoint may make up new names for ever: there is room for so many.
    fn seen(&self, known: &mut HashMap<Box<str>, Known>, by: usize, name: &str, at: Instant) -> Result<Arc<Target>, String> {
        if let Some(machine) = known.get_mut(name) {
            // In one run the first answer counts.
            if machine.at != at {
                (machine.by, machine.at) = (by, at);
            }
            return Ok(machine.target.clone());
        }
        if known.len() == MOST_TARGETS {
            return Err(format!("`{name}` is one more than the {MOST_TARGETS} machines that a check remembers"));
        }
        let target = Target::new(name);
        known.insert(name.into(), Known { target: target.clone(), by, at });
        Ok(target)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What an endpoint listed, on its own reading.
fn note(reading: &mut Reading, listing: &Listing, count: usize) {
    reading.values.extend([("machines".into(), count as f64), ("bad_records".into(), listing.bad as f64)]);
    if listing.bad > 0 {
        reading.unreadable.push(("records".into(), words::clean(&listing.told()).into()));
    }
}

fn with_numbers(reading: Reading, numbers: Numbers) -> Reading {
    numbers.into_iter().fold(reading, |reading, (metric, number)| match number {
        Ok(number) => reading.with(metric, number),
        Err(reason) => reading.without(metric, words::clean(&reason)),
    })
}
