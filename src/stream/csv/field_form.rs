//! A field of a record as a member of a JSON object.

use super::Field;
use crate::stream::{Column, ColumnType, json_text};

/// How the values of one field are written.
#[derive(Debug)]
pub(super) struct FieldForm {
    /// `,"name":`
    key: Vec<u8>,
    kind: Kind,
    /// An empty field is an empty string, rather than no value.
    keep_empty: bool,
}

/// What is written as it is, if it is that; anything else is a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Number,
    Bool,
    Object,
}

impl FieldForm {
    /// Values of a column.
    pub(super) fn of_column(column: &Column) -> Self {
        let kind = match column.kind {
            ColumnType::I64 | ColumnType::F64 | ColumnType::Decimal => Kind::Number,
            ColumnType::Bool => Kind::Bool,
            ColumnType::Object => Kind::Object,
            ColumnType::Timestamp
            | ColumnType::Uuid
            | ColumnType::String(_)
            | ColumnType::OneOf(_) => Kind::Text,
        };
        Self { key: key(&column.name), kind, keep_empty: column.is_required() }
    }

    /// Values of a field that no column has.
    pub(super) fn of_unknown(name: &str) -> Self {
        Self { key: key(name), kind: Kind::Text, keep_empty: true }
    }

    /// Appends the member, with a comma in front.
    #[inline]
    pub(super) fn write(&self, field: Field<'_>, out: &mut Vec<u8>) {
        if field.is_empty() && !self.keep_empty {
            return;
        }
        out.extend_from_slice(&self.key);
        if self.kind == Kind::Text && !field.has_doubled_quotes() {
            json_text::write_string(field.raw(), out);
        } else {
            self.write_value(&field.text(), out);
        }
    }

    fn write_value(&self, text: &str, out: &mut Vec<u8>) {
        let value = text.trim_ascii();
        let as_it_is = match self.kind {
            Kind::Text => false,
            Kind::Number => json_text::is_number(value),
            Kind::Bool => matches!(value, "true" | "false"),
            Kind::Object => json_text::is_object(value),
        };
        if as_it_is {
            out.extend_from_slice(value.as_bytes());
        } else {
            json_text::write_string(text, out);
        }
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut key = vec![b','];
    json_text::write_string(name, &mut key);
    key.push(b':');
    key
}
