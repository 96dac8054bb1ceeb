//! SIGHUP: tokens come and go while requests do.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Connection, Daemon, PATIENCE, run, user_events};
use crate::rig::{Rig, get, send};

/// Waits until a request with the token gets this status.
fn wait_for(daemon: &Daemon, token: &str, status: u16) {
    let end = Instant::now() + PATIENCE;
    while get(daemon, token, "/v1/streams").status != status {
        assert!(Instant::now() < end, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn tokens_that_are_made_and_revoked_under_load_lose_no_request() {
    let rig = Rig::new();
    let [kept, reader] = ["ingest", "read"].map(|scope| rig.token(scope, "*"));
    let daemon = rig.daemon(&[]);
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let authorization = format!("Bearer {kept}");
                let mut connection = Connection::open(daemon.address);
                while !over.load(Ordering::Relaxed) {
                    let headers = [("authorization", authorization.as_str())];
                    let body = user_events(0, 1);
                    let answer = connection.send("POST", "/user/event", &headers, body.as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..10 {
            let before = sent.load(Ordering::Relaxed);
            let token = rig.token("read", "*");
            assert_eq!(get(&daemon, &token, "/v1/streams").status, 401, "nobody told it yet");
            daemon.signal(Signal::HUP);
            wait_for(&daemon, &token, 200);
            let file = rig.file();
            let revoked = ["token", "revoke", "--file", file.to_str().unwrap(), &token[8..20]];
            assert!(run(&revoked).status.success());
            daemon.signal(Signal::HUP);
            wait_for(&daemon, &token, 401);
            let end = Instant::now() + PATIENCE;
            while sent.load(Ordering::Relaxed) < before + 20 && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let listing = |path: &str| get(&daemon, &reader, path).json();
    let expected = sent.load(Ordering::Relaxed);
    assert!(expected >= 200, "{expected}");
    let end = Instant::now() + PATIENCE;
    while listing("/v1/streams/user-events/windows")["rows"] != expected {
        assert!(Instant::now() < end, "{expected}: {}", listing("/v1/streams/user-events/windows"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_bad_file_changes_nothing_and_is_told() {
    let rig = Rig::new();
    let token = rig.token("ingest,read", "*");
    let daemon = rig.daemon(&[]);
    let right = fs::read_to_string(rig.file()).unwrap();
    let failures = || {
        let metrics = get(&daemon, &token, "/metrics").text();
        let line = metrics.lines().find(|it| it.starts_with("windrow_reload_failures_total"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    for (count, content) in (1..).zip([
        Some("this is no file of tokens\n".to_owned()),
        Some(right.replace("\"read\"", "\"reed\"")),
        Some(format!("{right}{right}")),
        None,
    ]) {
        match content {
            Some(text) => fs::write(rig.file(), text).unwrap(),
            None => fs::remove_file(rig.file()).unwrap(),
        }
        daemon.signal(Signal::HUP);
        let end = Instant::now() + PATIENCE;
        while failures() < count {
            assert!(Instant::now() < end, "{}", daemon.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(send(&daemon, &token, "POST", "/user/event", &user_events(0, 1)).status, 200);
    }
    assert!(daemon.log().contains("the file of tokens can't be read again"), "{}", daemon.log());
    // An empty file is right, and revokes all there are.
    fs::write(rig.file(), "").unwrap();
    daemon.signal(Signal::HUP);
    wait_for(&daemon, &token, 401);
    fs::write(rig.file(), right).unwrap();
    daemon.signal(Signal::HUP);
    wait_for(&daemon, &token, 200);
}
