//! Certificates and keys: read from files, and checked. What the server shows, and what the commands want to
//! see, is built of this; the TLS itself is rustls, with ring for its cryptography.
//!
//! Two things here are stricter or laxer than rustls by itself:
//!
//! * Errors name the key of the configuration (or the flag) and the file, and what would be right.
//! * A certificate that stands itself among the authorities is trusted, whatever it says of its own use
//!   ([`Known`]). `openssl req -x509`, which most people begin with, makes certificates that are their own
//!   authority, and those are refused as anything else otherwise.

mod error;
mod files;
mod known;
mod validity;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use error::TlsError;
pub use files::{Source, authorities, certificates, private_key};
pub use known::{ClientCheck, Known, ServerCheck, Trust};
pub use validity::Validity;

/// The cryptography that all TLS of windrow uses.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
