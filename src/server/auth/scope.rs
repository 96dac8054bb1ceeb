//! What a token lets its holder do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One kind of thing to do. None contains another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send events.
    Ingest,
    /// Read what has become of them, the metrics, and which streams there are.
    Read,
    /// Close windows, make backups, and the like.
    Admin,
}

/// The scopes of a token, at least one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<Scope>")]
pub struct Scopes(BTreeSet<Scope>);

impl Scope {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Read, Self::Admin];

    /// Its name in the file of tokens and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl Scopes {
    /// Whether `scope` is among them.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Scopes {
    /// With commas between, as they are written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.name()).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scope = |name: &str| {
            Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or_else(|| {
                format!("there is no scope `{name}`; there are `ingest`, `read` and `admin`")
            })
        };
        let scopes: BTreeSet<_> =
            text.split(',').map(str::trim).map(scope).collect::<Result<_, _>>()?;
        Ok(Self(scopes))
    }
}

impl TryFrom<BTreeSet<Scope>> for Scopes {
    type Error = &'static str;

    fn try_from(scopes: BTreeSet<Scope>) -> Result<Self, Self::Error> {
        if scopes.is_empty() { Err("`scopes` must name at least one") } else { Ok(Self(scopes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_from_the_command_line_and_none_contains_another() {
        let scopes: Scopes = "read, ingest".parse().unwrap();
        assert!(scopes.contains(Scope::Ingest) && scopes.contains(Scope::Read));
        assert!(!scopes.contains(Scope::Admin));
        assert_eq!(scopes.to_string(), "ingest,read");
        let admin: Scopes = "admin".parse().unwrap();
        assert!(!admin.contains(Scope::Ingest) && !admin.contains(Scope::Read));
        for wrong in ["", "write", "ingest,", "Ingest", "ingest read"] {
            let told = wrong.parse::<Scopes>().unwrap_err();
            assert!(told.starts_with("there is no scope `"), "{told}");
        }
    }
}
