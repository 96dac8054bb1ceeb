//! What goes in: rows, duplicates, rows that are refused, and the position beside them.

use windrow::sinks::Tally;
use windrow::sinks::table::{Inserted, Mark, Row, StorageError};

use crate::database::{Database, Kind, mark, on_both, row, rows, store, time};

on_both!(
    rows_of_a_commit_are_there_and_others_are_not,
    a_position_comes_back_as_it_was_written,
    an_id_is_stored_once_and_the_first_of_it_wins,
    a_text_is_stored_to_the_letter,
    of_two_daemons_with_one_log_only_one_commits,
    two_logs_share_a_table,
    a_time_before_the_epoch_is_cut_off_not_rounded,
);

fn count(database: &Database) -> u64 {
    database.sql().count("SELECT COUNT(*) FROM processed_events")
}

/// T1
fn rows_of_a_commit_are_there_and_others_are_not(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    for (lsn, range) in [(1, 0..1), (2, 1..5), (3, 5..300), (4, 300..1000)] {
        let inserted = store(&mut *storage, &rows(range.clone()), lsn);
        assert_eq!(inserted, Inserted { stored: range.end - range.start, ..Inserted::default() });
        assert_eq!(count(&database), range.end);
    }
    storage.insert(&rows(1000..1300)).unwrap();
    drop(storage);
    let mut storage = database.try_open().unwrap();
    assert_eq!(storage.stored().unwrap(), Some(mark(4)));
    assert_eq!(count(&database), 1000);
    assert_eq!(store(&mut *storage, &rows(1000..1300), 5).stored, 300);
    let sum = "SELECT SUM(processing_time_ms) FROM processed_events";
    assert_eq!(database.sql().count(sum), (0..1300).map(|number| number % 100).sum::<u64>());
}

fn a_position_comes_back_as_it_was_written(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.try_open().unwrap();
    assert_eq!(storage.stored().unwrap(), None);
    let marked = Mark {
        epoch: u32::MAX,
        tally: Tally { failed: 3, duplicates: u64::from(u32::MAX) + 1 },
        ..mark(u64::MAX)
    };
    storage.commit(&marked).unwrap();
    assert_eq!(storage.stored().unwrap(), Some(marked));
    storage.insert(&rows(0..1)).unwrap();
    storage.commit(&mark(2)).unwrap();
    drop(storage);
    assert_eq!(database.try_open().unwrap().stored().unwrap(), Some(mark(2)));
}

/// T2
fn an_id_is_stored_once_and_the_first_of_it_wins(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    store(&mut *storage, &rows(0..100), 1);
    let changed = |number| Row { source: "changed".to_owned(), ..row(number) };
    // In the table, in the transaction under way, and twice among the rows themselves.
    storage.insert(&rows(100..200)).unwrap();
    let mut mixed: Vec<Row> = (50..150).map(changed).collect();
    mixed.extend(rows(200..250));
    mixed.extend((200..250).map(changed));
    let inserted = storage.insert(&mixed).unwrap();
    assert_eq!((inserted.stored, inserted.duplicates), (50, 150));
    storage.commit(&mark(2)).unwrap();
    let inserted = store(&mut *storage, &rows(0..250), 3);
    assert_eq!((inserted.stored, inserted.duplicates), (0, 250));
    let changed = "SELECT COUNT(*) FROM processed_events WHERE source = 'changed'";
    assert_eq!(database.sql().count(changed), 0);
    assert_eq!(count(&database), 250);
}

const TEXTS: [&str; 8] = [
    "'; DROP TABLE processed_events; --",
    "\\'; DELETE FROM processed_events; #",
    "a' OR 'a'='a",
    "\"`%_\\",
    "😀 ünï 漢字",
    "\u{0}\u{1}\r\n",
    "trailing space ",
    "?",
];

fn a_text_is_stored_to_the_letter(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    let mut stored: Vec<Row> = rows(0..TEXTS.len() as u64);
    for (row, text) in stored.iter_mut().zip(TEXTS) {
        row.user_id = Some(text.to_owned());
        row.processed_data = serde_json::json!({ "text": text }).to_string();
    }
    assert_eq!(store(&mut *storage, &stored, 1).stored, TEXTS.len() as u64);
    let hex = |of: &str| format!("SELECT LOWER(HEX({of})) FROM processed_events ORDER BY id");
    let digits =
        |text: &str| text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(database.sql().column(&hex("user_id")), TEXTS.map(digits));
    let documents: Vec<String> = stored.iter().map(|row| digits(&row.processed_data)).collect();
    assert_eq!(database.sql().column(&hex("processed_data")), documents);
}

fn of_two_daemons_with_one_log_only_one_commits(kind: Kind) {
    let database = Database::new(kind);
    for already in [false, true] {
        let mut first = database.open();
        let mut second = database.open();
        let from = if already { 10 } else { 0 };
        first.insert(&rows(from..from + 1)).unwrap();
        first.commit(&mark(from + 1)).unwrap();
        let refused = second.insert(&rows(from + 1..from + 2));
        let refused = refused.map(drop).and_then(|()| second.commit(&mark(from + 9)));
        let Err(StorageError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("another daemon"), "{reason}");
        drop(second);
        let mut third = database.try_open().unwrap();
        assert_eq!(third.stored().unwrap(), Some(mark(from + 1)));
        assert_eq!(count(&database), u64::from(already) + 1);
        third.commit(&mark(from + 2)).unwrap();
        assert!(first.commit(&mark(from + 3)).is_err());
    }
}

fn two_logs_share_a_table(kind: Kind) {
    let database = Database::new(kind);
    let mut ours = database.open();
    store(&mut *ours, &rows(0..3), 1);
    let other = windrow::sinks::table::sql::Scope {
        log: windrow::log::LogId([8; 16]),
        ..crate::database::scope()
    };
    let timeout = crate::database::TIMEOUT;
    let mut theirs = windrow::sinks::table::sql::open(&database.url, &other, timeout).unwrap();
    assert_eq!(theirs.stored().unwrap(), None);
    let position = windrow::log::Position::at(other.log, windrow::log::Lsn(1));
    theirs.insert(&rows(3..6)).unwrap();
    theirs.commit(&Mark::first(position)).unwrap();
    store(&mut *ours, &rows(6..9), 2);
    assert_eq!(count(&database), 9);
}

fn a_time_before_the_epoch_is_cut_off_not_rounded(kind: Kind) {
    let database = Database::new(kind);
    let mut storage = database.open();
    let times = ["1700-01-01T00:00:00.1234569Z", "1969-12-31T23:59:59.9999999Z", "2262-04-11"];
    let mut stored = rows(0..3);
    for (row, text) in stored.iter_mut().zip(times) {
        row.created_at = time(text);
    }
    store(&mut *storage, &stored, 1);
    let text = "SELECT CAST(created_at AS CHAR) FROM processed_events ORDER BY id";
    assert_eq!(
        database.sql().column(text),
        ["1700-01-01 00:00:00.123456", "1969-12-31 23:59:59.999999", "2262-04-11 00:00:00.000000"]
    );
}

/// The session of a daemon that was killed may still be committing.
#[test]
fn a_commit_under_way_is_waited_for() {
    let database = Database::new(Kind::MariaDb);
    store(&mut *database.open(), &rows(0..3), 1);
    let mut killed = database.sql();
    killed.execute("BEGIN");
    let position = serde_json::to_string(&mark(2).position).unwrap();
    killed.execute(&format!("UPDATE windrow_positions SET reached = '{position}', writes = 2"));
    let mut storage = database.try_open().unwrap();
    std::thread::scope(|scope| {
        let stored = scope.spawn(|| storage.stored().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!stored.is_finished(), "the position was read while it was being written");
        killed.execute("COMMIT");
        assert_eq!(stored.join().unwrap(), Some(mark(2)));
    });
    storage.commit(&mark(3)).unwrap();
}
