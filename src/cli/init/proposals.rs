//! What is proposed as checks, from what was found: pure. Each is one line that a person may drop.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::found::{Found, Listening};
use crate::domain::text::{shortened, visible};

/// More sockets than anybody would read through.
const MOST_SOCKETS: usize = 30;

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    Disk(String),
    Socket(Socket),
    Unit(String),
}

/// A program that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Of its check.
    pub name: String,
    /// Who listens there, as far as it is known.
    pub program: Option<String>,
    /// Where a check reaches it.
    pub address: SocketAddr,
    pub look: Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Tcp,
    Http,
}

/// What is usual at a port, and how it is looked at.
const USUAL: &[(u16, &str, Look)] = &[
    (21, "ftp", Look::Tcp),
    (22, "ssh", Look::Tcp),
    (25, "smtp", Look::Tcp),
    (53, "dns", Look::Tcp),
    (80, "web", Look::Http),
    (110, "pop3", Look::Tcp),
    (143, "imap", Look::Tcp),
    (389, "ldap", Look::Tcp),
    (443, "https", Look::Tcp),
    (445, "smb", Look::Tcp),
    (465, "smtps", Look::Tcp),
    (587, "submission", Look::Tcp),
    (636, "ldaps", Look::Tcp),
    (993, "imaps", Look::Tcp),
    (995, "pop3s", Look::Tcp),
    (1433, "mssql", Look::Tcp),
    (1883, "mqtt", Look::Tcp),
    (2049, "nfs", Look::Tcp),
    (3000, "web", Look::Http),
    (3306, "mysql", Look::Tcp),
    (5432, "postgresql", Look::Tcp),
    (5601, "kibana", Look::Http),
    (5672, "amqp", Look::Tcp),
    (6379, "redis", Look::Tcp),
    (8000, "web", Look::Http),
    (8008, "web", Look::Http),
    (8080, "web", Look::Http),
    (8081, "web", Look::Http),
    (8088, "web", Look::Http),
    (8443, "https", Look::Tcp),
    (8888, "web", Look::Http),
    (9090, "prometheus", Look::Http),
    (9092, "kafka", Look::Tcp),
    (9093, "alertmanager", Look::Http),
    (9100, "node_exporter", Look::Http),
    (9200, "elasticsearch", Look::Http),
    (11211, "memcached", Look::Tcp),
    (15672, "rabbitmq", Look::Http),
    (27017, "mongodb", Look::Tcp),
];

/// Everything worth a check, in the order in which a person reads it; and how many sockets were too many.
pub fn proposals(found: &Found) -> (Vec<Proposal>, usize) {
    let usable = |text: &&String| visible(text) == text.as_str();
    let mut sockets = sockets(&found.sockets, &found.ephemeral, found.has_ipv6);
    let too_many = sockets.len().saturating_sub(MOST_SOCKETS);
    sockets.truncate(MOST_SOCKETS);
    let disks = found.disks.iter().filter(usable).map(|disk| Proposal::Disk(disk.clone()));
    let units = found.units.iter().filter(usable).map(|unit| Proposal::Unit(unit.clone()));
    (disks.chain(sockets.into_iter().map(Proposal::Socket)).chain(units).collect(), too_many)
}

/// One for each program and port, by port; none that a program opens as it goes, and not the watch itself.
fn sockets(listening: &[Listening], ephemeral: &RangeInclusive<u16>, has_ipv6: bool) -> Vec<Socket> {
    let mut listening: Vec<&Listening> = listening.iter().collect();
    // Of several addresses the one that is surest to be reached stays.
    listening.sort_by_key(|socket| (socket.address.port(), rank(socket.address.ip()), socket.address.ip()));
    let mut sockets: Vec<Socket> = Vec::new();
    for Listening { address, program } in listening {
        let port = address.port();
        if ephemeral.contains(&port) || port == 0 || program.as_deref() == Some(env!("CARGO_PKG_NAME")) {
            continue;
        }
        if sockets.iter().any(|socket| socket.address.port() == port && socket.program == *program) {
            continue;
        }
        let usual = USUAL.iter().find(|(usual, ..)| *usual == port);
        let name = match (program, usual) {
            (Some(program), _) => shortened(&visible(program), 40).into_owned(),
            (None, Some((_, name, _))) => (*name).to_owned(),
            (None, None) => format!("port {port}"),
        };
        let look = usual.map_or(Look::Tcp, |(_, _, look)| *look);
        sockets.push(Socket { name, program: program.clone(), address: SocketAddr::new(reached(address.ip(), has_ipv6), port), look });
    }
    name_apart(&mut sockets);
    sockets
}

/// A program with several ports, or with the name of another check, has the port in its name.
fn name_apart(sockets: &mut [Socket]) {
    let mut bearers: HashMap<String, usize> = HashMap::new();
    for name in ["this machine", "services"] {
        bearers.insert(name.to_owned(), 1);
    }
    sockets.iter().for_each(|socket| *bearers.entry(socket.name.clone()).or_default() += 1);
    for socket in sockets.iter_mut().filter(|socket| bearers[&socket.name] > 1) {
        socket.name = format!("{} {}", socket.name, socket.address.port());
    }
    // Two programs may share a port on different addresses, or bear a name with a number in it.
    let mut taken = std::collections::HashSet::new();
    for socket in sockets {
        if !taken.insert(socket.name.clone()) {
            socket.name = format!("{} at {}", socket.name, socket.address);
            taken.insert(socket.name.clone());
        }
    }
}

fn rank(address: IpAddr) -> u8 {
    match (address.is_unspecified(), address.is_loopback(), address.is_ipv4()) {
        (true, _, true) => 0,
        (_, true, true) => 1,
        (true, _, false) => 2,
        (_, true, false) => 3,
        (_, _, true) => 4,
        _ => 5,
    }
}

/// Who listens everywhere is reached on the loopback.
fn reached(address: IpAddr, has_ipv6: bool) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() && has_ipv6 => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(address.into(), IpAddr::V4),
        other => other,
    }
}

impl Socket {
    pub fn about(&self) -> String {
        let who = self.program.as_deref().unwrap_or("something");
        let where_ = if self.address.ip().is_loopback() { String::new() } else { format!(" of {}", self.address.ip()) };
        format!("{who} listens on port {}{where_}", self.address.port())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => write!(f, "disk {path}"),
            Self::Socket(socket) => {
                let how = if socket.look == Look::Http { "http" } else { "tcp" };
                write!(f, "{} ({how})", visible(&socket.about()))
            }
            Self::Unit(name) => write!(f, "service {name}"),
        }
    }
}
