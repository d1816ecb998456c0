//! `http`: does a page answer, how fast, and with what?

mod expect;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use expect::Expectations;
pub use settings::HttpSettings;

use super::request::{Answer, Page, Progress, Requests};
use crate::checks::{Check, Kind, Run, outcome_of};
use crate::domain::reading::Reading;
use crate::net::words;

/// Built from [`HttpSettings`].
struct Http {
    pages: Vec<Page>,
    requests: Requests,
    expect: Expectations,
}

impl Kind for HttpSettings {
    const NETWORK: bool = true;
    const TARGETS: Option<(&'static str, &'static str)> = Some(("url", "urls"));
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

impl Http {
    async fn look(&self, page: &Page, within: Duration) -> Reading {
        let (answer, progress) = self.requests.look(page, &self.expect.status, within).await;
        match answer {
            Ok(answer) => self.judge(page, &answer, &progress),
            Err(fault) => progress.measured(Reading { outcome: outcome_of(fault), ..Reading::pass(&page.target) }),
        }
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
}
