//! What a table on a MySQL or MariaDB server is like, by its `information_schema`.

use super::column_time::ColumnTime;
use super::connection::{Cells, Value};
use super::difference::{Column, Content, Index, NEEDED, Shape, UnlessGiven};
use super::session::Session;

/// What a `MEDIUMTEXT` holds: sixteen times the largest line of the default configuration.
const DOCUMENT_BYTES_MIN: u64 = (1 << 24) - 1;
/// Bytes of a character, at most.
const CHARACTER_BYTES_MAX: u64 = 4;
/// Character sets that hold every character; what is binary has none.
const WHOLE_CHARACTER_SETS: [&str; 6] =
    ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030", "binary"];

/// Every cell comes as text.
const COLUMNS: &str = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, \
     CAST(COLUMN_DEFAULT AS CHAR), EXTRA, CAST(CHARACTER_MAXIMUM_LENGTH AS CHAR), \
     CHARACTER_SET_NAME, CAST(DATETIME_PRECISION AS CHAR), GENERATION_EXPRESSION \
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? \
     ORDER BY ORDINAL_POSITION";
const INDEXES: &str = "SELECT INDEX_NAME, CAST(NON_UNIQUE AS CHAR), COLUMN_NAME, \
     CAST(SUB_PART AS CHAR) FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX";
const TABLE: &str = "SELECT t.TABLE_TYPE, t.ENGINE, e.TRANSACTIONS \
     FROM information_schema.TABLES AS t \
     LEFT JOIN information_schema.ENGINES AS e ON e.ENGINE = t.ENGINE \
     WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = ?";

/// What `table` is like; `None` if there is none.
pub(super) async fn read(
    session: &mut Session<'_>,
    table: &str,
) -> Result<Option<Shape>, sqlx::Error> {
    let key = [Value::Text(table)];
    let tables = session.rows(TABLE, &key).await?;
    let Some([kind, engine, transactions]) = tables.first().map(Vec::as_slice) else {
        return Ok(None);
    };
    let no_table = match (kind.as_deref(), engine, transactions.as_deref()) {
        (Some("VIEW"), ..) => Some("a view".to_owned()),
        (_, _, Some("YES")) => None,
        (_, engine, _) => {
            let engine = engine.as_deref().unwrap_or("damaged");
            Some(format!("a table of the engine {engine}"))
        }
    };
    let columns = session.rows(COLUMNS, &key).await?;
    let columns = columns.iter().filter_map(column).collect();
    let indexes = indexes(&session.rows(INDEXES, &key).await?);
    Ok(Some(Shape { no_table, columns, indexes }))
}

fn column(cells: &Cells) -> Option<Column> {
    let [name, kind, shown, nullable, default, extra, length, charset, digits, expression] =
        cells.as_slice()
    else {
        return None;
    };
    let name = name.as_deref()?.to_ascii_lowercase();
    let kind = kind.as_deref()?.to_ascii_lowercase();
    let shown = shown.clone()?;
    let content = NEEDED.iter().find(|needed| needed.name == name).map(|needed| needed.content);
    let length = length.as_deref().and_then(|length| length.parse().ok()).unwrap_or(0);
    let digits = digits.as_deref().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let not_null = nullable.as_deref() == Some("NO");
    let counted = extra.as_deref().is_some_and(|extra| extra.contains("auto_increment"));
    let charset = charset.as_deref().unwrap_or("binary");
    let any_text = matches!(content, Some(Content::Text(_) | Content::Document)) && name != "id";
    Some(Column {
        fits: content.is_none_or(|content| holds(&name, &kind, &shown, length, content)),
        time: match kind.as_str() {
            "datetime" => Some(ColumnTime::date_time(digits)),
            "timestamp" => Some(ColumnTime::unix_seconds(digits)),
            _ => None,
        },
        not_null,
        unless_given: if expression.as_deref().is_some_and(|expression| !expression.is_empty()) {
            UnlessGiven::Computed
        } else if not_null && default.is_none() && !counted {
            UnlessGiven::Refused
        } else {
            UnlessGiven::Filled
        },
        lacks_characters: any_text && kind != "json" && !WHOLE_CHARACTER_SETS.contains(&charset),
        shown: if any_text && charset != "binary" {
            format!("{shown} in {charset}")
        } else {
            shown
        },
        name,
    })
}

/// Whether a column of that type holds what is needed. `length` is in characters for `CHAR` and
/// `VARCHAR` and in bytes for everything else.
fn holds(name: &str, kind: &str, shown: &str, length: u64, content: Content) -> bool {
    let characters = match kind {
        "char" | "varchar" => length,
        "tinytext" | "text" | "mediumtext" | "longtext" | "binary" | "varbinary" | "tinyblob"
        | "blob" | "mediumblob" | "longblob" => length / CHARACTER_BYTES_MAX,
        _ => 0,
    };
    match content {
        Content::Words(words) if kind == "enum" => {
            words.iter().all(|word| shown.contains(&format!("'{word}'")))
        }
        Content::Words(words) => words.iter().all(|word| word.len() as u64 <= characters),
        // An id is 36 letters of one byte each. `BINARY` would fill it up with zeros.
        Content::Text(_) if name == "id" && kind == "uuid" => true,
        Content::Text(needed) if name == "id" => {
            (kind == "varbinary" && length >= needed) || characters >= needed
        }
        Content::Text(needed) => kind != "binary" && characters >= needed,
        Content::Document => kind == "json" || (length >= DOCUMENT_BYTES_MIN && characters > 0),
        Content::Number => matches!(kind, "int" | "integer" | "mediumint" | "bigint"),
        Content::Time => matches!(kind, "datetime" | "timestamp"),
    }
}

fn indexes(rows: &[Cells]) -> Vec<Index> {
    let mut indexes: Vec<(&str, Index)> = Vec::new();
    for cells in rows {
        let [Some(name), not_unique, column, part] = cells.as_slice() else {
            continue;
        };
        if indexes.last().is_none_or(|(last, _)| last != name) {
            let unique = not_unique.as_deref() == Some("0");
            indexes.push((name, Index { unique, whole: true, columns: Vec::new() }));
        }
        if let Some((_, index)) = indexes.last_mut() {
            index.whole &= part.is_none();
            // An expression has no name.
            index.columns.push(column.clone().unwrap_or_default().to_ascii_lowercase());
        }
    }
    indexes.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(name: &str, kind: &str, shown: &str, length: u64) -> bool {
        let needed = NEEDED.iter().find(|needed| needed.name == name).unwrap();
        holds(name, kind, shown, length, needed.content)
    }

    #[test]
    fn types_that_hold_every_event_and_types_that_do_not() {
        assert!(fits("type", "enum", "enum('system_log','sensor_data','user_action','x')", 11));
        assert!(!fits("type", "enum", "enum('system_log','sensor_data')", 11));
        assert!(fits("type", "varchar", "varchar(11)", 11));
        assert!(!fits("type", "varchar", "varchar(10)", 10));
        assert!(!fits("user_id", "varchar", "varchar(49)", 49));
        assert!(fits("user_id", "tinytext", "tinytext", 255));
        assert!(fits("id", "char", "char(36)", 36));
        assert!(fits("id", "uuid", "uuid", 0));
        assert!(!fits("id", "varchar", "varchar(32)", 32));
        assert!(fits("processed_data", "json", "json", 0));
        assert!(fits("processed_data", "longtext", "longtext", (1 << 32) - 1));
        assert!(!fits("processed_data", "text", "text", 65_535));
        assert!(!fits("processing_time_ms", "smallint", "smallint(6)", 0));
        assert!(!fits("created_at", "date", "date", 0));
    }
}
