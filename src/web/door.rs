//! The listening socket: so many connections, so long for a request, TLS where that is wanted, and an end that waits for
//! nobody for ever.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::certificate::Certificate;
use super::origin::Origin;
use super::patience::{Timed, Timely};
use super::problem::Problem;
use super::seats::Seats;
use super::{House, careful, router};
use crate::domain::reading::Reason;
use crate::net::identity::IdentityError;

/// For the head of a request, also between two requests of one connection; and for a handshake.
const HEAD: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// The most headers.
const MOST_HEADERS: usize = 64;
/// The largest body, in bytes.
const LARGEST_BODY: usize = 64 << 10;
/// After a connection that could not be accepted: no descriptors are left, say.
const PAUSE: Duration = Duration::from_millis(200);
/// For the requests that are under way when the watch ends.
const FAREWELL: Duration = Duration::from_millis(1500);
/// With this a client begins its handshake (RFC 8446, B.1).
const HANDSHAKE: u8 = 22;

/// Browsers are to come by TLS only, for a year (RFC 6797).
const ONLY_TLS: &str = "max-age=31536000";

/// Why nobody can be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("cannot listen on {address}: {cause}; choose another `web: {{ listen }}` or end what is there")]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error("{0}")]
    Identity(#[from] IdentityError),
    #[error("TLS does not begin: {0}")]
    Tls(#[from] rustls::Error),
}

/// The open socket; it is closed when this is dropped.
pub struct Web {
    pub address: SocketAddr,
    porter: JoinHandle<()>,
    /// Looks after the certificate, where there is one.
    keeper: Option<JoinHandle<()>>,
    visits: TaskTracker,
    stop: CancellationToken,
}

impl Web {
    /// What goes wrong later is said to `trouble`.
    pub async fn open(house: Arc<House>, trouble: watch::Sender<Option<Reason>>) -> Result<Self, WebError> {
        let settings = &house.settings;
        let certificate = settings.tls.clone().map(Certificate::load).transpose()?;
        let server = certificate.as_ref().map(Certificate::server).transpose()?;
        let failed = |cause| WebError::Listen { address: settings.listen, cause };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, visits, seats) = (house.closing.clone(), TaskTracker::new(), Seats::new(settings.proxies.clone()));
        let (tls, proxies) = (server.map(TlsAcceptor::from), settings.proxies.clone());
        super::first::offer(&house, address).await;
        let hall = Hall::new(tls, proxies, router(house), stop.clone());
        let keeper = certificate.map(|certificate| tokio::spawn(certificate.keep_fresh(trouble)));
        let porter = tokio::spawn(welcome(listener, hall, seats, visits.clone()));
        Ok(Self { address, porter, keeper, visits, stop })
    }

    /// Ends streams at once, and waits a moment for the requests that are under way.
    pub async fn close(self) {
        self.stop.cancel();
        self.porter.abort();
        self.visits.close();
        self.visits.wait().await;
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.cancel();
        self.porter.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// Where those who come are received.
#[derive(Clone)]
struct Hall {
    tls: Option<TlsAcceptor>,
    proxies: Arc<[IpNet]>,
    router: Router,
    stop: CancellationToken,
}

async fn welcome(listener: TcpListener, hall: Hall, seats: Arc<Seats>, visits: TaskTracker) {
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let Some(seat) = seats.take(address.ip()) else { continue };
        let hall = hall.clone();
        visits.spawn(async move {
            hall.receive(stream, address.ip()).await;
            drop(seat);
        });
    }
}

impl Hall {
    fn new(tls: Option<TlsAcceptor>, proxies: Vec<IpNet>, router: Router, stop: CancellationToken) -> Self {
        Self { tls, proxies: proxies.into(), router: router.layer(DefaultBodyLimit::max(LARGEST_BODY)), stop }
    }

    async fn receive(self, stream: TcpStream, neighbour: IpAddr) {
        let Some(acceptor) = &self.tls else { return self.serve(Timed::new(stream), neighbour, false).await };
        let handshake = async {
            let first = first_byte(&stream).await?;
            let stream = Timed::new(stream);
            if first != HANDSHAKE {
                return Some(Err(stream));
            }
            // Whoever cannot agree on a key gets no answer that could be read.
            timeout(HEAD, acceptor.accept(stream)).await.ok()?.ok().map(Ok)
        };
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = self.stop.cancelled() => None,
        };
        match shaken {
            Some(Ok(stream)) => self.serve(stream, neighbour, true).await,
            Some(Err(plain)) => Self { router: Router::new().fallback(wants_tls), ..self }.serve(plain, neighbour, false).await,
            None => {}
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin, neighbour: IpAddr, encrypted: bool) {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
        let service = service_fn(|request| self.answer(request, neighbour, encrypted));
        let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            // Whoever breaks off gets no answer.
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = timeout(FAREWELL, connection).await;
    }

    async fn answer(&self, request: Request<Incoming>, neighbour: IpAddr, encrypted: bool) -> Result<Response, Infallible> {
        let (mut head, body) = request.into_parts();
        let origin = Origin::new(neighbour, encrypted, &head.uri, &head.headers, &self.proxies);
        head.extensions.insert(origin);
        let mut answer = self.route(head, body).await?;
        if encrypted {
            answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
        }
        Ok(answer)
    }

    async fn route(&self, head: Parts, body: Incoming) -> Result<Response, Infallible> {
        if body.size_hint().lower() > LARGEST_BODY as u64 {
            return Ok(refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("the body may have {} KiB", LARGEST_BODY >> 10)).await);
        }
        if body.is_end_stream() {
            return self.router.clone().oneshot(Request::from_parts(head, Body::empty())).await;
        }
        let (body, late) = Timely::new(body);
        let answer = self.router.clone().oneshot(Request::from_parts(head, Body::new(body))).await?;
        match late.load(Ordering::Relaxed) {
            true => Ok(refuse(StatusCode::REQUEST_TIMEOUT, "the body came too slowly").await),
            false => Ok(answer),
        }
    }
}

/// It stays where it is.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut first = [0];
    let length = timeout(HEAD, stream.peek(&mut first)).await.ok()?.ok()?;
    (length > 0).then_some(first[0])
}

/// The rest of what is sent is not read.
async fn refuse(code: StatusCode, detail: impl Into<String>) -> Response {
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    careful((close, Problem::new(code, detail)).into_response()).await
}

async fn wants_tls() -> Response {
    refuse(StatusCode::BAD_REQUEST, "here TLS is spoken: ask with https://").await
}

#[cfg(test)]
mod tests;
