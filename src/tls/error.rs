//! What is wrong with a certificate, a key, or the file that should hold one.

use std::io;

use super::files::Source;

/// Why there is no TLS, in one sentence that says where and what would be right.
#[derive(thiserror::Error, Debug)]
pub enum TlsError {
    /// The file can't be read.
    #[error("{from} can't be read: {source}")]
    Unreadable {
        /// Which file.
        from: Source,
        /// What the system said.
        source: io::Error,
    },
    /// The file isn't PEM, or is damaged.
    #[error("{from} isn't PEM, or is damaged: {reason}")]
    Malformed {
        /// Which file.
        from: Source,
        /// What is wrong.
        reason: String,
    },
    /// There is no certificate in it.
    #[error("{from} holds no certificate; expected PEM with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate {
        /// Which file.
        from: Source,
    },
    /// There is no private key in it.
    #[error("{from} holds no private key; expected PEM with `-----BEGIN PRIVATE KEY-----`")]
    NoKey {
        /// Which file.
        from: Source,
    },
    /// The private key needs a passphrase.
    #[error(
        "{from} holds a private key that is encrypted, and there is nobody to ask for its passphrase; \
         `openssl pkey` decrypts it"
    )]
    EncryptedKey {
        /// Which file.
        from: Source,
    },
    /// The private key belongs to another certificate.
    #[error("{key} isn't the private key of the certificate in {certificate}")]
    WrongKey {
        /// Where the key stands.
        key: Source,
        /// Where the certificate stands.
        certificate: Source,
    },
    /// rustls doesn't take what is in the file.
    #[error("{from} can't be used: {reason}")]
    Unusable {
        /// Which file.
        from: Source,
        /// Why.
        reason: String,
    },
    /// The system has no authorities, so no daemon's certificate could be checked.
    #[error(
        "this system has no certificate authorities to check the daemon's certificate by{}; name a file of \
         them with --ca",
        reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    NoAuthorities {
        /// What went wrong in looking for them, if anything did.
        reason: Option<String>,
    },
}
