//! The layer around the HTTP client's connector.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower::util::Oneshot;
use tower::{Layer, Service};

use crate::net::trace::note;

/// Notes when a connection is begun and when it stands.
pub async fn connecting<T, E>(connection: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    note(|phases| phases.connect_started = Some(Instant::now()));
    let connected = connection.await;
    if connected.is_ok() {
        note(|phases| phases.connected = Some(Instant::now()));
    }
    connected
}

/// Shares the connector below. The HTTP client clones the whole stack half a dozen times for each request,
/// where only the connection itself needs a connector of its own.
#[derive(Clone)]
pub struct Sharing;

#[derive(Clone)]
pub struct Shared<S>(Arc<S>);

impl<S> Layer<S> for Sharing {
    type Service = Shared<S>;

    fn layer(&self, connector: S) -> Shared<S> {
        Shared(Arc::new(connector))
    }
}

impl<S: Service<To> + Clone, To> Service<To> for Shared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, To>;

    /// The clone that makes the connection waits until it is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: To) -> Oneshot<S, To> {
        Oneshot::new(S::clone(&self.0), to)
    }
}
