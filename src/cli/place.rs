//! Where a daemon is, for the commands that talk to one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::bail;
use http::Uri;

use super::exit::WrongUsage;
use crate::config::{Listen, Sources};

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// Where a daemon takes requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Over TCP, maybe behind a proxy that serves it under a path.
    Tcp {
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
    /// The one that `url` names or, without one, where the configuration says that a daemon listens.
    pub fn of(url: Option<&str>, sources: Sources) -> anyhow::Result<Self> {
        match url {
            Some(url) => Self::from_url(url),
            None => Ok(match reachable(sources.read()?.get("listen")?) {
                Listen::Unix(path) => Self::Unix(path),
                Listen::Tcp(address) => Self::Tcp {
                    host: match address.ip() {
                        IpAddr::V4(ip) => ip.to_string(),
                        IpAddr::V6(ip) => format!("[{ip}]"),
                    },
                    port: address.port(),
                    prefix: String::new(),
                },
            }),
        }
    }

    fn from_url(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = url.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let uri: Option<Uri> = url.parse().ok();
        let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?)));
        match (parts, uri.as_ref().map(|uri| uri.query())) {
            (Some(("http", host)), Some(None)) if !host.is_empty() => Ok(Self::Tcp {
                host: host.to_owned(),
                port: uri.as_ref().and_then(Uri::port_u16).unwrap_or(HTTP_PORT),
                prefix: uri
                    .map(|uri| uri.path().trim_end_matches('/').to_owned())
                    .unwrap_or_default(),
            }),
            (Some(("https", _)), _) => bail!(WrongUsage(format!(
                "--url is `{url}`, and this build speaks no TLS: give the daemon's own `http://…`, or \
                 `unix:/path` of its socket"
            ))),
            _ => bail!(WrongUsage(format!(
                "--url is `{url}`, expected one such as `http://127.0.0.1:8080` or `unix:/run/windrow.sock`"
            ))),
        }
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
            Self::Tcp { host, port: HTTP_PORT, .. } => host.clone(),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { prefix, .. } => write!(f, "http://{}{prefix}", self.authority()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that listens everywhere is asked on the loopback.
pub fn reachable(listen: Listen) -> Listen {
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
        assert!(Place::from_url("https://host").unwrap_err().to_string().contains("TLS"));
    }
}
