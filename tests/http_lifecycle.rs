//! Starting, being in the way, and ending.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use harness::{Daemon, user_event, user_events};
use rustix::process::Signal;

#[test]
fn both_signals_end_it_with_0_and_nothing_is_lost() {
    let data = tempfile::tempdir().unwrap();
    for (round, signal) in [(1, Signal::TERM), (2, Signal::INT)] {
        let daemon = Daemon::start(data.path());
        assert_eq!(daemon.post("/user/event", user_events(0, 50)).status, 200);
        daemon.signal(signal);
        let ended = daemon.wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        let daemon = Daemon::start(data.path());
        daemon.wait_for_rows("user-events", round * 50);
        daemon.kill();
    }
}

#[test]
fn a_request_under_way_is_finished_before_it_ends() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut idle = daemon.connect();
    assert_eq!(idle.send("GET", "/health/live", &[], b"").status, 200);
    let body = user_events(0, 100);
    let mut connection = daemon.connect();
    let length = body.len();
    connection
        .write(format!("POST /user/event HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"))
        .unwrap();
    connection.write(&body.as_bytes()[..1000]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    daemon.signal(Signal::TERM);
    // Connections without a request are closed at once.
    assert_eq!(idle.read_to_end().unwrap(), b"");
    std::thread::sleep(Duration::from_millis(300));
    connection.write(&body.as_bytes()[1000..]).unwrap();
    let answer = connection.read_answer("POST").unwrap();
    assert_eq!(answer.json()["accepted"], 100, "{}", answer.text());
    assert_eq!(daemon.wait().status.code(), Some(0));
    let daemon = Daemon::start(data.path());
    assert_eq!(daemon.wait_for_rows("user-events", 100)["rows"], 100);
}

#[test]
fn a_request_that_takes_too_long_is_cut_off_at_the_end() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--shutdown", "300ms"]);
    let mut connection = daemon.connect();
    connection
        .write("POST /user/event HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_second_daemon_is_told_who_has_the_directory() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let ended = Daemon::try_start(data.path(), &[]).err().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.log.contains(&format!("process {}", daemon.pid())), "{}", ended.log);
    assert_eq!(daemon.get("/health").status, 200);
}

#[test]
fn an_address_in_use_is_one_sentence_and_1() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let daemon = Daemon::start(data.path());
    let address = daemon.address.to_string();
    let ended = Daemon::try_start(other.path(), &["--listen", &address]).err().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let last = ended.log.lines().last().unwrap();
    assert!(last.contains("in use") && last.contains(&address), "{}", ended.log);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_one_sentence_and_1() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ended = Daemon::try_start(&file.join("data"), &[]).err().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.log.contains("file/data"), "{}", ended.log);
}

#[test]
fn a_damaged_log_needs_a_person_and_ends_it_with_3() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for _ in 0..3 {
        assert_eq!(daemon.post("/user/event", user_events(0, 50)).status, 200);
    }
    daemon.kill();
    let segment = data.path().join("wal/00000000000000000000.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4096 + 200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    // `/health/live` answers before the log is looked at, so it may have begun to listen.
    let ended = match Daemon::try_start(data.path(), &[]) {
        Ok(daemon) => daemon.wait(),
        Err(ended) => ended,
    };
    assert_eq!(ended.status.code(), Some(3), "{}", ended.log);
    let last = ended.log.lines().last().unwrap();
    assert!(last.contains("00000000000000000000.wal") && last.contains("repair"), "{last}");
}

#[test]
fn a_stream_that_is_gone_with_data_waiting_is_refused_unless_told() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = r#"{"type":"sensor_data","source":"web","timestamp":"2024-07-01T00:00:00Z"}"#;
    assert_eq!(daemon.post("/v1/streams/events", event).status, 200);
    daemon.kill();
    let config = data.path().join("windrow.toml");
    std::fs::write(&config, "[streams.events]\nsinks = [\"windows\"]\n").unwrap();
    let config = config.to_str().unwrap();
    let ended = match Daemon::try_start(data.path(), &["--config", config]) {
        Ok(daemon) => daemon.wait(),
        Err(ended) => ended,
    };
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    assert!(ended.log.contains("--discard"), "{}", ended.log);
    let daemon = Daemon::start_with(data.path(), &["--config", config, "--discard"]);
    assert_eq!(daemon.stop().code(), Some(0));
    let daemon = Daemon::start_with(data.path(), &["--config", config]);
    assert_eq!(daemon.get("/health").json()["status"], "ok");
}

#[test]
fn it_listens_on_a_unix_socket_too() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("socket");
    let listen = format!("unix:{}", path.display());
    for _ in 0..2 {
        let mut daemon = harness::windrow()
            .args(["serve", "--listen", &listen, "--data-dir"])
            .arg(data.path().join("data"))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + harness::PATIENCE;
        let answer = loop {
            let line = user_event("2024-07-01T02:03:04Z", 1);
            let length = line.len();
            let asked = UnixStream::connect(&path).and_then(|mut socket| {
                socket.write_all(
                    format!(
                        "POST /user/event HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                         content-length: {length}\r\n\r\n{line}"
                    )
                    .as_bytes(),
                )?;
                let mut answer = String::new();
                socket.read_to_string(&mut answer).map(|_| answer)
            });
            match asked {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => break answer,
                _ if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
                other => panic!("{other:?}"),
            }
        };
        assert!(answer.contains("\"accepted\":1"), "{answer}");
        // Killed, it leaves the socket's file behind, which the next one takes over.
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
}
