//! The databases that tables are measured in.

use std::path::PathBuf;

use anyhow::Result;

use crate::args::{DatabaseKind, Options};
use crate::mariadb::MariaDb;
use crate::sql::Sql;

/// A kind of database, running if it is a server.
pub enum Server {
    Sqlite,
    Mariadb(Box<MariaDb>),
}

impl Server {
    /// Starts one on the disk that is measured.
    pub fn start(kind: DatabaseKind, options: &Options) -> Self {
        match kind {
            DatabaseKind::Sqlite => Self::Sqlite,
            // Room for what is measured: a buffer pool for a test would measure its own eviction.
            DatabaseKind::Mariadb => Self::Mariadb(Box::new(MariaDb::start_in(
                &options.dir,
                &["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M"],
            ))),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Mariadb(_) => "MariaDB",
        }
    }

    /// A new, empty one for one round.
    pub fn database(&self, options: &Options) -> Result<Database> {
        Ok(match self {
            Self::Sqlite => {
                let directory = options.dir.join(format!("sqlite-{}", std::process::id()));
                std::fs::create_dir_all(&directory)?;
                Database::Sqlite(directory)
            }
            Self::Mariadb(server) => Database::Mariadb(server.database()),
        })
    }
}

/// Where the rows of one round go. Gone when dropped.
pub enum Database {
    /// A directory with the file in it.
    Sqlite(PathBuf),
    Mariadb(crate::mariadb::Database),
}

impl Database {
    /// What makes windrow use it.
    pub fn arguments(&self) -> Vec<String> {
        let url = match self {
            Self::Sqlite(directory) => {
                format!("sqlite://{}", directory.join("events.sqlite").display())
            }
            Self::Mariadb(database) => database.url(),
        };
        vec!["--table-url".to_owned(), url]
    }

    /// A connection to it.
    pub fn sql(&self) -> Sql {
        match self {
            Self::Sqlite(directory) => Sql::sqlite(&directory.join("events.sqlite")),
            Self::Mariadb(database) => database.sql(),
        }
    }

    /// How many rows are in the table.
    pub fn count(&self) -> u64 {
        self.sql().count("SELECT COUNT(*) FROM processed_events")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        match self {
            Self::Sqlite(directory) => drop(std::fs::remove_dir_all(directory)),
            Self::Mariadb(database) => {
                database.sql().execute(&format!("DROP DATABASE {}", database.name));
            }
        }
    }
}
