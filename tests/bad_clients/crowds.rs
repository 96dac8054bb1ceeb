//! Many at once: idle, in the middle of a head, or gone in the middle of what they were saying.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::assert_small;
use crate::harness::{Connection, Daemon, say, user_event, user_events};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const MANY: usize = 10_000;
const LEAVING: usize = 1_000;
/// What else this process has open.
const OTHER_FILES: u64 = 300;

#[test]
fn ten_thousand_idle_ones_and_a_thousand_that_leave_at_any_byte_cost_little() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let idle: Vec<_> = (0..many())
        .map(|number| {
            let mut socket = TcpStream::connect(daemon.address).unwrap();
            // Some say nothing, some have begun to.
            if number % 3 == 0 {
                socket.write_all(b"POST /user/event HTTP/1.1\r\n").unwrap();
            }
            socket
        })
        .collect();
    let body = user_events(0, 40);
    let request = format!(
        "POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut whole = 0;
    for number in 0..LEAVING {
        let cut = chance.below(request.len() + 1);
        whole += usize::from(cut == request.len());
        let mut socket = TcpStream::connect(daemon.address).unwrap();
        // One that was refused may be closed already.
        let _ = socket.write_all(&request.as_bytes()[..cut]);
        if number % 2 == 0 {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
    assert_eq!(daemon.post("/user/event", user_event("2024-07-01T02:03:04Z", 1)).status, 200);
    assert_small(&daemon);
    drop(idle);
    // Whole requests count even where nobody waited for their answers; all others never were.
    let rows = daemon.ingest("user-events", user_events(50, 1))["rows"].as_u64().unwrap() as usize;
    assert!(
        rows >= 2 && rows <= 2 + whole * 40 && (rows - 2).is_multiple_of(40),
        "{rows} of {whole}"
    );
}

#[test]
fn ten_thousand_that_wait_for_their_next_request_cost_little_and_get_its_answer() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut kept: Vec<_> = (0..many())
        .map(|_| {
            let mut connection = daemon.connect();
            assert_eq!(connection.send("GET", "/health/live", &[], b"").status, 200);
            connection
        })
        .collect();
    assert_small(&daemon);
    for (number, connection) in (0..).zip(kept.iter_mut().step_by(50)) {
        let body = user_event("2024-07-01T02:03:04Z", number);
        assert_eq!(connection.send("POST", "/user/event", &[], body.as_bytes()).status, 200);
    }
    assert_small(&daemon);
}

#[test]
fn ten_thousand_heads_that_do_not_end_cost_little_wherever_they_begin() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-head", "10m"]);
    let head = format!("POST /user/event HTTP/1.1\r\nhost: w\r\nx: {}", "x".repeat(500));
    let before = "GET /health/live HTTP/1.1\r\nhost: w\r\n\r\n";
    let mut begun: Vec<_> = (0..many())
        .map(|number| {
            let mut socket = TcpStream::connect(daemon.address).unwrap();
            // Some have begun behind another request, in one piece with it.
            let before = if number % 2 == 0 { before } else { "" };
            socket.write_all(format!("{before}{head}").as_bytes()).unwrap();
            if number % 2 == 0 {
                assert!(socket.read(&mut [0; 12]).unwrap() > 0);
            }
            socket
        })
        .collect();
    assert_small(&daemon);
    // They may still end.
    let body = user_event("2024-07-01T02:03:04Z", 1);
    for socket in begun.iter_mut().skip(1).step_by(500) {
        let rest = format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        for part in rest.as_bytes().chunks(20) {
            socket.write_all(part).unwrap();
        }
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    assert_small(&daemon);
}

#[test]
fn unfinished_heads_have_a_bound_together() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let head = format!("GET /health/live HTTP/1.1\r\nhost: w\r\nx: {}", "x".repeat(100 << 10));
    let mut begun: Vec<Connection> = (0..400)
        .map(|_| {
            let mut connection = daemon.connect();
            // Whoever comes too late may be told so before it has said everything.
            let _ = connection.write(&head);
            connection
        })
        .collect();
    assert_eq!(begun.pop().unwrap().read_answer("GET").unwrap().status, 503);
    assert!(crate::hits(&daemon, "in_flight") > 0);
    assert_eq!(daemon.post("/user/event", user_event("2024-07-01T02:03:04Z", 1)).status, 200);
    let mut first = begun.swap_remove(0);
    first.write("\r\n\r\n").unwrap();
    assert_eq!(first.read_answer("GET").unwrap().status, 200);
    assert_small(&daemon);
}

/// The files of this process are for one crowd at a time.
fn alone() -> MutexGuard<'static, ()> {
    static CROWD: Mutex<()> = Mutex::new(());
    CROWD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many connections as this is about, or as this process may have.
fn many() -> usize {
    let allowed = files();
    if allowed < MANY {
        say(&format!("only {allowed} connections: the limit of open files allows no more"));
    }
    allowed.min(MANY)
}

/// As many connections as this process may have.
fn files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.map_or(MANY, |files| files.saturating_sub(OTHER_FILES) as usize)
}

/// xorshift64 (G. Marsaglia): the same bytes every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
