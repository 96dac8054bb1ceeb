//! The streams that are there without configuration.

use super::{Column, ColumnType, Made, Schema, StringLength};

impl Schema {
    /// Names of the built-in streams.
    pub const fn builtin_names() -> [&'static str; 3] {
        ["user-events", "events", "usage"]
    }

    /// The schema of a built-in stream; `None` for any other name.
    pub fn builtin(stream: &str) -> Option<Self> {
        let columns = match stream {
            "user-events" => user_events(),
            "events" => events(),
            "usage" => usage(),
            _ => return None,
        };
        // Each of them has a required timestamp, and it is the first such column.
        let time = columns.iter().position(|column| column.kind == ColumnType::Timestamp)?;
        Self::checked(time, columns).ok()
    }

    /// The columns, by their index, in the order in which the stream's CSV has them when it comes
    /// without a header: that of the schema, but for `usage`, whose files had theirs before windrow.
    pub fn record_order(&self, stream: &str) -> Vec<usize> {
        let first: &[&str] = if stream == "usage" { &USAGE_RECORD } else { &[] };
        let named = |name: &&str| self.columns().iter().position(|column| column.name == *name);
        let mut order: Vec<usize> = first.iter().filter_map(named).collect();
        let others = (0..self.columns().len()).filter(|column| !order.contains(column));
        let others: Vec<usize> = others.collect();
        order.extend(others);
        order
    }
}

fn user_events() -> Vec<Column> {
    vec![
        required("time", ColumnType::Timestamp),
        required("uuid", ColumnType::Uuid),
        required("id", ColumnType::I64),
        required("active", ColumnType::Bool),
        required("email", STRING),
        required("phone", STRING),
        required("description", STRING),
        required("credits", ColumnType::F64),
    ]
}

fn events() -> Vec<Column> {
    vec![
        made("id", ColumnType::Uuid, Made::Uuid7),
        required("type", one_of(&["user_action", "sensor_data", "system_log"])),
        required("source", one_of(&["web", "mobile", "iot_device", "system"])),
        made("timestamp", ColumnType::Timestamp, Made::Arrival),
        optional("user_id", ColumnType::String(USER_ID)),
        optional("data", ColumnType::Object),
    ]
}

fn usage() -> Vec<Column> {
    vec![
        // Without one, nobody could tell a repeated event from another.
        required("transaction_id", ColumnType::String(StringLength::NOT_EMPTY)),
        required("customer_id", STRING),
        required("event_type", STRING),
        required("timestamp", ColumnType::Timestamp),
        optional("properties", ColumnType::Object),
    ]
}

/// Columns of `usage` as its files have them.
const USAGE_RECORD: [&str; 4] = ["customer_id", "event_type", "transaction_id", "timestamp"];

const STRING: ColumnType = ColumnType::String(StringLength::ANY);
const USER_ID: StringLength = StringLength { chars_min: 0, chars_max: Some(50) };

fn one_of(values: &[&str]) -> ColumnType {
    ColumnType::OneOf(values.iter().map(|&value| value.to_owned()).collect())
}

fn required(name: &str, kind: ColumnType) -> Column {
    Column { name: name.to_owned(), kind, optional: false, made: None }
}

fn optional(name: &str, kind: ColumnType) -> Column {
    Column { optional: true, ..required(name, kind) }
}

fn made(name: &str, kind: ColumnType, made: Made) -> Column {
    Column { made: Some(made), ..required(name, kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_streams_are_there() {
        let time = |stream| {
            let schema = Schema::builtin(stream).unwrap();
            schema.columns()[schema.time()].name.clone()
        };
        assert_eq!(Schema::builtin_names().map(time), ["time", "timestamp", "timestamp"]);
        assert_eq!(Schema::builtin("orders"), None);
        let usage = Schema::builtin("usage").unwrap();
        assert_eq!(usage.record_order("usage"), [1, 2, 0, 3, 4]);
        assert_eq!(usage.record_order("other"), [0, 1, 2, 3, 4]);
        let names: Vec<_> = Schema::builtin("user-events")
            .unwrap()
            .columns()
            .iter()
            .map(|c| c.name.clone())
            .collect();
        let as_documented =
            ["time", "uuid", "id", "active", "email", "phone", "description", "credits"];
        assert_eq!(names, as_documented);
    }
}
