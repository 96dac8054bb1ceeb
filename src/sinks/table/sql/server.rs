//! A MySQL or MariaDB server, as `table.url` names it.
//!
//! The two forms differ in more than looks: in a URL user, password and database are
//! percent-encoded, in a DSN of Go's driver user and password stand as they are. In both the *last*
//! `@` ends the password, so that it may hold `@`, `:` and `/`.

use std::fmt;
use std::path::PathBuf;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::url::UrlError;

const HOST_DEFAULT: &str = "localhost";
const PORT_DEFAULT: u16 = 3306;
const USER_DEFAULT: &str = "root";

/// Where a server is and how to get in. Printed without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
    socket: Option<PathBuf>,
    user: String,
    password: Option<String>,
    database: String,
    encryption: Encryption,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// Whether the connection is encrypted, and what is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encryption {
    Disabled,
    Preferred,
    Required,
    VerifyAuthority,
    VerifyIdentity,
}

impl Server {
    /// Of what stands behind `mysql://`.
    pub(super) fn from_url(rest: &str) -> Result<Self, UrlError> {
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, address) = split_login(address);
        let (host_port, database) = address.split_once('/').unwrap_or((address, ""));
        let mut server = Self::of_database(&decoded(database, "the database's name")?)?;
        server.log_in(login, decoded)?;
        server.reach(host_port)?;
        server.take_parameters(parameters)?;
        Ok(server)
    }

    /// Whether this can only be meant in Go's form: with `@` or brackets before the database.
    pub(super) fn looks_like_dsn(text: &str) -> bool {
        let address = dsn_address(text);
        address.is_some_and(|address| address.contains('@') || address.ends_with(')'))
    }

    /// Of `USER:PASSWORD@tcp(HOST:PORT)/DATABASE?…`.
    pub(super) fn from_dsn(text: &str) -> Result<Self, UrlError> {
        let address = dsn_address(text).unwrap_or(text);
        let rest = text.get(address.len() + 1..).unwrap_or("");
        let (database, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, network) = split_login(address);
        let mut server = Self::of_database(&decoded(database, "the database's name")?)?;
        server.log_in(login, |text, _| Ok(text.to_owned()))?;
        let (protocol, place) = match network.split_once('(') {
            Some((protocol, place)) => {
                let place = place.strip_suffix(')').ok_or_else(|| {
                    UrlError(format!("`{network}` lacks its closing bracket: tcp(HOST:PORT)"))
                })?;
                (protocol, place)
            }
            None => (network, ""),
        };
        match protocol {
            "" | "tcp" | "tcp4" | "tcp6" => server.reach(place)?,
            "unix" if place.starts_with('/') => server.socket = Some(place.into()),
            "unix" => {
                return Err(UrlError("a socket's path is absolute: unix(/path)".to_owned()));
            }
            other => {
                return Err(UrlError(format!(
                    "`{other}` is no way to a server: tcp(HOST:PORT) or unix(/path)"
                )));
            }
        }
        server.take_parameters(parameters)?;
        Ok(server)
    }

    fn of_database(database: &str) -> Result<Self, UrlError> {
        if database.is_empty() {
            return Err(UrlError(
                "the database's name is missing: mysql://USER:PASSWORD@HOST:PORT/DATABASE"
                    .to_owned(),
            ));
        }
        Ok(Self {
            host: HOST_DEFAULT.to_owned(),
            port: PORT_DEFAULT,
            socket: None,
            user: USER_DEFAULT.to_owned(),
            password: None,
            database: database.to_owned(),
            encryption: Encryption::Preferred,
            authority: None,
            certificate: None,
            key: None,
        })
    }

    fn log_in(
        &mut self,
        login: &str,
        decode: impl Fn(&str, &str) -> Result<String, UrlError>,
    ) -> Result<(), UrlError> {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        if !user.is_empty() {
            self.user = decode(user, "the user's name")?;
        }
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            self.password = Some(decode(password, "the password")?);
        }
        Ok(())
    }

    /// Takes `HOST`, `HOST:PORT`, `[::1]:PORT` or nothing.
    fn reach(&mut self, place: &str) -> Result<(), UrlError> {
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (place, None),
        };
        if !host.is_empty() {
            host.trim_start_matches('[').trim_end_matches(']').clone_into(&mut self.host);
        }
        if let Some(port) = port {
            self.port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                // It may be a password whose host was forgotten, so it isn't repeated.
                UrlError(
                    "the port behind the host is a number from 1 to 65535, such as 3306".to_owned(),
                )
            })?;
        }
        Ok(())
    }

    fn take_parameters(&mut self, parameters: &str) -> Result<(), UrlError> {
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            self.take_parameter(name, decoded(value, name)?)?;
        }
        Ok(())
    }

    fn take_parameter(&mut self, name: &str, value: String) -> Result<(), UrlError> {
        match name {
            "ssl-mode" | "sslmode" => self.encryption = Encryption::of_mode(&value)?,
            "tls" => self.encryption = Encryption::of_go(&value)?,
            "ssl-ca" | "sslca" => self.authority = Some(value.into()),
            "ssl-cert" | "sslcert" => self.certificate = Some(value.into()),
            "ssl-key" | "sslkey" => self.key = Some(value.into()),
            "socket" => self.socket = Some(value.into()),
            // What clients in Go and others say about themselves. windrow always speaks UTF-8, keeps
            // times in UTC, sends one statement at a time with its values apart, and has its own limits.
            "allowNativePasswords"
            | "allowOldPasswords"
            | "allowFallbackToPlaintext"
            | "charset"
            | "checkConnLiveness"
            | "clientFoundRows"
            | "collation"
            | "columnsWithAlias"
            | "interpolateParams"
            | "loc"
            | "maxAllowedPacket"
            | "multiStatements"
            | "parseTime"
            | "readTimeout"
            | "rejectReadOnly"
            | "statement-cache-capacity"
            | "timeTruncate"
            | "time-zone"
            | "timeout"
            | "timezone"
            | "writeTimeout" => {}
            _ => {
                return Err(UrlError(format!(
                    "the parameter `{name}` means nothing here: ssl-mode, ssl-ca, ssl-cert, ssl-key and socket do, and tls as in Go"
                )));
            }
        }
        Ok(())
    }

    /// For a connection, with nothing set yet about the session.
    pub(super) fn options(&self) -> MySqlConnectOptions {
        let mut options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .database(&self.database)
            .ssl_mode(self.encryption.into());
        if let Some(password) = &self.password {
            options = options.password(password);
        }
        if let Some(socket) = &self.socket {
            options = options.socket(socket);
        }
        if let Some(authority) = &self.authority {
            options = options.ssl_ca(authority);
        }
        if let Some(certificate) = &self.certificate {
            options = options.ssl_client_cert(certificate);
        }
        if let Some(key) = &self.key {
            options = options.ssl_client_key(key);
        }
        options
    }
}

impl Encryption {
    fn of_mode(value: &str) -> Result<Self, UrlError> {
        Ok(match value.to_ascii_lowercase().replace('-', "_").as_str() {
            "disabled" => Self::Disabled,
            "preferred" => Self::Preferred,
            "required" => Self::Required,
            "verify_ca" => Self::VerifyAuthority,
            "verify_identity" => Self::VerifyIdentity,
            _ => {
                return Err(UrlError(format!(
                    "ssl-mode can't be `{value}`: disabled, preferred, required, verify_ca or verify_identity"
                )));
            }
        })
    }

    fn of_go(value: &str) -> Result<Self, UrlError> {
        Ok(match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Self::VerifyIdentity,
            "false" | "0" => Self::Disabled,
            "skip-verify" => Self::Required,
            "preferred" => Self::Preferred,
            _ => {
                return Err(UrlError(format!(
                    "tls can't be `{value}`: true, false, skip-verify or preferred"
                )));
            }
        })
    }
}

impl From<Encryption> for MySqlSslMode {
    fn from(encryption: Encryption) -> Self {
        match encryption {
            Encryption::Disabled => Self::Disabled,
            Encryption::Preferred => Self::Preferred,
            Encryption::Required => Self::Required,
            Encryption::VerifyAuthority => Self::VerifyCa,
            Encryption::VerifyIdentity => Self::VerifyIdentity,
        }
    }
}

/// What stands before the `/` of the database in a DSN: its last one, outside the parameters.
fn dsn_address(text: &str) -> Option<&str> {
    // A question mark of a password stands before the last bracket or `@`.
    let from = text.rfind([')', '@']).unwrap_or(0);
    let end = text[from..].find('?').map_or(text.len(), |at| from + at);
    text[..end].rfind('/').map(|slash| &text[..slash])
}

/// `USER:PASSWORD` and what is behind its `@`.
fn split_login(text: &str) -> (&str, &str) {
    text.rsplit_once('@').unwrap_or(("", text))
}

/// Undoes percent-encoding.
fn decoded(text: &str, what: &str) -> Result<String, UrlError> {
    let wrong = || {
        UrlError(format!(
            "{what} has a `%` that two hexadecimal digits of UTF-8 don't follow: write %25 for it"
        ))
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(wrong)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = self.host.contains(':');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        write!(out, "mysql://{}@{open}{}{close}:{}", self.user, self.host, self.port)?;
        write!(out, "/{}", self.database)?;
        match &self.socket {
            Some(socket) => write!(out, "?socket={}", socket.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Server {
        Server::from_url(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn dsn(text: &str) -> Server {
        assert!(Server::looks_like_dsn(text), "{text}");
        Server::from_dsn(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_password_may_hold_what_separates_the_parts() {
        let server = url("app:p%40s%2Fs%3F%25@db.example:3307/events");
        assert_eq!(server.password.as_deref(), Some("p@s/s?%"));
        assert_eq!((server.host.as_str(), server.port), ("db.example", 3307));
        assert_eq!(url("app:p@s:s@db/events").password.as_deref(), Some("p@s:s"));

        for password in ["p@s:s", "a/b", "a?b", "100%", "p@tcp(x)/y", "("] {
            let server = dsn(&format!("app:{password}@tcp(db:3307)/events?parseTime=true"));
            assert_eq!(server.password.as_deref(), Some(password));
            assert_eq!((server.host.as_str(), server.port), ("db", 3307));
            assert_eq!((server.user.as_str(), server.database.as_str()), ("app", "events"));
            assert!(!format!("{server} {server:?}").contains(password), "{server}");
        }
    }

    #[test]
    fn the_ways_to_a_server() {
        assert_eq!(dsn("root@/events"), url("/events"));
        assert_eq!(dsn("root:@tcp/events"), url("root@localhost:3306/events"));
        assert_eq!(dsn("tcp([::1]:3307)/events"), url("[::1]:3307/events"));
        assert_eq!(url("[::1]/events").to_string(), "mysql://root@[::1]:3306/events");
        let socket = dsn("app:x@unix(/run/db.sock)/events");
        assert_eq!(socket.socket.as_deref(), Some("/run/db.sock".as_ref()));
        assert_eq!(socket, url("app:x@localhost/events?socket=/run/db.sock"));
    }

    #[test]
    fn encryption_is_what_either_form_says() {
        assert_eq!(url("h/d").encryption, Encryption::Preferred);
        assert_eq!(url("h/d?ssl-mode=VERIFY_CA").encryption, Encryption::VerifyAuthority);
        assert_eq!(url("h/d?ssl-mode=disabled").encryption, Encryption::Disabled);
        assert_eq!(url("h/d?ssl-ca=%2Fca.pem").authority, Some("/ca.pem".into()));
        assert_eq!(
            dsn("u@tcp(h)/d?parseTime=true&tls=true").encryption,
            Encryption::VerifyIdentity
        );
        assert_eq!(dsn("u@tcp(h)/d?tls=skip-verify").encryption, Encryption::Required);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let reason = |result: Result<Server, UrlError>| result.unwrap_err().to_string();
        assert!(reason(Server::from_url("u:secret@h")).contains("name is missing"));
        assert!(reason(Server::from_url("u:secret@h:0/d")).contains("the port"));
        assert!(reason(Server::from_url("u:secret%4@h/d")).contains("the password has a `%`"));
        assert!(reason(Server::from_url("h/d?sslmode=maybe")).contains("`maybe`"));
        assert!(reason(Server::from_url("h/d?compress=1")).contains("`compress`"));
        assert!(reason(Server::from_dsn("u@pipe(x)/d")).contains("`pipe`"));
        assert!(reason(Server::from_dsn("u@tcp(x/d")).contains("closing bracket"));
        assert!(reason(Server::from_dsn("u@tcp(x)/d?tls=custom")).contains("`custom`"));
        for text in ["u:secret@h", "u:secret%4@h/d", "u:secret@h:0/d", "u:secret@h/d?x=1"] {
            assert!(!reason(Server::from_url(text)).contains("secret"), "{text}");
        }
    }
}
