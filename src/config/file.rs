//! `windrow.toml` into settings, each with its line.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::names;
use super::settings::{Origin, Settings, Written};
use super::suggest::nearest;

/// Reads the file's text into `settings`. `path` is what messages call it.
pub fn read(text: &str, path: &Path, settings: &mut Settings) -> Result<(), ConfigError> {
    let file = File { text, path };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: file.line(error.span().map_or(0, |span| span.start)),
        reason: error.message().trim().replace('\n', ", "),
    })?;
    file.section("", table.get_ref(), settings)
}

/// A TOML value from the environment or a flag, where a key takes a table: `{ a = "i64" }`.
pub fn read_table(text: &str) -> Option<Written> {
    let value = DeValue::parse(text.trim()).ok()?;
    value.get_ref().is_table().then(|| written(&value).ok()).flatten()
}

struct File<'a> {
    text: &'a str,
    path: &'a Path,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn section(
        &self,
        prefix: &str,
        table: &DeTable<'_>,
        settings: &mut Settings,
    ) -> Result<(), ConfigError> {
        // In the order of the file, so that the first mistake is the one that is told.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            let origin = Origin::File(self.path.to_owned(), self.line(name.span().start));
            self.entry(key, origin, value, settings)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        key: String,
        origin: Origin,
        value: &Spanned<DeValue<'_>>,
        settings: &mut Settings,
    ) -> Result<(), ConfigError> {
        if names::is_section(&key) {
            return match value.get_ref() {
                DeValue::Table(table) => self.section(&key, table, settings),
                other => Err(ConfigError::BadValue {
                    origin,
                    key,
                    found: Written::Scalar(other.type_str().to_owned()),
                    expected: "a table of keys".to_owned(),
                }),
            };
        }
        if names::find(&key).is_none() {
            let known = names::candidates(&key);
            let nearest = nearest(&key, known.iter().map(String::as_str)).map(str::to_owned);
            return Err(ConfigError::UnknownKey { origin, key, nearest });
        }
        match written(value) {
            Ok(written) => {
                settings.put(key, written, origin);
                Ok(())
            }
            Err(Unwritten::TooDeep) => Err(ConfigError::BadValue {
                origin,
                key,
                found: Written::Scalar(value.get_ref().type_str().to_owned()),
                expected: "a value without tables and arrays inside".to_owned(),
            }),
            Err(Unwritten::NoNumber { text, at }) => Err(ConfigError::Syntax {
                path: self.path.to_owned(),
                line: self.line(at),
                reason: format!("`{text}` is not a number of TOML, or not one of 64 bits"),
            }),
        }
    }
}

/// Why a value has no text.
enum Unwritten {
    /// Something stands in it in which something stands.
    TooDeep,
    /// The parser leaves numbers as they stand, and this one is none.
    NoNumber {
        /// What stands there.
        text: String,
        /// Where in the file.
        at: usize,
    },
}

/// The value's text, or those of its items.
fn written(value: &Spanned<DeValue<'_>>) -> Result<Written, Unwritten> {
    match value.get_ref() {
        DeValue::Array(items) => {
            items.iter().map(scalar).collect::<Result<_, _>>().map(Written::List)
        }
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(name, _)| name.span().start);
            entries
                .into_iter()
                .map(|(name, value)| Ok((name.get_ref().to_string(), scalar(value)?)))
                .collect::<Result<_, _>>()
                .map(Written::Table)
        }
        _ => scalar(value).map(Written::Scalar),
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Result<String, Unwritten> {
    let no_number = |text: String| Unwritten::NoNumber { text, at: value.span().start };
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        // In decimal digits, whichever base they stand in.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|integer| integer.to_string())
            .map_err(|_| no_number(number.to_string())),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(float)
                if float.is_finite() || number.as_str().ends_with("inf") || float.is_nan() =>
            {
                Ok(number.as_str().to_owned())
            }
            _ => Err(no_number(number.to_string())),
        },
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Datetime(time) => Ok(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => Err(Unwritten::TooDeep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        match read(text, Path::new("w.toml"), &mut settings) {
            Ok(()) => Ok(settings),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn values_carry_their_lines() {
        let settings =
            settings("listen = \"x\"\n\n[limits]\nconnections = 20_000\n").expect("it is right");
        let origins: Vec<_> = settings
            .iter()
            .map(|(key, setting)| format!("{key}={} {}", setting.written, setting.origin))
            .collect();
        assert_eq!(origins, ["limits.connections=20000 w.toml:4", "listen=x w.toml:1"]);
    }

    #[test]
    fn columns_keep_their_order() {
        let settings = settings("[streams.o]\ncolumns = { z = \"i64\", a = \"bool\" }\n");
        let settings = settings.expect("it is right");
        let pairs = [("z", "i64"), ("a", "bool")].map(|(n, t)| (n.to_owned(), t.to_owned()));
        assert_eq!(
            settings.written("streams.o.columns").map(|setting| &setting.written),
            Some(&Written::Table(pairs.to_vec()))
        );
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line_and_the_nearest() {
        for (text, message) in [
            ("listne = 1", "w.toml:1: there is no key `listne`; did you mean `listen`?"),
            (
                "[wal]\n\nsegmnet = 1",
                "w.toml:3: there is no key `wal.segmnet`; did you mean `wal.segment`?",
            ),
            (
                "[streams.o.windows]\nlenght = \"1h\"",
                "w.toml:2: there is no key `streams.o.windows.lenght`; did you mean `streams.o.windows.length`?",
            ),
            ("[zebra]\nx = 1", "w.toml:1: there is no key `zebra`"),
            ("wal = 1", "w.toml:1: `wal` is `integer`, expected a table of keys"),
        ] {
            assert_eq!(settings(text), Err(message.to_owned()));
        }
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        for value in ["64MiB", "0b", "0x_1", "9223372036854775808", "1e999", "1e", "[1,\n 0b]"] {
            let text = format!("listen = \"a\"\nwal.segment = {value}\n");
            let message = settings(&text).expect_err(value);
            let line = 1 + value.lines().count();
            assert!(message.starts_with(&format!("w.toml:{line}: ")), "{message}");
            assert!(text.parse::<toml::Table>().is_err(), "{value}");
        }
    }

    #[test]
    fn a_number_is_what_it_is_in_its_base() {
        for (value, number) in
            [("0x10", "16"), ("0b1_0", "2"), ("0o17", "15"), ("+1_000", "1000"), ("-1", "-1")]
        {
            let settings = settings(&format!("limits.connections = {value}")).expect(value);
            let written = settings.written("limits.connections").map(|it| it.written.clone());
            assert_eq!(written, Some(Written::Scalar(number.to_owned())), "{value}");
        }
        assert_eq!(read_table("{ a = 0b }"), None);
    }
}
