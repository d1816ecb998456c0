//! How far a look by HTTP has come, what it measured, and what is said when it took too long.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use tokio::time::Instant;

use crate::domain::reading::Reading;
use crate::net::trace::{Phases, Trace};
use crate::net::{Fault, LookupError, words};

/// What every look by HTTP measures; a value may not take one of these names.
pub const METRICS: [&str; 8] = ["latency", "resolve", "connect", "tls", "first_byte", "status", "size", "cert_days"];

/// How far a look has come; it stays when the deadline cuts the look off.
pub struct Progress {
    started: Instant,
    /// Of the connection under way: each redirect begins a new one.
    pub(super) trace: Trace,
    host: String,
    pub(super) first_byte: Option<Instant>,
    pub(super) ended: Option<Instant>,
    pub(super) status: Option<StatusCode>,
    pub(super) size: Option<usize>,
}

impl Progress {
    pub(super) fn new() -> Self {
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

    pub(super) fn begin(&mut self, url: &Url) {
        self.trace = Trace::default();
        self.host = url.host_str().unwrap_or_default().to_owned();
        self.first_byte = None;
        self.status = None;
    }

    pub(super) fn too_late(&self, within: Duration) -> Fault {
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
    pub fn measured(&self, reading: Reading) -> Reading {
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
