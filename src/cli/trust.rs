//! TLS to a daemon: whom a command trusts, and the certificate that it shows.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as RustlsError, RootCertStore,
};
use tokio_rustls::TlsConnector;

use crate::tls::{self, Known, ServerCheck, Source, TlsError, Trust};

/// A certificate to show, with those that lead to its authority, and its private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// From files.
    pub fn read(cert: &Source, key: &Source) -> Result<Self, TlsError> {
        Ok(Self { chain: tls::certificates(cert)?, key: tls::private_key(key)? })
    }
}

/// Trust in the authorities of a file, and in the certificates that stand there.
pub fn in_file(path: &Path) -> Result<Trust, TlsError> {
    let from = Source::new("--ca", path);
    let known = Known::new(tls::certificates(&from)?);
    vouched(known, tls::authorities(&from)?)
}

/// Trust in the authorities that this system trusts.
pub fn in_system() -> Result<Trust, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let reason = found.errors.first().map(ToString::to_string);
        return Err(TlsError::NoAuthorities { reason });
    }
    vouched(Known::default(), authorities)
}

/// Trust in the one certificate that stands first in this file of the daemon's.
pub fn in_own(cert: &Path) -> Result<Trust, TlsError> {
    let mut certificates = tls::certificates(&Source::new("tls.cert", cert))?;
    certificates.truncate(1);
    Ok(Trust::Exactly(Known::new(certificates)))
}

fn vouched(known: Known, authorities: RootCertStore) -> Result<Trust, TlsError> {
    let by = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), tls::provider());
    match by.build() {
        Ok(by) => Ok(Trust::Vouched { known, by }),
        Err(error) => Err(TlsError::NoAuthorities { reason: Some(error.to_string()) }),
    }
}

/// What connects to servers that are trusted, and shows them this identity if they ask for one.
pub fn connector(trust: Trust, identity: Option<Identity>) -> Result<TlsConnector, RustlsError> {
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerCheck::new(trust)));
    let config = match identity {
        Some(Identity { chain, key }) => config.with_client_auth_cert(chain, key)?,
        None => config.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What to do about an error of TLS, where that can be said.
pub fn advice(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(cause) = next {
        // An I/O error passes over the error that it is made of when it is asked for its source.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref::<RustlsError>());
        if let Some(found) = found.or_else(|| cause.downcast_ref()) {
            return advice_on(found);
        }
        next = cause.source();
    }
    None
}

fn advice_on(error: &RustlsError) -> Option<&'static str> {
    match error {
        RustlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("--ca names the file with its authority, or with the certificate itself")
        }
        RustlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("--url must have a name that the certificate is for"),
        RustlsError::InvalidMessage(_) => {
            Some("what listens there seems to speak no TLS: try `http://`")
        }
        RustlsError::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => Some("it may want to see a certificate: --cert and --key name one"),
        RustlsError::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError,
        ) => Some("it doesn't take the certificate that was shown: --cert and --key name another"),
        _ => None,
    }
}
