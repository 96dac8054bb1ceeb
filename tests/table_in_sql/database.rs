//! An empty database of either kind, and rows for it.

use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;
use windrow::log::{LogId, Lsn, Position};
use windrow::sinks::table::sql::{self, DatabaseUrl, Scope, TableReader};
use windrow::sinks::table::{Inserted, Mark, Row, Storage, StorageError};
use windrow::time::Timestamp;

use crate::harness::mariadb::{self, MariaDb};
use crate::harness::sql::Sql;

/// For every wait, unless a test is about waiting.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Which database a test runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Sqlite,
    MariaDb,
}

/// An empty database.
pub struct Database {
    pub url: DatabaseUrl,
    place: Place,
}

enum Place {
    Sqlite(TempDir),
    MariaDb(mariadb::Database),
}

/// Makes a test for each database of a function that takes the kind.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::database::Kind::Sqlite); })+
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name($crate::database::Kind::MariaDb); })+
        }
    };
}
pub(crate) use on_both;

impl Database {
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("table").join("events.sqlite");
                Self { url: DatabaseUrl::Sqlite(path), place: Place::Sqlite(directory) }
            }
            Kind::MariaDb => Self::of_server(MariaDb::shared()),
        }
    }

    pub fn of_server(server: &MariaDb) -> Self {
        let database = server.database();
        Self { url: database.url().parse().unwrap(), place: Place::MariaDb(database) }
    }

    /// A person's connection to it.
    pub fn sql(&self) -> Sql {
        match &self.place {
            Place::Sqlite(directory) => {
                let directory = directory.path().join("table");
                std::fs::create_dir_all(&directory).unwrap();
                Sql::sqlite(&directory.join("events.sqlite"))
            }
            Place::MariaDb(database) => database.sql(),
        }
    }

    pub fn try_open(&self) -> Result<Box<dyn Storage>, StorageError> {
        sql::open(&self.url, &scope(), TIMEOUT)
    }

    /// Opens the storage as a daemon does.
    pub fn open(&self) -> Box<dyn Storage> {
        let mut storage = self.try_open().unwrap();
        storage.stored().unwrap();
        storage
    }

    /// Why it can't be opened.
    pub fn difference(&self) -> String {
        match self.try_open() {
            Ok(_) => panic!("{:?} was opened", self.url),
            Err(StorageError::Unavailable(reason)) => reason,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn reader(&self) -> TableReader {
        TableReader::new(&self.url, 4, TIMEOUT)
    }
}

pub fn scope() -> Scope {
    Scope { log: LogId([7; 16]), stream: "events".to_owned() }
}

/// A mark `lsn` into the log.
pub fn mark(lsn: u64) -> Mark {
    Mark::first(Position::at(scope().log, Lsn(lsn)))
}

/// Inserts and commits.
pub fn store(storage: &mut dyn Storage, rows: &[Row], lsn: u64) -> Inserted {
    let inserted = storage.insert(rows).unwrap();
    storage.commit(&mark(lsn)).unwrap();
    inserted
}

/// The id of row `number`.
pub fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x0190_b0a5_2f3c_7def, 0x8000_0000_0000_0000 | number)
}

/// A row that no other number has.
pub fn row(number: u64) -> Row {
    Row {
        id: id(number),
        kind: ["user_action", "sensor_data", "system_log"][number as usize % 3].to_owned(),
        source: ["web", "mobile", "iot_device", "system"][number as usize % 4].to_owned(),
        user_id: (!number.is_multiple_of(5)).then(|| format!("user-{}", number % 7)),
        processed_data: format!(r#"{{"number":{number}}}"#),
        processing_time_ms: (number % 100) as i32,
        created_at: time("2024-07-01T02:03:04.000000Z")
            .saturating_add(Duration::from_micros(number * 1001)),
        processed_at: time("2024-07-01T03:00:00.123456Z"),
    }
}

pub fn rows(numbers: std::ops::Range<u64>) -> Vec<Row> {
    numbers.map(row).collect()
}

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}
