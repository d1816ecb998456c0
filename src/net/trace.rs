//! When each phase of one look began and ended, noted by the layers below that have no other way to tell us.
//!
//! The HTTP client and the TLS library call back (a resolver, a connector, a verifier) without saying for whom.
//! Each look therefore runs in the scope of a task-local trace, and the callbacks write to the one they run in.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::tls::Certificate;

tokio::task_local! {
    static CURRENT: Trace;
}

/// The trace of one look; its clones are the same trace.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Phases>>);

/// What has happened so far; of several connections in one look, the last.
#[derive(Debug, Clone, Default)]
pub struct Phases {
    pub lookup_started: Option<Instant>,
    pub lookup_ended: Option<Instant>,
    pub connect_started: Option<Instant>,
    /// The first TLS message was built: the TCP connection stands.
    pub tls_started: Option<Instant>,
    /// The connection can be used, TLS included.
    pub connected: Option<Instant>,
    /// The certificate that the server showed, also one that was refused.
    pub certificate: Option<Certificate>,
}

impl Trace {
    /// Runs a future; what the network layers below note lands in this trace.
    pub async fn over<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    pub fn phases(&self) -> Phases {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Phases> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Writes to the trace of the look under way; outside of one nothing happens.
pub(crate) fn note(write: impl FnOnce(&mut Phases)) {
    let _ = CURRENT.try_with(|trace| write(&mut trace.lock()));
}
