//! What a server shows to prove who it is: a certificate with its chain, and the key that belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// The PEM files of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The server's own certificate first, then those that vouch for it.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Which of the files cannot be used, and why, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
}

impl IdentityFiles {
    /// Reads both files, and sees whether they belong together.
    pub fn load(&self) -> Result<Arc<CertifiedKey>, IdentityError> {
        let (chain, key) = (chain(&self.certificate)?, key(&self.key)?);
        let key = ring::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| IdentityError::Key(format!("the key in {} is of no kind that can be used: {error}", self.key.display())))?;
        let identity = CertifiedKey::new(chain, key);
        match identity.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(identity)),
            Err(Error::InconsistentKeys(_)) => Err(IdentityError::Key(format!(
                "the key in {} is not that of the certificate in {}",
                self.key.display(),
                self.certificate.display()
            ))),
            Err(error) => {
                Err(IdentityError::Certificate(format!("the certificate in {} cannot be used: {error}", self.certificate.display())))
            }
        }
    }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| IdentityError::Certificate(format!("cannot read {shown}: {error}")))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| IdentityError::Certificate(format!("{shown} is not a PEM file: {error}")))?;
    if chain.is_empty() {
        return Err(IdentityError::Certificate(format!("{shown} has no certificate in it (`-----BEGIN CERTIFICATE-----`)")));
    }
    Ok(chain)
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| IdentityError::Key(format!("cannot read {shown}: {error}")))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = text.windows(9).any(|word| word == b"ENCRYPTED");
        IdentityError::Key(match error {
            pem::Error::NoItemsFound if encrypted => format!("the key in {shown} is encrypted, and nobody is there to type its password"),
            pem::Error::NoItemsFound => format!("{shown} has no private key in it (`-----BEGIN PRIVATE KEY-----`)"),
            error => format!("{shown} is not a PEM file: {error}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_pair_is_said_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (one, other) = (pair(), pair());
        write("one.pem", &one.cert.pem());
        write("one.key", &one.signing_key.serialize_pem());
        write("other.key", &other.signing_key.serialize_pem());
        write("empty", "");
        write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
        write("odd.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let load = |certificate: &str, key: &str| {
            let files = IdentityFiles { certificate: folder.path().join(certificate), key: folder.path().join(key) };
            files.load().map(drop).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
        };
        assert_eq!(load("one.pem", "one.key"), Ok(()));
        let table = [
            ("one.pem", "other.key", "the key in other.key is not that of the certificate in one.pem"),
            ("none.pem", "one.key", "cannot read none.pem: No such file or directory (os error 2)"),
            ("one.pem", "none.key", "cannot read none.key: No such file or directory (os error 2)"),
            ("empty", "one.key", "empty has no certificate in it (`-----BEGIN CERTIFICATE-----`)"),
            ("one.key", "one.key", "one.key has no certificate in it (`-----BEGIN CERTIFICATE-----`)"),
            ("one.pem", "one.pem", "one.pem has no private key in it (`-----BEGIN PRIVATE KEY-----`)"),
            ("one.pem", "locked.key", "the key in locked.key is encrypted, and nobody is there to type its password"),
            ("odd.pem", "one.key", "the certificate in odd.pem cannot be used: invalid peer certificate: BadEncoding"),
        ];
        for (certificate, key, words) in table {
            assert_eq!(load(certificate, key), Err(words.to_owned()));
        }
    }
}
