//! Records as a person writes and compares them, and whom to ask for them.

use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{TokioResolver, system_conf};

use super::Server;

/// So many values are named in a reason.
const NAMED: usize = 4;

/// The data of a record as text: `10 mail.example.com`, without the dots at the end of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

impl Value {
    pub fn of(data: &RData) -> Self {
        match data {
            // Text stays as it is.
            RData::TXT(text) => Self(text.to_string()),
            other => Self(plain(&other.to_string())),
        }
    }

    /// A value that a person expects of a record of this type.
    pub fn expected(text: &str, record: RecordType) -> Result<Self, String> {
        let address = |known: bool| if known { Ok(()) } else { Err(format!("`{text}` is not an address for a record {record}")) };
        match record {
            RecordType::TXT => return Ok(Self(text.to_owned())),
            RecordType::A => address(text.parse::<std::net::Ipv4Addr>().is_ok())?,
            RecordType::AAAA => {
                // One address can be written in many ways.
                let parsed = text.parse::<std::net::Ipv6Addr>();
                address(parsed.is_ok())?;
                return Ok(Self(parsed.map(|address| address.to_string()).unwrap_or_default()));
            }
            RecordType::MX if text.split_whitespace().count() != 2 => {
                return Err(format!("`{text}` is not a preference and a host, such as `10 mail.example.com`"));
            }
            _ => (),
        }
        Ok(Self(plain(text)))
    }
}

/// In lower case, with single spaces, each word without a dot at its end.
fn plain(text: &str) -> String {
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.strip_suffix('.').filter(|word| !word.is_empty()).unwrap_or(word)).collect();
    words.join(" ").to_lowercase()
}

/// Some values in words.
pub fn told(values: &[&Value]) -> String {
    let named: Vec<String> = values.iter().take(NAMED).map(|value| value.0.clone()).collect();
    match values.len() {
        count if count > NAMED => format!("{} and {} more", named.join(", "), count - NAMED),
        _ => named.join(", "),
    }
}

impl Server {
    /// Asks whom it should, and nobody's memory: no hosts file, no cache.
    pub fn resolver(&self, within: Duration) -> Result<TokioResolver, String> {
        let (config, mut options) = match self {
            Self::System => system_conf::read_system_conf().map_err(|error| format!("/etc/resolv.conf: {error}"))?,
            Self::At(address) => {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (address.port(), address.port());
                let server = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
                (ResolverConfig::from_parts(None, vec![], vec![server]), Default::default())
            }
        };
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        // A datagram that was lost is sent again within the time that a look has.
        options.timeout = options.timeout.min(Duration::from_secs(2)).min(within);
        options.max_active_requests = 1024;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        builder.build().map_err(|error| error.to_string())
    }
}
