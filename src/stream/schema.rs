//! Schemas: the columns of a stream, in order.

use serde::{Deserialize, Serialize};

use super::ColumnType;

/// How a missing value is made. It is a function of the arrival, the seed and the line's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// A version 7 UUID (RFC 9562).
    Uuid7,
    /// The arrival time.
    Arrival,
}

/// One column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Column {
    /// The field's name in JSON and the heading in CSV.
    pub name: String,
    /// What it holds, as `windrow.toml` writes it: `timestamp`, `uuid`, `i64`, `f64`, `bool`,
    /// `string`, `string(50)`, `string(1..)`, `decimal`, `object`, `a|b|c`.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// May be null or missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// How it is made when null or missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

impl Column {
    /// A column as `windrow.toml` writes it: a `?` behind the type makes it optional.
    pub fn parse(name: &str, text: &str) -> Result<Self, SchemaError> {
        let (kind, optional) = match text.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (text, false),
        };
        let kind = kind.parse().map_err(|error: SchemaError| error.in_column(name))?;
        Ok(Self { name: name.to_owned(), kind, optional, made: None })
    }

    /// Whether a line can't be without it.
    pub fn is_required(&self) -> bool {
        !self.optional && self.made.is_none()
    }
}

/// What to do about fields that no column has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// Count them, name them once in the log.
    #[default]
    Ignore,
    /// The line is bad.
    Reject,
}

/// The columns of a stream, and which of them is its time: a required (or made) timestamp.
///
/// ```
/// use windrow::stream::Schema;
/// let columns = [("created_at", "timestamp"), ("order", "i64"), ("note", "string?")];
/// let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
/// let schema = Schema::new("created_at", columns)?;
/// assert_eq!(schema.time(), 0);
/// assert!(schema.columns()[2].optional);
/// # Ok::<(), windrow::stream::SchemaError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Schema {
    time: usize,
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Unchecked {
    time: usize,
    columns: Vec<Column>,
}

impl TryFrom<Unchecked> for Schema {
    type Error = SchemaError;

    fn try_from(unchecked: Unchecked) -> Result<Self, SchemaError> {
        Self::checked(unchecked.time, unchecked.columns)
    }
}

impl Schema {
    /// More columns than this are refused: a row of them is a few KiB, which every row may cost.
    pub const COLUMNS_MAX: usize = 1024;
    /// Longest name of a column, in bytes.
    pub const NAME_BYTES_MAX: usize = 256;

    /// From pairs of name and type, as `windrow.toml` has them; `time` names the time column.
    pub fn new(
        time: &str,
        columns: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SchemaError> {
        let columns = columns
            .into_iter()
            .map(|(name, kind)| Column::parse(&name, &kind))
            .collect::<Result<Vec<_>, _>>()?;
        let time = columns
            .iter()
            .position(|column| column.name == time)
            .ok_or_else(|| SchemaError::NoTimeColumn { time: time.to_owned() })?;
        Self::checked(time, columns)
    }

    pub(super) fn checked(time: usize, columns: Vec<Column>) -> Result<Self, SchemaError> {
        if columns.len() > Self::COLUMNS_MAX {
            return Err(SchemaError::TooManyColumns { columns: columns.len() });
        }
        let mut names = std::collections::HashSet::new();
        for Column { name, .. } in &columns {
            let printable = !name.is_empty() && !name.contains(char::is_control);
            if !printable || name.len() > Self::NAME_BYTES_MAX {
                return Err(SchemaError::Name { name: name.clone() });
            }
            if !names.insert(name) {
                return Err(SchemaError::Twice { name: name.clone() });
            }
        }
        let Some(column) = columns.get(time) else {
            return Err(SchemaError::NoTimeColumn { time: format!("number {time}") });
        };
        if column.kind != ColumnType::Timestamp || column.optional {
            return Err(SchemaError::NotATime { name: column.name.clone() });
        }
        Ok(Self { time, columns })
    }

    /// Index of the time column.
    #[inline]
    pub fn time(&self) -> usize {
        self.time
    }

    /// In order; at least one, at most [`Schema::COLUMNS_MAX`], names unique and not empty.
    #[inline]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// Why columns don't make a schema.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum SchemaError {
    /// Not one of the types.
    #[error(
        "`{text}` isn't a column type{}; the types are timestamp, uuid, i64, f64, bool, string, \
         string(50), decimal, object and a|b|c, with ? behind those that may be missing",
        nearest.map(|nearest| format!(" (did you mean `{nearest}`?)")).unwrap_or_default()
    )]
    UnknownType {
        /// As written.
        text: String,
        /// The type with the most similar name.
        nearest: Option<&'static str>,
    },
    /// The number in `string(50)`.
    #[error(
        "`{text}`: a string has a longest length, a shortest, or both, such as string(50), \
         string(1..) and string(1..50), each from 1 to 4294967295 characters"
    )]
    StringLength {
        /// As written.
        text: String,
    },
    /// The values in `a|b|c`.
    #[error("`{text}`: none of the values may be empty or stand there twice")]
    Choices {
        /// As written.
        text: String,
    },
    /// Another error, with the column it belongs to.
    #[error("column `{column}`: {source}")]
    InColumn {
        /// The column.
        column: String,
        /// What is wrong with it.
        source: Box<SchemaError>,
    },
    /// The time column isn't there.
    #[error("the time column is {time}, but there is no such column")]
    NoTimeColumn {
        /// Its name.
        time: String,
    },
    /// The time column isn't a required timestamp.
    #[error("the time column `{name}` has to be a `timestamp`, without ?")]
    NotATime {
        /// Its name.
        name: String,
    },
    /// A name that can't head a column.
    #[error(
        "column {name:?}: a name has 1 to {} bytes and no control characters",
        Schema::NAME_BYTES_MAX
    )]
    Name {
        /// As written.
        name: String,
    },
    /// Two columns of one name.
    #[error("column `{name}` is there twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// Too many.
    #[error("{columns} columns; at most {} are taken", Schema::COLUMNS_MAX)]
    TooManyColumns {
        /// How many there are.
        columns: usize,
    },
}

impl SchemaError {
    fn in_column(self, column: &str) -> Self {
        Self::InColumn { column: column.to_owned(), source: Box::new(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(time: &str, columns: &[(&str, &str)]) -> Result<Schema, SchemaError> {
        let owned = |(name, kind): &(&str, &str)| ((*name).to_owned(), (*kind).to_owned());
        Schema::new(time, columns.iter().map(owned))
    }

    #[test]
    fn a_question_mark_makes_a_column_optional() {
        let schema = schema("at", &[("n", "i64?"), ("at", "timestamp"), ("kind", "a|b?")]).unwrap();
        assert_eq!(schema.time(), 1);
        assert!(schema.columns()[0].optional && !schema.columns()[1].optional);
        let choices = ColumnType::OneOf(vec!["a".into(), "b".into()]);
        assert_eq!((&schema.columns()[2].kind, schema.columns()[2].optional), (&choices, true));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let message = |time, columns: &[_]| schema(time, columns).unwrap_err().to_string();
        let at = ("at", "timestamp");
        assert_eq!(message("when", &[at]), "the time column is when, but there is no such column");
        assert_eq!(
            message("at", &[("at", "string")]),
            "the time column `at` has to be a `timestamp`, without ?"
        );
        assert!(message("at", &[("at", "timestamp?")]).contains("without ?"));
        assert_eq!(message("at", &[at, ("x", "i64"), ("x", "f64")]), "column `x` is there twice");
        assert!(message("at", &[at, ("x", "integer")]).starts_with("column `x`: `integer` isn't"));
        assert!(message("at", &[at, ("", "i64")]).contains("1 to 256 bytes"));
        assert!(message("at", &[at, ("a\nb", "i64")]).contains("no control characters"));
        let many: Vec<String> = (0..1024).map(|number| format!("c{number}")).collect();
        let mut columns: Vec<(&str, &str)> =
            many.iter().map(|name| (name.as_str(), "i64?")).collect();
        columns.push(at);
        assert!(message("at", &columns).contains("at most 1024"));
        assert!(schema("at", &columns[1..]).is_ok());
    }

    #[test]
    fn json_is_checked_when_it_is_read_back() {
        let schema = schema("at", &[("at", "timestamp"), ("note", "string(3)?")]).unwrap();
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(
            json,
            r#"{"time":0,"columns":[{"name":"at","type":"timestamp"},{"name":"note","type":"string(3)","optional":true}]}"#
        );
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
        let beyond = json.replace("\"time\":0", "\"time\":2");
        assert!(serde_json::from_str::<Schema>(&beyond).is_err());
    }
}
