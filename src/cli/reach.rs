//! How a command reaches the daemon that it talks to.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use tokio_rustls::TlsConnector;

use super::bearer::Bearer;
use super::client::Client;
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
    #[command(flatten)]
    bearer: Bearer,
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

    /// A client for what anybody may ask and be told, without a token. Without a URL it asks the daemon that
    /// it is configured beside, and takes whatever certificate that shows: the file may be a newer one
    /// already.
    pub fn client_without_secrets(&self, sources: Sources) -> anyhow::Result<Client> {
        self.reached(sources, OwnDaemon::Unchecked)
    }

    fn reached(&self, sources: Sources, own: OwnDaemon) -> anyhow::Result<Client> {
        let token = match own {
            OwnDaemon::Checked => self.bearer.header(&sources.variables)?,
            OwnDaemon::Unchecked => None,
        };
        let (place, settings) = if let Some(url) = &self.url {
            (Place::from_url(url)?, None)
        } else {
            let settings = sources.read()?;
            (Place::configured(&settings)?, Some(settings))
        };
        let tls = place.is_tls().then(|| self.tls(settings.as_ref(), own)).transpose()?;
        Ok(Client::new(place, token, tls))
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
}
