//! `tls`: for how long is a certificate good, whom is it from, whom is it for?

mod settings;
mod smtp;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
pub use settings::TlsSettings;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::checks::{Check, Kind, Run, outcome_of};
use crate::domain::reading::{Outcome, Reading, Target};
use crate::net::tls::{Certificate, handshake_fault};
use crate::net::trace::Trace;
use crate::net::{Endpoint, Fault, Host, LookupError, Net, in_time, words};

/// Built from [`TlsSettings`].
struct Tls {
    servers: Vec<Server>,
    connector: TlsConnector,
    /// What must be in the name of the authority, in lower case.
    issuer: Option<String>,
    /// Whom the certificate must be for, beside the host.
    names: Vec<String>,
    newest_only: bool,
    starttls: bool,
    net: Arc<Net>,
}

struct Server {
    target: Arc<Target>,
    endpoint: Endpoint,
    name: ServerName<'static>,
}

impl Kind for TlsSettings {
    const NETWORK: bool = true;
    const TARGETS: Option<(&'static str, &'static str)> = Some(("address", "addresses"));
    const AT_ONCE: usize = 100;
    /// A certificate does not change from one half minute to the next.
    const EVERY: Option<Duration> = Some(Duration::from_secs(3600));
}

#[async_trait]
impl Check for Tls {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        run.each(&self.servers, TlsSettings::AT_ONCE, |server| self.look(server, run.timeout)).await
    }

    fn size(&self) -> usize {
        self.servers.len()
    }

    fn longest(&self, run: &Run) -> Duration {
        run.longest(self.servers.len(), TlsSettings::AT_ONCE)
    }
}

/// How far a look has come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    LookUp,
    Connect,
    StartTls,
    Handshake,
}

/// What a handshake came to.
struct Agreed {
    version: Option<ProtocolVersion>,
    took: f64,
}

impl Tls {
    async fn look(&self, server: &Server, within: Duration) -> Reading {
        let (trace, mut stage) = (Trace::default(), Stage::LookUp);
        let agreed = match in_time(within, self.handshake(server, within, &mut stage, &trace)).await {
            Ok(agreed) => agreed,
            Err(_) => Err(too_late(server, within, stage)),
        };
        let certificate = trace.phases().certificate;
        let outcome = match (&agreed, &certificate) {
            (Ok(agreed), Some(certificate)) => match self.objection(agreed, certificate) {
                Some(objection) => Outcome::Fail(words::clean(&objection).into()),
                None => Outcome::Pass,
            },
            (Ok(_), None) => Outcome::Fail("the server showed no certificate that can be read".into()),
            (Err(fault), _) => outcome_of(fault.clone()),
        };
        let mut reading = Reading { outcome, ..Reading::pass(&server.target) };
        if let Some(certificate) = certificate {
            reading = reading.with("cert_days", certificate.days_left());
        }
        if let Ok(agreed) = agreed {
            reading = reading.with("latency", agreed.took);
            if let Some(version) = agreed.version.and_then(number_of) {
                reading = reading.with("version", version);
            }
        }
        reading
    }

    async fn handshake(&self, server: &Server, within: Duration, stage: &mut Stage, trace: &Trace) -> Result<Agreed, Fault> {
        let addresses = match &server.endpoint.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.net.resolve(name, within).await.map_err(|error| Fault::from(&error))?,
        };
        *stage = Stage::Connect;
        let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, server.endpoint.port)).collect();
        let mut stream = connect(&addresses, within).await?;
        if self.starttls {
            *stage = Stage::StartTls;
            smtp::start_tls(&mut stream).await?;
        }
        *stage = Stage::Handshake;
        let started = Instant::now();
        let secured = trace.over(self.connector.connect(server.name.clone(), stream)).await;
        let secured = secured.map_err(|error| handshake_fault(&error, trace.phases().certificate.as_ref()))?;
        Ok(Agreed { version: secured.get_ref().1.protocol_version(), took: started.elapsed().as_secs_f64() })
    }

    /// What is not as it should be though the certificate is good.
    fn objection(&self, agreed: &Agreed, certificate: &Certificate) -> Option<String> {
        let missing = self.names.iter().find(|name| !certificate.is_for(name));
        match &self.issuer {
            Some(issuer) if !certificate.issuer.to_lowercase().contains(issuer) => {
                return Some(format!("the certificate is from another authority: {}", certificate.issuer));
            }
            _ => (),
        }
        match missing {
            Some(name) => Some(format!("the certificate is not for {name}")),
            None if self.newest_only && agreed.version != Some(ProtocolVersion::TLSv1_3) => {
                Some("the server speaks an older TLS than 1.3".to_owned())
            }
            None => None,
        }
    }
}

/// Tries the addresses in turn, each with its share of the time.
async fn connect(addresses: &[SocketAddr], within: Duration) -> Result<TcpStream, Fault> {
    let mut failed = Fault::Theirs("the name has no address".into());
    for (index, address) in addresses.iter().enumerate() {
        let share = within / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match in_time(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = Fault::from(&error),
            Err(_) => failed = Fault::Theirs(format!("no connection in {}", words::span(share))),
        }
    }
    Err(failed)
}

fn too_late(server: &Server, within: Duration, stage: Stage) -> Fault {
    let span = words::span(within);
    match (stage, &server.endpoint.host) {
        (Stage::LookUp, Host::Name(name)) => Fault::from(&LookupError::NoAnswer { name: name.to_string(), within }),
        (Stage::LookUp | Stage::Connect, _) => Fault::Theirs(format!("no connection in {span}")),
        (Stage::StartTls, _) => Fault::Theirs(format!("no answer to STARTTLS in {span}")),
        (Stage::Handshake, _) => Fault::Theirs(format!("no end of the TLS handshake in {span}")),
    }
}

fn number_of(version: ProtocolVersion) -> Option<f64> {
    match version {
        ProtocolVersion::TLSv1_2 => Some(1.2),
        ProtocolVersion::TLSv1_3 => Some(1.3),
        _ => None,
    }
}
