//! Conditions on events: `credits >= 10`.
//!
//! ```text
//! condition = column operator value
//! operator  = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"
//! ```
//!
//! The column is one of the stream's. Times, numbers and text are compared as what they are, `~` asks
//! whether text contains text. Spaces around the operator don't count; a value with spaces at its ends, or
//! that begins with a double quote, is written as a JSON string. An event without a value in the column
//! meets `!=` alone.
//!
//! Conditions are read by the schema in force. An event of an older version of it is judged by that one:
//! where that has no such column, or the value makes no sense for it, there is no value.

use super::compare::{Operator, Value};
use crate::config::{did_you_mean, nearest};
use crate::log::reader::CommittedEvents;
use crate::stream::{Column, ColumnType, Schema, SchemaVersion};

/// Conditions of one follower: each is looked at for every event.
pub const CONDITIONS_MAX: usize = 32;
/// Characters of what somebody wrote that an error repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// Conditions, all of which must hold.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    all: Vec<Condition>,
    /// What they come to for the version of the last event.
    tests: Option<(SchemaVersion, Vec<Test>)>,
}

/// One condition as it is written.
#[derive(Clone, Debug)]
struct Condition {
    column: String,
    operator: Operator,
    value: String,
}

/// A condition for the events of one schema.
#[derive(Clone, Debug)]
struct Test {
    operator: Operator,
    /// What to compare with what; `None` where there is no value.
    comparison: Option<(usize, Value)>,
}

/// Why a condition is none.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum ConditionError {
    /// There is no operator, or nothing before it.
    #[error(
        "`{text}` is no condition: expected a column, one of = != < <= > >= ~ and a value, such as `credits >= 10`"
    )]
    Form {
        /// What is written.
        text: String,
    },
    /// The stream has no such column.
    #[error("there is no column `{column}`{}; there are {columns}", did_you_mean(nearest.as_deref()))]
    Column {
        /// What is written.
        column: String,
        /// The column that may be meant.
        nearest: Option<String>,
        /// All of them.
        columns: String,
    },
    /// The column can't be compared like that.
    #[error("`{column}` holds {kind} and can't be compared by `{operator}`: it takes {operators}")]
    Operator {
        /// Which column.
        column: String,
        /// What it holds.
        kind: ColumnType,
        /// How it should be compared.
        operator: &'static str,
        /// How it can be.
        operators: String,
    },
    /// The value can't be one of the column's.
    #[error("`{column}` can't be compared with `{value}`: expected {expected}")]
    Value {
        /// Which column.
        column: String,
        /// What is written.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// There are more than [`CONDITIONS_MAX`].
    #[error("there are {found} conditions: no more than {CONDITIONS_MAX} are taken")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl Conditions {
    /// Reads conditions on events of this schema.
    pub fn read<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        schema: &Schema,
    ) -> Result<Self, ConditionError> {
        let read = |text| {
            let condition = Condition::read(text)?;
            condition.test(schema)?;
            Ok(condition)
        };
        let all = texts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if all.len() > CONDITIONS_MAX {
            return Err(ConditionError::TooMany { found: all.len() });
        }
        Ok(Self { all, tests: None })
    }

    /// Whether all of them hold for the event of row `row`.
    pub(super) fn hold(&mut self, events: &CommittedEvents, row: usize) -> bool {
        if self.all.is_empty() {
            return true;
        }
        let tests = match &mut self.tests {
            Some((version, tests)) if *version == events.version => tests,
            tests => {
                let of_version = self.all.iter().map(|condition| condition.test_of(&events.schema));
                &mut tests.insert((events.version, of_version.collect())).1
            }
        };
        tests.iter().all(|test| test.holds(events, row))
    }
}

impl Test {
    fn holds(&self, events: &CommittedEvents, row: usize) -> bool {
        let Some((column, value)) = &self.comparison else {
            return self.operator == Operator::NotEqual;
        };
        match events.rows.cell(row, *column) {
            Some(cell) => value.holds(self.operator, cell),
            None => self.operator == Operator::NotEqual,
        }
    }
}

impl Condition {
    fn read(text: &str) -> Result<Self, ConditionError> {
        let form = || ConditionError::Form { text: shown(text) };
        let at = text.find(['=', '!', '<', '>', '~']).ok_or_else(form)?;
        let (column, rest) = (text[..at].trim(), &text[at..]);
        let (operator, value) = Operator::split(rest).ok_or_else(form)?;
        let value = match value.trim() {
            quoted if quoted.starts_with('"') => {
                serde_json::from_str(quoted).map_err(|_| form())?
            }
            plain => plain.to_owned(),
        };
        if column.is_empty() {
            return Err(form());
        }
        Ok(Self { column: column.to_owned(), operator, value })
    }

    /// What it comes to for events of this schema.
    fn test(&self, schema: &Schema) -> Result<Test, ConditionError> {
        let columns = schema.columns();
        let Some(at) = columns.iter().position(|column| column.name == self.column) else {
            return Err(self.no_column(columns));
        };
        let (Column { name, kind, .. }, operator) = (&columns[at], self.operator);
        let allowed = Operator::all_of(kind);
        if !allowed.contains(&operator) {
            let operators: Vec<_> = allowed.iter().map(|allowed| allowed.sign()).collect();
            return Err(ConditionError::Operator {
                column: name.clone(),
                kind: kind.clone(),
                operator: operator.sign(),
                operators: operators.join(" "),
            });
        }
        let value = Value::read(kind, operator, &self.value).map_err(|expected| {
            ConditionError::Value { column: name.clone(), value: shown(&self.value), expected }
        })?;
        Ok(Test { operator, comparison: Some((at, value)) })
    }

    /// The same for a schema that it wasn't written for.
    fn test_of(&self, schema: &Schema) -> Test {
        let nothing = Test { operator: self.operator, comparison: None };
        self.test(schema).unwrap_or(nothing)
    }

    fn no_column(&self, columns: &[Column]) -> ConditionError {
        let names = || columns.iter().map(|column| column.name.as_str());
        let nearest = nearest(&self.column, names()).map(str::to_owned);
        let mut all: Vec<_> =
            names().take(SHOWN_CHARS_MAX).map(|name| format!("`{name}`")).collect();
        if all.len() < columns.len() {
            all.push("…".to_owned());
        }
        ConditionError::Column { column: shown(&self.column), nearest, columns: all.join(", ") }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::log::{LogId, Lsn, Position, RequestId};
    use crate::stream::{DecodeLimits, Decoder, FrameContext, UnknownFields};
    use crate::time::Timestamp;

    fn schema() -> Schema {
        let columns = [
            ("at", "timestamp"),
            ("seen", "timestamp?"),
            ("id", "uuid?"),
            ("n", "i64?"),
            ("x", "f64?"),
            ("total", "decimal?"),
            ("ok", "bool?"),
            ("note", "string?"),
            ("kind", "user_action|sensor_data?"),
            ("data", "object?"),
        ];
        Schema::new("at", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
    }

    /// The events of `lines`, decoded by `schema` as version `version`.
    fn events(schema: Schema, version: u32, lines: &str) -> CommittedEvents {
        let schema = Arc::new(schema);
        let decoder = Decoder::new(Arc::clone(&schema), UnknownFields::Ignore, DecodeLimits::OPEN);
        let arrival = Timestamp::from_nanos(0);
        let context = FrameContext { arrival, seed: 0, first_line: 1 };
        CommittedEvents {
            rows: Arc::new(decoder.decode(lines.to_owned().into(), &context).unwrap()),
            from_row: 0,
            schema,
            version: SchemaVersion(version),
            request: RequestId(1),
            arrival,
            seed: 0,
            first_event: 0,
            lsn: Lsn(1),
            commit: Lsn(1),
            before: Position::at(LogId([0; 16]), Lsn(0)),
        }
    }

    fn hold(event: &str, conditions: &[&str]) -> bool {
        let events = events(schema(), 1, event);
        Conditions::read(conditions.iter().copied(), &schema()).unwrap().hold(&events, 0)
    }

    fn told(condition: &str) -> String {
        Conditions::read([condition], &schema()).unwrap_err().to_string()
    }

    const EVENT: &str = r#"{"at":"2024-07-01T02:03:04.5Z","seen":1719799384,"id":"0000000A-c6d2-4cf5-8532-8473d74004e6","n":5811804537417038826,"x":-2.5e3,"total":"10.50","ok":true,"note":"a \"b\" = c","kind":"user_action","data":{"region":"eu"}}"#;

    #[test]
    fn a_cell_is_compared_as_what_its_column_holds() {
        for condition in [
            "at=2024-07-01T04:03:04.5+02:00",
            "at>=2024-07-01",
            "at < 2024-07-01 02:03:05",
            "seen=2024-07-01T02:03:04Z",
            "id=0000000a-C6D2-4cf5-8532-8473d74004e6",
            "id~C6D2",
            "n=5811804537417038826",
            "n>5811804537417038825.5",
            "n != 5811804537417038827",
            "x=-2500",
            "x<-2499.99",
            "total == 10.5",
            "total<=10.500",
            "ok=true",
            "ok!=false",
            r#"note="a \"b\" = c""#,
            r#"note~"b" ="#,
            "note > a ",
            "note!=",
            "kind=user_action",
            "kind!=sensor_data",
            "kind~action",
            r#"data~"region":"eu""#,
        ] {
            // Quoted in its middle, it isn't a JSON string.
            let expected = condition != r#"note~"b" ="# && condition != r#"data~"region":"eu""#;
            if expected {
                assert!(hold(EVENT, &[condition]), "{condition}");
            } else {
                assert!(told(condition).contains("is no condition"), "{condition}");
            }
        }
        assert!(hold(EVENT, &[r#"data~"\"region\":\"eu\"""#, r#"note~b" ="#]));
        for condition in [
            "at=2024-07-01",
            "at>2024-07-01T02:03:04.5Z",
            "id~c6d3",
            "n=5811804537417038825",
            "n<5811804537417038826",
            "x>=0",
            "total!=10.5",
            "ok=false",
            "note=a",
            "note~B",
            "kind~sensor",
            "data~us",
        ] {
            assert!(!hold(EVENT, &[condition]), "{condition}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        assert!(hold(EVENT, &[]));
        assert!(hold(EVENT, &["n>0", "ok=true"]));
        assert!(!hold(EVENT, &["n>0", "ok=false"]) && !hold(EVENT, &["n<0", "ok=true"]));
    }

    #[test]
    fn an_event_without_a_value_is_only_unequal() {
        let event = r#"{"at":0,"note":null}"#;
        for column in ["seen=0", "n=0", "n<0", "n>=0", "note=", "note~", "ok=true", "data~a"] {
            assert!(!hold(event, &[column]), "{column}");
        }
        for column in ["seen!=0", "n!=0", "note!=", "ok!=true", "kind!=user_action"] {
            assert!(hold(event, &[column]), "{column}");
        }
    }

    #[test]
    fn an_event_of_another_version_is_judged_by_that() {
        let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        let other =
            |kind| Schema::new("at", [column("at", "timestamp"), column("n", kind)]).unwrap();
        let text = events(other("string"), 2, r#"{"at":0,"n":"10"}"#);
        let old = events(schema(), 1, r#"{"at":0,"n":10,"note":"x"}"#);
        let mut conditions = Conditions::read(["n>9"], &schema()).unwrap();
        assert!(conditions.hold(&old, 0));
        assert!(!conditions.hold(&text, 0), "10 is before 9 as text");
        assert!(conditions.hold(&old, 0), "and again by its own");
        for (condition, holds) in [("note=x", false), ("note!=y", true)] {
            let mut conditions = Conditions::read([condition], &schema()).unwrap();
            assert_eq!(conditions.hold(&text, 0), holds, "it has no such column");
        }
    }

    #[test]
    fn what_is_no_condition_is_told_with_what_would_be_one() {
        for text in ["", "n", "n!5", "=5", " = 5", "note=\"a", "n 5"] {
            assert!(told(text).contains("such as `credits >= 10`"), "{text}");
        }
        let no_column = told("nte=5");
        assert!(no_column.contains("no column `nte`; did you mean `note`?"), "{no_column}");
        assert!(no_column.contains("there are `at`, `seen`, `id`"), "{no_column}");
        for (condition, expected) in [
            ("at~2024", "`at` holds timestamp and can't be compared by `~`: it takes = != < "),
            ("ok<true", "it takes = !="),
            ("data=x", "it takes ~"),
            ("at=noon", "`at` can't be compared with `noon`: expected a timestamp such as"),
            ("n=five", "expected a number"),
            ("ok=yes", "expected `true` or `false`"),
            ("kind=click", "expected one of `user_action`, `sensor_data`"),
        ] {
            assert!(told(condition).contains(expected), "{}", told(condition));
        }
        let many = vec!["n>0"; CONDITIONS_MAX + 1];
        let told = Conditions::read(many, &schema()).unwrap_err().to_string();
        assert_eq!(told, "there are 33 conditions: no more than 32 are taken");
        let long = Conditions::read([&*"x".repeat(9000)], &schema()).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }
}
