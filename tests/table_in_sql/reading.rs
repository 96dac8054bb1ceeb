//! What comes out: rows by id, and pages of them.

use windrow::sinks::table::sql::{Listing, Order, Query, StoredEvent, TableReader};
use windrow::sinks::table::{Row, StorageError};

use crate::database::{Database, Kind, id, on_both, row, rows, store, time};

on_both!(
    a_row_is_read_as_it_was_stored,
    pages_show_each_row_once_and_in_order,
    a_filter_is_taken_to_the_letter,
    a_cursor_of_somebody_else_is_noticed,
    before_there_is_a_table_it_is_unavailable,
);

fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(answer)
}

async fn list(reader: &TableReader, query: &Query) -> Listing {
    reader.list(query).await.unwrap().expect("the cursor is ours")
}

/// All pages of a query, each of `limit` rows at most.
async fn pages(reader: &TableReader, mut query: Query) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    loop {
        let page = list(reader, &query).await;
        assert!(page.events.len() <= query.limit, "{}", page.events.len());
        let full = page.events.len() == query.limit;
        events.extend(page.events);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return events,
        }
        assert!(full, "a page that isn't the last is full");
    }
}

fn a_row_is_read_as_it_was_stored(kind: Kind) {
    let database = Database::new(kind);
    store(&mut *database.open(), &rows(0..10), 1);
    let reader = database.reader();
    wait(async {
        let event = reader.event(id(3)).await.unwrap().unwrap();
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            serde_json::json!({
                "id": id(3).to_string(),
                "type": "user_action",
                "source": "system",
                "user_id": "user-3",
                "processed_data": {"number": 3},
                "processing_time_ms": 3,
                "created_at": "2024-07-01T02:03:04.003003Z",
                "processed_at": "2024-07-01T03:00:00.123456Z",
            })
        );
        assert_eq!(reader.event(id(5)).await.unwrap().unwrap().user_id, None);
        assert!(reader.event(id(10)).await.unwrap().is_none());
    });
}

fn pages_show_each_row_once_and_in_order(kind: Kind) {
    let database = Database::new(kind);
    // Some of the same time, so that the id decides.
    let mut stored: Vec<Row> = (0..400).map(row).collect();
    for row in &mut stored[100..200] {
        row.created_at = time("2024-07-01T02:03:04.150Z");
    }
    store(&mut *database.open(), &stored, 1);
    stored.sort_by_key(|row| (row.created_at, row.id));
    let reader = database.reader();
    wait(async {
        for order in [Order::Ascending, Order::Descending] {
            for (kind, source, user_id) in [
                (None, None, None),
                (Some("sensor_data"), None, None),
                (None, Some("web"), None),
                (None, None, Some("user-3")),
                (Some("system_log"), Some("mobile"), Some("user-2")),
            ] {
                for (from, to) in [
                    (None, None),
                    (Some("2024-07-01T02:03:04.1500009Z"), None),
                    (Some("2024-07-01T02:03:04.140Z"), Some("2024-07-01T02:03:04.350Z")),
                    (None, Some("2024-07-01T02:03:04.150Z")),
                ] {
                    let (from, to) = (from.map(time), to.map(time));
                    let is_asked_for = |row: &&Row| {
                        let micros = |time: windrow::time::Timestamp| time.as_nanos() / 1000;
                        kind.is_none_or(|kind| row.kind == kind)
                            && source.is_none_or(|source| row.source == source)
                            && user_id.is_none_or(|user| row.user_id.as_deref() == Some(user))
                            && from.is_none_or(|from| micros(row.created_at) >= micros(from))
                            && to.is_none_or(|to| micros(row.created_at) < micros(to))
                    };
                    let mut expected: Vec<String> =
                        stored.iter().filter(is_asked_for).map(|row| row.id.to_string()).collect();
                    if order == Order::Descending {
                        expected.reverse();
                    }
                    let text = |text: Option<&str>| text.map(str::to_owned);
                    let query = Query {
                        kind: text(kind),
                        source: text(source),
                        user_id: text(user_id),
                        from,
                        to,
                        order,
                        limit: 7,
                        cursor: None,
                    };
                    let found = pages(&reader, query.clone()).await;
                    let found: Vec<String> = found.into_iter().map(|event| event.id).collect();
                    assert_eq!(found, expected, "{query:?}");
                }
            }
        }
    });
}

fn a_filter_is_taken_to_the_letter(kind: Kind) {
    let database = Database::new(kind);
    let users = ["a", "A", "a ", "ä", "' OR 1=1 --", "%", "_", "a\u{0}", ""];
    let mut stored = rows(0..users.len() as u64);
    for (row, user) in stored.iter_mut().zip(users) {
        row.user_id = Some(user.to_owned());
    }
    store(&mut *database.open(), &stored, 1);
    let reader = database.reader();
    wait(async {
        for user in users {
            let query = Query { user_id: Some(user.to_owned()), limit: 100, ..Query::default() };
            let found = list(&reader, &query).await.events;
            let found: Vec<_> = found.iter().map(|event| event.user_id.as_deref()).collect();
            assert_eq!(found, [Some(user)]);
        }
        for text in ["' OR 1=1 --", "\\' OR 1=1 #", "1; DROP TABLE processed_events"] {
            for query in [
                Query { kind: Some(text.to_owned()), limit: 100, ..Query::default() },
                Query { source: Some(text.to_owned()), limit: 100, ..Query::default() },
            ] {
                assert!(list(&reader, &query).await.events.is_empty(), "{query:?}");
            }
        }
    });
}

fn a_cursor_of_somebody_else_is_noticed(kind: Kind) {
    let database = Database::new(kind);
    store(&mut *database.open(), &rows(0..3), 1);
    let reader = database.reader();
    wait(async {
        for cursor in ["", "' OR 1=1 --", "00", "ffffffffffffffff"] {
            let query = Query { cursor: Some(cursor.to_owned()), limit: 1, ..Query::default() };
            assert!(reader.list(&query).await.unwrap().is_none(), "{cursor}");
        }
    });
}

fn before_there_is_a_table_it_is_unavailable(kind: Kind) {
    let database = Database::new(kind);
    let reader = database.reader();
    wait(async {
        let query = Query { limit: 1, ..Query::default() };
        assert!(matches!(reader.list(&query).await, Err(StorageError::Unavailable(_))));
        assert!(matches!(reader.event(id(1)).await, Err(StorageError::Unavailable(_))));
        // A storage waits with its thread, which isn't this runtime's to wait with.
        let stored = || store(&mut *database.open(), &rows(0..1), 1);
        std::thread::scope(|scope| scope.spawn(stored).join().unwrap());
        assert_eq!(list(&reader, &query).await.events.len(), 1);
        assert!(reader.event(id(0)).await.unwrap().is_some());
    });
}
