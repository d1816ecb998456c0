//! Room for connections: so many in all, and so many for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::IpNet;

use super::origin::is_proxy;

/// So many in all.
const ALL: usize = 256;
/// So many beyond that for this machine, whose own programs ask for `/healthz`.
const KEPT: usize = 8;
/// So many for one address that is neither this machine nor a proxy of ours.
const EACH: usize = 32;

pub struct Seats {
    proxies: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
    refused: u64,
}

/// A connection's own; it is free again when this is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    whose: IpAddr,
}

impl Seats {
    pub fn new(proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { proxies, taken: Mutex::default() })
    }

    /// Nothing if there is no room for this address.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let (all, each) = match address.is_loopback() {
            true => (ALL + KEPT, ALL),
            false if is_proxy(address, &self.proxies) => (ALL, ALL),
            false => (ALL, EACH),
        };
        let whose = neighbourhood(address);
        let mut taken = self.taken();
        if taken.all >= all || taken.by.get(&whose).is_some_and(|count| *count >= each) {
            taken.refused += 1;
            // A flood says so less and less often.
            if taken.refused.is_power_of_two() {
                tracing::warn!(%address, refused = taken.refused, open = taken.all, "too many connections, this one is refused");
            }
            return None;
        }
        taken.all += 1;
        *taken.by.entry(whose).or_default() += 1;
        Some(Seat { seats: self.clone(), whose })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        if let Some(count) = taken.by.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                taken.by.remove(&self.whose);
            }
        }
    }
}

/// Whoever has one address of IPv6 has all of its network of 64 bits.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) if !address.is_loopback() => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Arc<Seats>, address: &str, count: usize) -> Vec<Seat> {
        (0..count).map_while(|_| seats.take(address.parse().unwrap())).collect()
    }

    #[test]
    fn nobody_takes_all_the_room() {
        let seats = Seats::new(vec!["10.0.0.1/32".parse().unwrap()]);
        let one = take(&seats, "192.0.2.9", 1000);
        assert_eq!(one.len(), 32);
        assert_eq!(take(&seats, "::ffff:192.0.2.9", 1).len(), 0, "the same address");
        assert_eq!(take(&seats, "192.0.2.10", 1).len(), 1);
        let proxy = take(&seats, "10.0.0.1", 1000);
        assert_eq!(proxy.len(), 256 - 32);
        assert_eq!(take(&seats, "192.0.2.10", 1).len(), 0, "it is full");
        let own = take(&seats, "127.0.0.1", 1000);
        assert_eq!(own.len(), 8, "but for this machine");
        drop((one, own));
        let (left, right) = (take(&seats, "2001:db8::1", 20), take(&seats, "2001:db8::2", 20));
        assert_eq!((left.len(), right.len()), (20, 12), "each was given back, and a network is one");
        drop((left, right, proxy));
        assert!(seats.taken().by.is_empty() && seats.taken().all == 0);
        assert_eq!(take(&seats, "127.0.0.2", 1000).len(), 256);
    }
}
