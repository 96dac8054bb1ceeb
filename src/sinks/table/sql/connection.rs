//! One connection to either database.
//!
//! Values travel apart from the text of a statement, always: a statement is made of constants, of
//! question marks, and of nothing that came from outside.

use std::sync::Arc;

use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// Which language is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    Sqlite,
    Mysql,
}

/// A connection, the writer's own or one that a pool lends.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Mysql(MySqlConnection),
}

/// A connection in use.
#[derive(Debug)]
pub(super) enum Speaking<'a> {
    Sqlite(&'a mut SqliteConnection),
    Mysql(&'a mut MySqlConnection),
}

/// A value for a question mark.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(i64),
    Null,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A row of an answer: every cell as text, whatever its column is. The statements see to it that
/// what isn't text, such as times, is cast.
pub(super) type Cells = Vec<Option<String>>;

impl Connection {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    pub(super) fn speak(&mut self) -> Speaking<'_> {
        match self {
            Self::Sqlite(connection) => Speaking::Sqlite(connection),
            Self::Mysql(connection) => Speaking::Mysql(connection),
        }
    }
}

/// Binds what a statement's question marks stand for, in either dialect.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        for value in $values {
            query = match *value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::Null => query.bind(None::<&str>),
            };
        }
        query
    }};
}

impl Speaking<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    /// Prepares a statement (once per connection) and executes it: how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: impl Into<Arc<str>>,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        let sql = sql.into();
        match self {
            Self::Sqlite(connection) => bound!(sql, values)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
            Self::Mysql(connection) => bound!(sql, values)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
        }
    }

    /// Executes a statement that needs no values and can't be prepared everywhere, such as `BEGIN`.
    pub(super) async fn command(&mut self, sql: impl Into<Arc<str>>) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        match self {
            Self::Sqlite(connection) => sql.execute(&mut **connection).await.map(drop),
            Self::Mysql(connection) => sql.execute(&mut **connection).await.map(drop),
        }
    }

    /// All rows of an answer.
    pub(super) async fn rows(
        &mut self,
        sql: impl Into<Arc<str>>,
        values: &[Value<'_>],
    ) -> Result<Vec<Cells>, sqlx::Error> {
        let sql = sql.into();
        // Unchecked: the driver knows text only by its collation, and takes JSON and binary
        // collations for something else.
        match self {
            Self::Sqlite(connection) => {
                let rows = bound!(sql, values).fetch_all(&mut **connection).await?;
                let cells = |row: &sqlx::sqlite::SqliteRow| {
                    (0..row.len()).map(|column| row.try_get_unchecked(column)).collect()
                };
                rows.iter().map(cells).collect()
            }
            Self::Mysql(connection) => {
                let rows = bound!(sql, values).fetch_all(&mut **connection).await?;
                let cells = |row: &sqlx::mysql::MySqlRow| {
                    (0..row.len()).map(|column| row.try_get_unchecked(column)).collect()
                };
                rows.iter().map(cells).collect()
            }
        }
    }
}
