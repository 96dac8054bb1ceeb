//! The certificate that connections are served with, read again at SIGHUP.

use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error as RustlsError, InconsistentKeys};
use tokio_rustls::TlsAcceptor;

use super::reload::Reload;
use crate::config::TlsConfig;
use crate::metrics::TlsMetrics;
use crate::time::Timestamp;
use crate::tls::{self, ClientCheck, Known, Source, TlsError, Validity};

/// HTTP/2, by its name in ALPN (RFC 7301).
pub(super) const HTTP_2: &[u8] = b"h2";
/// HTTP/1.1, also for those who don't say.
const HTTP_1_1: &[u8] = b"http/1.1";
/// A certificate that ends within this is warned of at start.
const ENDS_SOON: Duration = Duration::from_hours(14 * 24);

/// TLS as connections are accepted with it.
#[derive(Debug)]
pub struct Tls {
    files: TlsConfig,
    in_force: RwLock<Arc<ServerConfig>>,
    pub(super) metrics: TlsMetrics,
}

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsConfig, metrics: TlsMetrics) -> Result<Self, TlsError> {
        let config = read(&files, &metrics)?;
        Ok(Self { files, in_force: RwLock::new(Arc::new(config)), metrics })
    }

    /// What a connection that comes now is accepted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&in_force))
    }
}

impl Reload for Tls {
    fn name(&self) -> &'static str {
        "the certificate"
    }

    fn reload(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let config = Arc::new(read(&self.files, &self.metrics)?);
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }
}

fn read(files: &TlsConfig, metrics: &TlsMetrics) -> Result<ServerConfig, TlsError> {
    let from = Source::new("tls.cert", &files.cert);
    let unusable =
        |error: RustlsError| TlsError::Unusable { from: from.clone(), reason: error.to_string() };
    let builder = ServerConfig::builder_with_provider(tls::provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match &files.client_ca {
        Some(file) => builder.with_client_cert_verifier(clients(file)?),
        None => builder.with_no_client_auth(),
    };
    let certified = certified(&from, &Source::new("tls.key", &files.key))?;
    let validity = certified.cert.first().and_then(|it| Validity::of(it));
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    if let Some(validity) = validity {
        tell(&from, validity, metrics);
    }
    Ok(config)
}

/// The certificate, with its private key.
fn certified(from: &Source, key_from: &Source) -> Result<CertifiedKey, TlsError> {
    let chain = tls::certificates(from)?;
    let unusable = |from: &Source, error: RustlsError| TlsError::Unusable {
        from: from.clone(),
        reason: error.to_string(),
    };
    let key = tls::private_key(key_from)?;
    let key = tls::provider().key_provider.load_private_key(key);
    let certified = CertifiedKey::new(chain, key.map_err(|error| unusable(key_from, error))?);
    match certified.keys_match() {
        // Not every key can tell its public half. Then the first handshake will.
        Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(RustlsError::InconsistentKeys(_)) => {
            Err(TlsError::WrongKey { key: key_from.clone(), certificate: from.clone() })
        }
        Err(error) => Err(unusable(from, error)),
    }
}

/// Checks the certificates of clients, which must have one.
fn clients(file: &std::path::Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let from = Source::new("tls.client_ca", file);
    let known = Known::new(tls::certificates(&from)?);
    let authorities = Arc::new(tls::authorities(&from)?);
    let vouched = WebPkiClientVerifier::builder_with_provider(authorities, tls::provider());
    match vouched.build() {
        Ok(vouched) => Ok(Arc::new(ClientCheck::new(known, vouched))),
        Err(error) => Err(TlsError::Unusable { from, reason: error.to_string() }),
    }
}

/// Says how long the certificate holds, aloud where that isn't long.
fn tell(from: &Source, validity: Validity, metrics: &TlsMetrics) {
    let ends = validity.to.unwrap_or(Timestamp::MAX);
    metrics.certificate_ends.set(ends.as_nanos() / 1_000_000_000);
    let now = Timestamp::now();
    if ends < now {
        tracing::warn!("the certificate in {from} has expired on {ends}: clients refuse it");
    } else if let Some(begins) = validity.from.filter(|begins| now < *begins) {
        tracing::warn!("the certificate in {from} holds only from {begins} on: clients refuse it");
    } else if ends < now.saturating_add(ENDS_SOON) {
        tracing::warn!(
            "the certificate in {from} expires on {ends}: renew it, and send windrow a SIGHUP"
        );
    } else {
        tracing::info!(%ends, "the certificate in {from} is in force");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    /// Writes a certificate and its key, and names them as the configuration does.
    fn files(dir: &std::path::Path, name: &str) -> TlsConfig {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let [cert, key] = ["cert", "key"].map(|kind| dir.join(format!("{name}.{kind}")));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        TlsConfig { cert, key, client_ca: None }
    }

    fn open(files: TlsConfig) -> Result<Tls, String> {
        Tls::open(files, Metrics::new().unwrap().tls).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_of_another_certificate_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (files(dir.path(), "a"), files(dir.path(), "b"));
        assert!(open(a.clone()).is_ok());
        let told = open(TlsConfig { key: b.key.clone(), ..a.clone() }).unwrap_err();
        let says = "b.key (`tls.key`) isn't the private key of the certificate in";
        assert!(told.contains(says), "{told}");
        let told = open(TlsConfig { client_ca: Some(b.key), ..a }).unwrap_err();
        assert!(told.contains("b.key (`tls.client_ca`) holds no certificate"), "{told}");
    }

    #[test]
    fn a_bad_file_leaves_what_was_read_before_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let named = files(dir.path(), "a");
        let tls = open(named.clone()).unwrap();
        let before = Arc::clone(&tls.in_force.read().unwrap());
        std::fs::write(&named.key, "nonsense").unwrap();
        assert!(tls.reload().unwrap_err().to_string().contains("holds no private key"));
        assert!(Arc::ptr_eq(&before, &tls.in_force.read().unwrap()));
        files(dir.path(), "a");
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.in_force.read().unwrap()));
    }
}
