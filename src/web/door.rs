//! The listening socket: so many connections, so long for a request, and an end that waits for nobody for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{House, router};

/// So many at once; the others wait in the kernel.
const CONNECTIONS: usize = 256;
/// For the head of a request, also between two requests of one connection.
const HEAD: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// The most headers.
const MOST_HEADERS: usize = 64;
/// After a connection that could not be accepted: no descriptors are left, say.
const PAUSE: Duration = Duration::from_millis(200);

/// Why nobody can be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}; choose another `web: {{ listen }}` or end what is there")]
pub struct WebError {
    address: SocketAddr,
    cause: std::io::Error,
}

/// The open socket; it is closed when this is dropped.
pub struct Web {
    pub address: SocketAddr,
    porter: JoinHandle<()>,
    stop: CancellationToken,
}

impl Web {
    pub async fn open(house: Arc<House>) -> Result<Self, WebError> {
        let address = house.settings.listen;
        let failed = |cause| WebError { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let porter = tokio::spawn(welcome(listener, router(house), stop.clone()));
        Ok(Self { address, porter, stop })
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.cancel();
        self.porter.abort();
    }
}

async fn welcome(listener: TcpListener, router: Router, stop: CancellationToken) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = serve(stream, router) => {}
                () = stop.cancelled() => {}
            }
            drop(seat);
        });
    }
}

async fn serve(stream: TcpStream, router: Router) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
    // Whoever breaks off gets no answer.
    let _ = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}
