//! What the black-box tests share: a daemon to start, stop and kill, and a small HTTP client that
//! sends exactly the bytes a test wants to send.
//!
//! ```ignore
//! let dir = tempfile::tempdir().unwrap();
//! let daemon = Daemon::start(dir.path());
//! let answer = daemon.post("/user/event", user_event("2024-07-01T02:03:04Z", 1));
//! assert_eq!(answer.status, 200);
//! daemon.kill();                                  // SIGKILL
//! let daemon = Daemon::start(dir.path());
//! assert_eq!(daemon.stop().code(), Some(0));      // SIGTERM
//! ```
#![allow(dead_code, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

pub mod http;
pub mod mariadb;
pub mod outputs;
pub mod packages;
pub mod secure;
pub mod small_disk;
pub mod sql;
pub mod storm;
pub mod table;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub use http::{Answer, Connection};
pub use outputs::Outputs;

/// How long a test waits for something that must happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
const WINDROW: &str = env!("CARGO_BIN_EXE_windrow");

/// A command of the binary under test, cut off from the environment's `WINDROW_…` variables.
pub fn windrow() -> Command {
    isolated(Path::new(WINDROW))
}

/// One of the examples, which `cargo test --examples` builds beside the binary.
pub fn example(name: &str) -> PathBuf {
    let path = Path::new(WINDROW).with_file_name("examples").join(name);
    assert!(path.exists(), "{} isn't built: `cargo build --examples`", path.display());
    path
}

/// The same, started by another program that becomes it.
pub fn through(program: &str, arguments: &[&str]) -> Command {
    let mut command = isolated(Path::new(program));
    command.args(arguments).arg(WINDROW);
    command
}

fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WINDROW_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a subcommand to its end.
pub fn run(args: &[&str]) -> Output {
    windrow().args(args).stdin(Stdio::null()).output().unwrap()
}

/// A running daemon. Dropping it kills it.
pub struct Daemon {
    child: Child,
    log: Arc<LogLines>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data directory.
    pub data: PathBuf,
}

impl Daemon {
    /// Starts one on any free port and waits until it is ready.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more arguments.
    pub fn start_with(data: &Path, args: &[&str]) -> Self {
        let daemon = Self::start_unready(data, args);
        daemon.wait_ready();
        daemon
    }

    /// Starts one and returns as soon as it listens.
    pub fn start_unready(data: &Path, args: &[&str]) -> Self {
        match Self::try_start(data, args) {
            Ok(daemon) => daemon,
            Err(ended) => panic!("the daemon ended with {}:\n{}", ended.status, ended.log),
        }
    }

    /// Starts one, or says how it ended without ever listening.
    pub fn try_start(data: &Path, args: &[&str]) -> Result<Self, Ended> {
        Self::try_start_program(Path::new(WINDROW), data, args)
    }

    /// The same with another program, one that embeds windrow.
    pub fn start_program(program: &Path, data: &Path, args: &[&str]) -> Self {
        match Self::try_start_program(program, data, args) {
            Ok(daemon) => {
                daemon.wait_ready();
                daemon
            }
            Err(ended) => panic!("{} ended: {}", program.display(), ended.log),
        }
    }

    /// The same, or how it ended without ever listening.
    pub fn try_start_program(program: &Path, data: &Path, args: &[&str]) -> Result<Self, Ended> {
        let mut command = isolated(program);
        command.arg("serve").arg("--data-dir").arg(data).args(["--log-format", "json"]);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = LogLines::follow(child.stderr.take().unwrap());
        match log.wait_for_address() {
            Some(address) => Ok(Self { child, log, address, data: data.to_owned() }),
            None => Err(Ended { status: child.wait().unwrap(), log: log.text() }),
        }
    }

    /// Waits until `/health/ready` says so.
    pub fn wait_ready(&self) {
        assert!(self.becomes_ready(), "not ready:\n{}", self.log());
    }

    /// Waits until it is ready, or says that it has ended before.
    pub fn becomes_ready(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && !self.log.ended() {
            if Connection::try_open(self.address)
                .and_then(|mut connection| connection.try_send("GET", "/health/ready", &[], b""))
                .is_ok_and(|answer| answer.status == 200)
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(self.log.ended(), "neither ready nor ended after {PATIENCE:?}:\n{}", self.log());
        false
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had resident, in bytes. Linux only.
    pub fn resident_bytes_max(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// The value of a metric, named with its labels as `/metrics` shows it.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    /// Everything that it has written to standard error so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// One request over a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.connect().send(method, path, headers, body)
    }

    /// A GET over a connection of its own.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// A POST of NDJSON over a connection of its own.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST", path, &[("content-type", "application/x-ndjson")], body.as_ref())
    }

    /// Waits until the windows of the stream hold so many rows, and returns the listing.
    pub fn wait_for_rows(&self, stream: &str, rows: u64) -> serde_json::Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let listing = self.get(&format!("/v1/streams/{stream}/windows")).json();
            if listing["rows"].as_u64() >= Some(rows) {
                return listing;
            }
            assert!(Instant::now() < end, "{rows} rows of {stream}, but {listing}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The windows of the stream once they hold everything up to `position`.
    pub fn windows_at(&self, stream: &str, position: &str) -> serde_json::Value {
        let path = format!("/v1/streams/{stream}/windows?position={}", encoded(position));
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(&path);
            if answer.status == 200 {
                return answer.json();
            }
            assert!(Instant::now() < end, "{}\n{}", answer.text(), self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Posts lines that must be taken, and waits until the windows hold them.
    pub fn ingest(&self, stream: &str, lines: impl AsRef<[u8]>) -> serde_json::Value {
        let answer = self.post(&format!("/v1/streams/{stream}"), lines);
        self.windows_at(stream, &position(&answer))
    }

    /// Closes the open window and waits until it is committed.
    pub fn close_window(&self, stream: &str) -> serde_json::Value {
        let answer = self.post(&format!("/v1/streams/{stream}/windows/close"), "");
        self.windows_at(stream, &position(&answer))
    }

    /// What this data directory's windows of the stream are on disk.
    pub fn outputs(&self, stream: &str) -> Outputs {
        Outputs::of(&self.data, stream)
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Any signal; does not wait.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait().status
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.log.wait_for_end();
                return Ended { status, log: self.log.text() };
            }
            assert!(Instant::now() < end, "still running after {PATIENCE:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The position in an answer, which must be a success.
pub fn position(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["position"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// Text as it stands in a query string.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Says something that is seen even when the test passes: that it skips a part, and why.
pub fn say(text: &str) {
    use std::io::Write as _;
    // Unlike `eprintln!`, this isn't captured.
    std::io::stderr().write_all(format!("\n{text}\n").as_bytes()).unwrap();
}

/// How a daemon ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard error.
    pub log: String,
}

/// A process's standard error, gathered by a thread.
#[derive(Default)]
struct LogLines {
    gathered: Mutex<Gathered>,
    changed: Condvar,
}

#[derive(Default)]
struct Gathered {
    text: String,
    address: Option<SocketAddr>,
    ended: bool,
}

impl LogLines {
    fn follow(stderr: impl std::io::Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let followed = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut gathered = followed.gathered.lock().unwrap();
                gathered.address = gathered.address.or_else(|| announced_address(&line));
                gathered.text.push_str(&line);
                gathered.text.push('\n');
                followed.changed.notify_all();
            }
            followed.gathered.lock().unwrap().ended = true;
            followed.changed.notify_all();
        });
        lines
    }

    fn text(&self) -> String {
        self.gathered.lock().unwrap().text.clone()
    }

    fn ended(&self) -> bool {
        self.gathered.lock().unwrap().ended
    }

    fn wait_for_address(&self) -> Option<SocketAddr> {
        let gathered = self.gathered.lock().unwrap();
        let (gathered, timeout) = self
            .changed
            .wait_timeout_while(gathered, PATIENCE, |now| now.address.is_none() && !now.ended)
            .unwrap();
        assert!(!timeout.timed_out(), "no address announced:\n{}", gathered.text);
        gathered.address
    }

    fn wait_for_end(&self) {
        let gathered = self.gathered.lock().unwrap();
        drop(self.changed.wait_timeout_while(gathered, PATIENCE, |now| !now.ended).unwrap());
    }
}

/// The start-up line is `{"…","fields":{"message":"listening","address":"127.0.0.1:8080"}}`.
fn announced_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    if fields.get("message")? != "listening" {
        return None;
    }
    fields.get("address")?.as_str()?.parse().ok()
}

/// A line of `user-events`, without its end.
pub fn user_event(time: &str, number: u64) -> String {
    format!(
        r#"{{"time":"{time}","uuid":"{:08x}-c6d2-4cf5-8532-8473d74004e6","id":{},"active":{},"email":"a{number}@example.org","phone":"654.681.{:04}","description":"Number {number}, \"quoted\".","credits":-{number}.25}}"#,
        number & 0xffff_ffff,
        5_811_804_537_417_038_826 - i128::from(number),
        number.is_multiple_of(2),
        number % 10_000,
    )
}

/// So many lines, a second apart, from `2024-07-01T02:03:04Z` plus `from` seconds.
pub fn user_events(from: u64, count: u64) -> String {
    let start = chrono::DateTime::parse_from_rfc3339("2024-07-01T02:03:04Z").unwrap();
    (from..from + count).fold(String::new(), |mut lines, second| {
        let time = start + Duration::from_secs(second);
        lines +=
            &user_event(&time.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true), second);
        lines.push('\n');
        lines
    })
}
