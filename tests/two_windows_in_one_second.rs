//! Files are named by the second, and events aren't: a taken name gets a number, and no file is
//! ever replaced.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use harness::{Daemon, user_event};

#[test]
fn a_taken_name_gets_a_number() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let name = |nth: u64| match nth {
        1 => "user-events-20240701-020304.csv".to_owned(),
        nth => format!("user-events-20240701-020304-{nth}.csv"),
    };
    for nth in 1..=3 {
        let time = format!("2024-07-01T02:03:04.{nth}Z");
        daemon.ingest("user-events", user_event(&time, nth));
        let listing = daemon.close_window("user-events");
        assert_eq!(listing["committed"][0]["file"], name(nth), "{listing}");
    }
    let outputs = daemon.outputs("user-events");
    for nth in 1..=3 {
        let rows = outputs.rows(&name(nth));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0][0], format!("2024-07-01T02:03:04.{nth}Z"));
    }
    outputs.assert_agree();
    daemon.kill();

    let daemon = Daemon::start(data.path());
    daemon.wait_for_rows("user-events", 3);
    daemon.outputs("user-events").assert_agree();
}
