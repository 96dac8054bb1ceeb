//! What a good client keeps of its rate beside bad ones: `ops/bad-clients`, in an optimised build.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use crate::assert_small;
use crate::bombs::{bomb, post};
use crate::harness::{Daemon, say, user_event, user_events};

/// A good client is measured for so long.
const MEASURED: Duration = Duration::from_secs(10);
/// What it must keep.
const KEPT_MIN: f64 = 0.7;
/// Connections that do nothing, or are too slow.
const IDLE: usize = 5_000;

#[test]
#[ignore = "it measures: ops/bad-clients runs it"]
fn a_good_client_keeps_its_rate() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let alone = rate(&daemon);
    let stop = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        be_bad(scope, &daemon, &stop);
        // All of them are there.
        std::thread::sleep(Duration::from_secs(2));
        let beside = rate(&daemon);
        stop.store(true, Ordering::Relaxed);
        beside
    });
    assert_small(&daemon);
    let kept = beside / alone;
    say(&format!("{alone:.0} requests/s alone, {beside:.0} beside bad clients: {kept:.2} of it"));
    assert!(kept >= KEPT_MIN, "{kept:.2}");
}

/// Requests a second of one client that sends as fast as it is answered.
fn rate(daemon: &Daemon) -> f64 {
    let body = user_event("2024-07-01T02:03:04Z", 1);
    let mut connection = daemon.connect();
    let (began, mut requests) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        let answer = connection.send("POST", "/user/event", &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        requests += 1;
    }
    f64::from(requests) / began.elapsed().as_secs_f64()
}

/// Starts clients of each bad kind, until told to stop. None of them is fast, as people's machines count:
/// what is measured is what they cost the daemon, not who has more cores.
fn be_bad<'s>(scope: &'s Scope<'s, '_>, daemon: &'s Daemon, stop: &'s AtomicBool) {
    let goes_on = || !stop.load(Ordering::Relaxed);
    scope.spawn(move || {
        let mut slow: Vec<_> =
            (0..IDLE).map_while(|_| TcpStream::connect(daemon.address).ok()).collect();
        while goes_on() {
            for socket in slow.iter_mut().step_by(10) {
                let _ = socket.write_all(b"x");
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    scope.spawn(move || {
        let body = user_events(0, 100);
        while goes_on() {
            let mut leaving = daemon.connect();
            let _ = leaving
                .write("POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: 99999\r\n\r\n");
            let _ = leaving.write(&body);
            drop(leaving);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    scope.spawn(move || {
        let bomb = bomb("zstd", "", b'0');
        while goes_on() {
            let _ = post(daemon, "zstd", "application/x-ndjson", &bomb);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    scope.spawn(move || {
        while goes_on() {
            let mut nonsense = daemon.connect();
            let _ = nonsense.write("nonsense\r\n\r\n");
            let _ = nonsense.read_to_end();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}
