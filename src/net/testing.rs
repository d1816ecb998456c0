//! Servers for the tests of plugins that cross a network: on a free port, with certificates of every kind.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub const DAY: Duration = Duration::from_secs(86_400);

/// Serves every connection with the script until the test ends.
pub async fn serve<F: Future<Output = ()> + Send + 'static>(script: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    address
}

/// The same over TLS; a handshake that fails ends the connection.
pub async fn serve_tls<F: Future<Output = ()> + Send + 'static>(
    tls: Arc<ServerConfig>,
    script: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) -> SocketAddr {
    let acceptor = TlsAcceptor::from(tls);
    serve(move |stream| {
        let (acceptor, script) = (acceptor.clone(), script.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                script(stream).await;
            }
        }
    })
    .await
}

/// Waits for the first bytes, answers with these, and closes.
pub async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) {
    take_request(&mut stream).await;
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    // Closing with unread bytes would reset the connection and take the answer with it.
    while stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {}
}

/// Waits for the first bytes of a request, whatever they are.
pub async fn take_request(stream: &mut (impl AsyncRead + Unpin)) {
    let _ = stream.read(&mut [0; 4096]).await;
}

/// An address that nobody listens on.
pub async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A test of this program, to be run again in a process of its own, whose environment and limits can be changed.
pub fn again(test: &str, shell: &str) -> std::process::Command {
    let mut again = std::process::Command::new("sh");
    let run = format!(r#"{shell}; exec "$0" "$@""#);
    again.arg("-c").arg(run).arg(std::env::current_exe().unwrap()).args(["--include-ignored", "--exact", test]);
    again
}

/// Runs a test that was made by [`again`].
#[track_caller]
pub fn passes_again(again: &mut std::process::Command) {
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
}

/// Opens files until this process may open no more; they are closed with what is returned.
pub fn use_up_files() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

/// A certificate authority with its PEM file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server with a certificate for the names, valid in a span around now.
    pub fn server(&self, names: &[&str], not_before: SystemTime, not_after: SystemTime) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names, not_before, not_after).signed_by(&key, &self.issuer).unwrap();
        server(certificate, &key)
    }

    /// A server whose certificate is as it should be, for 127.0.0.1 and for 30 days and an hour.
    pub fn good_server(&self) -> Arc<ServerConfig> {
        self.server(&["127.0.0.1"], SystemTime::now() - DAY, SystemTime::now() + 30 * DAY + DAY / 24)
    }
}

/// A server that vouches for itself, as `openssl req -x509` makes them, and its certificate.
pub fn self_signed_server(names: &[&str]) -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = params(names, SystemTime::now() - DAY, SystemTime::now() + 30 * DAY + DAY / 24);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem();
    (server(certificate, &key), pem)
}

fn params(names: &[&str], not_before: SystemTime, not_after: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params
}

fn server(certificate: rcgen::Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.unwrap())
}
