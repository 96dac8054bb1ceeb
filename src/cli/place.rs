//! Where a daemon is, for the commands that talk to one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::bail;
use http::Uri;

use super::exit::WrongUsage;
use crate::config::{Listen, Settings};

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;
/// The same with TLS.
const HTTPS_PORT: u16 = 443;

/// Where a daemon takes requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Over TCP, maybe behind a proxy that serves it under a path.
    Tcp {
        /// Whether TLS is spoken.
        tls: bool,
        /// A name or an address; IPv6 in brackets.
        host: String,
        /// The port.
        port: u16,
        /// In front of every path, without a slash at its end; empty for most.
        prefix: String,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Place {
    /// Where the configuration says that a daemon listens.
    pub fn configured(settings: &Settings) -> anyhow::Result<Self> {
        Ok(match reachable(settings.get("listen")?) {
            Listen::Unix(path) => Self::Unix(path),
            Listen::Tcp(address) => Self::Tcp {
                tls: settings.written("tls.cert").is_some(),
                host: match address.ip() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("[{ip}]"),
                },
                port: address.port(),
                prefix: String::new(),
            },
        })
    }

    /// The one that `url` names.
    pub fn from_url(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = url.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let uri: Option<Uri> = url.parse().ok();
        let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri)));
        match parts {
            Some((scheme @ ("http" | "https"), host, uri))
                if !host.is_empty() && uri.query().is_none() =>
            {
                let tls = scheme == "https";
                Ok(Self::Tcp {
                    tls,
                    host: host.to_owned(),
                    port: uri.port_u16().unwrap_or(default_port(tls)),
                    prefix: uri.path().trim_end_matches('/').to_owned(),
                })
            }
            _ => bail!(WrongUsage(format!(
                "--url is `{url}`, expected one such as `http://127.0.0.1:8080`, \
                 `https://windrow.example` or `unix:/run/windrow.sock`"
            ))),
        }
    }

    /// Whether TLS is spoken there.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// What goes in front of every path.
    pub fn prefix(&self) -> &str {
        match self {
            Self::Tcp { prefix, .. } => prefix,
            Self::Unix(_) => "",
        }
    }

    /// The `Host` header of requests.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { tls, host, port, .. } if *port == default_port(*tls) => host.clone(),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { tls, prefix, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}{prefix}", self.authority())
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { HTTPS_PORT } else { HTTP_PORT }
}

/// An address that listens everywhere is asked on the loopback.
fn reachable(listen: Listen) -> Listen {
    match listen {
        Listen::Tcp(mut address) if address.ip().is_unspecified() => {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
            Listen::Tcp(address)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FromText;

    #[test]
    fn an_address_that_listens_everywhere_is_asked_on_the_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.2:80", "127.0.0.2:80"),
        ] {
            let listen = Listen::from_text(listen).expect("it is an address");
            assert_eq!(reachable(listen).to_string(), asked);
        }
    }

    #[test]
    fn a_url_names_a_place() {
        for (url, shown, host) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://windrow.example/", "http://windrow.example", "windrow.example"),
            ("https://windrow.example", "https://windrow.example", "windrow.example"),
            ("https://windrow.example:80", "https://windrow.example:80", "windrow.example:80"),
            ("http://[::1]:9/behind/a/proxy/", "http://[::1]:9/behind/a/proxy", "[::1]:9"),
            ("unix:/run/windrow.sock", "unix:/run/windrow.sock", "localhost"),
        ] {
            let place = Place::from_url(url).unwrap();
            assert_eq!((place.to_string().as_str(), place.authority().as_str()), (shown, host));
        }
    }

    #[test]
    fn what_is_no_url_is_told_what_one_looks_like() {
        for url in ["127.0.0.1:8080", "", "unix:", "ftp://host/", "http://host/?a=b", "http:///x"] {
            let error = Place::from_url(url).unwrap_err();
            assert!(error.is::<WrongUsage>(), "{url}");
            assert!(error.to_string().contains("such as `http://127.0.0.1:8080`"), "{error}");
        }
    }
}
