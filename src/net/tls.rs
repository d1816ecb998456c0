//! TLS for every plugin: one set of settings per policy, and a verifier that remembers what it saw.
//!
//! A refused certificate is the reading a person wants most (it expired yesterday), so the verifier notes
//! the certificate in the look's [trace](super::trace) before it gives webpki's verdict.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue, WebPkiServerVerifier, verify_server_name,
};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, NamedGroup, RootCertStore, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::trace::note;
use super::{Fault, words};

/// Whom to trust.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// A PEM file of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// Any certificate will do.
    pub insecure: bool,
}

/// A file of authorities that cannot be used, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaError(String);

/// The server's own certificate, as far as a watch cares for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// When it was seen, seconds since 1970.
    pub seen_at: i64,
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    pub issuer: String,
    pub self_signed: bool,
}

/// The settings that were asked for, each built once.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    system: Arc<OnceLock<Arc<RootCertStore>>>,
    clients: Mutex<HashMap<TlsPolicy, Arc<ClientConfig>>>,
}

impl Authorities {
    pub(super) fn client(&self, policy: &TlsPolicy) -> Result<Arc<ClientConfig>, CaError> {
        let mut clients = self.clients.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // A file may have changed since it was last asked for (at a reload): it is read again.
        if let Some(client) = clients.get(policy).filter(|_| policy.ca.is_none()) {
            return Ok(client.clone());
        }
        let trust = match (policy.insecure, &policy.ca) {
            (true, _) => Trust::Anyone,
            (false, Some(file)) => read_authorities(file)?,
            (false, None) => Trust::System(self.system.clone()),
        };
        let client = Arc::new(client_config(trust)?);
        clients.insert(policy.clone(), client.clone());
        Ok(client)
    }

    pub(super) fn load_system(&self) {
        self.system.get_or_init(|| Arc::new(system_authorities()));
    }
}

impl Certificate {
    fn parse(der: &[u8], now: UnixTime) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
        Some(Self {
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            seen_at: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            names: names.into_iter().flatten().filter_map(name_in_words).collect(),
            issuer: certificate.issuer().to_string(),
            self_signed: certificate.issuer().as_raw() == certificate.subject().as_raw(),
        })
    }

    /// Whether it is for a host of this name or address. `*.example.com` is for all names one step below.
    pub fn is_for(&self, host: &str) -> bool {
        let covers = |name: &String| match (name.strip_prefix("*."), host.split_once('.')) {
            (Some(domain), Some((_, rest))) => domain.eq_ignore_ascii_case(rest),
            _ => name.eq_ignore_ascii_case(host),
        };
        self.names.iter().any(covers)
    }

    /// Days until it expires; negative when it has.
    pub fn days_left(&self) -> f64 {
        (self.not_after - self.seen_at) as f64 / 86_400.0
    }
}

/// Whose fault it is that a handshake failed.
pub fn handshake_fault(error: &io::Error, certificate: Option<&Certificate>) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => Fault::Theirs(in_words(error, certificate)),
        None => match Fault::from(error) {
            Fault::Theirs(reason) => Fault::Theirs(format!("{reason} in the TLS handshake")),
            ours => ours,
        },
    }
}

/// What went wrong in a handshake, in words for a person.
pub fn in_words(error: &Error, certificate: Option<&Certificate>) -> String {
    match (error, certificate) {
        (Error::InvalidCertificate(error), Some(certificate)) => refusal_in_words(error, certificate),
        (Error::InvalidMessage(_), _) => "the server does not speak TLS".into(),
        (Error::AlertReceived(alert), _) => format!("the server refused the TLS handshake: {alert:?}"),
        (Error::PeerIncompatible(_), _) => "the server speaks no TLS version or cipher that is safe".into(),
        (error, _) => format!("the TLS handshake failed: {error}"),
    }
}

fn refusal_in_words(error: &CertificateError, certificate: &Certificate) -> String {
    let since = |from: i64, to: i64| words::span(Duration::from_secs(u64::try_from(to - from).unwrap_or(0)));
    let seen_at = certificate.seen_at;
    // What a person can mend comes first: webpki may complain of the authority of a certificate that is also expired.
    if certificate.not_after < seen_at {
        return format!("the certificate expired {} ago", since(certificate.not_after, seen_at));
    }
    if certificate.not_before > seen_at {
        let day = DateTime::<Utc>::from_timestamp(certificate.not_before, 0).unwrap_or_default();
        return format!("the certificate is not valid before {}", day.format("%Y-%m-%d %H:%M UTC"));
    }
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let meant = match error {
                CertificateError::NotValidForNameContext { expected, .. } => expected.to_str().into_owned(),
                _ => "this host".into(),
            };
            format!("the certificate is for {}, not for {meant}", some_of(&certificate.names))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "a certificate of the chain has expired".into(),
        _ if certificate.self_signed => "the certificate is self-signed".into(),
        CertificateError::UnknownIssuer => format!("the certificate's authority is not trusted: {}", certificate.issuer),
        error => format!("the certificate is not acceptable: {error}"),
    }
}

fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    match names.len() {
        0 => "no host at all".into(),
        count if count > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN),
        _ => names.join(", "),
    }
}

fn name_in_words(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(bytes) => Some(std::net::IpAddr::from(bytes).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// Always with the provider named: the process-wide default is whatever another crate made of it.
fn client_config(trust: Trust) -> Result<ClientConfig, CaError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Watching { verifier: OnceLock::new(), trust, provider: provider.clone() };
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CaError(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    client.resumption = Resumption::store(Arc::new(NoSessions));
    Ok(client)
}

fn read_authorities(file: &Path) -> Result<Trust, CaError> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| CaError(format!("cannot read {shown}: {error}")))?;
    let mut store = RootCertStore::empty();
    let mut themselves = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| CaError(format!("{shown} is not a PEM file: {error}")))?;
        themselves.push(certificate.clone());
        store.add(certificate).map_err(|error| CaError(format!("{shown} has a certificate that is no authority: {error}")))?;
    }
    if store.is_empty() {
        return Err(CaError(format!("{shown} has no certificate in it (`-----BEGIN CERTIFICATE-----`)")));
    }
    Ok(Trust::These { authorities: Arc::new(store), themselves })
}

/// A server may show the very certificate that the user trusts: self-signed ones claim to be authorities,
/// and webpki takes no authority for a server. Its name and its dates still count.
fn verify_itself(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>, now: UnixTime) -> Result<ServerCertVerified, Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
    match Certificate::parse(certificate, now) {
        None => Err(CertificateError::BadEncoding.into()),
        Some(certificate) if certificate.not_after < certificate.seen_at => Err(CertificateError::Expired.into()),
        Some(certificate) if certificate.not_before > certificate.seen_at => Err(CertificateError::NotValidYet.into()),
        Some(_) => Ok(ServerCertVerified::assertion()),
    }
}

/// The system's authorities, or Mozilla's where the system has none (a bare container).
fn system_authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

#[derive(Debug)]
enum Trust {
    /// Read when the first certificate arrives: it takes milliseconds, and many watches never need it.
    System(Arc<OnceLock<Arc<RootCertStore>>>),
    These {
        authorities: Arc<RootCertStore>,
        /// The same certificates as they stand in the file.
        themselves: Vec<CertificateDer<'static>>,
    },
    Anyone,
}

/// Notes the server's certificate, then judges it as webpki does.
#[derive(Debug)]
struct Watching {
    verifier: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl Watching {
    fn verifier(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let build = || {
            let roots = match &self.trust {
                Trust::System(roots) => roots.get_or_init(|| Arc::new(system_authorities())).clone(),
                Trust::These { authorities, .. } => authorities.clone(),
                Trust::Anyone => return None,
            };
            WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone()).build().ok()
        };
        self.verifier.get_or_init(build).as_ref()
    }
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        note(|phases| phases.certificate = Certificate::parse(end_entity, now));
        match (self.verifier(), &self.trust) {
            (_, Trust::These { themselves, .. }) if themselves.contains(end_entity) => verify_itself(end_entity, server_name, now),
            (Some(verifier), _) => verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            (None, Trust::Anyone) => Ok(ServerCertVerified::assertion()),
            (None, _) => Err(Error::General("no usable authorities".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Remembers no session, so that every look sees the certificate; and notes when a handshake begins,
/// which is when the library asks for a remembered one.
#[derive(Debug)]
struct NoSessions;

impl ClientSessionStore for NoSessions {
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        note(|phases| phases.tls_started = Some(tokio::time::Instant::now()));
        None
    }
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, text).unwrap();
        let error = Authorities::default().client(&TlsPolicy { ca: Some(file.clone()), insecure: false }).unwrap_err();
        assert_eq!(error.to_string(), expect.replace("FILE", &file.display().to_string()));
    }

    #[test]
    fn unusable_files_of_authorities() {
        check("", "FILE has no certificate in it (`-----BEGIN CERTIFICATE-----`)");
        check("hello\n", "FILE has no certificate in it (`-----BEGIN CERTIFICATE-----`)");
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "FILE has a certificate that is no authority: invalid peer certificate: BadEncoding",
        );
        let error = read_authorities(Path::new("/nowhere/ca.pem")).unwrap_err().to_string();
        assert_eq!(error, "cannot read /nowhere/ca.pem: No such file or directory (os error 2)");
    }

    #[test]
    fn whom_a_certificate_is_for() {
        let names = ["example.com", "*.Example.com", "10.0.0.7"].map(str::to_owned).to_vec();
        let certificate = Certificate { not_before: 0, not_after: 0, seen_at: 0, names, issuer: String::new(), self_signed: false };
        for host in ["example.com", "EXAMPLE.com", "www.example.com", "10.0.0.7"] {
            assert!(certificate.is_for(host), "{host}");
        }
        for host in ["example.org", "a.b.example.com", "com", "10.0.0.8", ""] {
            assert!(!certificate.is_for(host), "{host}");
        }
    }

    #[test]
    fn one_policy_is_built_once() {
        let authorities = Authorities::default();
        let first = authorities.client(&TlsPolicy::default()).unwrap();
        assert!(Arc::ptr_eq(&first, &authorities.client(&TlsPolicy::default()).unwrap()));
        assert!(authorities.system.get().is_none(), "the system's authorities wait for the first certificate");
    }
}
