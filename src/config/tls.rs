//! TLS, as configured.

use std::path::PathBuf;

use super::error::ConfigError;
use super::settings::Settings;
use super::units::Listen;

/// The files that TLS is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsConfig {
    /// The certificate, and those that lead from it to an authority.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authorities of which clients must have a certificate, if they must.
    pub client_ca: Option<PathBuf>,
}

/// What is configured, if anything is.
pub(super) fn tls(settings: &Settings, listen: &Listen) -> Result<Option<TlsConfig>, ConfigError> {
    let [cert, key, client_ca] = [
        settings.optional("tls.cert")?,
        settings.optional("tls.key")?,
        settings.optional("tls.client_ca")?,
    ];
    let alone = |set: &str, missing: &str, why: &str| {
        let origin = settings.written(set).map(|setting| setting.origin.to_string());
        let origin = origin.unwrap_or_default();
        Err(ConfigError::Invalid(format!("{origin}: `{set}` is set but `{missing}` isn't: {why}")))
    };
    match (cert, key, client_ca) {
        (Some(_), Some(_), _) if matches!(listen, Listen::Unix(_)) => Err(ConfigError::Invalid(
            "`tls.cert` is set and `listen` is a Unix socket, which is served without TLS: it never \
             leaves the machine, and its directory's permissions say who may connect; remove one of them"
                .to_owned(),
        )),
        (Some(cert), Some(key), client_ca) => Ok(Some(TlsConfig { cert, key, client_ca })),
        (Some(_), None, _) => alone("tls.cert", "tls.key", "a certificate needs its private key"),
        (None, Some(_), _) => alone("tls.key", "tls.cert", "a private key needs its certificate"),
        (None, None, Some(_)) => alone(
            "tls.client_ca",
            "tls.cert",
            "without TLS nobody is asked for a certificate, and everybody who reaches the port could \
             send and read",
        ),
        (None, None, None) => Ok(None),
    }
}
