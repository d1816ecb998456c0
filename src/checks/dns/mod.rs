//! `dns`: what does a name server say of a name?

mod records;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use records::{Value, told};
pub use settings::DnsSettings;
use tokio::time::Instant;

use crate::checks::{Check, Kind, Run, outcome_of};
use crate::domain::reading::{Outcome, Reading, Target};
use crate::net::{Fault, in_time, words};

/// Built from [`DnsSettings`].
struct Dns {
    questions: Vec<Question>,
    record: RecordType,
    server: Server,
    expect: Vec<Value>,
    /// Nothing but what is expected may be there.
    only: bool,
}

struct Question {
    target: Arc<Target>,
    name: Name,
}

/// Who is asked.
enum Server {
    System,
    At(std::net::SocketAddr),
}

impl Kind for DnsSettings {
    const NETWORK: bool = true;
    const AT_ONCE: usize = 100;
}

#[async_trait]
impl Check for Dns {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        // Made anew for each run: it remembers no answer, and the system's configuration is that of today.
        let resolver = &self.server.resolver(run.timeout);
        let look = |question| async move {
            match resolver {
                Ok(resolver) => self.look(question, resolver, run.timeout).await,
                Err(cause) => Reading::unknown(&question.target, words::clean(cause)),
            }
        };
        run.each(&self.questions, DnsSettings::AT_ONCE, look).await
    }

    fn size(&self) -> usize {
        self.questions.len()
    }

    fn longest(&self, run: &Run) -> Duration {
        run.longest(self.questions.len(), DnsSettings::AT_ONCE)
    }
}

impl Dns {
    async fn look(&self, question: &Question, resolver: &TokioResolver, within: Duration) -> Reading {
        let started = Instant::now();
        let answer = in_time(within, resolver.lookup(question.name.clone(), self.record)).await;
        let latency = started.elapsed().as_secs_f64();
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let reading = Reading { outcome: outcome_of(self.fault(question, &error, within)), ..Reading::pass(&question.target) };
                // Whoever says no has answered as well.
                return if matches!(error, NetError::Dns(_)) { reading.with("answers", 0.0).with("latency", latency) } else { reading };
            }
            Err(_) => return Reading::fail(&question.target, self.silence(within)),
        };
        let records = || answer.answers().iter().filter(|record| record.record_type() == self.record);
        let values: Vec<Value> = records().map(|record| Value::of(&record.data)).collect();
        let outcome = match values.is_empty() {
            true => Outcome::Fail(words::clean(&self.none(question)).into()),
            false => self.judged(&values),
        };
        let reading = Reading { outcome, ..Reading::pass(&question.target) };
        let reading = reading.with("latency", latency).with("answers", values.len() as f64);
        let reading = match records().map(|record| record.ttl).min() {
            Some(ttl) => reading.with("ttl", f64::from(ttl)),
            None => reading,
        };
        match records().next().map(|record| &record.data) {
            Some(RData::SOA(authority)) => reading.with("serial", f64::from(authority.serial)),
            _ => reading,
        }
    }

    /// Whether all that is expected is there.
    fn judged(&self, values: &[Value]) -> Outcome {
        let missing: Vec<&Value> = self.expect.iter().filter(|expected| !values.contains(expected)).collect();
        let odd: Vec<&Value> = values.iter().filter(|value| self.only && !self.expect.contains(value)).collect();
        let all: Vec<&Value> = values.iter().collect();
        let reason = match (&missing[..], &odd[..]) {
            ([], []) => return Outcome::Pass,
            ([], odd) => format!("there is {}, which is not expected", told(odd)),
            (missing, _) => format!("there is no {}, but {}", told(missing), told(&all)),
        };
        Outcome::Fail(words::clean(&reason).into())
    }

    fn fault(&self, question: &Question, error: &NetError, within: Duration) -> Fault {
        let answered = |code: ResponseCode| match code {
            ResponseCode::NXDomain => format!("there is no name {} (NXDOMAIN)", question.target.key),
            ResponseCode::NoError => self.none(question),
            ResponseCode::ServFail => format!("{} answered SERVFAIL", self.server),
            ResponseCode::Refused => format!("{} answered REFUSED", self.server),
            code => format!("{} answered: {code}", self.server),
        };
        match error {
            NetError::Dns(DnsError::NoRecordsFound(none)) => Fault::Theirs(answered(none.response_code)),
            NetError::Dns(DnsError::ResponseCode(code)) => Fault::Theirs(answered(*code)),
            NetError::Timeout => Fault::Theirs(self.silence(within)),
            NetError::Io(error) => match Fault::from(&**error) {
                Fault::Theirs(reason) => Fault::Theirs(format!("{} cannot be asked: {reason}", self.server)),
                ours => ours,
            },
            NetError::NoConnections | NetError::Busy => Fault::Theirs(format!("{} cannot be reached", self.server)),
            error => Fault::Theirs(format!("the answer of {} makes no sense: {error}", self.server)),
        }
    }

    fn none(&self, question: &Question) -> String {
        format!("{} has no {} record", question.target.key, self.record)
    }

    fn silence(&self, within: Duration) -> String {
        format!("no answer from {} in {}", self.server, words::span(within))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System => f.write_str("the system's name server"),
            Self::At(address) => write!(f, "{address}"),
        }
    }
}
