//! How a command reaches the daemon that it talks to.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use http::HeaderValue;
use tokio_rustls::TlsConnector;

use super::client::Client;
use super::exit::WrongUsage;
use super::place::Place;
use super::trust::{self, Identity};
use crate::config::{Settings, Sources};
use crate::tls::{Source, Trust};

/// Where the daemon is, and what it wants to see of its clients.
#[derive(Args, Debug, Default)]
pub struct Reach {
    /// Where the daemon is; the address it is configured to listen on if not given
    #[arg(long, env = "WINDROW_URL")]
    url: Option<String>,
    /// The token, where the daemon has tokens; the variable or --token-file keep it from those who see
    /// this machine's processes
    #[arg(long, env = "WINDROW_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file that holds the token
    #[arg(long, env = "WINDROW_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Authorities that the daemon's certificate must come from, or that certificate itself, PEM; the
    /// system's authorities if not given
    #[arg(long, env = "WINDROW_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to show to a daemon that wants to see one, PEM
    #[arg(long, env = "WINDROW_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of that certificate, PEM
    #[arg(long, env = "WINDROW_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// What a command does about the certificate of the daemon that it is configured beside, if no --ca says
/// otherwise. Its names needn't be those of the address that it listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OwnDaemon {
    /// It must be the one in `tls.cert`.
    Checked,
    /// It may be any.
    Unchecked,
}

impl Reach {
    /// Whether somebody has said where the daemon is.
    pub fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// A client of that daemon, not connected yet.
    pub fn client(&self, sources: Sources) -> anyhow::Result<Client> {
        self.reached(sources, OwnDaemon::Checked)
    }

    /// A client for what anybody may ask and be told. Without a URL it asks the daemon that it is configured
    /// beside, and takes whatever certificate that shows: the file may be a newer one already.
    pub fn client_without_secrets(&self, sources: Sources) -> anyhow::Result<Client> {
        self.reached(sources, OwnDaemon::Unchecked)
    }

    fn reached(&self, sources: Sources, own: OwnDaemon) -> anyhow::Result<Client> {
        let (place, settings) = if let Some(url) = &self.url {
            (Place::from_url(url)?, None)
        } else {
            let settings = sources.read()?;
            (Place::configured(&settings)?, Some(settings))
        };
        let tls = place.is_tls().then(|| self.tls(settings.as_ref(), own)).transpose()?;
        Ok(Client::new(place, self.authorization()?, tls))
    }

    /// What TLS is spoken with. `settings` are those of the daemon that is asked, where they are known.
    fn tls(&self, settings: Option<&Settings>, own: OwnDaemon) -> anyhow::Result<TlsConnector> {
        let file = |key| settings.and_then(|settings| settings.optional(key).ok().flatten());
        let own_cert: Option<PathBuf> = file("tls.cert");
        let trust = match (&self.ca, &own_cert) {
            (Some(ca), _) => trust::in_file(ca)?,
            (None, Some(_)) if own == OwnDaemon::Unchecked => Trust::Anybody,
            (None, Some(cert)) => trust::in_own(cert)?,
            (None, None) => trust::in_system()?,
        };
        let read = |(cert, cert_flag), (key, key_flag): (&Path, _)| {
            Identity::read(&Source::new(cert_flag, cert), &Source::new(key_flag, key))
        };
        let identity = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(read((cert, "--cert"), (key, "--key"))?),
            // Where one authority makes all certificates, the daemon's own is as good as any; without
            // rights to its key, there is none.
            _ => match (own_cert, file("tls.key"), file("tls.client_ca")) {
                (Some(cert), Some(key), Some::<PathBuf>(_)) => {
                    read((&cert, "tls.cert"), (&key, "tls.key")).ok()
                }
                _ => None,
            },
        };
        let with = || match &self.cert {
            Some(cert) => format!("{} can't be used", cert.display()),
            None => "TLS can't be spoken".to_owned(),
        };
        trust::connector(trust, identity).with_context(with)
    }

    /// The header that carries the token, if there is one.
    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => bearer(token).map(Some),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("the token can't be read from {}", file.display()))?;
                bearer(text.trim()).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    match HeaderValue::try_from(format!("Bearer {token}")) {
        Ok(mut header) => {
            header.set_sensitive(true);
            Ok(header)
        }
        Err(_) => bail!(WrongUsage("the token has a character that no token has".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(token: Option<&str>, file: Option<PathBuf>) -> Reach {
        Reach { token: token.map(str::to_owned), token_file: file, ..Reach::default() }
    }

    #[test]
    fn a_token_comes_from_where_it_is_said_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "secret\n").unwrap();
        for reach in [with_token(Some("secret"), None), with_token(None, Some(file))] {
            let header = reach.authorization().unwrap().unwrap();
            assert_eq!(header, "Bearer secret");
            assert!(!format!("{header:?}").contains("secret"));
        }
        assert_eq!(with_token(None, None).authorization().unwrap(), None);
    }

    #[test]
    fn what_can_be_no_token_is_refused_without_being_shown() {
        let error = with_token(Some("sec\nret"), None).authorization().unwrap_err();
        assert!(error.is::<WrongUsage>() && !error.to_string().contains("ret"), "{error}");
        let error = with_token(None, Some("/no/such/file".into())).authorization().unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
