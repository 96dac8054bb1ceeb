//! The same of a table: what is stored, what is known already and what fails, in SQLite and in
//! MariaDB.

use std::path::Path;

use super::harness::Daemon;
use super::harness::mariadb::MariaDb;
use super::harness::sql::Sql;
use super::{Counts, metric};

/// Rows of this user are refused by the database.
const REFUSED: &str = "refused";

/// Sends known input, and knows what must become of it.
#[derive(Default)]
struct Input {
    sent: u64,
    distinct: u64,
    failed: u64,
    duplicate: u64,
}

impl Input {
    /// A hundred events, some of which come to nothing.
    fn send(&mut self, daemon: &Daemon) {
        let first = self.distinct + self.failed;
        let mut body = String::new();
        // Ninety new ones, every tenth of which is refused.
        for n in first..first + 90 {
            let refused = n % 10 == 0;
            body += &event(n, if refused { REFUSED } else { "taken" });
            self.failed += u64::from(refused);
            self.distinct += u64::from(!refused);
        }
        // Ten that are known by then: from this request, or from one before.
        for n in first + 81..first + 86 {
            body += &event(n, "taken");
            body += &event(n % 10 + 1, "taken");
        }
        self.duplicate += 10;
        self.sent += 100;
        let answer = daemon.post("/v1/streams/events", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// What is counted once everything is done.
    fn counts(&self) -> Counts {
        Counts {
            received: self.sent,
            processed: self.distinct,
            failed: self.failed,
            duplicate: self.duplicate,
            waiting: 0,
        }
    }
}

fn event(n: u64, user: &str) -> String {
    let id = format!("00000000-0000-7000-8000-{n:012x}");
    format!(r#"{{"id":"{id}","type":"user_action","source":"web","user_id":"{user}"}}"#) + "\n"
}

/// Several starts of a daemon with one database, each with a kill or an end behind it. `trigger` lets
/// the database refuse rows.
fn counts_are_true(data: &Path, arguments: &[&str], trigger: &str, sql: impl Fn() -> Sql) {
    // The daemon makes the table.
    let daemon = Daemon::start_with(data, arguments);
    let mut input = Input { sent: 1, distinct: 1, ..Input::default() };
    // Nothing refuses it yet.
    daemon.post("/v1/streams/events", event(0, "taken"));
    assert_eq!(Counts::settled(&daemon), input.counts());
    sql().execute(trigger);
    daemon.kill();
    for start in 0..6 {
        let daemon = Daemon::start_with(data, arguments);
        assert_eq!(Counts::of(&daemon).received, input.sent, "with the first answer after a start");
        for _ in 0..7 {
            input.send(&daemon);
            assert_eq!(Counts::of(&daemon).received, input.sent);
        }
        match start % 3 {
            0 => daemon.kill(),
            1 => assert_eq!(daemon.stop().code(), Some(0)),
            _ => {
                assert_eq!(Counts::settled(&daemon), input.counts());
                for (name, value) in [
                    ("received_total", input.sent),
                    ("processed_total", input.distinct),
                    ("failed_total", input.failed),
                    ("duplicate_total", input.duplicate),
                ] {
                    let name = format!(r#"windrow_events_{name}{{stream="events"}}"#);
                    assert_eq!(metric(&daemon, &name), Some(value.to_string()), "{name}");
                }
                daemon.kill();
            }
        }
    }
    let daemon = Daemon::start_with(data, arguments);
    let counts = Counts::settled(&daemon);
    assert_eq!(counts, input.counts());
    assert_eq!(sql().count("SELECT COUNT(*) FROM processed_events"), counts.processed);
    let quarantine = std::fs::read_to_string(data.join("quarantine/events/table.ndjson")).unwrap();
    assert_eq!(quarantine.lines().count() as u64, counts.failed);
    let health = daemon.get("/health").json();
    let pairs = health["sinks"].as_array().unwrap();
    let table = pairs.iter().find(|pair| pair["sink"] == "table").unwrap();
    assert_eq!(table["events_applied"], counts.received);
    assert_eq!(table["events_failed"], counts.failed);
    assert_eq!(table["events_duplicate"], counts.duplicate);
    assert_eq!(table["lag"]["events"], 0);
}

#[test]
fn counts_are_those_of_the_table_in_sqlite() {
    let data = tempfile::tempdir().unwrap();
    let trigger = format!(
        "CREATE TRIGGER refusing BEFORE INSERT ON processed_events WHEN NEW.user_id = '{REFUSED}'
         BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    );
    counts_are_true(data.path(), &[], &trigger, || {
        Sql::sqlite(&data.path().join("table/events.sqlite"))
    });
}

#[test]
fn counts_are_those_of_the_table_in_mariadb() {
    let data = tempfile::tempdir().unwrap();
    let database = MariaDb::shared().database();
    let trigger = format!(
        "CREATE TRIGGER refusing BEFORE INSERT ON processed_events FOR EACH ROW
         IF NEW.user_id = '{REFUSED}' THEN
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one';
         END IF"
    );
    let url = database.url();
    counts_are_true(data.path(), &["--table-url", &url], &trigger, || database.sql());
}
