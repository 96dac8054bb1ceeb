//! Stands in for `Schema::new` and `Schema::builtin` until the stream room has them.

use crate::stream::{Column, ColumnType, Made, Schema};

pub fn builtin_names() -> &'static [&'static str] {
    &["user-events", "events", "usage"]
}

pub fn builtin(name: &str) -> Option<Schema> {
    let columns: &[(&str, &str)] = match name {
        "user-events" => &[
            ("time", "timestamp"),
            ("uuid", "uuid"),
            ("id", "i64"),
            ("active", "bool"),
            ("email", "string"),
            ("phone", "string"),
            ("description", "string"),
            ("credits", "f64"),
        ],
        "events" => &[
            ("id", "uuid"),
            ("type", "user_action|sensor_data|system_log"),
            ("source", "web|mobile|iot_device|system"),
            ("timestamp", "timestamp"),
            ("user_id", "string?"),
            ("data", "object?"),
        ],
        "usage" => &[
            ("transaction_id", "string"),
            ("customer_id", "string"),
            ("event_type", "string"),
            ("timestamp", "timestamp"),
            ("properties", "object?"),
        ],
        _ => return None,
    };
    let time = if name == "user-events" { "time" } else { "timestamp" };
    let own = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
    let mut schema = new(time, own).ok()?;
    if name == "events" {
        schema.columns[0].made = Some(Made::Uuid7);
        schema.columns[3].made = Some(Made::Arrival);
    }
    Some(schema)
}

pub fn new(time: &str, columns: impl Iterator<Item = (String, String)>) -> Result<Schema, String> {
    let columns: Vec<Column> = columns
        .map(|(name, text)| {
            let (kind, optional) =
                text.strip_suffix('?').map_or((&*text, false), |kind| (kind, true));
            let kind = match kind {
                "timestamp" => ColumnType::Timestamp,
                "uuid" => ColumnType::Uuid,
                "i64" => ColumnType::I64,
                "f64" => ColumnType::F64,
                "bool" => ColumnType::Bool,
                "string" => ColumnType::String { chars_max: None },
                "decimal" => ColumnType::Decimal,
                "object" => ColumnType::Object,
                other if other.contains('|') => {
                    ColumnType::OneOf(other.split('|').map(str::to_owned).collect())
                }
                other => return Err(format!("there is no column type `{other}`")),
            };
            Ok(Column { name, kind, optional, made: None })
        })
        .collect::<Result<_, _>>()?;
    match columns.iter().position(|c| c.name == time && c.kind == ColumnType::Timestamp) {
        Some(time) => Ok(Schema { time, columns }),
        None => Err(format!("the time column `{time}` is not a timestamp of the stream")),
    }
}
