//! A small blocking SQL client: what a person at a database's prompt would see.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tokio::runtime::Runtime;

/// A connection.
pub struct Sql {
    connection: Connection,
    runtime: Runtime,
}

enum Connection {
    Mysql(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// A row, every value as text; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

impl Sql {
    /// Connects to MySQL or MariaDB.
    pub fn mysql(options: MySqlConnectOptions) -> Self {
        Self::try_mysql(options).unwrap_or_else(|error| panic!("connecting: {error}"))
    }

    /// The same, or why it doesn't.
    pub fn try_mysql(options: MySqlConnectOptions) -> Result<Self, sqlx::Error> {
        let runtime = runtime();
        let connection = runtime.block_on(options.disable_statement_logging().connect())?;
        Ok(Self { connection: Connection::Mysql(connection), runtime })
    }

    /// Opens an SQLite file, which is made if it isn't there.
    pub fn sqlite(path: &std::path::Path) -> Self {
        let runtime = runtime();
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let connection = runtime
            .block_on(options.busy_timeout(super::PATIENCE).connect())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { connection: Connection::Sqlite(connection), runtime }
    }

    /// Executes statements.
    pub fn execute(&mut self, statements: &str) {
        self.try_rows(statements).unwrap_or_else(|error| panic!("{error}: {statements}"));
    }

    /// The rows of a query.
    pub fn rows(&mut self, query: &str) -> Vec<TextRow> {
        self.try_rows(query).unwrap_or_else(|error| panic!("{error}: {query}"))
    }

    /// The same, or what the database says instead.
    pub fn try_rows(&mut self, query: &str) -> Result<Vec<TextRow>, sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(query));
        match &mut self.connection {
            Connection::Mysql(connection) => {
                let rows = self.runtime.block_on(query.fetch_all(connection))?;
                rows.iter()
                    .map(|row| (0..row.len()).map(|i| row.try_get_unchecked(i)).collect())
                    .collect()
            }
            Connection::Sqlite(connection) => {
                let rows = self.runtime.block_on(query.fetch_all(connection))?;
                rows.iter()
                    .map(|row| (0..row.len()).map(|i| row.try_get_unchecked(i)).collect())
                    .collect()
            }
        }
    }

    /// The one column of a query's rows.
    pub fn column(&mut self, query: &str) -> Vec<String> {
        let only = |mut row: TextRow| row.swap_remove(0).unwrap_or_else(|| "NULL".to_owned());
        self.rows(query).into_iter().map(only).collect()
    }

    /// The number that a query's only row is.
    pub fn count(&mut self, query: &str) -> u64 {
        let column = self.column(query);
        column[0].parse().unwrap_or_else(|error| panic!("{error}: {column:?}: {query}"))
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
