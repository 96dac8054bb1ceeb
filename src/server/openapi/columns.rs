//! A stream's columns as the schema of its events, and an event that has them.

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{OneOfBuilder, Schema};

use super::schema::{Part, formatted, named, number, one_of, or_null, text};
use crate::stream::{Column, ColumnType, Made, StringLength, UnknownFields};

/// The format of a text that windrow takes for a point in time.
pub(super) const TIMESTAMP_FORMAT: &str = "timestamp";
/// The name of the schema of points in time.
pub(super) const TIMESTAMP: &str = "Timestamp";

/// The point in time of examples.
const TIME: &str = "2024-07-01T02:03:04Z";

/// Texts of the built-in streams' columns, where the column's name says too little.
const TEXTS: [(&str, &str); 7] = [
    ("email", "ada@example.org"),
    ("phone", "+44 20 7946 0018"),
    ("description", "first of many"),
    ("transaction_id", "2024-07-01-acme-1"),
    ("customer_id", "acme"),
    ("event_type", "login"),
    ("user_id", "user-17"),
];

/// The schema of an event with these columns.
pub(super) fn event(columns: &[Column], unknown_fields: UnknownFields) -> ObjectBuilder {
    let about = match unknown_fields {
        UnknownFields::Ignore => "Fields that no column has are ignored.",
        UnknownFields::Reject => "Fields that no column has are refused.",
    };
    let object = ObjectBuilder::new().schema_type(Type::Object).description(Some(about));
    let object = match unknown_fields {
        UnknownFields::Ignore => object,
        UnknownFields::Reject => {
            object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
        }
    };
    columns.iter().fold(object, |object, column| {
        let object = object.property(&column.name, field(column));
        if column.is_required() { object.required(&column.name) } else { object }
    })
}

fn field(column: &Column) -> Part {
    let about = match column.made {
        Some(Made::Uuid7) => "A new one is made, version 7, if it is missing.",
        Some(Made::Arrival) => "The time of arrival, if it is missing.",
        None => "",
    };
    let value = value(&column.kind, about);
    if column.is_required() { value } else { or_null(value).into() }
}

fn value(kind: &ColumnType, about: &str) -> Part {
    match kind {
        ColumnType::Timestamp => named(TIMESTAMP).into(),
        ColumnType::Uuid => formatted(about, "uuid").into(),
        ColumnType::I64 => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(i64::MIN))
            .maximum(Some(i64::MAX))
            .into(),
        ColumnType::F64 => {
            number("").format(Some(SchemaFormat::KnownFormat(KnownFormat::Double))).into()
        }
        ColumnType::Bool => ObjectBuilder::new().schema_type(Type::Boolean).into(),
        ColumnType::String(StringLength { chars_min, chars_max }) => text("")
            .min_length(Some(*chars_min as usize).filter(|chars| *chars > 0))
            .max_length(chars_max.map(|chars| chars as usize))
            .into(),
        ColumnType::Decimal => AnyOfBuilder::new()
            .item(number(""))
            .item(
                text("A number in a text.")
                    .pattern(Some(r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$")),
            )
            .into(),
        ColumnType::Object => ObjectBuilder::new().schema_type(Type::Object).into(),
        ColumnType::OneOf(values) => one_of(about, values.clone()).into(),
    }
}

/// Every form of a point in time that an event may have.
pub(super) fn timestamp() -> OneOfBuilder {
    // Of 64-bit nanoseconds; between the two kinds of numbers there are none.
    const SECONDS: i64 = 9_223_372_036;
    const MILLISECONDS: [i64; 2] = [100_000_000_000, 9_223_372_036_854];
    let within =
        |about: &str, from: i64, to: i64| number(about).minimum(Some(from)).maximum(Some(to));
    let [from, to] = MILLISECONDS;
    OneOfBuilder::new()
        .description(Some("A point in time between 1677 and 2262."))
        .item(
            formatted(
                "RFC 3339 with any offset and up to nine digits of a second's fraction; with a \
                 space for the `T`; without an offset, which means UTC; or a date alone, which means its \
                 midnight.",
                TIMESTAMP_FORMAT,
            )
            .examples([TIME, "2024-07-01 04:03:04.000000001+02", "2024-07-01"]),
        )
        .item(within("Seconds since 1970, with nine digits behind the point at most.", -SECONDS, SECONDS))
        .item(within("Milliseconds since 1970.", from, to))
        .item(within("Milliseconds before 1970.", -to, -from))
}

/// An event that has these columns, but for those that are made.
pub(super) fn example(columns: &[Column]) -> Value {
    let columns = columns.iter().filter(|column| column.made.is_none());
    let fields = columns.map(|column| (column.name.clone(), example_of(column)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn example_of(column: &Column) -> Value {
    match &column.kind {
        ColumnType::Timestamp => json!(TIME),
        ColumnType::Uuid => json!("01906c08-07f7-79fc-9eac-94b3b37eb2d4"),
        ColumnType::I64 => json!(5_811_804_537_417_038_826_i64),
        ColumnType::F64 => json!(12.5),
        ColumnType::Bool => json!(true),
        ColumnType::String(length) => json!(text_of(&column.name, *length)),
        ColumnType::Decimal => json!("19.99"),
        ColumnType::Object => json!({ "page": "/start" }),
        ColumnType::OneOf(values) => json!(values.first()),
    }
}

/// A text as long as it has to be.
fn text_of(column: &str, StringLength { chars_min, chars_max }: StringLength) -> String {
    let known = TEXTS.iter().find(|(name, _)| *name == column).map_or(column, |(_, text)| text);
    let chars = known.chars().count().max(chars_min as usize);
    let chars = chars_max.map_or(chars, |most| chars.min(most as usize));
    known.chars().chain(std::iter::repeat('x')).take(chars).collect()
}
