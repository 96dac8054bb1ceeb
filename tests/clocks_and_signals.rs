//! The wall clock jumps by years either way, and signals come when nobody expects them: windows, duplicates
//! and positions don't care.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use harness::{Daemon, PATIENCE, position, say, user_events, windrow};

/// A program that is windrow with a clock of its own, which `clock` sets: `+0`, `+6y`, `-20y`. `None`, and
/// said, where libfaketime isn't there.
fn with_own_clock(dir: &Path, clock: &Path) -> Option<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
    let library = libraries
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    let Some(library) = library else {
        say("SKIPPED clocks: libfaketime isn't there (Debian's package faketime)");
        return None;
    };
    let program = dir.join("windrow-with-own-clock");
    let windrow = windrow();
    // Only the wall clock jumps, as it does where somebody sets it.
    let script = format!(
        "#!/bin/sh\nexport LD_PRELOAD='{}' FAKETIME_TIMESTAMP_FILE='{}' FAKETIME_NO_CACHE=1 \
         FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\nexec '{}' \"$@\"\n",
        library.display(),
        clock.display(),
        Path::new(windrow.get_program()).display(),
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Some(program)
}

fn count(daemon: &Daemon, id: &str) -> u64 {
    let event = format!(
        r#"[{{"transaction_id":"{id}","customer_id":"c","event_type":"e","timestamp":1700000000}}]"#
    );
    let position = position(&daemon.post_json("/v1/ingest", &event));
    let path = format!("/v1/customers/c/total_events?window_size=none&position={position}");
    daemon.get(&path).json()["total"].as_u64().unwrap()
}

#[test]
fn a_wall_clock_that_jumps_by_years_changes_neither_windows_nor_duplicates() {
    let dir = tempfile::tempdir().unwrap();
    let (data, clock) = (dir.path().join("data"), dir.path().join("clock"));
    let set = |to: &str| fs::write(&clock, to).unwrap();
    set("+0");
    let Some(program) = with_own_clock(dir.path(), &clock) else { return };
    let daemon = Daemon::start_program(&program, &data, &[]);
    assert_eq!(count(&daemon, "a"), 1);
    daemon.ingest("user-events", user_events(0, 400));

    set("-7y");
    daemon.ingest("user-events", user_events(400, 400));
    assert_eq!(count(&daemon, "a"), 1, "arrivals don't go back, and nothing is new");
    set("+6y");
    daemon.ingest("user-events", user_events(800, 400));
    assert_eq!(count(&daemon, "b"), 2);
    set("-3y");
    assert_eq!(count(&daemon, "b"), 2);
    daemon.ingest("user-events", user_events(1200, 400));
    assert_eq!(daemon.get("/health").json()["status"], "ok");
    // A log whose last arrival lies in the future is opened in the past, after a kill and after a stop.
    daemon.kill();
    set("-20y");
    let daemon = Daemon::start_program(&program, &data, &[]);
    assert_eq!(count(&daemon, "b"), 2);
    daemon.ingest("user-events", user_events(1600, 400));
    assert_eq!(daemon.stop().code(), Some(0));
    set("+0");
    let daemon = Daemon::start_program(&program, &data, &[]);
    assert_eq!(count(&daemon, "b"), 2);
    daemon.close_window("user-events");

    // Event time alone makes windows: five minutes of a second each.
    let outputs = daemon.outputs("user-events");
    outputs.assert_agree();
    let rows: Vec<_> = outputs.manifest().iter().map(|it| it["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [300, 300, 300, 300, 300, 300, 200]);
    assert_eq!(daemon.stop().code(), Some(0));
    let verified = harness::run(&["verify", "--strict", "--data-dir", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// A client that doesn't stop: every request must be answered 200, unless the daemon is told to end.
struct Client {
    accepted: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Client {
    fn start(daemon: &Daemon) -> Self {
        let (accepted, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut connection = daemon.connect();
        let thread = std::thread::spawn({
            let (accepted, over) = (Arc::clone(&accepted), Arc::clone(&over));
            move || {
                let patience = Some(standstill() + PATIENCE);
                connection.stream().set_read_timeout(patience).unwrap();
                while !over.load(Ordering::Acquire) {
                    let from = accepted.load(Ordering::Acquire);
                    let lines = user_events(from, 20);
                    let sent = connection.try_send("POST", "/user/event", &[], lines.as_bytes());
                    match sent {
                        Ok(answer) if answer.status == 200 => {
                            accepted.fetch_add(20, Ordering::AcqRel);
                        }
                        _ if over.load(Ordering::Acquire) => return,
                        Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        Self { accepted, over, thread }
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    fn wait_for_more(&self) {
        let (before, end) = (self.accepted(), Instant::now() + PATIENCE);
        while self.accepted() < before + 100 {
            assert!(Instant::now() < end, "nothing more is accepted");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn stop(self) -> u64 {
        self.over.store(true, Ordering::Release);
        self.thread.join().unwrap();
        self.accepted.load(Ordering::Acquire)
    }
}

/// How long a process stands still: longer than any of its timers, in `ops/campaign`.
fn standstill() -> Duration {
    let seconds = std::env::var_os("WINDROW_TEST_STANDSTILL");
    Duration::from_secs(seconds.map_or(2, |seconds| seconds.to_str().unwrap().parse().unwrap()))
}

#[test]
fn a_daemon_that_stood_still_for_a_while_goes_on_as_if_nothing_were() {
    let dir = tempfile::tempdir().unwrap();
    let (data, clock) = (dir.path().join("data"), dir.path().join("clock"));
    fs::write(&clock, "+0").unwrap();
    let daemon = match with_own_clock(dir.path(), &clock) {
        Some(program) => Daemon::start_program(&program, &data, &[]),
        None => Daemon::start(&data),
    };
    let client = Client::start(&daemon);
    client.wait_for_more();
    daemon.signal(Signal::STOP);
    std::thread::sleep(standstill());
    // As far as the wall clock says, it was an hour, or another one.
    fs::write(&clock, "+1h").unwrap();
    daemon.signal(Signal::CONT);
    client.wait_for_more();
    let accepted = client.stop();
    daemon.wait_for_rows("user-events", accepted);
    let health = daemon.get("/health").json();
    assert_eq!(health["status"], "ok", "{health}");
    daemon.close_window("user-events");
    assert_eq!(daemon.outputs("user-events").committed_rows().len() as u64, accepted);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_storm_of_hangups_is_noticed_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let client = Client::start(&daemon);
    for _ in 0..300 {
        daemon.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(1));
    }
    client.wait_for_more();
    let accepted = client.stop();
    assert_eq!(daemon.wait_for_rows("user-events", accepted)["rows"], accepted);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_hangup_in_the_middle_of_the_start_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Nobody can know the process any sooner.
            let began = Instant::now();
            while began.elapsed() < PATIENCE {
                let written = fs::read_to_string(&lock).unwrap_or_default();
                if let Some(pid) = written.trim().parse().ok().and_then(Pid::from_raw) {
                    return kill_process(pid, Signal::HUP).unwrap();
                }
            }
        });
        let daemon = Daemon::start(dir.path());
        assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
        assert_eq!(daemon.stop().code(), Some(0));
    });
}

#[test]
fn a_second_request_to_end_cuts_off_who_is_slow_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &["--shutdown", "10m"]);
    daemon.ingest("user-events", user_events(0, 100));
    // An upload that takes its time.
    let mut slow = daemon.connect();
    slow.write("POST /user/event HTTP/1.1\r\nhost: windrow\r\ncontent-length: 1000000\r\n\r\n")
        .unwrap();
    slow.write(user_events(100, 100)).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    daemon.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    daemon.signal(Signal::TERM);
    let ended = daemon.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let daemon = Daemon::start(dir.path());
    assert_eq!(daemon.wait_for_rows("user-events", 100)["rows"], 100, "nothing of the upload");
}
