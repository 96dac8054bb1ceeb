//! `table.url`: which database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which database the table is in: what `table.url` says, or a file in the data directory.
///
/// Printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`, `sqlite://PATH`.
    Sqlite(PathBuf),
    /// `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, `mariadb://…`, or in Go's form
    /// `USER:PASSWORD@tcp(HOST:PORT)/DATABASE`.
    Mysql(String),
}

/// What is wrong with a `table.url`; without its password.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("{0}")]
pub struct UrlError(pub String);

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text.strip_prefix("sqlite:") {
            Some(path) => Ok(Self::Sqlite(path.trim_start_matches("//").into())),
            None => Ok(Self::Mysql(text.to_owned())),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
            Self::Mysql(_) => out.write_str("mysql://"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}
