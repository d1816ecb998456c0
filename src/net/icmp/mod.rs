//! ICMP echoes: one socket per version of IP for the whole program, and one pace for all checks.

mod options;
mod pace;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::domain::reading::Reason;
pub use pace::Pace;
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};

/// Between two echoes of the whole program: 100,000 a second, at most 200 at once, whose replies fit into
/// the smallest receive buffer that is usual.
const SPACING: Duration = Duration::from_micros(10);

/// What became of one echo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Echo {
    /// The round-trip time; 0 stands for less than a microsecond.
    Reply(Duration),
    /// A router, or our own host, says that it cannot be delivered.
    Undeliverable { what: &'static str, says: IpAddr },
    /// Nothing came in time.
    Silence,
    /// It never left this host.
    Unsent(Reason),
    /// Nor could it: our own network has no way there.
    NoWay(Reason),
}

impl Echo {
    /// Why it was not sent.
    pub fn unsent(&self) -> Option<&Reason> {
        if let Self::Unsent(reason) | Self::NoWay(reason) = self { Some(reason) } else { None }
    }

    /// Of an echo that was answered.
    pub fn round_trip(&self) -> Option<Duration> {
        if let Self::Reply(time) = self { Some(*time) } else { None }
    }

    /// What is wrong on the way, and who says it.
    pub fn undeliverable(&self) -> Option<(&'static str, IpAddr)> {
        if let Self::Undeliverable { what, says } = self { Some((what, *says)) } else { None }
    }
}

/// Sends echoes for all checks. The sockets are opened at the first need.
pub struct Icmp {
    v4: Mutex<Option<Client>>,
    v6: Mutex<Option<Client>>,
    /// Tells our echoes on a raw socket from those of other programs.
    identifier: PingIdentifier,
    /// One for all: on an unprivileged socket two checks of one host differ by nothing else.
    sequence: AtomicU16,
    pace: Pace,
}

/// The sockets as one run finds them. A refusal is one reason, shared by all its targets, and is
/// asked about again in the next run: `sysctl` needs no restart.
#[derive(Default)]
pub struct Sockets {
    v4: OnceLock<Result<Client, Reason>>,
    v6: OnceLock<Result<Client, Reason>>,
}

impl Icmp {
    /// How fast echoes may go: take a turn before each [`echo`](Self::echo).
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Sends one echo and waits for what comes of it.
    pub async fn echo(&self, sockets: &Sockets, address: IpAddr, payload: &[u8], within: Duration) -> Echo {
        let client = match sockets.of(self, address) {
            Ok(client) => client,
            Err(reason) => return Echo::Unsent(reason.clone()),
        };
        let mut pinger = client.pinger(address, self.identifier).await;
        pinger.timeout(within);
        loop {
            let number = self.sequence.fetch_add(1, Ordering::Relaxed);
            return match pinger.ping(PingSequence(number), payload).await {
                Ok((packet, round_trip)) => match undeliverable(&packet) {
                    Some((what, says)) => Echo::Undeliverable { what, says },
                    None => Echo::Reply(round_trip),
                },
                Err(SurgeError::Timeout { .. }) => Echo::Silence,
                // 65,536 echoes ago one went there with this number, and still waits.
                Err(SurgeError::IdenticalRequests { .. }) => continue,
                Err(SurgeError::IOError(error)) if has_no_way(&error) => Echo::NoWay(format!("cannot send the echo: {error}").into()),
                Err(error) => Echo::Unsent(format!("cannot send the echo: {error}").into()),
            };
        }
    }

    fn open(&self, version: ICMP) -> Result<Client, Reason> {
        let socket = if version == ICMP::V4 { &self.v4 } else { &self.v6 };
        let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*socket {
            return Ok(client.clone());
        }
        // An unprivileged socket first; the crate falls back to a raw one.
        let client = Client::new(&Config::builder().kind(version).build()).map_err(refused)?;
        if let Err(error) = options::set(&client, version) {
            tracing::debug!(%error, "an ICMP socket without our options");
        }
        Ok(socket.insert(client).clone())
    }
}

impl Default for Icmp {
    fn default() -> Self {
        Self {
            v4: Mutex::default(),
            v6: Mutex::default(),
            identifier: PingIdentifier(std::process::id() as u16),
            sequence: AtomicU16::new(0),
            pace: Pace::new(SPACING),
        }
    }
}

impl fmt::Debug for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Icmp")
    }
}

impl Sockets {
    fn of(&self, icmp: &Icmp, address: IpAddr) -> &Result<Client, Reason> {
        match address {
            IpAddr::V4(_) => self.v4.get_or_init(|| icmp.open(ICMP::V4)),
            IpAddr::V6(_) => self.v6.get_or_init(|| icmp.open(ICMP::V6)),
        }
    }
}

/// Why there is no socket, and what to do.
fn refused(error: io::Error) -> Reason {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "this program may not send ICMP echoes: set `sysctl net.ipv4.ping_group_range=\"0 2147483647\"` or give it CAP_NET_RAW".into()
    } else {
        format!("cannot open an ICMP socket: {error}").into()
    }
}

/// Whether this machine's own network is the trouble: a link is down, no route leads there.
fn has_no_way(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(error.kind(), NetworkUnreachable | HostUnreachable | NetworkDown)
}

/// What a packet says that is no echo reply. Raw sockets deliver these, and surge-ping hands them out as
/// if the host had answered. Codes: RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 sections 3.1 and 3.3.
fn undeliverable(packet: &IcmpPacket) -> Option<(&'static str, IpAddr)> {
    match packet {
        IcmpPacket::V4(packet) => {
            let what = match (packet.get_icmp_type().0, packet.get_icmp_code().0) {
                (0, _) => return None,
                (3, 0 | 6 | 11) => "network unreachable",
                (3, 1 | 7 | 8 | 12) => "host unreachable",
                (3, 9 | 10 | 13) => "forbidden by a firewall",
                (3, 4) => "packet too big",
                (3, _) => "destination unreachable",
                (11, _) => "packets go in circles",
                _ => "not deliverable",
            };
            Some((what, packet.get_source().into()))
        }
        IcmpPacket::V6(packet) => {
            let what = match (packet.get_icmpv6_type().0, packet.get_icmpv6_code().0) {
                (129, _) => return None,
                (1, 0 | 6) => "network unreachable",
                (1, 1 | 5) => "forbidden by a firewall",
                (1, 3) => "host unreachable",
                (1, _) => "destination unreachable",
                (3, _) => "packets go in circles",
                _ => "not deliverable",
            };
            Some((what, packet.get_source().into()))
        }
    }
}
