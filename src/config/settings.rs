//! What was written, before it is understood: each key's value and where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::error::ConfigError;
use super::names;
use super::units::FromText;

/// Where a value came from. Later ones beat earlier ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file, and the line in it, from 1.
    File(PathBuf, usize),
    /// This variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// A string, number or boolean, as text.
    Scalar(String),
    /// An array of them.
    List(Vec<String>),
    /// A table of them, in the order in which they were written.
    Table(Vec<(String, String)>),
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Table(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(name, value)| format!("{name:?} = {value:?}")).collect();
                write!(f, "{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// One key's value and origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The value.
    pub written: Written,
    /// Where it came from.
    pub origin: Origin,
}

/// The value that takes a setting back to being unset.
pub const NONE: &str = "none";

/// All that was written, the strongest origin for each key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// Takes a value for `key` unless a stronger one is there.
    pub fn put(&mut self, key: impl Into<String>, written: Written, origin: Origin) {
        let key = key.into();
        if self.0.get(&key).is_none_or(|held| held.origin <= origin) {
            self.0.insert(key, Setting { written, origin });
        }
    }

    /// Takes a default that only holds for this very key.
    pub fn put_default(&mut self, key: &str, text: &str) {
        self.put(key, Written::Scalar(text.to_owned()), Origin::Default);
    }

    /// What was written for `key`; `none` counts as nothing.
    pub fn written(&self, key: &str) -> Option<&Setting> {
        let setting = self.0.get(key)?;
        (setting.written != Written::Scalar(NONE.to_owned())).then_some(setting)
    }

    /// Whether anything was written for `key`, `none` included.
    pub fn is_set(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Every key that was written, in order, with its value and origin.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    /// The value of a key that needs none, within the bounds of its kind.
    pub fn optional<T: FromText>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        let Some(setting) = self.written(key) else {
            return match names::find(key).and_then(|key| key.default) {
                Some(default) if !self.0.contains_key(key) => Ok(T::from_text(default)),
                _ => Ok(None),
            };
        };
        let Written::Scalar(text) = &setting.written else {
            return Err(setting.refused(key, T::EXPECTED));
        };
        let value = T::from_text(text).ok_or_else(|| setting.refused(key, T::EXPECTED))?;
        match names::find(key) {
            Some(known) if !known.kind.admits(text) => {
                Err(setting.refused(key, &known.kind.expected()))
            }
            _ => Ok(Some(value)),
        }
    }

    /// The value of a key that has a default.
    pub fn get<T: FromText>(&self, key: &str) -> Result<T, ConfigError> {
        self.optional(key)?.ok_or_else(|| self.refused(key, T::EXPECTED))
    }

    /// The value of a key that has a default, if `holds` for it.
    pub fn get_where<T: FromText>(
        &self,
        key: &str,
        expected: &str,
        holds: impl Fn(&T) -> bool,
    ) -> Result<T, ConfigError> {
        let value = self.get(key)?;
        if holds(&value) { Ok(value) } else { Err(self.refused(key, expected)) }
    }

    /// The error for a key whose value is not what was expected.
    pub fn refused(&self, key: &str, expected: &str) -> ConfigError {
        match self.0.get(key) {
            Some(setting) => setting.refused(key, expected),
            None => ConfigError::Missing { key: key.to_owned(), expected: expected.to_owned() },
        }
    }

    /// The items of a key that takes several: an array, or a text with commas between.
    pub fn list(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        let split = |text: &str| {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()
        };
        match self.written(key) {
            None if self.0.contains_key(key) => Ok(Vec::new()),
            None => Ok(names::find(key).and_then(|key| key.default).map(split).unwrap_or_default()),
            Some(Setting { written: Written::Scalar(text), .. }) => Ok(split(text)),
            Some(Setting { written: Written::List(items), .. }) => Ok(items.clone()),
            Some(setting) => Err(setting.refused(key, "an array of strings")),
        }
    }
}

impl Setting {
    /// The error for a value that is not what was expected.
    pub fn refused(&self, key: &str, expected: &str) -> ConfigError {
        ConfigError::BadValue {
            origin: self.origin.clone(),
            key: key.to_owned(),
            found: self.written.clone(),
            expected: expected.to_owned(),
        }
    }
}
