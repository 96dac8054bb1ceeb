//! Which streams a token is for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What stands for all streams on the command line.
const ALL: &str = "*";

/// The streams that a token is for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum Streams {
    /// All, also those that come later.
    #[default]
    All,
    /// These, at least one. They needn't exist yet.
    These(BTreeSet<String>),
}

impl Streams {
    /// Whether they are all there are.
    pub fn are_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether `stream` is among them.
    pub fn contain(&self, stream: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(stream),
        }
    }

    /// Their names; none where they are all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::All => None,
            Self::These(names) => Some(names),
        };
        names.into_iter().flatten().map(String::as_str)
    }
}

impl fmt::Display for Streams {
    /// As they are written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str(ALL),
            Self::These(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl FromStr for Streams {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == ALL {
            return Ok(Self::All);
        }
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        names.try_into()
    }
}

impl TryFrom<Vec<String>> for Streams {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        if let Some(wrong) = names.iter().find(|name| name.is_empty() || !name.bytes().all(plain)) {
            return Err(format!("a stream can't be called `{}`", wrong.escape_debug()));
        }
        if names.is_empty() {
            return Err("`streams` must name at least one; leave it out for all".to_owned());
        }
        Ok(Self::These(names.into_iter().collect()))
    }
}

impl From<Streams> for Vec<String> {
    fn from(streams: Streams) -> Self {
        streams.names().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_from_the_command_line() {
        let streams: Streams = "user-events, usage".parse().unwrap();
        assert!(streams.contain("usage") && !streams.contain("events"));
        assert_eq!(streams.to_string(), "usage,user-events");
        assert_eq!("*".parse(), Ok(Streams::All));
        assert!(Streams::All.contain("whatever"));
        for wrong in ["", "a,,b", "a,*", "A", "a b", "../a"] {
            assert!(wrong.parse::<Streams>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_stream_in_the_file_is_not_all_of_them() {
        assert!(serde_json::from_str::<Streams>("[]").is_err());
        let some: Streams = serde_json::from_str(r#"["b","a"]"#).unwrap();
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["a","b"]"#);
    }
}
