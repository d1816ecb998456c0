//! Where a request came from, as far as that can be trusted: proxies that are named in the configuration are believed,
//! and nobody else.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, HeaderMap, HeaderName};
use axum::http::{HeaderValue, Uri};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// A host with a port is no longer (RFC 1035).
const LONGEST_HOST: usize = 262;

/// An extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who asks: not a proxy of ours between.
    pub peer: IpAddr,
    /// `https` if the whole way is encrypted as far as we know, else `http`.
    pub scheme: &'static str,
    /// The host and port that were asked, as a browser has them in `Origin`; empty where none was named.
    pub host: String,
}

impl Origin {
    /// Of a request that came over a connection from `neighbour`, `encrypted` or not.
    pub fn new(neighbour: IpAddr, encrypted: bool, uri: &Uri, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let neighbour = neighbour.to_canonical();
        let named = uri.authority().map(|authority| authority.as_str()).or_else(|| last(headers, &HOST));
        let direct = Self { peer: neighbour, scheme: if encrypted { "https" } else { "http" }, host: host(named).unwrap_or_default() };
        if !is_proxy(neighbour, proxies) {
            return direct;
        }
        let scheme = match last(headers, &FORWARDED_PROTO) {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => "http",
            _ => direct.scheme,
        };
        Self { peer: behind(neighbour, headers, proxies), scheme, host: host(last(headers, &FORWARDED_HOST)).unwrap_or(direct.host) }
    }
}

/// Whether this address is believed.
pub fn is_proxy(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// Each proxy has added whom it heard, on the right: the first from there that is none of ours asked.
fn behind(neighbour: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let heard = headers.get_all(FORWARDED_FOR).iter().filter_map(text).flat_map(|value| value.split(','));
    let mut peer = neighbour;
    for hop in heard.collect::<Vec<_>>().into_iter().rev() {
        // Whatever stands left of what makes no sense was written by nobody that is known.
        let Some(address) = address(hop.trim()) else { break };
        peer = address;
        if !is_proxy(address, proxies) {
            break;
        }
    }
    peer
}

/// An address, also with a port, as some proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// What the nearest has written: others may have left something before it.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back().and_then(text)?;
    value.rsplit(',').next().map(str::trim)
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// In small letters.
fn host(named: Option<&str>) -> Option<String> {
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter);
    named.filter(|host| !host.is_empty() && host.len() <= LONGEST_HOST && host.chars().all(is_host)).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(neighbour: &str, headers: &[(HeaderName, &str)]) -> Origin {
        let proxies: Vec<IpNet> = ["10.0.0.1/32", "10.1.0.0/16", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        Origin::new(neighbour.parse().unwrap(), false, &Uri::from_static("/"), &headers, &proxies)
    }

    #[test]
    fn a_chain_of_addresses_is_read_from_the_right() {
        let table = [
            // Nobody of ours: whatever is written changes nothing.
            ("192.0.2.9", "198.51.100.1", "192.0.2.9"),
            ("10.0.0.2", "198.51.100.1", "10.0.0.2"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
            ("10.0.0.1", "10.1.2.3", "10.1.2.3"),
            ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, nonsense, 10.1.2.3", "10.1.2.3"),
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("fd00::7", "2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ];
        for (neighbour, written, peer) in table {
            assert_eq!(origin(neighbour, &[(FORWARDED_FOR, written)]).peer, peer.parse::<IpAddr>().unwrap(), "{neighbour} {written}");
        }
        let two = [(FORWARDED_FOR, "127.0.0.1"), (FORWARDED_FOR, "198.51.100.1")];
        assert_eq!(origin("10.0.0.1", &two).peer.to_string(), "198.51.100.1", "in the order of the headers");
    }

    #[test]
    fn scheme_and_host_are_believed_of_proxies_only() {
        let said = [(HOST, "Vakhta:8080"), (FORWARDED_PROTO, "https"), (FORWARDED_HOST, "watch.example.com")];
        let of = |neighbour: &str, headers: &[(HeaderName, &str)]| {
            let Origin { scheme, host, .. } = origin(neighbour, headers);
            format!("{scheme}://{host}")
        };
        assert_eq!(of("192.0.2.9", &said), "http://vakhta:8080");
        assert_eq!(of("10.0.0.1", &said), "https://watch.example.com");
        assert_eq!(of("10.0.0.1", &said[..1]), "http://vakhta:8080");
        assert_eq!(of("10.0.0.1", &[(FORWARDED_PROTO, "gopher"), (FORWARDED_HOST, "a/b")]), "http://");
        assert_eq!(of("10.0.0.1", &[(FORWARDED_HOST, "evil.example, watch.example.com")]), "http://watch.example.com");
        assert_eq!(of("10.0.0.1", &[(HOST, "x y")]), "http://");
    }
}
