//! PEM files: certificates, authorities, private keys.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// What OpenSSL and PKCS #8 (RFC 5958) write before a key that needs a passphrase.
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// A file, and what makes windrow read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The key of the configuration, or the flag: `tls.cert`, `--ca`.
    pub named_by: &'static str,
    /// The file.
    pub path: PathBuf,
}

impl Source {
    /// The file `path`, which `named_by` names.
    pub fn new(named_by: &'static str, path: &Path) -> Self {
        Self { named_by, path: path.to_owned() }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        std::fs::read(&self.path)
            .map_err(|source| TlsError::Unreadable { from: self.clone(), source })
    }

    fn malformed(&self, error: &pem::Error) -> TlsError {
        TlsError::Malformed { from: self.clone(), reason: error.to_string() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (`{}`)", self.path.display(), self.named_by)
    }
}

/// The certificates in a file, at least one, in the order in which they stand there: for a server or
/// client, its own comes first, and then those that lead to an authority.
pub fn certificates(from: &Source) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = from.read()?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|error| from.malformed(&error))?;
    if all.is_empty() { Err(TlsError::NoCertificate { from: from.clone() }) } else { Ok(all) }
}

/// The same, where each stands for an authority.
pub fn authorities(from: &Source) -> Result<rustls::RootCertStore, TlsError> {
    let mut store = rustls::RootCertStore::empty();
    for certificate in certificates(from)? {
        store.add(certificate).map_err(|error| TlsError::Unusable {
            from: from.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(store)
}

/// The private key in a file: PKCS #8, PKCS #1 or SEC 1.
pub fn private_key(from: &Source) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = from.read()?;
    if ENCRYPTED.iter().any(|mark| memchr::memmem::find(&text, mark.as_bytes()).is_some()) {
        return Err(TlsError::EncryptedKey { from: from.clone() });
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(TlsError::NoKey { from: from.clone() }),
        Err(error) => Err(from.malformed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir, text: &str) -> Source {
        let path = dir.path().join("file.pem");
        std::fs::write(&path, text).unwrap();
        Source { named_by: "tls.cert", path }
    }

    #[test]
    fn what_is_no_certificate_is_told_by_file_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Source::new("tls.cert", &dir.path().join("none.pem"));
        let told = certificates(&missing).unwrap_err().to_string();
        assert!(told.contains("none.pem (`tls.cert`) can't be read: No such file"), "{told}");
        for (text, says) in [
            ("", "holds no certificate; expected PEM"),
            ("nonsense", "holds no certificate; expected PEM"),
            ("-----BEGIN CERTIFICATE-----\nMIIB", "isn't PEM, or is damaged"),
            ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "isn't PEM"),
        ] {
            let told = certificates(&file(&dir, text)).unwrap_err().to_string();
            assert!(told.contains(says), "{text:?}: {told}");
        }
        let nothing = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let told = authorities(&file(&dir, nothing)).unwrap_err().to_string();
        assert!(told.contains("can't be used"), "{told}");
    }

    #[test]
    fn a_key_that_needs_a_passphrase_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        for label in ["ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY"] {
            let head = if label.starts_with('R') { "Proc-Type: 4,ENCRYPTED\n\n" } else { "" };
            let text = format!("-----BEGIN {label}-----\n{head}AAAA\n-----END {label}-----\n");
            let told = private_key(&file(&dir, &text)).unwrap_err().to_string();
            assert!(told.contains("passphrase"), "{label}: {told}");
        }
        let told = private_key(&file(&dir, "nonsense")).unwrap_err().to_string();
        assert!(told.contains("holds no private key"), "{told}");
    }
}
