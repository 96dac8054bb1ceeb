//! What keeps a table that is there from holding every event.

use super::column_time::ColumnTime;

/// A table as the database describes it, as far as it matters.
#[derive(Debug)]
pub(super) struct Shape {
    /// What it is, if not a table that takes part in transactions: `a view`, `a MyISAM table`.
    pub(super) no_table: Option<String>,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
}

/// One of its columns.
#[derive(Debug)]
pub(super) struct Column {
    /// In lower case: SQL doesn't tell letters apart here.
    pub(super) name: String,
    /// As people know its type.
    pub(super) shown: String,
    /// Whether its type holds what windrow puts into the column of that name.
    pub(super) fits: bool,
    /// For a column of times: which it holds.
    pub(super) time: Option<ColumnTime>,
    pub(super) not_null: bool,
    pub(super) unless_given: UnlessGiven,
    /// Whether its character set lacks characters that an event may have.
    pub(super) lacks_characters: bool,
}

/// What becomes of a column to which a row gives no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UnlessGiven {
    /// The row is refused.
    Refused,
    /// It is NULL or its default.
    Filled,
    /// It is computed, always: no row may give it a value.
    Computed,
}

/// One of its keys or indexes: the columns in order.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) unique: bool,
    /// Whether it is over all rows and whole values.
    pub(super) whole: bool,
    pub(super) columns: Vec<String>,
}

/// A column that windrow fills.
pub(super) struct Needed {
    pub(super) name: &'static str,
    /// What would be right.
    pub(super) kind: &'static str,
    /// What the column must be able to hold.
    pub(super) content: Content,
}

/// What a column must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// One of these words.
    Words(&'static [&'static str]),
    /// Any text of so many characters.
    Text(u64),
    /// A JSON document of some megabytes.
    Document,
    /// A whole number of 32 bits.
    Number,
    /// A date with its time.
    Time,
}

/// Every column that windrow fills.
pub(super) const NEEDED: [Needed; 8] = [
    Needed { name: "id", kind: "VARCHAR(36)", content: Content::Text(36) },
    Needed {
        name: "type",
        kind: "ENUM('user_action', 'sensor_data', 'system_log') or VARCHAR(11)",
        content: Content::Words(&["user_action", "sensor_data", "system_log"]),
    },
    Needed {
        name: "source",
        kind: "VARCHAR(50)",
        content: Content::Words(&["web", "mobile", "iot_device", "system"]),
    },
    Needed { name: USER_ID, kind: "VARCHAR(50) and may be NULL", content: Content::Text(50) },
    Needed { name: "processed_data", kind: "JSON or LONGTEXT", content: Content::Document },
    Needed { name: "processing_time_ms", kind: "INT", content: Content::Number },
    Needed { name: "created_at", kind: "DATETIME(6)", content: Content::Time },
    Needed { name: "processed_at", kind: "DATETIME(6)", content: Content::Time },
];

/// The one column that rows leave empty.
const USER_ID: &str = "user_id";

impl Shape {
    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn time_of(&self, name: &str) -> Option<ColumnTime> {
        self.column(name)?.time
    }

    pub(super) fn has_index_on(&self, columns: &[&str]) -> bool {
        self.indexes.iter().any(|index| {
            index.whole
                && index
                    .columns
                    .iter()
                    .map(String::as_str)
                    .take(columns.len())
                    .eq(columns.iter().copied())
        })
    }
}

/// Everything that is different from what is needed, each in words; nothing if every event fits.
pub(super) fn differences(shape: &Shape) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(what) = &shape.no_table {
        differences
            .push(format!("it is {what}, and must be a table that takes part in transactions"));
    }
    for needed in &NEEDED {
        let Needed { name, kind, .. } = needed;
        match shape.column(name) {
            None => differences.push(format!("the column `{name}` is missing, and must be {kind}")),
            Some(column) => {
                let empty = column.not_null && *name == USER_ID;
                if !column.fits || column.unless_given == UnlessGiven::Computed || empty {
                    differences
                        .push(format!("the column `{name}` is {column}, and must be {kind}"));
                }
            }
        }
    }
    for column in &shape.columns {
        let ours = NEEDED.iter().any(|needed| needed.name == column.name);
        if !ours && column.unless_given == UnlessGiven::Refused {
            differences.push(format!(
                "the column `{}` is {column} without a default, and windrow has no value for it",
                column.name
            ));
        }
    }
    let key = |index: &Index| index.unique && index.whole && index.columns == ["id"];
    if shape.column("id").is_some() && !shape.indexes.iter().any(key) {
        differences.push("the column `id` must be the primary key or have a unique one".to_owned());
    }
    differences
}

impl std::fmt::Display for Column {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.shown)?;
        if self.unless_given == UnlessGiven::Computed {
            out.write_str(" computed by the database")?;
        }
        if self.not_null {
            out.write_str(" NOT NULL")?;
        }
        Ok(())
    }
}
