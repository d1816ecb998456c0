//! One run over all targets: the echoes of each, and what they make together.

use std::iter;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, future};
use tokio::time::{Instant, sleep_until};

use super::PingCheck;
use crate::checks::Run;
use crate::domain::reading::{Reading, Reason, Target};
use crate::net::LookupError;
use crate::net::icmp::{Echo, Sockets};
use crate::settings::targets::Listed;

/// What the looks of one run share.
pub struct Sweep<'a> {
    check: &'a PingCheck,
    run: &'a Run,
    sockets: Sockets,
    /// Thousands of targets may be silent alike.
    silence: Reason,
}

impl<'a> Sweep<'a> {
    pub fn new(check: &'a PingCheck, run: &'a Run) -> Self {
        Self { check, run, sockets: Sockets::default(), silence: silence(check.count as usize, run.timeout) }
    }

    /// Looks at all targets; the readings are in the order of the list.
    ///
    /// All looks live in this one task. They begin one after another in their turns, so that a long list waits
    /// on one timer, and a target that answers at once has gone before the last one is asked.
    pub async fn over(&self, targets: &[Listed]) -> Vec<Reading> {
        let mut looks = FuturesUnordered::new();
        let mut readings: Vec<Option<Reading>> = vec![None; targets.len()];
        for (index, listed) in targets.iter().enumerate() {
            let turn = async {
                let slot = self.run.slot().await;
                if listed.address.is_some() {
                    self.check.turn().await;
                }
                slot
            };
            let mut turn = pin!(turn);
            let slot = loop {
                tokio::select! {
                    biased;
                    slot = &mut turn => break slot,
                    Some((index, reading)) = looks.next(), if !looks.is_empty() => readings[index] = Some(reading),
                }
            };
            looks.push(async move {
                let reading = self.look(listed).await;
                drop(slot);
                self.run.done();
                (index, reading)
            });
        }
        while let Some((index, reading)) = looks.next().await {
            readings[index] = Some(reading);
        }
        readings.into_iter().flatten().collect()
    }

    /// Looks at one target. An address has had the turn of its first echo.
    async fn look(&self, listed: &Listed) -> Reading {
        let begun = Instant::now();
        let address = match listed.address {
            Some(address) => address,
            // Boxed: most targets are addresses, and need no room for a look-up.
            None => match Box::pin(self.resolve(&listed.target)).await {
                Ok(address) => address,
                Err(reading) => return reading,
            },
        };
        let start = Instant::now();
        let within = self.run.timeout.saturating_sub(start - begun);
        let later = (1..self.check.count).map(|number| async move {
            let after = self.check.interval * number;
            sleep_until(start + after).await;
            self.check.turn().await;
            // Not until a fixed moment: the time it waited for its turn is not the target's.
            self.echo(address, within.saturating_sub(after)).await
        });
        let (first, later) = future::join(self.echo(address, within), future::join_all(later)).await;
        let echoes: Vec<Echo> = iter::once(first).chain(later).collect();
        self.reading(&listed.target, &echoes)
    }

    async fn echo(&self, address: IpAddr, within: Duration) -> Echo {
        self.check.net.icmp().echo(&self.sockets, address, &self.check.payload, within).await
    }

    /// The first address of a name, which takes the turn of an echo then. A third of the timeout leaves the last
    /// echo, sent by the half, time for its reply.
    async fn resolve(&self, target: &Arc<Target>) -> Result<IpAddr, Reading> {
        let addresses = self.check.net.resolve(&target.key, self.run.timeout / 3).await.map_err(|fault| unresolved(target, &fault))?;
        let Some(address) = addresses.first() else {
            return Err(unresolved(target, &LookupError::NoAddress(target.key.to_string())));
        };
        self.check.turn().await;
        Ok(*address)
    }

    fn reading(&self, target: &Arc<Target>, echoes: &[Echo]) -> Reading {
        let sent = echoes.iter().filter(|echo| echo.unsent().is_none()).count();
        let replies: Vec<f64> = echoes.iter().filter_map(Echo::round_trip).map(|time| time.as_secs_f64()).collect();
        if sent == 0 {
            let reason = echoes.iter().find_map(Echo::unsent).cloned();
            let reading = Reading::unknown(target, reason.unwrap_or_else(|| "no echo was sent".into()));
            let no_way = echoes.iter().all(|echo| matches!(echo, Echo::NoWay(_)));
            return if no_way { reading.without_a_way() } else { reading };
        }
        let reading = if !replies.is_empty() {
            Reading::pass(target)
        } else if let Some((what, says)) = echoes.iter().find_map(Echo::undeliverable) {
            Reading::fail(target, format!("{what}, says {says}"))
        } else if sent == echoes.len() {
            Reading::fail(target, self.silence.clone())
        } else {
            Reading::fail(target, silence(sent, self.run.timeout))
        };
        with_times(reading.with("loss", 100.0 * (sent - replies.len()) as f64 / sent as f64), &replies)
    }
}

/// The reading of a host whose name gave no address.
pub fn unresolved(target: &Arc<Target>, fault: &LookupError) -> Reading {
    match fault {
        LookupError::NoAddress(_) | LookupError::Failed { .. } => Reading::fail(target, fault.to_string()),
        LookupError::NoAnswer { .. } | LookupError::NoResolver { .. } => Reading::unknown(target, fault.to_string()),
    }
}

/// Adds the metrics of the round-trip times; without replies there are none.
pub fn with_times(reading: Reading, times: &[f64]) -> Reading {
    if times.is_empty() {
        return reading;
    }
    let reading = reading
        .with("rtt", times.iter().sum::<f64>() / times.len() as f64)
        .with("rtt_min", times.iter().copied().fold(f64::INFINITY, f64::min))
        .with("rtt_max", times.iter().copied().fold(0.0, f64::max));
    if times.len() < 2 {
        return reading;
    }
    let changes: f64 = times.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    reading.with("jitter", changes / (times.len() - 1) as f64)
}

/// `no reply to 3 echoes in 2 s`
pub fn silence(echoes: usize, timeout: Duration) -> Reason {
    let plural = if echoes == 1 { "echo" } else { "echoes" };
    let time =
        if timeout < Duration::from_secs(1) { format!("{} ms", timeout.as_millis()) } else { format!("{} s", timeout.as_secs_f64()) };
    format!("no reply to {echoes} {plural} in {time}").into()
}
