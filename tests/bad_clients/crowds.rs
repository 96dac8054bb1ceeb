//! Many at once: idle, or gone in the middle of what they were saying.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use crate::assert_small;
use crate::harness::{Daemon, say, user_event, user_events};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const IDLE: usize = 10_000;
const LEAVING: usize = 1_000;
/// What else this process has open.
const OTHER_FILES: u64 = 300;

#[test]
fn ten_thousand_idle_ones_and_a_thousand_that_leave_at_any_byte_cost_little() {
    let idle = IDLE.min(files());
    if idle < IDLE {
        say(&format!("only {idle} idle connections: the limit of open files allows no more"));
    }
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let idle: Vec<_> = (0..idle)
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

/// As many connections as this process may have.
fn files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.map_or(IDLE, |files| files.saturating_sub(OTHER_FILES) as usize)
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
