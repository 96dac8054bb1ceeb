//! What a table in a SQLite file is like.
//!
//! SQLite stores any value in any column and ignores lengths. What counts is a column's *affinity*,
//! which follows from the letters of its type (<https://www.sqlite.org/datatype3.html>): one with a
//! numeric affinity turns the text `007` into the number 7.

use super::column_time::ColumnTime;
use super::connection::{Cells, Value};
use super::difference::{Column, Content, Index, NEEDED, Shape, UnlessGiven};
use super::session::Session;

/// Fraction digits of the times that windrow writes as text.
const DIGITS: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

impl Affinity {
    fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if declared.is_empty() || has(&["BLOB"]) {
            Self::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    fn holds(self, content: Content) -> bool {
        match content {
            Content::Text(_) => self == Self::Text,
            // No word, date or object is a number, so a numeric affinity leaves them alone.
            Content::Words(_) | Content::Time | Content::Document => {
                matches!(self, Self::Text | Self::Numeric)
            }
            Content::Number => matches!(self, Self::Integer | Self::Numeric),
        }
    }
}

/// What `table` is like; `None` if there is none.
pub(super) async fn read(
    session: &mut Session<'_>,
    table: &str,
) -> Result<Option<Shape>, sqlx::Error> {
    let sql = "SELECT type FROM sqlite_master WHERE lower(name) = ? AND type IN ('table', 'view')";
    let found = session.rows(sql, &[Value::Text(table)]).await?;
    let Some([Some(kind)]) = found.first().map(Vec::as_slice) else {
        return Ok(None);
    };
    let no_table = (kind == "view").then(|| "a view".to_owned());
    let sql = "SELECT name, type, CAST(\"notnull\" AS TEXT), dflt_value, CAST(pk AS TEXT), \
               CAST(hidden AS TEXT) FROM pragma_table_xinfo(?)";
    let cells = session.rows(sql, &[Value::Text(table)]).await?;
    let mut key: Vec<(u32, String)> = Vec::new();
    let mut columns = Vec::new();
    for row in &cells {
        let Some((column, key_number)) = column(row) else { continue };
        if key_number > 0 {
            key.push((key_number, column.name.clone()));
        }
        columns.push(column);
    }
    let mut indexes = indexes(session, table).await?;
    if !key.is_empty() {
        key.sort_unstable();
        let columns = key.into_iter().map(|(_, name)| name).collect();
        indexes.push(Index { unique: true, whole: true, columns });
    }
    Ok(Some(Shape { no_table, columns, indexes }))
}

/// A column, and its number in the primary key, or 0.
fn column(cells: &Cells) -> Option<(Column, u32)> {
    let [Some(name), declared, not_null, default, key_number, hidden] = cells.as_slice() else {
        return None;
    };
    let name = name.to_ascii_lowercase();
    let declared = declared.clone().unwrap_or_default();
    let affinity = Affinity::of(&declared);
    let content = NEEDED.iter().find(|needed| needed.name == name).map(|needed| needed.content);
    let not_null = not_null.as_deref() == Some("1");
    let column = Column {
        fits: content.is_none_or(|content| affinity.holds(content)),
        time: Some(ColumnTime::date_time(DIGITS)),
        not_null,
        // 2 and 3 are computed columns; 1 is one of a virtual table.
        unless_given: if hidden.as_deref() != Some("0") {
            UnlessGiven::Computed
        } else if not_null && default.is_none() {
            UnlessGiven::Refused
        } else {
            UnlessGiven::Filled
        },
        lacks_characters: false,
        shown: if declared.is_empty() { "without a type".to_owned() } else { declared },
        name,
    };
    let key_number = key_number.as_deref().and_then(|number| number.parse().ok());
    Some((column, key_number.unwrap_or(0)))
}

async fn indexes(session: &mut Session<'_>, table: &str) -> Result<Vec<Index>, sqlx::Error> {
    let sql = "SELECT list.name, CAST(list.\"unique\" AS TEXT), CAST(list.partial AS TEXT), \
               info.name FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS info \
               ORDER BY list.seq, info.seqno";
    let mut indexes: Vec<(String, Index)> = Vec::new();
    for row in session.rows(sql, &[Value::Text(table)]).await? {
        let [Some(name), unique, partial, column] = row.as_slice() else {
            continue;
        };
        if indexes.last().is_none_or(|(last, _)| last != name) {
            let unique = unique.as_deref() == Some("1");
            let whole = partial.as_deref() == Some("0");
            indexes.push((name.clone(), Index { unique, whole, columns: Vec::new() }));
        }
        if let Some((_, index)) = indexes.last_mut() {
            // An expression has no name.
            index.columns.push(column.clone().unwrap_or_default().to_ascii_lowercase());
        }
    }
    Ok(indexes.into_iter().map(|(_, index)| index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_affinity_follows_from_the_letters_of_a_type() {
        for (declared, affinity) in [
            ("VARCHAR(36)", Affinity::Text),
            ("JSON TEXT", Affinity::Text),
            ("INT", Affinity::Integer),
            ("", Affinity::Blob),
            ("DOUBLE", Affinity::Real),
            ("STRING", Affinity::Numeric),
            ("DATETIME", Affinity::Numeric),
            ("ENUM('user_action')", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(declared), affinity, "{declared}");
        }
        assert!(!Affinity::Numeric.holds(Content::Text(50)), "007 would become 7");
        assert!(Affinity::Numeric.holds(Content::Time));
    }
}
