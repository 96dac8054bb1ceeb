//! Signals, sockets, and a sink that is configured no more.

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
fn a_unix_socket_that_somebody_has_or_that_is_none_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [data, taken, file] = ["data", "taken", "file"].map(|name| dir.path().join(name));
    let refused = |path: &std::path::Path, says: &str| {
        let listen = format!("unix:{}", path.display());
        let Err(ended) = Daemon::try_start(&data, &["--listen", &listen]) else {
            panic!("it listens")
        };
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
        assert!(ended.log.contains(says), "{}", ended.log);
        assert!(path.exists());
    };
    let listener = std::os::unix::net::UnixListener::bind(&taken).unwrap();
    refused(&taken, "is in use by another process");
    // Somebody who is too busy to take more connections, as now that one waits, is there all the same.
    rustix::net::listen(&listener, 0).unwrap();
    refused(&taken, "is in use by another process");
    drop(listener);
    std::fs::write(&file, "a file").unwrap();
    refused(&file, "no socket stands there");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a file");
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
