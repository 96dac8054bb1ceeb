//! Requests one behind the other, and those whose length is unclear: what two servers could understand in
//! two ways is refused, or ends its connection.

use crate::harness::{Connection, Daemon, user_event, user_events};

const TIME: &str = "2024-07-01T02:03:04Z";

fn post(body: &str) -> String {
    format!("POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_that_come_in_one_piece_are_answered_in_their_order() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut connection = daemon.connect();
    let (good, bad) = (user_event(TIME, 1), "nonsense");
    let all = [post(&good), post(bad), post(&good)].concat().repeat(50);
    connection.write(&all).unwrap();
    for round in 0..50 {
        for status in [200, 400, 200] {
            assert_eq!(connection.read_answer("POST").unwrap().status, status, "round {round}");
        }
    }
    assert_eq!(daemon.close_window("user-events")["rows"], 100);
}

#[test]
fn a_body_is_asked_for_only_where_it_is_wanted() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-body", "1MiB"]);
    let head = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: w\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let event = user_event(TIME, 1);
    let mut asked = daemon.connect();
    asked.write(head("/user/event", event.len())).unwrap();
    assert_eq!(asked.read_answer("POST").unwrap().status, 100);
    asked.write(&event).unwrap();
    assert_eq!(asked.read_answer("POST").unwrap().status, 200);
    for (path, length, status) in [("/user/event", 2 << 20, 413), ("/v1/streams/none", 100, 404)] {
        let mut unasked = daemon.connect();
        unasked.write(head(path, length)).unwrap();
        assert_eq!(unasked.read_answer("POST").unwrap().status, status, "{path}");
    }
}

#[test]
fn trailers_are_read_over() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = user_event(TIME, 1);
    let mut connection = daemon.connect();
    let head = "POST /user/event HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n";
    for _ in 0..2 {
        let chunk = format!("{:x};name=value\r\n{event}\r\n", event.len());
        connection.write(format!("{head}{chunk}0\r\nx-checksum: abc\r\n\r\n")).unwrap();
        assert_eq!(connection.read_answer("POST").unwrap().status, 200);
    }
    let mut endless = daemon.connect();
    endless.write(format!("{head}{:x}\r\n{event}\r\n0\r\n", event.len())).unwrap();
    let _ = endless.write("x: y\r\n".repeat(1 << 20));
    assert_ne!(endless.read_answer("POST").map_or(0, |answer| answer.status), 200);
    assert_eq!(daemon.close_window("user-events")["rows"], 2);
}

/// What follows a request whose length is unclear: with luck, a request of its own.
fn hidden() -> String {
    post(&user_event(TIME, 666))
}

/// Whether the connection is over once its answer has come, without anything hidden in it having been done.
fn ends(connection: &mut Connection) -> bool {
    connection.read_to_end().is_ok_and(|rest| rest.is_empty())
}

#[test]
fn a_length_that_is_told_twice_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = user_event(TIME, 1);
    let length = event.len();
    for lengths in [
        format!("content-length: {length}\r\ncontent-length: {}", length + 10),
        format!("content-length: {}\r\ncontent-length: {length}", length + 10),
        format!("content-length: {length}, {}", length + 1),
        format!("content-length: +{length}"),
        format!("content-length: 0x{length:x}"),
        format!("content-length: {length} {length}"),
        "content-length: 99999999999999999999999".to_owned(),
        "content-length: -1".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        format!("content-length : {length}"),
        format!("content-length:\r\n {length}"),
    ] {
        let mut connection = daemon.connect();
        let head = format!("POST /user/event HTTP/1.1\r\nhost: w\r\n{lengths}\r\n\r\n");
        connection.write(format!("{head}{event}{}", hidden())).unwrap();
        assert_eq!(connection.read_answer("POST").unwrap().status, 400, "{lengths}");
        assert!(ends(&mut connection), "{lengths}");
    }
    // Twice the same is once.
    let mut connection = daemon.connect();
    let head = format!("content-length: {length}\r\ncontent-length: {length}");
    connection
        .write(format!("POST /user/event HTTP/1.1\r\nhost: w\r\n{head}\r\n\r\n{event}"))
        .unwrap();
    assert_eq!(connection.read_answer("POST").unwrap().status, 200);
    assert_eq!(daemon.close_window("user-events")["rows"], 1);
}

#[test]
fn where_chunks_and_a_length_are_told_the_connection_ends() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = user_event(TIME, 1);
    let chunks = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    let mut taken = 0;
    for both in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "TRANSFER-ENCODING: Chunked\r\nContent-Length: 100000",
    ] {
        let mut connection = daemon.connect();
        let head = format!("POST /user/event HTTP/1.1\r\nhost: w\r\n{both}\r\n\r\n");
        connection.write(format!("{head}{chunks}{}", hidden())).unwrap();
        // By the chunks or not at all (RFC 9112, 6.1).
        let answer = connection.read_answer("POST").unwrap();
        assert!([200, 400].contains(&answer.status), "{both}: {}", answer.status);
        taken += u64::from(answer.status == 200);
        assert!(ends(&mut connection), "{both}");
    }
    assert_eq!(daemon.ingest("user-events", user_events(10, 1))["rows"], taken + 1);
}
