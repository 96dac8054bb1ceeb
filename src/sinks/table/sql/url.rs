//! `table.url`: which database.
//!
//! | form | |
//! |---|---|
//! | `sqlite:PATH`, `sqlite://PATH` | a file; `sqlite:///var/lib/x.sqlite` is an absolute path |
//! | `mysql://USER:PASSWORD@HOST:PORT/DATABASE?ssl-mode=…` | MySQL; `mariadb://…` means the same |
//! | `USER:PASSWORD@tcp(HOST:PORT)/DATABASE?tls=…` | the same in the form that Go's driver takes |
//!
//! A password is never printed: not by `Display`, not by `Debug`, not in an error.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::server::Server;

/// Which database the table is in. Printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A MySQL or MariaDB server.
    Mysql(Server),
}

/// What is wrong with a `table.url`, and what would be right. Never holds the password.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("{0}")]
pub struct UrlError(pub String);

/// The forms, for errors.
pub(super) const FORMS: &str = "sqlite:PATH, mysql://USER:PASSWORD@HOST:PORT/DATABASE or USER:PASSWORD@tcp(HOST:PORT)/DATABASE";

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        match scheme(text) {
            Some(("sqlite", path)) => sqlite(path),
            Some(("mysql" | "mariadb", rest)) => {
                let rest = rest.strip_prefix("//").ok_or_else(|| {
                    UrlError(
                        "`mysql:` must go on with `//`: mysql://USER:PASSWORD@HOST:PORT/DATABASE"
                            .to_owned(),
                    )
                })?;
                Server::from_url(rest).map(Self::Mysql)
            }
            Some((other, rest)) if rest.starts_with("//") => Err(UrlError(format!(
                "a table can't be kept in `{other}`, only in SQLite, MySQL or MariaDB: {FORMS}"
            ))),
            _ if Server::looks_like_dsn(text) => Server::from_dsn(text).map(Self::Mysql),
            // The text may hold a password, so it isn't repeated.
            _ => Err(UrlError(format!("this is not the address of a database: {FORMS}"))),
        }
    }
}

/// `mysql` and what is behind its colon. A word before a colon may also be the user of a DSN, so a
/// scheme is only what is known, or what `//` follows.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let known = matches!(scheme, "sqlite" | "mysql" | "mariadb");
    let dsn = Server::looks_like_dsn(text);
    let a_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (a_scheme && (rest.starts_with("//") || (known && !dsn))).then_some((scheme, rest))
}

fn sqlite(path: &str) -> Result<DatabaseUrl, UrlError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(UrlError("`sqlite:` must go on with the path of a file".to_owned()));
    }
    if path == ":memory:" || path.contains('?') {
        return Err(UrlError(format!(
            "`sqlite:{path}`: the table is kept in a file, and its path takes no parameters: sqlite:PATH"
        )));
    }
    Ok(DatabaseUrl::Sqlite(path.into()))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
            Self::Mysql(server) => server.fmt(out),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> DatabaseUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        text.parse::<DatabaseUrl>().unwrap_err().to_string()
    }

    #[test]
    fn the_three_forms_of_a_sqlite_path() {
        for (text, path) in [
            ("sqlite:data/events.sqlite", "data/events.sqlite"),
            ("sqlite://data/events.sqlite", "data/events.sqlite"),
            ("sqlite:///var/events.sqlite", "/var/events.sqlite"),
            ("sqlite:/var/events.sqlite", "/var/events.sqlite"),
        ] {
            assert_eq!(parsed(text), DatabaseUrl::Sqlite(path.into()), "{text}");
        }
    }

    #[test]
    fn the_url_and_the_dsn_of_one_server_are_equal() {
        let url = parsed("mysql://root:testpass@localhost:3306/eventdb");
        assert_eq!(url, parsed("root:testpass@tcp(localhost:3306)/eventdb"));
        assert_eq!(url, parsed("mariadb://root:testpass@localhost/eventdb"));
        assert_eq!(url.to_string(), "mysql://root@localhost:3306/eventdb");
    }

    #[test]
    fn what_is_no_database_is_refused_with_what_would_be_right() {
        for text in
            ["", "events.sqlite", "localhost:3306", "postgres://u:secret@h/db", "root:secret"]
        {
            let reason = refused(text);
            assert!(reason.contains("mysql://USER"), "{text}: {reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
        assert!(refused("postgres://u@h/db").contains("`postgres`"));
        assert!(refused("sqlite:").contains("path"));
        assert!(refused("sqlite::memory:").contains("file"));
        assert!(refused("mysql:root@localhost").contains("//"));
    }

    #[test]
    fn a_user_named_mysql_is_no_scheme() {
        assert_eq!(
            parsed("mysql:secret@tcp(db:3307)/events").to_string(),
            "mysql://mysql@db:3307/events"
        );
    }
}
