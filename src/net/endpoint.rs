//! `host:port` as a person writes it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where to connect: an address or a name, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub host: Host,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Address(IpAddr),
    Name(Box<str>),
}

impl Endpoint {
    /// Reads `192.0.2.1:80`, `[2001:db8::1]:80` or `name.example:80`. The error is a sentence for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(format!("`{text}` has port 0")),
                port => Ok(Self { host: Host::Address(address.ip()), port }),
            };
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(format!("`{text}` has no port; write an IPv6 address as `[{text}]:443`"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("`{text}` has no port; write `{text}:443`"));
        };
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("`{port}` is not a port: a number from 1 to 65535"))?;
        if !is_host_name(host) {
            return Err(format!("`{host}` is neither an address nor a host name"));
        }
        Ok(Self { host: Host::Name(host.into()), port })
    }
}

/// RFC 1123, with the underscore that service names use. A name of digits and dots only is a mistyped address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label) && !name.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let seen = match Endpoint::parse(text) {
            Ok(Endpoint { host: Host::Address(address), port }) => format!("address {address} port {port}"),
            Ok(Endpoint { host: Host::Name(name), port }) => format!("name {name} port {port}"),
            Err(error) => error,
        };
        assert_eq!(seen, expect);
    }

    #[test]
    fn host_and_port() {
        check("127.0.0.1:80", "address 127.0.0.1 port 80");
        check("[::1]:80", "address ::1 port 80");
        check("db-1.example:5432", "name db-1.example port 5432");
        check("_ldap.example.:389", "name _ldap.example. port 389");
        check("localhost", "`localhost` has no port; write `localhost:443`");
        check("::1", "`::1` has no port; write an IPv6 address as `[::1]:443`");
        check("localhost:0", "`0` is not a port: a number from 1 to 65535");
        check("127.0.0.1:0", "`127.0.0.1:0` has port 0");
        check("localhost:70000", "`70000` is not a port: a number from 1 to 65535");
        check("10.0.0:80", "`10.0.0` is neither an address nor a host name");
        check("10.0.0.256:80", "`10.0.0.256` is neither an address nor a host name");
        check("http://x:80", "`http://x` is neither an address nor a host name");
        check("-x:80", "`-x` is neither an address nor a host name");
        check(":80", "`` is neither an address nor a host name");
    }
}
