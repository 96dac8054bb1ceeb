//! What kind of value a key takes: the placeholder in help texts, what the value must be, and how a JSON
//! schema says so.

use std::time::Duration;

use serde_json::{Value, json};

use super::units::{DurationText, FromText, Size};
use crate::stream::ColumnType;

/// What kind of value a key takes. Bounds that depend on another key are checked where both are known.
#[derive(Debug)]
pub enum Kind {
    /// A text.
    Text {
        /// What stands for it in help texts.
        placeholder: &'static str,
        /// What it must be: `a directory`.
        expected: &'static str,
        /// What every such text matches, where a wrong one can be told by its form.
        pattern: Option<&'static str>,
    },
    /// A number of bytes, from and to this one.
    Size(u64, u64),
    /// A duration of at least so much.
    Duration(Duration),
    /// A whole number, from and to this one.
    Count(u64, u64),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static str, &'static [&'static str]),
    /// At least one of these words, each once.
    Choices(&'static str, &'static [&'static str]),
    /// Texts, in an array or with commas between: the placeholder, and what they must be.
    Texts(&'static str, &'static str),
    /// Names and types of columns.
    Columns,
}

impl Kind {
    /// What stands for the value in help texts.
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Text { placeholder, .. }
            | Self::Choice(placeholder, _)
            | Self::Choices(placeholder, _)
            | Self::Texts(placeholder, _) => placeholder,
            Self::Size(..) => "SIZE",
            Self::Duration(_) => "DURATION",
            Self::Count(..) => "COUNT",
            Self::Bool => "BOOL",
            Self::Columns => "TABLE",
        }
    }

    /// What the value must be, with its unit and range: "a size from `64KiB` to `4GiB`".
    pub fn expected(&self) -> String {
        match self {
            Self::Text { expected, .. } | Self::Texts(_, expected) => (*expected).to_owned(),
            Self::Size(0, u64::MAX) => Size::EXPECTED.to_owned(),
            Self::Size(from, u64::MAX) => format!("a size of at least `{}`", Size(*from)),
            Self::Size(from, to) => format!("a size from `{}` to `{}`", Size(*from), Size(*to)),
            Self::Duration(Duration::ZERO) => Duration::EXPECTED.to_owned(),
            Self::Duration(ABOVE_ZERO) => "a duration above zero".to_owned(),
            Self::Duration(from) => format!("a duration of at least `{}`", DurationText(*from)),
            Self::Count(1, u64::MAX) => "a whole number above zero".to_owned(),
            Self::Count(from, to) => format!("a whole number from {from} to {to}"),
            Self::Bool => bool::EXPECTED.to_owned(),
            Self::Choice(_, words) => one_of(words, "or"),
            Self::Choices(_, words) => format!("at least one of {}", one_of(words, "and")),
            Self::Columns => {
                "a table of names and types such as `{ at = \"timestamp\", total = \"decimal\" }`"
                    .to_owned()
            }
        }
    }

    /// Whether a text that is such a value at all is within the bounds.
    pub fn admits(&self, text: &str) -> bool {
        match self {
            Self::Size(from, to) => {
                Size::from_text(text).is_none_or(|size| (*from..=*to).contains(&size.0))
            }
            Self::Duration(from) => Duration::from_text(text).is_none_or(|time| time >= *from),
            Self::Count(from, to) => {
                text.trim().parse().is_ok_and(|count| (*from..=*to).contains(&count))
            }
            _ => true,
        }
    }

    /// The schema of the value as a file has it. JSON Schema can bound numbers, but not the texts that stand
    /// for sizes: what it lets through, windrow may still refuse.
    pub fn schema(&self) -> Value {
        match self {
            Self::Text { pattern: Some(pattern), .. } => {
                json!({ "type": "string", "pattern": pattern })
            }
            Self::Text { .. } => json!({ "type": "string", "minLength": 1 }),
            Self::Size(from, to) => bounded(
                json!({ "type": ["string", "integer"], "pattern": r"^\s*[0-9]+\s*(([KkMmGgTt][Ii]?)?[Bb])?\s*$" }),
                *from,
                *to,
            ),
            Self::Duration(Duration::ZERO) => bounded(
                json!({ "type": ["string", "integer"], "pattern": r"^\s*(0|([0-9]+\s*(d|h|m|s|ms|us|ns)\s*)+)\s*$" }),
                0,
                0,
            ),
            Self::Duration(_) => {
                json!({ "type": "string", "pattern": r"^\s*([0-9]+\s*(d|h|m|s|ms|us|ns)\s*)+$" })
            }
            Self::Count(from, to) => {
                bounded(json!({ "type": ["integer", "string"], "pattern": "^[0-9]+$" }), *from, *to)
            }
            Self::Bool => json!({ "type": "boolean" }),
            Self::Choice(_, words) => json!({ "enum": words }),
            Self::Choices(_, words) => {
                let word = words.join("|");
                let text = format!(r"^\s*({word})(\s*,\s*({word}))*\s*$");
                json!({ "anyOf": [
                    { "type": "array", "items": { "enum": words }, "minItems": 1, "uniqueItems": true },
                    { "type": "string", "pattern": text },
                ] })
            }
            Self::Texts(..) => {
                json!({ "type": ["array", "string"], "items": { "type": "string" } })
            }
            Self::Columns => json!({
                "type": "object",
                "additionalProperties": { "type": "string", "pattern": column_type() },
                "minProperties": 1,
            }),
        }
    }
}

/// The shortest duration above zero.
pub const ABOVE_ZERO: Duration = Duration::from_nanos(1);

/// `a`, `b` or `c`.
fn one_of(words: &[&str], before_last: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {before_last} {last}", others.join(", ")),
        None => String::new(),
    }
}

/// With bounds for what is written as a number.
fn bounded(mut schema: Value, from: u64, to: u64) -> Value {
    schema["minimum"] = json!(from);
    // TOML's integers end before that.
    if i64::try_from(to).is_ok() {
        schema["maximum"] = json!(to);
    }
    schema
}

/// What the type of a column looks like; a `?` behind it makes it optional.
fn column_type() -> String {
    let plain: Vec<_> = ColumnType::plain_names().collect();
    format!(r"^({}|string\(([0-9]+|[0-9]+\.\.[0-9]*)\)|[^|]+(\|[^|]+)+)\??$", plain.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_as_they_are_held() {
        for (kind, expected, inside, outside) in [
            (Kind::Size(1 << 16, 4 << 30), "a size from `64KiB` to `4GiB`", "64KiB", "65535"),
            (Kind::Size(1 << 20, u64::MAX), "a size of at least `1MiB`", "1TiB", "1KiB"),
            (Kind::Size(0, u64::MAX), Size::EXPECTED, "0", ""),
            (Kind::Duration(ABOVE_ZERO), "a duration above zero", "1ns", "0s"),
            (Kind::Duration(Duration::from_secs(1)), "a duration of at least `1s`", "1s", "999ms"),
            (Kind::Duration(Duration::ZERO), Duration::EXPECTED, "0", ""),
            (Kind::Count(1, 64), "a whole number from 1 to 64", "64", "65"),
            (Kind::Count(1, u64::MAX), "a whole number above zero", "1", "0"),
        ] {
            assert_eq!(kind.expected(), expected);
            assert!(kind.admits(inside), "{kind:?}: {inside}");
            assert!(outside.is_empty() || !kind.admits(outside), "{kind:?}: {outside}");
        }
    }

    #[test]
    fn words_are_told_all_of_them() {
        assert_eq!(Kind::Choice("X", &["a", "b"]).expected(), "`a` or `b`");
        assert_eq!(Kind::Choice("X", &["a", "b", "c"]).expected(), "`a`, `b` or `c`");
        assert_eq!(Kind::Choices("X", &["a", "b"]).expected(), "at least one of `a` and `b`");
    }
}
