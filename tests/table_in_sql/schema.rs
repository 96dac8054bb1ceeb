//! The tables in the database: made, used as they are, or refused with everything that is different.

use windrow::sinks::table::sql::Query;
use windrow::sinks::table::{Row, StorageError};

use crate::database::{Database, Kind, on_both, row, rows, store, time};
use crate::reading::wait;

on_both!(
    a_table_that_windrow_made_is_used_again,
    a_table_as_people_would_make_it_is_used_as_it_is,
    a_missing_and_a_narrow_column_are_named_together,
    a_column_that_windrow_has_no_value_for_is_named,
    a_view_is_no_table,
);

/// As the documentation describes it, with other columns, types that hold more, and no indexes.
fn somebodys_table(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => {
            "CREATE TABLE processed_events (tenant TEXT DEFAULT 'x', ID TEXT UNIQUE, type TEXT, \
             source VARCHAR(50), user_id VARCHAR(50), processed_data JSON, \
             processing_time_ms BIGINT, created_at DATETIME, processed_at TIMESTAMP)"
        }
        Kind::MariaDb => {
            "CREATE TABLE processed_events (number BIGINT AUTO_INCREMENT PRIMARY KEY, \
             tenant INT NOT NULL DEFAULT 3, ID CHAR(36) NOT NULL UNIQUE, \
             type ENUM('user_action', 'sensor_data', 'system_log', 'more') NOT NULL, \
             source VARCHAR(50) NOT NULL, user_id VARCHAR(80), processed_data LONGTEXT, \
             processing_time_ms BIGINT UNSIGNED, created_at TIMESTAMP(3) NULL, \
             processed_at DATETIME, twice BIGINT AS (2 * processing_time_ms)) \
             CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
        }
    }
}

fn a_table_that_windrow_made_is_used_again(kind: Kind) {
    let database = Database::new(kind);
    store(&mut *database.open(), &rows(0..3), 1);
    let mut storage = database.try_open().unwrap();
    storage.stored().unwrap();
    assert_eq!(store(&mut *storage, &rows(0..5), 2).stored, 2);
}

fn a_table_as_people_would_make_it_is_used_as_it_is(kind: Kind) {
    let database = Database::new(kind);
    database.sql().execute(somebodys_table(kind));
    let stored = [
        Row { created_at: time("2024-07-01T02:03:04.9999Z"), ..row(0) },
        Row { created_at: time("1969-07-20T20:17:40Z"), ..row(1) },
        Row { created_at: time("2100-01-01T00:00:00Z"), ..row(2) },
    ];
    store(&mut *database.open(), &stored, 1);
    let created = "SELECT CAST(created_at AS CHAR) FROM processed_events ORDER BY id";
    let processed = "SELECT CAST(processed_at AS CHAR) FROM processed_events LIMIT 1";
    let mut sql = database.sql();
    let (created, processed) = (sql.column(created), sql.column(processed));
    match kind {
        Kind::Sqlite => {
            assert_eq!(created[1], "1969-07-20 20:17:40.000000");
            assert_eq!(processed, ["2024-07-01 03:00:00.123456"]);
        }
        // What is finer or further than the column reaches is in `processed_data`.
        Kind::MariaDb => {
            assert_eq!(created[0], "2024-07-01 02:03:04.999");
            assert_eq!(created[1], "1970-01-01 00:00:01.000");
            assert_eq!(created[2], "2038-01-19 03:14:07.999");
            assert_eq!(processed, ["2024-07-01 03:00:00"]);
        }
    }
    let reader = database.reader();
    wait(async {
        let ids = async |from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(time), to.map(time));
            let query = Query { from, to, limit: 10, ..Query::default() };
            let page = reader.list(&query).await.unwrap().unwrap();
            page.events.into_iter().map(|event| event.id).collect::<Vec<_>>()
        };
        let all = [stored[1].id, stored[0].id, stored[2].id].map(|id| id.to_string());
        assert_eq!(ids(None, None).await, all);
        assert_eq!(ids(Some("1900-01-01"), Some("2200-01-01")).await, all);
        assert_eq!(ids(Some("2024-01-01"), Some("2025-01-01")).await, all[1..2]);
        assert_eq!(ids(Some("2024-07-01T02:03:04.9999Z"), None).await, all[1..]);
        assert!(ids(None, Some("1900-01-01")).await.is_empty());
    });
}

fn a_missing_and_a_narrow_column_are_named_together(kind: Kind) {
    let database = Database::new(kind);
    let made = match kind {
        Kind::Sqlite => {
            "CREATE TABLE processed_events (id TEXT PRIMARY KEY, type TEXT, user_id STRING NOT NULL, \
             processed_data REAL, processing_time_ms TEXT, created_at INTEGER, processed_at TEXT)"
        }
        Kind::MariaDb => {
            "CREATE TABLE processed_events (id INT PRIMARY KEY, type ENUM('user_action') NOT NULL, \
             user_id VARCHAR(20) NOT NULL, processed_data TEXT, \
             processing_time_ms SMALLINT, created_at DATE, processed_at DATETIME) ENGINE = MyISAM"
        }
    };
    database.sql().execute(made);
    let difference = database.difference();
    assert!(difference.contains("the column `source` is missing, and must be VARCHAR(50)"));
    for column in ["user_id", "processed_data", "processing_time_ms", "created_at"] {
        assert!(difference.contains(&format!("the column `{column}` is ")), "{difference}");
    }
    assert!(!difference.contains("processed_at"), "{difference}");
    assert!(difference.contains("NOT NULL, and must be VARCHAR(50) and may be NULL"));
    if kind == Kind::MariaDb {
        assert!(difference.contains("engine MyISAM"), "{difference}");
        assert!(difference.contains("`user_id` is varchar(20)"), "{difference}");
        assert!(difference.contains("`id` is int(11)"), "{difference}");
    }
    // Nothing was changed, and once it is right it is used.
    database.sql().execute("DROP TABLE processed_events");
    database.sql().execute(somebodys_table(kind));
    store(&mut *database.open(), &rows(0..3), 1);
}

fn a_column_that_windrow_has_no_value_for_is_named(kind: Kind) {
    let database = Database::new(kind);
    drop(database.open());
    database.sql().execute("DROP TABLE processed_events");
    let with = "'x', tenant VARCHAR(9) NOT NULL, ID ";
    let made = somebodys_table(kind).replace("'x', ID ", with);
    let made = made.replace("DEFAULT 3", "").replace("UNIQUE", "");
    database.sql().execute(&made.replacen("tenant TEXT DEFAULT 'x', ", "", 1).replace("'x', ", ""));
    let difference = database.difference();
    assert!(difference.contains("the column `tenant` is "), "{difference}");
    assert!(difference.contains("windrow has no value for it"), "{difference}");
    assert!(difference.contains("`id` must be the primary key"), "{difference}");
}

fn a_view_is_no_table(kind: Kind) {
    let database = Database::new(kind);
    drop(database.open());
    let mut sql = database.sql();
    sql.execute("ALTER TABLE processed_events RENAME TO other");
    sql.execute("CREATE VIEW processed_events AS SELECT * FROM other");
    let difference = database.difference();
    assert!(difference.contains("it is a view"), "{difference}");
}

/// A table that is dropped under the storage isn't the rows' fault (T4).
#[test]
fn a_table_that_is_gone_refuses_no_row() {
    for kind in [Kind::Sqlite, Kind::MariaDb] {
        let database = Database::new(kind);
        let mut storage = database.open();
        store(&mut *storage, &rows(0..3), 1);
        database.sql().execute("DROP TABLE processed_events");
        assert!(matches!(storage.insert(&rows(3..6)), Err(StorageError::Unavailable(_))));
        drop(storage);
        // Made anew; what the position says is still so.
        let mut storage = database.try_open().unwrap();
        assert_eq!(storage.stored().unwrap(), Some(crate::database::mark(1)));
        assert_eq!(store(&mut *storage, &rows(3..6), 2).stored, 3);
    }
}
