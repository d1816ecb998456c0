//! What several plugins need of the network: names resolved with a deadline of our own, trusted authorities,
//! and plain words for what went wrong.
//!
//! Built lazily: a watch that resolves no name and speaks no TLS pays for neither.

mod deadline;
mod endpoint;
mod fault;
pub mod http;
pub mod icmp;
pub mod identity;
mod names;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;
pub mod trace;
pub mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use deadline::in_time;
pub use endpoint::{Endpoint, Host};
pub use fault::Fault;
pub use names::LookupError;
use names::Names;
use rustls::ClientConfig;
use tls::{Authorities, CaError, TlsPolicy};

/// One for the whole program; plugins get it from their build context.
#[derive(Debug, Default)]
pub struct Net {
    icmp: icmp::Icmp,
    names: Names,
    authorities: Authorities,
}

impl Net {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// ICMP echoes, for all checks from the same sockets.
    pub fn icmp(&self) -> &icmp::Icmp {
        &self.icmp
    }

    /// The addresses of a host name, IPv4 first, as the system's configuration (hosts file, resolv.conf) has them.
    /// An address literal is returned as it is.
    pub async fn resolve(&self, name: &str, within: Duration) -> Result<Vec<IpAddr>, LookupError> {
        match name.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.names.look_up(name, within).await,
        }
    }

    /// The TLS settings of one policy, shared by everyone who asks for it: the authorities are read and parsed once.
    pub fn tls(&self, policy: &TlsPolicy) -> Result<Arc<ClientConfig>, CaError> {
        self.authorities.client(policy)
    }

    /// Reads the system's authorities now, which takes milliseconds, rather than in the midst of the first look.
    pub fn load_authorities(&self) {
        self.authorities.load_system();
    }
}
