//! `tcp`: does a port answer, and with what?

mod settings;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::io::Errno;
use rustls::pki_types::ServerName;

pub use settings::{TcpSettings, TlsSection, TlsSetting};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::checks::{Check, Kind, Run, outcome_of};
use crate::domain::reading::{Outcome, Reading, Target};
use crate::net::trace::Trace;
use crate::net::{Endpoint, Fault, Host, LookupError, Net, in_time, tls, words};
use crate::settings::Secret;

/// Built from [`TcpSettings`].
struct Tcp {
    ports: Vec<Port>,
    tls: Option<TlsConnector>,
    send: Option<Secret>,
    expect: Option<Expect>,
    max_bytes: usize,
    net: Arc<Net>,
}

struct Port {
    target: Arc<Target>,
    endpoint: Endpoint,
    /// The name that the certificate must bear; only with TLS.
    server_name: Option<ServerName<'static>>,
}

/// What the answer must have in it.
enum Expect {
    Text(String),
    Pattern(regex::bytes::Regex),
}

impl Kind for TcpSettings {
    const NETWORK: bool = true;
    const TARGETS: Option<(&'static str, &'static str)> = Some(("address", "addresses"));
    const AT_ONCE: usize = 1000;
}

#[async_trait]
impl Check for Tcp {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        run.each(&self.ports, TcpSettings::AT_ONCE, |port| self.look(port, run.timeout)).await
    }

    fn size(&self) -> usize {
        self.ports.len()
    }

    fn longest(&self, run: &Run) -> Duration {
        run.longest(self.ports.len(), TcpSettings::AT_ONCE)
    }
}

/// How far a look has come; it stays when the deadline cuts the look off.
#[derive(Default)]
struct Progress {
    stage: Stage,
    /// In seconds, in the order in which they were measured.
    measured: Vec<(&'static str, f64)>,
    answer: Vec<u8>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    LookUp,
    Connect,
    Handshake,
    Send,
    Answer,
}

impl Tcp {
    async fn look(&self, port: &Port, within: Duration) -> Reading {
        let mut progress = Progress::default();
        let trace = self.tls.is_some().then(Trace::default);
        let conversation = in_time(within, self.converse(port, within, &mut progress, trace.as_ref()));
        let outcome = match conversation.await {
            Ok(Ok(())) => Outcome::Pass,
            Ok(Err(fault)) => outcome_of(fault),
            Err(_) => outcome_of(self.too_late(port, within, &progress)),
        };
        let mut reading = Reading { outcome, ..Reading::pass(&port.target) };
        for (metric, value) in progress.measured {
            reading = reading.with(metric, value);
        }
        match trace.and_then(|trace| trace.phases().certificate) {
            Some(certificate) => reading.with("cert_days", certificate.days_left()),
            None => reading,
        }
    }

    async fn converse(&self, port: &Port, within: Duration, progress: &mut Progress, trace: Option<&Trace>) -> Result<(), Fault> {
        let addresses = self.addresses(port, within, progress).await?;
        progress.stage = Stage::Connect;
        let started = Instant::now();
        let link = connect_any(&addresses, port.endpoint.port, within).await.map_err(|error| Fault::from(&error))?;
        progress.measured.push(("connect", started.elapsed().as_secs_f64()));
        if self.tls.is_some() || self.send.is_some() || self.expect.is_some() {
            // Boxed: the thousands of looks that only connect need not carry the room for it.
            Box::pin(self.talk(port, link, progress, trace)).await?;
        }
        progress.measured.push(("latency", started.elapsed().as_secs_f64()));
        Ok(())
    }

    async fn talk(&self, port: &Port, link: Link, progress: &mut Progress, trace: Option<&Trace>) -> Result<(), Fault> {
        let mut stream = link.into_stream().map_err(|error| Fault::from(&error))?;
        match (&self.tls, trace, &port.server_name) {
            (Some(tls), Some(trace), Some(name)) => {
                progress.stage = Stage::Handshake;
                let started = Instant::now();
                let secured = trace.over(tls.connect(name.clone(), stream)).await;
                let mut secured = secured.map_err(|error| tls::handshake_fault(&error, trace.phases().certificate.as_ref()))?;
                progress.measured.push(("tls", started.elapsed().as_secs_f64()));
                self.dialogue(&mut secured, progress).await
            }
            _ => self.dialogue(&mut stream, progress).await,
        }
    }

    async fn addresses(&self, port: &Port, within: Duration, progress: &mut Progress) -> Result<Vec<IpAddr>, Fault> {
        match &port.endpoint.host {
            Host::Address(address) => Ok(vec![*address]),
            Host::Name(name) => {
                let started = Instant::now();
                let addresses = self.net.resolve(name, within).await.map_err(|error| Fault::from(&error))?;
                progress.measured.push(("resolve", started.elapsed().as_secs_f64()));
                Ok(addresses)
            }
        }
    }

    async fn dialogue(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), progress: &mut Progress) -> Result<(), Fault> {
        if let Some(text) = &self.send {
            progress.stage = Stage::Send;
            let sent = async {
                stream.write_all(text.expose().as_bytes()).await?;
                stream.flush().await
            };
            sent.await.map_err(|error| Fault::from(&error))?;
        }
        match &self.expect {
            Some(expect) => {
                progress.stage = Stage::Answer;
                self.await_answer(stream, expect, &mut progress.answer).await
            }
            None => Ok(()),
        }
    }

    async fn await_answer(&self, stream: &mut (impl AsyncRead + Unpin), expect: &Expect, answer: &mut Vec<u8>) -> Result<(), Fault> {
        let mut stream = stream.take(self.max_bytes as u64);
        let mut searched = 0;
        loop {
            answer.reserve(1024);
            let length = match stream.read_buf(answer).await {
                Ok(length) => length,
                // What came before the reset was searched already.
                Err(error) if answer.is_empty() => return Err(Fault::from(&error)),
                Err(_) => 0,
            };
            if length == 0 {
                return Err(Fault::Theirs(match answer.is_empty() {
                    true => "the connection was closed without an answer".into(),
                    false => format!("the answer has no {expect}: `{}`", self.excerpt(answer)),
                }));
            }
            if expect.is_in(answer, searched) {
                return Ok(());
            }
            searched = answer.len();
            if answer.len() >= self.max_bytes {
                let read = words::size(self.max_bytes as u64);
                return Err(Fault::Theirs(format!("the first {read} of the answer have no {expect}: `{}`", self.excerpt(answer))));
            }
            if let Expect::Pattern(_) = expect {
                // A pattern searches the whole answer again. From a server that sends byte by byte that would be
                // a search for each byte; let some pile up.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    fn too_late(&self, port: &Port, within: Duration, progress: &Progress) -> Fault {
        let span = words::span(within);
        match (progress.stage, &port.endpoint.host, &self.expect) {
            (Stage::LookUp, Host::Name(name), _) => Fault::from(&LookupError::NoAnswer { name: name.to_string(), within }),
            (Stage::LookUp | Stage::Connect, ..) => Fault::Theirs(format!("no connection in {span}")),
            (Stage::Handshake, ..) => Fault::Theirs(format!("no end of the TLS handshake in {span}")),
            (Stage::Send, ..) => Fault::Theirs(format!("nobody took what was sent in {span}")),
            (Stage::Answer, _, Some(expect)) if !progress.answer.is_empty() => {
                Fault::Theirs(format!("the answer has no {expect} after {span}: `{}`", self.excerpt(&progress.answer)))
            }
            (Stage::Answer, ..) => Fault::Theirs(format!("no answer in {span}")),
        }
    }

    fn excerpt(&self, answer: &[u8]) -> String {
        words::excerpt(answer, self.send.iter().map(Secret::expose))
    }
}

impl Expect {
    /// Whether it is in the answer, of which the first `searched` bytes were searched before.
    fn is_in(&self, answer: &[u8], searched: usize) -> bool {
        match self {
            Self::Text(text) => {
                let from = searched.saturating_sub(text.len());
                answer[from..].windows(text.len()).any(|window| window == text.as_bytes())
            }
            Self::Pattern(pattern) => pattern.is_match(answer),
        }
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "`{}`", text.trim()),
            Self::Pattern(pattern) => write!(f, "match of `{pattern}`"),
        }
    }
}

/// A connection that stands. Many need no more than that, so it is not yet known to the runtime's epoll.
enum Link {
    Bare(Socket),
    Registered(TcpStream),
}

impl Link {
    fn into_stream(self) -> io::Result<TcpStream> {
        match self {
            Self::Bare(socket) => TcpStream::from_std(socket.into()),
            Self::Registered(stream) => Ok(stream),
        }
    }
}

/// Tries the addresses of one host in turn. Each but the last has its share of the time, so that one that
/// swallows everything leaves time for the others.
async fn connect_any(addresses: &[IpAddr], port: u16, within: Duration) -> io::Result<Link> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let attempt = connect(SocketAddr::new(*address, port));
        let attempt = match index + 1 == addresses.len() {
            true => attempt.await,
            false => match in_time(within / addresses.len() as u32, attempt).await {
                Ok(attempt) => attempt,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        match attempt {
            Ok(link) => return Ok(link),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Connects without epoll where the other side answers at once, as on a loopback: the kernel says "in progress" even
/// then, because it takes the answer in when the call ends; asking again costs one system call and saves three.
async fn connect(address: SocketAddr) -> io::Result<Link> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    let address = address.into();
    match socket.connect(&address).or_else(|error| if is(&error, Errno::INPROGRESS) { socket.connect(&address) } else { Err(error) }) {
        Ok(()) => Ok(Link::Bare(socket)),
        Err(error) if is(&error, Errno::ALREADY) || is(&error, Errno::INPROGRESS) => {
            let stream = TcpStream::from_std(socket.into())?;
            stream.writable().await?;
            match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(Link::Registered(stream)),
            }
        }
        Err(error) => Err(error),
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}
