//! The certificate that is shown: edited files are taken up while the watch runs, and broken ones are not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::domain::reading::Reason;
use crate::net::identity::{IdentityError, IdentityFiles};

/// The files are looked at so often.
const LOOK: Duration = Duration::from_secs(2);
/// No other protocol is spoken.
const HTTP: &[u8] = b"http/1.1";

/// Files, and what of them is shown.
pub struct Certificate {
    files: IdentityFiles,
    shown: Arc<Shown>,
    marks: Marks,
}

/// Another one may take its place at any time.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

/// Of both files, by which an edit is known.
type Marks = [Option<(u64, u64, i64, i64)>; 2];

impl Certificate {
    pub fn load(files: IdentityFiles) -> Result<Self, IdentityError> {
        let marks = marks(&files);
        let shown = Arc::new(Shown(RwLock::new(files.load()?)));
        Ok(Self { files, shown, marks })
    }

    /// Always with the provider named: the process-wide default is whatever another crate made of it.
    pub fn server(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.shown.clone());
        server.alpn_protocols = vec![HTTP.to_vec()];
        Ok(Arc::new(server))
    }

    /// Takes up edited files until this is dropped. While they make no sense the last good ones are shown, and that is said.
    pub async fn keep_fresh(mut self, trouble: watch::Sender<Option<Reason>>) {
        loop {
            sleep(LOOK).await;
            let Some(taken) = self.look_again() else { continue };
            let reason = taken.err().map(|error| format!("the edited certificate is not taken up: {error}"));
            match &reason {
                Some(reason) => tracing::error!("{reason}; the last good one is shown"),
                None => tracing::info!(certificate = %self.files.certificate.display(), "the certificate is taken up"),
            }
            trouble.send_replace(reason.map(Into::into));
        }
    }

    /// Nothing if nobody has edited the files.
    fn look_again(&mut self) -> Option<Result<(), IdentityError>> {
        let marks = marks(&self.files);
        if marks == std::mem::replace(&mut self.marks, marks) {
            return None;
        }
        Some(self.files.load().map(|identity| *self.shown.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = identity))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone())
    }
}

fn marks(files: &IdentityFiles) -> Marks {
    let mark = |file: &Path| fs::metadata(file).ok().map(|there| (there.ino(), there.size(), there.mtime(), there.mtime_nsec()));
    [mark(&files.certificate), mark(&files.key)]
}
