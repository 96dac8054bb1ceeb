//! A daemon beside the test, for what is only read of a request: its query, its headers, and a body's way
//! through all of it.

use std::cell::RefCell;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Answer, Connection, Daemon};

/// Whatever it is sent, it has no more than this in memory.
const RESIDENT_BYTES_MAX: u64 = 256 << 20;

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// A daemon, and a connection to it.
struct Running {
    daemon: Daemon,
    connection: Option<Connection>,
    _data: TempDir,
}

/// The daemon of a test, for as long as this lives.
pub struct Guard;

/// Starts the daemon of this thread's test, with its data in memory if there is such a file system.
pub fn start() -> Guard {
    let shm = Path::new("/dev/shm");
    let dir = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let data = TempDir::with_prefix_in("windrow-fuzz-", dir).unwrap();
    let daemon = Daemon::start(data.path());
    RUNNING.set(Some(Running { daemon, connection: None, _data: data }));
    Guard
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(running) = RUNNING.take() else { return };
        let resident = running.daemon.resident_bytes_max();
        if !std::thread::panicking() {
            assert!(resident.is_none_or(|bytes| bytes <= RESIDENT_BYTES_MAX), "{resident:?}");
        }
    }
}

/// Sends a request, its target and headers as they are, and gives the answer: a success, or a problem of
/// the client's that says what it is.
pub fn ask(method: &str, target: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Answer {
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: windrow\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    RUNNING.with_borrow_mut(|running| {
        let running = running.as_mut().expect("a daemon was started");
        let mut connection = running.connection.take().unwrap_or_else(|| running.daemon.connect());
        let answer = connection.write(&request).and_then(|()| connection.read_answer(method));
        let answer = answer.unwrap_or_else(|error| {
            let request = request.escape_ascii();
            panic!("{error}: {request}\n{}", running.daemon.log())
        });
        if answer.header("connection") != Some("close") {
            running.connection = Some(connection);
        }
        told(&answer);
        answer
    })
}

/// A problem document says what it is, in one sentence.
fn told(answer: &Answer) {
    if answer.status == 200 {
        return;
    }
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: Value = answer.json();
    assert_eq!(problem["status"], answer.status);
    assert_eq!(problem["detail"], problem["message"]);
    let detail = problem["detail"].as_str().unwrap();
    assert!(!detail.is_empty() && !detail.contains('\n'), "{detail}");
}
