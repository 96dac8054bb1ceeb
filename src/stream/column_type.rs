//! What a column holds, and how configuration and the log write it.

use std::fmt;
use std::str::FromStr;

use super::{SchemaError, StringLength};

/// What a column holds.
///
/// ```
/// use windrow::stream::{ColumnType, StringLength};
/// assert_eq!("string(50)".parse(), Ok(ColumnType::String(StringLength { chars_min: 0, chars_max: Some(50) })));
/// assert_eq!("web|mobile".parse::<ColumnType>().map(|kind| kind.to_string()), Ok("web|mobile".into()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ColumnType {
    /// Any form of [`Timestamp`](crate::time::Timestamp), as a string or a number.
    Timestamp,
    /// 8-4-4-4-12 hexadecimal digits, either case.
    Uuid,
    /// An integer from -2^63 to 2^63 - 1, written without fraction and exponent.
    I64,
    /// A number that a 64-bit float can hold, finite.
    F64,
    /// `true` or `false`.
    Bool,
    /// A string of such a length.
    String(StringLength),
    /// A number of any length and precision, as a number or as a string that holds one; copied.
    Decimal,
    /// A JSON object, kept as the text that came.
    Object,
    /// One of these strings; at least two.
    OneOf(Vec<String>),
}

/// The names that stand for themselves.
const PLAIN: [(&str, ColumnType); 8] = [
    ("timestamp", ColumnType::Timestamp),
    ("uuid", ColumnType::Uuid),
    ("i64", ColumnType::I64),
    ("f64", ColumnType::F64),
    ("bool", ColumnType::Bool),
    ("string", ColumnType::String(StringLength::ANY)),
    ("decimal", ColumnType::Decimal),
    ("object", ColumnType::Object),
];

impl ColumnType {
    /// The names of the types that are one word, without what may stand behind `string`.
    pub fn plain_names() -> impl Iterator<Item = &'static str> {
        PLAIN.iter().map(|(name, _)| *name)
    }
}

impl FromStr for ColumnType {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let unknown = || SchemaError::UnknownType { text: text.to_owned(), nearest: nearest(text) };
        if let Some((_, kind)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(kind.clone());
        }
        if let Some(inside) = text.strip_prefix("string(").and_then(|rest| rest.strip_suffix(')')) {
            return StringLength::parse(inside)
                .map(Self::String)
                .ok_or_else(|| SchemaError::StringLength { text: text.to_owned() });
        }
        if !text.contains('|') {
            return Err(unknown());
        }
        let values: Vec<String> = text.split('|').map(str::to_owned).collect();
        let repeated = (1..values.len()).any(|at| values[..at].contains(&values[at]));
        if repeated || values.iter().any(|value| value.trim().is_empty()) {
            return Err(SchemaError::Choices { text: text.to_owned() });
        }
        Ok(Self::OneOf(values))
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(length) => write!(out, "string{length}"),
            Self::OneOf(values) => out.write_str(&values.join("|")),
            plain => {
                let name = PLAIN.iter().find(|(_, kind)| kind == plain).map(|(name, _)| *name);
                out.write_str(name.unwrap_or("unknown"))
            }
        }
    }
}

impl serde::Serialize for ColumnType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ColumnType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The type whose name is nearest, if one is near.
fn nearest(text: &str) -> Option<&'static str> {
    PLAIN
        .iter()
        .map(|(name, _)| (strsim::damerau_levenshtein(name, &text.to_lowercase()), *name))
        .filter(|(distance, name)| *distance * 3 <= name.len())
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_prints_as_it_parses() {
        for text in [
            "timestamp",
            "uuid",
            "i64",
            "f64",
            "bool",
            "string",
            "string(50)",
            "string(1..)",
            "string(1..50)",
            "decimal",
            "object",
            "a|b",
            "user_action|sensor_data|system_log",
        ] {
            assert_eq!(text.parse::<ColumnType>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_type_is_named_with_the_nearest_right_one() {
        let message = |text: &str| text.parse::<ColumnType>().unwrap_err().to_string();
        assert!(message("strng").contains("did you mean `string`?"), "{}", message("strng"));
        assert!(message("Timestamp").contains("did you mean `timestamp`?"));
        assert!(!message("blob").contains("did you mean"));
        assert!(message("").contains("isn't a column type"));
        assert!(message("string(0)").contains("from 1 to 4294967295"));
        assert!(message("string(-3)").contains("from 1 to 4294967295"));
        assert!(message("a||b").contains("twice"));
        assert!(message("a|b|a").contains("twice"));
    }
}
