//! Rows that a database doesn't take, and what is no row's fault (T4).

use std::time::{Duration, Instant};

use windrow::sinks::table::sql;
use windrow::sinks::table::{Inserted, Row, StorageError};

use crate::database::{Database, Kind, id, mark, on_both, row, rows, scope, store};
use crate::harness::mariadb::MariaDb;

on_both!(
    a_row_that_a_trigger_refuses_leaves_the_others_alone,
    a_value_that_does_not_fit_is_refused_with_the_databases_words,
    another_unique_key_is_a_refusal_and_no_duplicate,
    deep_and_large_documents_are_stored,
    a_lock_refuses_no_row,
);

fn ids(database: &Database) -> Vec<String> {
    database.sql().column("SELECT id FROM processed_events ORDER BY id")
}

fn a_row_that_a_trigger_refuses_leaves_the_others_alone(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    let when = "NEW.user_id = 'poison'";
    database.sql().execute(&match kind {
        Kind::Sqlite => format!(
            "CREATE TRIGGER no BEFORE INSERT ON processed_events WHEN {when} \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        ),
        Kind::MariaDb => format!(
            "CREATE TRIGGER no BEFORE INSERT ON processed_events FOR EACH ROW \
             IF {when} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF"
        ),
    });
    let mut all = rows(0..300);
    for poison in [0, 17, 255, 256, 299] {
        all[poison].user_id = Some("poison".to_owned());
    }
    // A duplicate among them, whose first one is refused: it has nothing to be a duplicate of.
    all[20] = Row { id: all[17].id, ..all[20].clone() };
    let inserted = store(&mut *storage, &all, 1);
    let refused: Vec<usize> = inserted.refused.iter().map(|(index, _)| *index).collect();
    assert_eq!(refused, [0, 17, 255, 256, 299]);
    for (_, reason) in &inserted.refused {
        assert!(reason.contains("not this one"), "{reason}");
    }
    assert_eq!((inserted.stored, inserted.duplicates), (295, 0));
    let mut expected: Vec<String> = (0..300)
        .filter(|number| !refused.contains(&(*number as usize)) && *number != 20)
        .map(|number| id(number).to_string())
        .collect();
    expected.push(id(17).to_string());
    expected.sort();
    assert_eq!(ids(&database), expected);
    // A poisoned row alone, then others.
    let inserted = store(&mut *storage, &all[..1], 2);
    assert_eq!((inserted.stored, inserted.refused.len()), (0, 1));
    assert_eq!(store(&mut *storage, &rows(400..410), 3).stored, 10);
}

fn a_value_that_does_not_fit_is_refused_with_the_databases_words(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    let mut all = rows(0..10);
    "unknown".clone_into(&mut all[3].kind);
    if kind == Kind::MariaDb {
        all[5].user_id = Some("x".repeat(51));
        "{\"cut\":".clone_into(&mut all[7].processed_data);
        all[8].source = "s".repeat(51);
    }
    let inserted = store(&mut *storage, &all, 1);
    let reason = |index| {
        let found = inserted.refused.iter().find(|(at, _)| *at == index);
        found.map(|(_, reason)| reason.as_str()).unwrap_or_default()
    };
    assert!(reason(3).contains("type"), "{:?}", inserted.refused);
    if kind == Kind::MariaDb {
        assert!(reason(5).contains("user_id"), "{:?}", inserted.refused);
        assert!(reason(7).contains("processed_data"), "{:?}", inserted.refused);
        assert!(reason(8).contains("source"), "{:?}", inserted.refused);
    }
    assert_eq!(inserted.stored + inserted.refused.len() as u64, 10);
}

fn another_unique_key_is_a_refusal_and_no_duplicate(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    database.sql().execute("CREATE UNIQUE INDEX one_each ON processed_events (user_id)");
    let all: Vec<Row> =
        (0..4).map(|number| Row { user_id: Some("same".to_owned()), ..row(number) }).collect();
    let inserted = store(&mut *storage, &all, 1);
    assert_eq!((inserted.stored, inserted.duplicates, inserted.refused.len()), (1, 0, 3));
    assert!(
        inserted.refused[0].1.to_lowercase().contains("unique")
            || inserted.refused[0].1.contains("one_each")
    );
}

fn deep_and_large_documents_are_stored(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    let mut all = rows(0..5);
    let large = format!(r#"{{"text":"{}"}}"#, "ü".repeat(1 << 20));
    all[1].processed_data.clone_from(&large);
    all[2].processed_data = format!("{}0{}", "[".repeat(5000), "]".repeat(5000));
    r#"{"zero":"\u0000","bell":"\u0007"}"#.clone_into(&mut all[3].processed_data);
    let inserted = store(&mut *storage, &all, 1);
    // The server's limit for the depth of JSON is its own; whatever is beyond it is one row's fault.
    let refused: Vec<usize> = inserted.refused.iter().map(|(index, _)| *index).collect();
    match kind {
        Kind::Sqlite => assert_eq!(inserted, Inserted { stored: 5, ..Inserted::default() }),
        Kind::MariaDb => {
            assert_eq!(refused, [2], "{:?}", inserted.refused);
            assert_eq!(inserted.stored, 4);
        }
    }
    let of =
        |number| format!("SELECT processed_data FROM processed_events WHERE id = '{}'", id(number));
    assert_eq!(database.sql().column(&of(1)), [large]);
    assert_eq!(database.sql().column(&of(3)), [all[3].processed_data.as_str()]);
}

fn a_lock_refuses_no_row(kind: Kind) {
    let database = Database::new(kind);
    store(&mut *database.open(), &rows(0..1), 1);
    let timeout = Duration::from_secs(1);
    let mut storage = sql::open(&database.url, &scope(), timeout).unwrap();
    storage.stored().unwrap();
    let mut other = database.sql();
    other.execute("BEGIN");
    other.execute("DELETE FROM processed_events");
    let begun = Instant::now();
    let result = storage.insert(&rows(0..3));
    assert!(matches!(result, Err(StorageError::Unavailable(_))), "{result:?}");
    assert!(begun.elapsed() >= timeout / 2 && begun.elapsed() < 5 * timeout, "{begun:?}");
    drop(storage);
    other.execute("ROLLBACK");
    let mut storage = database.open();
    let inserted = store(&mut *storage, &rows(0..3), 2);
    assert_eq!((inserted.stored, inserted.duplicates), (2, 1));
}

/// An error that is on no list is held against a row only when its neighbours were stored.
#[test]
fn an_unknown_error_refuses_a_row_only_beside_others_that_are_stored() {
    let database = Database::new(Kind::Sqlite);
    let mut storage = database.open();
    database.sql().execute(
        "CREATE TRIGGER parse AFTER INSERT ON processed_events \
         BEGIN SELECT json(NEW.processed_data); END",
    );
    let mut all = rows(0..300);
    "no JSON".clone_into(&mut all[9].processed_data);
    let alone = storage.insert(&all[9..10]);
    let Err(StorageError::Unavailable(reason)) = alone else { panic!("{alone:?}") };
    assert!(reason.contains("malformed JSON"), "{reason}");
    drop(storage);
    let mut storage = database.open();
    storage.insert(&all[..9]).unwrap();
    let inserted = storage.insert(&all[9..10]).unwrap();
    assert_eq!(inserted.refused.len(), 1, "{inserted:?}");
    storage.commit(&mark(1)).unwrap();
    let inserted = store(&mut *storage, &all, 2);
    assert_eq!((inserted.stored, inserted.duplicates, inserted.refused.len()), (290, 9, 1));
}

/// Rows behind such a trigger would be stored without their position.
#[test]
fn a_trigger_that_ends_the_transaction_is_noticed() {
    let database = Database::new(Kind::Sqlite);
    let mut storage = database.open();
    database.sql().execute(
        "CREATE TRIGGER no BEFORE INSERT ON processed_events WHEN NEW.user_id = 'poison' \
         BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END",
    );
    let mut all = rows(0..100);
    all[50].user_id = Some("poison".to_owned());
    let result = storage.insert(&all);
    let Err(StorageError::Unavailable(reason)) = result else { panic!("{result:?}") };
    assert!(reason.contains("RAISE(ABORT"), "{reason}");
    drop(storage);
    assert!(ids(&database).is_empty());
}

/// A statement over `max_allowed_packet` would end the connection, again and again.
#[test]
fn a_row_larger_than_the_server_takes_is_refused() {
    let server = MariaDb::start_with(&["--max-allowed-packet=65536"]);
    let database = Database::of_server(&server);
    let mut storage = database.open();
    let mut all = rows(0..300);
    all[7].processed_data = format!(r#"{{"text":"{}"}}"#, "x".repeat(65_536));
    for row in &mut all[100..140] {
        row.processed_data = format!(r#"{{"text":"{}"}}"#, "x".repeat(30_000));
    }
    let inserted = store(&mut *storage, &all, 1);
    assert_eq!(inserted.stored, 299);
    let [(7, reason)] = inserted.refused.as_slice() else { panic!("{:?}", inserted.refused) };
    assert!(reason.contains("max_allowed_packet"), "{reason}");
}

/// A server that is killed fails no row; what wasn't committed isn't there.
#[test]
fn a_server_that_is_killed_refuses_no_row() {
    let mut server = MariaDb::start();
    let database = Database::of_server(&server);
    let mut storage = database.open();
    store(&mut *storage, &rows(0..100), 1);
    storage.insert(&rows(100..200)).unwrap();
    server.kill();
    assert!(matches!(storage.insert(&rows(200..300)), Err(StorageError::Unavailable(_))));
    drop(storage);
    let reason = database.difference();
    assert!(reason.contains("connecting to mysql://windrow@127.0.0.1"), "{reason}");
    assert!(!reason.contains("p@ss"), "{reason}");
    server.restart();
    let mut storage = database.try_open().unwrap();
    assert_eq!(storage.stored().unwrap(), Some(mark(1)));
    assert_eq!(store(&mut *storage, &rows(100..300), 2).stored, 200);
}

/// A server that hangs is given up after the time limit, and dropping the storage doesn't wait.
#[test]
fn a_server_that_hangs_is_given_up() {
    let server = MariaDb::start();
    let database = Database::of_server(&server);
    drop(database.open());
    let mut storage = sql::open(&database.url, &scope(), Duration::from_secs(1)).unwrap();
    storage.stored().unwrap();
    server.freeze();
    let begun = Instant::now();
    let result = storage.insert(&rows(0..3));
    let Err(StorageError::Unavailable(reason)) = result else { panic!("{result:?}") };
    assert!(reason.contains("no answer within 1s"), "{reason}");
    drop(storage);
    assert!(begun.elapsed() < Duration::from_secs(3), "{begun:?}");
    server.thaw();
    store(&mut *database.open(), &rows(0..3), 1);
}

/// Bytes that are no database, or no longer one, are for a person to look at.
#[test]
fn a_file_that_is_no_database_is_damaged() {
    let database = Database::new(Kind::Sqlite);
    store(&mut *database.open(), &rows(0..1000), 1);
    let sql::DatabaseUrl::Sqlite(path) = &database.url else { unreachable!() };
    // A connection is closed by a thread of its own, and writes to the file then.
    let log = path.with_extension("sqlite-wal");
    while log.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(path, [7; 8192]).unwrap();
    match database.try_open().map(drop) {
        Err(StorageError::Damaged { path: named, reason }) => {
            assert_eq!(&named, path);
            assert!(reason.contains("backup"), "{reason}");
        }
        result => panic!("{result:?}"),
    }
}
