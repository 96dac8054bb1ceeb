//! The stream `events` and its table, in SQLite and in MariaDB: one test, run in both.
//!
//! ```ignore
//! in_both_databases![an_event_is_a_row];
//!
//! fn an_event_is_a_row(rig: &Rig) {
//!     let daemon = rig.start();
//!     daemon.store(&[Event::number(1)]);
//!     assert_eq!(rig.rows(), [Event::number(1).row()]);
//! }
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::mariadb::{Database, MariaDb};
use super::sql::{Sql, TextRow};
use super::{Answer, Daemon, PATIENCE, encoded, position};

/// Makes two tests of each of these functions: `name::in_sqlite` and `name::in_mariadb`.
#[allow(unused_macros, reason = "each test uses its part")]
macro_rules! in_both_databases {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::harness::table::Rig;

            #[test]
            fn in_sqlite() {
                super::$name(&Rig::sqlite());
            }

            #[test]
            fn in_mariadb() {
                super::$name(&Rig::mariadb());
            }
        }
    )*};
}
#[allow(unused_imports, reason = "each test uses its part")]
pub(crate) use in_both_databases;

/// The columns that the table has to have, in the order in which [`Rig::rows`] gives them.
const ROW: &str = "id, type, source, user_id, processed_data, created_at";

/// A data directory, and the database that belongs to it.
pub struct Rig {
    data: TempDir,
    database: Option<Database>,
}

impl Rig {
    /// SQLite where it is unless something else is said: in the data directory.
    pub fn sqlite() -> Self {
        Self { data: tempfile::tempdir().unwrap(), database: None }
    }

    /// A database of its own in the server that the tests of this binary share.
    pub fn mariadb() -> Self {
        Self::in_server(MariaDb::shared())
    }

    /// A database of its own in this server.
    pub fn in_server(server: &MariaDb) -> Self {
        Self { data: tempfile::tempdir().unwrap(), database: Some(server.database()) }
    }

    /// Whether it is SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.database.is_none()
    }

    /// The data directory.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// The database in MariaDB.
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("this is SQLite")
    }

    /// Starts a daemon and waits until it is ready.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// The same with more arguments.
    pub fn start_with(&self, arguments: &[&str]) -> Daemon {
        let daemon = self.start_unready(arguments);
        daemon.wait_ready();
        daemon
    }

    /// Starts one and returns as soon as it listens.
    pub fn start_unready(&self, arguments: &[&str]) -> Daemon {
        let url = self.database.as_ref().map(Database::url);
        let mut all = url.as_deref().map_or(Vec::new(), |url| vec!["--table-url", url]);
        all.extend(arguments);
        Daemon::start_unready(self.data(), &all)
    }

    /// A connection to the database.
    pub fn sql(&self) -> Sql {
        if let Some(database) = &self.database {
            return database.sql();
        }
        std::fs::create_dir_all(self.sqlite_file().parent().unwrap()).unwrap();
        Sql::sqlite(&self.sqlite_file())
    }

    /// Where SQLite's file is.
    pub fn sqlite_file(&self) -> PathBuf {
        self.data().join("table/events.sqlite")
    }

    /// What is in the table, by id.
    pub fn rows(&self) -> Vec<Row> {
        let query = format!("SELECT {ROW} FROM processed_events ORDER BY id");
        self.sql().rows(&query).into_iter().map(Row::read).collect()
    }

    /// How many rows are in the table.
    pub fn count(&self) -> u64 {
        self.sql().count("SELECT COUNT(*) FROM processed_events")
    }

    /// Makes the table before the daemon does, with more in it: column definitions behind commas.
    pub fn create_table_with(&self, more: &str) {
        let (kind, time) = if self.is_sqlite() {
            ("VARCHAR(11)", "DATETIME")
        } else {
            ("ENUM('user_action', 'sensor_data', 'system_log')", "DATETIME(6)")
        };
        self.sql().execute(&format!(
            "CREATE TABLE processed_events (
                 id VARCHAR(36) PRIMARY KEY, type {kind} NOT NULL, source VARCHAR(50) NOT NULL,
                 user_id VARCHAR(50), processed_data JSON, processing_time_ms INT,
                 created_at {time} NOT NULL, processed_at {time} NOT NULL{more}
             )"
        ));
    }

    /// Lets the database refuse rows whose `user_id` is `poison`, for good.
    pub fn refuse_poison(&self) {
        self.sql().execute(if self.is_sqlite() {
            "CREATE TRIGGER no_poison BEFORE INSERT ON processed_events WHEN NEW.user_id = 'poison'
             BEGIN SELECT RAISE(ABORT, 'poison is not taken here'); END"
        } else {
            "CREATE TRIGGER no_poison BEFORE INSERT ON processed_events FOR EACH ROW
             IF NEW.user_id = 'poison' THEN
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'poison is not taken here';
             END IF"
        });
    }

    /// The records of the stream's quarantine, oldest first.
    pub fn quarantined(&self) -> Vec<Value> {
        let file = self.data().join("quarantine/events/table.ndjson");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A row of the table, as the test reads it with its own client.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// `id`.
    pub id: String,
    /// `type`.
    pub kind: String,
    /// `source`.
    pub source: String,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `data` in `processed_data`.
    pub data: Value,
    /// `timestamp` in `processed_data`.
    pub time: DateTime<Utc>,
    /// `created_at`.
    pub created_at: String,
}

impl Row {
    fn read(columns: TextRow) -> Self {
        let [id, kind, source, user_id, processed, created_at]: [Option<String>; 6] =
            columns.try_into().unwrap();
        let processed: Value = serde_json::from_str(&processed.unwrap()).unwrap();
        assert!(processed["received_at"].is_string(), "{processed}");
        assert!(processed["latency"].is_number(), "{processed}");
        Self {
            id: id.unwrap(),
            kind: kind.unwrap(),
            source: source.unwrap(),
            user_id,
            data: processed["data"].clone(),
            time: processed["timestamp"].as_str().unwrap().parse().unwrap(),
            created_at: created_at.unwrap(),
        }
    }
}

/// An event, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Event {
    /// `id`.
    pub id: String,
    /// `type`.
    pub kind: &'static str,
    /// `source`.
    pub source: &'static str,
    /// `timestamp`: seconds behind 2024-07-01T00:00:00Z, and microseconds.
    pub after: Duration,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `data`, as it is sent.
    pub data: String,
}

impl Event {
    /// One that is told from all others by its number, and the same whenever it is made.
    pub fn number(number: u64) -> Self {
        let pick = |from: &[&'static str]| from[(number % from.len() as u64) as usize];
        Self {
            id: id(number),
            kind: pick(&["user_action", "sensor_data", "system_log"]),
            source: pick(&["web", "mobile", "iot_device", "system"]),
            after: Duration::from_micros(number * 1_000_001),
            user_id: (!number.is_multiple_of(5)).then(|| format!("user-{}", number % 100)),
            data: json!({ "number": number, "text": format!("Number {number}, \"quoted\".") })
                .to_string(),
        }
    }

    /// With this `data`.
    pub fn with_data(self, data: impl Into<String>) -> Self {
        Self { data: data.into(), ..self }
    }

    /// Of this user.
    pub fn of_user(self, user: &str) -> Self {
        Self { user_id: Some(user.to_owned()), ..self }
    }

    /// With this id.
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// As it is sent.
    pub fn text(&self) -> String {
        let user = match &self.user_id {
            Some(user) => format!(r#","user_id":{}"#, Value::from(user.as_str())),
            None => String::new(),
        };
        let timestamp = self.time().to_rfc3339();
        let Self { id, kind, source, data, .. } = self;
        format!(
            r#"{{"id":"{id}","type":"{kind}","source":"{source}","timestamp":"{timestamp}"{user},"data":{data}}}"#
        )
    }

    /// What its row has to be.
    pub fn row(&self) -> Row {
        Row {
            id: self.id.to_ascii_lowercase(),
            kind: self.kind.to_owned(),
            source: self.source.to_owned(),
            user_id: self.user_id.clone(),
            data: serde_json::from_str(&self.data).unwrap(),
            time: self.time(),
            created_at: self.time().format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        }
    }

    fn time(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_719_792_000, 0).unwrap() + self.after
    }
}

/// The id of an event that is told by its number.
pub fn id(number: u64) -> String {
    format!("{:08x}-0000-7000-8000-{:012x}", number.wrapping_mul(0x9E37_79B1) as u32, number)
}

/// The number that an id was made of.
pub fn number_of(id: &str) -> u64 {
    u64::from_str_radix(&id[24..], 16).unwrap_or_else(|error| panic!("{error}: {id}"))
}

/// Events of these numbers.
pub fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    numbers.map(Event::number).collect()
}

/// The body of a batch.
pub fn batch(events: &[Event]) -> String {
    let texts: Vec<_> = events.iter().map(Event::text).collect();
    format!(r#"{{"events":[{}]}}"#, texts.join(","))
}

/// The same events as NDJSON.
pub fn lines(events: &[Event]) -> String {
    events.iter().fold(String::new(), |text, event| text + &event.text() + "\n")
}

/// What has become of the events of the stream, as the statistics count it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Acknowledged.
    pub received: u64,
    /// Stored.
    pub processed: u64,
    /// In quarantine.
    pub failed: u64,
    /// Of an id that is there already.
    pub duplicate: u64,
    /// Still to be done.
    pub queued: u64,
}

impl Counts {
    /// All stored.
    pub fn stored(events: u64) -> Self {
        Self { received: events, processed: events, ..Self::default() }
    }
}

impl Daemon {
    /// One JSON body.
    pub fn post_json(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// Posts events that must be taken, whatever their number, and returns the last position.
    pub fn accept(&self, events: &[Event]) -> String {
        assert!(!events.is_empty());
        if events.len() <= 100 {
            return position(&self.post_json("/events/batch", &batch(events)));
        }
        position(&self.post("/v1/streams/events", lines(events)))
    }

    /// Posts events that must be taken, and waits until the table has done with them.
    pub fn store(&self, events: &[Event]) {
        let position = self.accept(events);
        self.wait_for_table(&position);
    }

    /// Waits until the table has done with everything up to `position`, for as long as it gets on.
    pub fn wait_for_table(&self, position: &str) {
        let path = format!("/events?limit=1&position={}", encoded(position));
        let mut end = Instant::now() + PATIENCE;
        let mut seen = None;
        loop {
            let answer = self.get(&path);
            if answer.status == 200 {
                return;
            }
            let at = self.table_health().1["position"].clone();
            if seen.as_ref() != Some(&at) {
                end = Instant::now() + PATIENCE;
                seen = Some(at);
            }
            assert!(Instant::now() < end, "{}\n{}", answer.text(), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The statistics.
    pub fn statistics(&self) -> Value {
        self.get("/metrics?format=json").json()
    }

    /// What the statistics count.
    pub fn counts(&self) -> Counts {
        let statistics = self.statistics();
        let count = |name: &str| {
            statistics[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {statistics}"))
        };
        Counts {
            received: count("events_received"),
            processed: count("events_processed"),
            failed: count("events_failed"),
            duplicate: count("events_duplicate"),
            queued: count("current_queue_depth"),
        }
    }

    /// Waits until the statistics count this.
    pub fn wait_for_counts(&self, expected: Counts) {
        let end = Instant::now() + PATIENCE;
        while self.counts() != expected {
            let counts = self.counts();
            assert!(Instant::now() < end, "{counts:?} instead of {expected:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The health of the table: `/health`'s entry of the sink.
    pub fn table_health(&self) -> (String, Value) {
        let health = self.get("/health").json();
        let status = health["status"].as_str().unwrap().to_owned();
        let sinks = health["sinks"].as_array().unwrap_or_else(|| panic!("{health}"));
        let table = sinks.iter().find(|sink| sink["sink"] == "table");
        (status, table.unwrap_or_else(|| panic!("no table in {health}")).clone())
    }

    /// Waits until the health is `degraded` by the table, and returns its entry.
    pub fn wait_degraded(&self) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, table) = self.table_health();
            if status == "degraded" && table["error"].is_string() {
                return table;
            }
            assert!(Instant::now() < end, "{status}: {table}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
