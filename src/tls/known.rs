//! Whom to trust: certificates that are known as they stand, and those that an authority vouches for.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::{Validity, provider};
use crate::time::Timestamp;

/// Certificates that are trusted as they stand, byte for byte, whatever they say of their own use.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<CertificateDer<'static>>);

impl Known {
    /// These.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self(certificates)
    }

    /// Whether this is one of them; one that has expired is an error.
    fn knows(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        if !self.0.iter().any(|known| known == certificate) {
            return Ok(false);
        }
        let now = Timestamp::from_nanos(0).saturating_add(Duration::from_secs(now.as_secs()));
        match Validity::of(certificate) {
            Some(validity) if validity.holds(now) => Ok(true),
            Some(Validity { from: Some(from), .. }) if now < from => {
                Err(CertificateError::NotValidYet.into())
            }
            Some(_) => Err(CertificateError::Expired.into()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }
}

/// Which servers a client trusts.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Whoever answers: for what may be told to anybody.
    Anybody,
    /// These certificates, whatever names they are for: the server's own file is at hand.
    Exactly(Known),
    /// Those of the name that was asked for, if they are known or an authority vouches for them.
    Vouched {
        /// Those that are known.
        known: Known,
        /// The authorities.
        by: Arc<WebPkiServerVerifier>,
    },
}

/// Checks a server's certificate.
#[derive(Debug)]
pub struct ServerCheck {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCheck {
    /// Lets pass whom `trust` does.
    pub fn new(trust: Trust) -> Self {
        Self { trust, algorithms: provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Anybody => {}
            Trust::Exactly(known) if known.knows(certificate, now)? => {}
            Trust::Exactly(_) => return Err(CertificateError::UnknownIssuer.into()),
            Trust::Vouched { known, .. } if known.knows(certificate, now)? => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            }
            Trust::Vouched { by, .. } => {
                return by.verify_server_cert(certificate, chain, name, ocsp, now);
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks a client's certificate: known, or vouched for.
#[derive(Debug)]
pub struct ClientCheck {
    known: Known,
    vouched: Arc<dyn ClientCertVerifier>,
}

impl ClientCheck {
    /// Lets pass who is `known`, and whom `vouched` does.
    pub fn new(known: Known, vouched: Arc<dyn ClientCertVerifier>) -> Self {
        Self { known, vouched }
    }
}

impl ClientCertVerifier for ClientCheck {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.vouched.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.known.knows(certificate, now)? {
            return Ok(ClientCertVerified::assertion());
        }
        self.vouched.verify_client_cert(certificate, chain, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.vouched.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.vouched.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.vouched.supported_verify_schemes()
    }
}
