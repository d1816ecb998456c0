//! Host names to addresses, asked of the system's name servers without blocking a thread.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{TokioResolver, system_conf};

use super::words;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";

/// Why a name has no address now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name has no address (NXDOMAIN, no record): a fault of the target.
    #[error("the name {0} has no address")]
    NoAddress(String),
    /// The name servers of the name answered with an error (SERVFAIL …): a fault of the target's zone.
    #[error("looking up {name} failed: {cause}")]
    Failed { name: String, cause: String },
    /// No resolver answered in time: we could not look.
    #[error("no answer to the look-up of {name} in {}", words::span(*within))]
    NoAnswer { name: String, within: Duration },
    /// This machine has no usable resolver configuration: we could not look.
    #[error("cannot look up {name}: {cause}")]
    NoResolver { name: String, cause: String },
}

/// The resolver, rebuilt when the system's files change: a laptop moves, a DHCP lease brings other servers.
#[derive(Default)]
pub(super) struct Names {
    current: Mutex<Option<Current>>,
}

struct Current {
    read_from: [Option<SystemTime>; 2],
    resolver: Resolver,
}

/// A resolver, and why it knows only the hosts file where that is so.
#[derive(Clone)]
struct Resolver {
    ask: TokioResolver,
    broken: Option<String>,
}

impl Names {
    pub(super) async fn look_up(&self, name: &str, within: Duration) -> Result<Vec<IpAddr>, LookupError> {
        let resolver = self.resolver().map_err(|cause| LookupError::NoResolver { name: name.to_owned(), cause })?;
        resolver.look_up(name, within).await
    }

    fn resolver(&self) -> Result<Resolver, String> {
        let read_from = [RESOLV_CONF, HOSTS].map(|path| Path::new(path).metadata().and_then(|file| file.modified()).ok());
        let mut current = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(current) = current.as_ref().filter(|current| current.read_from == read_from) {
            return Ok(current.resolver.clone());
        }
        let resolver = Resolver::of_system()?;
        *current = Some(Current { read_from, resolver: resolver.clone() });
        Ok(resolver)
    }
}

impl Resolver {
    /// Without a usable resolv.conf the hosts file and `localhost` still work.
    fn of_system() -> Result<Self, String> {
        match system_conf::read_system_conf() {
            Ok((config, options)) => Self::of(config, options, None),
            Err(error) => {
                Self::of(ResolverConfig::from_parts(None, vec![], vec![]), ResolverOpts::default(), Some(format!("{RESOLV_CONF}: {error}")))
            }
        }
    }

    fn of(config: ResolverConfig, mut options: ResolverOpts, broken: Option<String>) -> Result<Self, String> {
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // A datagram that was lost is sent again within the five seconds that a look usually has.
        options.timeout = options.timeout.min(Duration::from_secs(2));
        // Thousands of targets may be looked up at once; those that hang must leave room for the others.
        options.max_active_requests = 65_536;
        // A name that was mended or moved is seen at the next look or soon after, whatever its TTL says.
        options.positive_max_ttl = Some(Duration::from_secs(30));
        options.negative_max_ttl = Some(Duration::ZERO);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Ok(Self { ask: builder.build().map_err(|error| error.to_string())?, broken })
    }

    async fn look_up(&self, name: &str, within: Duration) -> Result<Vec<IpAddr>, LookupError> {
        let answer = super::in_time(within, self.ask.lookup_ip(name)).await;
        let name = name.to_owned();
        match (answer, &self.broken) {
            (Ok(Ok(addresses)), _) => match addresses.iter().collect::<Vec<_>>() {
                addresses if addresses.is_empty() => Err(LookupError::NoAddress(name)),
                addresses => Ok(addresses),
            },
            (_, Some(cause)) => Err(LookupError::NoResolver { name, cause: cause.clone() }),
            (Ok(Err(error)), None) => Err(explain(name, within, &error)),
            (Err(_), None) => Err(LookupError::NoAnswer { name, within }),
        }
    }
}

fn explain(name: String, within: Duration, error: &NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) => {
            LookupError::NoAddress(name)
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => LookupError::Failed { name, cause: answered(none.response_code) },
        NetError::Dns(DnsError::ResponseCode(code)) => LookupError::Failed { name, cause: answered(*code) },
        NetError::Timeout => LookupError::NoAnswer { name, within },
        NetError::Io(error) => LookupError::NoResolver { name, cause: error.to_string() },
        NetError::NoConnections | NetError::Busy => LookupError::NoResolver { name, cause: "no name server can be reached".into() },
        error => LookupError::Failed { name, cause: error.to_string() },
    }
}

fn answered(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "the name server answered SERVFAIL".into(),
        ResponseCode::Refused => "the name server answered REFUSED".into(),
        code => format!("the name server answered: {code}"),
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;

    /// A name server that answers by the first label of the question and is silent to `hang…`.
    async fn name_server() -> Resolver {
        // The same port of both kinds: another test may have one of them.
        let (udp, tcp, port) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let port = udp.local_addr().unwrap().port();
            if let Ok(tcp) = TcpListener::bind(("127.0.0.1", port)).await {
                break (udp, tcp, port);
            }
        };
        tokio::spawn(async move {
            let mut packet = [0; 1500];
            let mut asked = 0;
            while let Ok((length, from)) = udp.recv_from(&mut packet).await {
                asked += 1;
                if let Some(reply) = answer(&packet[..length], asked, false) {
                    udp.send_to(&reply, from).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut query).await.unwrap();
                let reply = answer(&query, 0, true).unwrap();
                stream.write_u16(reply.len() as u16).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        let (mut over_udp, mut over_tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
        (over_udp.port, over_tcp.port) = (port, port);
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![over_udp, over_tcp]);
        Resolver::of(ResolverConfig::from_parts(None, vec![], vec![server]), ResolverOpts::default(), None).unwrap()
    }

    /// RFC 1035 by hand: the header, the question as it came, and the records. `asked` is the number of the question.
    fn answer(query: &[u8], asked: u8, whole: bool) -> Option<Vec<u8>> {
        const TOO_LONG: u8 = 2;
        let question_end = 12 + query[12..].iter().position(|byte| *byte == 0)? + 5;
        let label = String::from_utf8_lossy(&query[13..13 + usize::from(query[12])]).to_lowercase();
        let is_a = query[question_end - 3] == 1;
        let address = |ttl: u8, last: [u8; 2]| [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 10, 2][..], &last].concat();
        // `loop.example` is another name of `pool.example`, and that of `loop.example`.
        let alias = |of: &[u8; 4]| [&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 7, 4][..], of, &[0xc0, 17]].concat();
        let (flags, code, records) = match label.as_str() {
            label if label.starts_with("hang") => return None,
            "loop" => (0, 0, vec![alias(b"pool")]),
            "pool" => (0, 0, vec![alias(b"loop")]),
            "good" if is_a => (0, 0, vec![address(60, [0, 7])]),
            "fleeting" if is_a => (0, 0, vec![address(0, [0, asked])]),
            "many" if is_a && whole => (0, 0, (0..1000_u16).map(|n| address(60, n.to_be_bytes())).collect()),
            "many" if is_a => (TOO_LONG, 0, vec![]),
            "good" | "fleeting" | "many" | "empty" => (0, 0, vec![]),
            "broken" => (0, 2, vec![]),
            _ => (0, 3, vec![]),
        };
        let [high, low] = (records.len() as u16).to_be_bytes();
        let header = [query[0], query[1], 0x81 | flags, 0x80 | code, 0, 1, high, low, 0, 0, 0, 0];
        Some([&header, &query[12..question_end], &records.concat()].concat())
    }

    async fn check(name: &str, expect: Result<&[&str], &str>) {
        let seen = name_server().await.look_up(name, Duration::from_millis(200)).await;
        let seen = seen.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>()).map_err(|error| error.to_string());
        assert_eq!(seen, expect.map(|found| found.iter().map(ToString::to_string).collect()).map_err(str::to_owned));
    }

    #[tokio::test]
    async fn every_answer_has_its_words() {
        check("good.example.", Ok(&["10.2.0.7"])).await;
        check("gone.example.", Err("the name gone.example. has no address")).await;
        check("empty.example.", Err("the name empty.example. has no address")).await;
        check("broken.example.", Err("looking up broken.example. failed: the name server answered SERVFAIL")).await;
        check("hang.example.", Err("no answer to the look-up of hang.example. in 200 ms")).await;
    }

    /// F32: an answer that is too long for a datagram is asked for again over TCP.
    #[tokio::test]
    async fn a_thousand_addresses_are_all_there() {
        let found = name_server().await.look_up("many.example.", Duration::from_secs(5)).await.unwrap();
        let distinct: HashSet<IpAddr> = found.into_iter().collect();
        assert_eq!(distinct.len(), 1000);
    }

    /// F32.
    #[tokio::test]
    async fn aliases_in_a_circle_are_given_up() {
        let error = name_server().await.look_up("loop.example.", Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.to_string(), "the name loop.example. has no address");
    }

    /// F32: a time to live of 0 forbids to remember it.
    #[tokio::test]
    async fn what_must_not_be_remembered_is_asked_anew() {
        let resolver = name_server().await;
        let first = resolver.look_up("fleeting.example.", Duration::from_secs(5)).await.unwrap();
        assert_ne!(resolver.look_up("fleeting.example.", Duration::from_secs(5)).await.unwrap(), first);
    }

    #[tokio::test]
    async fn five_hundred_hung_names_block_no_other() {
        let resolver = name_server().await;
        let hung: Vec<_> = (0..500)
            .map(|n| {
                let resolver = resolver.clone();
                tokio::spawn(async move { resolver.look_up(&format!("hang{n}.example."), Duration::from_secs(60)).await })
            })
            .collect();
        tokio::task::yield_now().await;
        // In a sixth of their time.
        let found = resolver.look_up("good.example.", Duration::from_secs(10)).await;
        assert_eq!(found, Ok(vec![IpAddr::from([10, 2, 0, 7])]));
        hung.into_iter().for_each(|task| task.abort());
    }

    #[tokio::test]
    async fn localhost_needs_no_configuration() {
        let config = ResolverConfig::from_parts(None, vec![], vec![]);
        let resolver =
            Resolver::of(config, ResolverOpts::default(), Some("/etc/resolv.conf: no nameservers found in config".into())).unwrap();
        let found = resolver.look_up("localhost", Duration::from_secs(1)).await.unwrap();
        assert!(found.contains(&IpAddr::from(Ipv4Addr::LOCALHOST)), "{found:?}");
        let error = resolver.look_up("some.example", Duration::from_secs(1)).await.unwrap_err().to_string();
        assert_eq!(error, "cannot look up some.example: /etc/resolv.conf: no nameservers found in config");
    }
}
