//! One entry of a target list: an address, a host name, a CIDR block or a range, and an optional name after it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};

use super::{Listed, MOST_TARGETS};
use crate::domain::reading::Target;

/// Longer lines are garbage: a host name has 253 bytes at most.
const LONGEST: usize = 1024;

/// Adds the targets of one entry; one that is blank or only a comment adds none.
///
/// - `#` and `;` begin a comment at the start or after white space: `10.0.0.7 till 3  # by the door`.
/// - Of an IPv4 block shorter than /31 the network and the broadcast address are left out: no host has them.
///   An IPv6 block is taken whole.
/// - A range is `10.0.0.1-10.0.0.20`, `10.0.0.1-20` or `2001:db8::1-2001:db8::f`, both ends included.
/// - A host name may be international (`касса.example`). It is kept in lower case, without a dot at its end.
pub fn read_into(listed: &mut Vec<Listed>, text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the line is {} bytes long, more than {LONGEST}", text.len()));
    }
    let text = without_comment(text).trim();
    if text.is_empty() {
        return Ok(());
    }
    if let Some(odd) = text.chars().find(|char| char.is_control() && *char != '\t') {
        return Err(format!("there is a control character (U+{:04X}) in the line", u32::from(odd)));
    }
    let (what, name) = match text.split_once(char::is_whitespace) {
        Some((what, name)) => (what, Some(name.trim_start())),
        None => (text, None),
    };
    let mut add = |key: String, address: Option<IpAddr>| {
        let target = match name {
            Some(name) => Target::named(key, name),
            None => Target::new(key),
        };
        listed.push(Listed { target, address });
    };
    match Extent::parse(what)? {
        Extent::Name(name) => add(name, None),
        Extent::Addresses(addresses) => addresses.for_each(|address| add(address.to_string(), Some(address))),
    }
    Ok(())
}

/// What the first word of an entry stands for.
enum Extent {
    Name(String),
    /// At least one and at most [`MOST_TARGETS`].
    Addresses(IpAddrRange),
}

impl Extent {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Self::range(text, address, address);
        }
        if text.contains('/') {
            let block: IpNet = text.parse().map_err(|_| format!("`{text}` is not a CIDR block such as 10.0.0.0/24"))?;
            if block.max_prefix_len() - block.prefix_len() > MOST_TARGETS.ilog2() as u8 {
                return Err(format!("`{text}` has more than {MOST_TARGETS} addresses"));
            }
            // `hosts` leaves out an IPv4 block's network and broadcast address.
            return Ok(Self::Addresses(block.hosts()));
        }
        if let Some((first, last)) = text.split_once('-')
            && let Ok(first) = first.parse::<IpAddr>()
        {
            let last =
                end_of_range(first, last).ok_or_else(|| format!("`{text}` is not a range such as 10.0.0.1-10.0.0.20 or 10.0.0.1-20"))?;
            return Self::range(text, first, last);
        }
        host_name(text).map(Self::Name)
    }

    fn range(text: &str, first: IpAddr, last: IpAddr) -> Result<Self, String> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        for end in [first, last] {
            if let Some(sort) = not_one_host(end) {
                return Err(format!("`{text}`: {end} is {sort}, not the address of a host"));
            }
        }
        let (range, more) = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                (Ipv4AddrRange::new(first, last).into(), u128::from(last.to_bits()).checked_sub(first.to_bits().into()))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => (Ipv6AddrRange::new(first, last).into(), last.to_bits().checked_sub(first.to_bits())),
            _ => return Err(format!("`{text}` begins in one version of IP and ends in the other")),
        };
        match more {
            None => Err(format!("`{text}` runs backwards")),
            Some(more) if more >= MOST_TARGETS as u128 => Err(format!("`{text}` has more than {MOST_TARGETS} addresses")),
            Some(_) => Ok(Self::Addresses(range)),
        }
    }
}

/// The text up to a `#` or `;` that begins a comment.
fn without_comment(text: &str) -> &str {
    let mut after_space = true;
    for (at, char) in text.char_indices() {
        if after_space && matches!(char, '#' | ';') {
            return &text[..at];
        }
        after_space = char.is_whitespace();
    }
    text
}

/// `10.0.0.20`, or only the last number of it.
fn end_of_range(first: IpAddr, text: &str) -> Option<IpAddr> {
    if let Ok(number) = text.parse::<u8>()
        && let IpAddr::V4(first) = first
    {
        let [a, b, c, _] = first.octets();
        return Some(Ipv4Addr::new(a, b, c, number).into());
    }
    text.parse().ok()
}

/// What sort of address it is that no single host answers for.
fn not_one_host(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some("the unspecified address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ => None,
    }
}

/// Checks the form of a host name (RFC 1123, underscores and international letters allowed besides).
fn host_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    let good_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!("`{text}` is not an IPv4 address"));
    }
    if name.contains(':') {
        return Err(format!("`{text}` is not an IPv6 address"));
    }
    // A name whose last label is a number would be taken for an address by every resolver.
    let number_last = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() > 253 || number_last || !name.split('.').all(good_label) {
        return Err(format!("`{text}` is neither an address nor a host name, CIDR block or range"));
    }
    Ok(name)
}
