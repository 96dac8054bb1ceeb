//! What comes out: rows by id, and pages of them.

use windrow::sinks::table::sql::{Listing, Order, Query, StoredEvent, TableReader};
use windrow::sinks::table::{Row, StorageError};

use crate::database::{Database, Kind, id, on_both, row, rows, store, time};
use crate::harness::mariadb::MariaDb;

on_both!(
    a_row_is_read_as_it_was_stored,
    pages_show_each_row_once_and_in_order,
    a_filter_is_taken_to_the_letter,
    a_cursor_of_somebody_else_is_noticed,
    before_there_is_a_table_it_is_unavailable,
    a_page_of_large_rows_ends_early,
    readers_take_turns_at_the_connections,
);

pub fn wait<T>(answer: impl Future<Output = T>) -> T {
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

fn a_page_of_large_rows_ends_early(kind: Kind) {
    let database = Database::new(kind);
    let mut stored = rows(0..30);
    for row in &mut stored[5..25] {
        row.processed_data = format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 20));
    }
    // Larger than a page may be, and still shown.
    stored[25].processed_data = format!(r#"{{"text":"{}"}}"#, "x".repeat(10 << 20));
    store(&mut *database.open(), &stored, 1);
    let reader = database.reader();
    wait(async {
        let mut query = Query { limit: 1000, ..Query::default() };
        let mut pages = Vec::new();
        loop {
            let page = list(&reader, &query).await;
            let bytes = |event: &StoredEvent| event.processed_data.as_ref().unwrap().get().len();
            let bytes: usize = page.events.iter().map(bytes).sum();
            assert!(bytes <= 8 << 20 || page.events.len() == 1, "{bytes}");
            pages.push(page.events.into_iter().map(|event| event.id).collect::<Vec<_>>());
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let ids: Vec<String> = stored.iter().map(|row| row.id.to_string()).collect();
        assert_eq!(pages.concat(), ids);
        assert_eq!(pages.len(), 5, "{pages:?}");
    });
}

fn readers_take_turns_at_the_connections(kind: Kind) {
    let database = Database::new(kind);
    store(&mut *database.open(), &rows(0..100), 1);
    let reader = TableReader::new(&database.url, 2, crate::database::TIMEOUT);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let readers: Vec<_> = (0..100)
        .map(|number| {
            let reader = reader.clone();
            runtime.spawn(async move { reader.event(id(number)).await.unwrap().is_some() })
        })
        .collect();
    for reader in readers {
        assert!(runtime.block_on(reader).unwrap());
    }
    if kind == Kind::MariaDb {
        let processes = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE()";
        // Two of the reader, and the one that asks.
        assert_eq!(database.sql().count(processes), 3);
    }
}

/// A server that restarts breaks the connections that are idle, and nobody's request.
#[test]
fn connections_that_a_restart_broke_are_replaced() {
    let mut server = MariaDb::start();
    let database = Database::of_server(&server);
    store(&mut *database.open(), &rows(0..3), 1);
    let reader = database.reader();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(reader.event(id(0))).unwrap().is_some());
    server.kill();
    let begun = std::time::Instant::now();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let away = runtime.block_on(reader.event(id(0)));
    assert!(matches!(away, Err(StorageError::Unavailable(_))), "{away:?}");
    assert!(begun.elapsed() < crate::database::TIMEOUT / 2, "a refused connection is no wait");
    server.restart();
    assert!(runtime.block_on(reader.event(id(0))).unwrap().is_some());
}
