//! A MariaDB server of the test's own: on a free port, in a directory of its own, as durable as a
//! server in production. It ends with its test, or at the latest with the test's process.
//!
//! ```ignore
//! let database = MariaDb::shared().database();    // empty, with a name of its own
//! let daemon = Daemon::start_with(dir.path(), &["--table-url", &database.url()]);
//! assert_eq!(database.sql().count("SELECT COUNT(*) FROM processed_events"), 0);
//!
//! let mut server = MariaDb::start();              // one to kill
//! let database = server.database();
//! server.kill();                                  // SIGKILL
//! server.restart();                               // the same port, the same data
//! ```

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use tempfile::TempDir;

use super::PATIENCE;
use super::sql::Sql;

/// Who windrow is to the server.
pub const USER: &str = "windrow";

/// Its password: of the characters that a URL must escape.
pub const PASSWORD: &str = "p@ss:w/rd%?";

/// [`PASSWORD`] as a URL has it.
pub const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%25%3F";

/// A running server. Dropping it kills it and removes its directory.
pub struct MariaDb {
    running: Option<Running>,
    arguments: Vec<String>,
    port: u16,
    directory: TempDir,
}

/// A database in a server, empty at first.
#[derive(Clone, Debug)]
pub struct Database {
    port: u16,
    /// Its name.
    pub name: String,
}

impl MariaDb {
    /// The one that the tests of this binary share, each with a [`Database`] of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one for a test that kills it or needs it otherwise alone.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments, each `--option=value`.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), arguments)
    }

    /// The same with its directory in this one.
    pub fn start_in(parent: &Path, arguments: &[&str]) -> Self {
        let directory =
            tempfile::Builder::new().prefix("windrow-mariadb-").tempdir_in(parent).unwrap();
        install(directory.path());
        let mut server = Self {
            running: None,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            port: free_port(),
            directory,
        };
        // Between choosing a port and listening on it, somebody else may take it.
        for _ in 0..3 {
            match server.try_run() {
                Ok(()) => return server,
                Err(log) if log.contains("Address already in use") => server.port = free_port(),
                Err(log) => panic!("mariadbd didn't start:\n{log}"),
            }
        }
        panic!("no port for mariadbd stayed free for long enough to use it")
    }

    /// A new, empty database.
    pub fn database(&self) -> Database {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("windrow_{}", LAST.fetch_add(1, Relaxed));
        let mut sql = self.administrator();
        sql.execute(&format!("CREATE DATABASE {name}"));
        Database { port: self.port, name }
    }

    /// A connection that isn't in any database.
    pub fn administrator(&self) -> Sql {
        Sql::mysql(options(self.port))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.server.kill().unwrap();
            running.server.wait().unwrap();
        }
    }

    /// SIGTERM, and waits until it has shut down.
    pub fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.signal(Signal::TERM);
        let end = Instant::now() + PATIENCE;
        while running.server.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "mariadbd is still running:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again, on the same port and directory, and waits until it answers.
    pub fn restart(&mut self) {
        self.kill();
        if let Err(log) = self.try_run() {
            panic!("mariadbd didn't start again:\n{log}");
        }
    }

    /// Starts it, unless it is running.
    pub fn start_again(&mut self) {
        if self.running.is_none() {
            self.restart();
        }
    }

    /// Lets it hang: connections stay open, and nothing is answered until [`MariaDb::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Where it listens, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server has been stopped").server.id()
    }

    /// What it has written to its error log.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn signal(&self, signal: Signal) {
        self.running.as_ref().expect("the server has been stopped").signal(signal);
    }

    /// Runs it until it answers, or returns its log if it ends before that.
    fn try_run(&mut self) -> Result<(), String> {
        let mut running = Running::spawn(self.directory.path(), self.port, &self.arguments);
        let end = Instant::now() + PATIENCE;
        while Sql::try_mysql(options(self.port)).is_err() {
            if running.server.try_wait().unwrap().is_some() {
                return Err(self.log());
            }
            assert!(Instant::now() < end, "mariadbd doesn't answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.running = Some(running);
        Ok(())
    }
}

impl Database {
    /// What `--table-url` takes.
    pub fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The same in the form of Go's driver.
    pub fn go_url(&self) -> String {
        format!("{USER}:{PASSWORD}@tcp(127.0.0.1:{})/{}", self.port, self.name)
    }

    /// A connection to it.
    pub fn sql(&self) -> Sql {
        self.try_sql().unwrap_or_else(|error| panic!("connecting to {}: {error}", self.name))
    }

    /// A connection to it, or why there is none.
    pub fn try_sql(&self) -> Result<Sql, sqlx::Error> {
        Sql::try_mysql(options(self.port).database(&self.name))
    }
}

/// The server's process, and another one that outlives the test only to end it.
struct Running {
    server: Child,
    reaper: Child,
}

impl Running {
    fn spawn(directory: &Path, port: u16, arguments: &[String]) -> Self {
        let inside = |name: &str| directory.join(name).display().to_string();
        let mut command = Command::new(program("mariadbd"));
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", inside("data")))
            .arg(format!("--socket={}", inside("socket")))
            .arg(format!("--pid-file={}", inside("pid")))
            .arg(format!("--init-file={}", inside("users.sql")))
            .arg(format!("--log-error={}", inside("log")))
            .arg(format!("--tmpdir={}", directory.display()))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(["--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=ON"])
            // Small, so that a dozen of them fit beside each other, and recover quickly.
            .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"])
            .args(as_root())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn().unwrap();
        let reaper = reaper(server.id(), directory);
        Self { server, reaper }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Each fails only where the process has ended already. The reaper goes last, so that nothing
        // is left to chance if this process dies here.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = self.reaper.kill();
        let _ = self.reaper.wait();
    }
}

/// Waits for the end of its standard input, which comes with the end of this process however it ends,
/// and then kills the server and removes its directory. A static is never dropped, and neither is
/// anything in a test that was killed itself.
fn reaper(server: u32, directory: &Path) -> Child {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -KILL "$1"; sleep 0.2; rm -rf "$2""#, "reaper"])
        .arg(server.to_string())
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Makes a data directory, and the statements that make [`USER`] when a server starts.
fn install(directory: &Path) {
    let made = Command::new(program("mariadb-install-db"))
        .arg("--no-defaults")
        .arg(format!("--datadir={}", directory.join("data").display()))
        // A server that starts removes the temporary tables of whoever else is using the directory.
        .arg(format!("--tmpdir={}", directory.display()))
        .args(["--skip-test-db", "--skip-name-resolve"])
        .arg("--auth-root-authentication-method=normal")
        .args(as_root())
        .output()
        .unwrap();
    let told = || {
        String::from_utf8_lossy(&[made.stdout.clone(), made.stderr.clone()].concat()).into_owned()
    };
    assert!(made.status.success(), "mariadb-install-db: {}\n{}", made.status, told());
    let mut users = std::fs::File::create(directory.join("users.sql")).unwrap();
    write!(
        users,
        "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL ON *.* TO '{USER}'@'%';\n"
    )
    .unwrap();
}

/// The server refuses to run as root unless it is told to.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn options(port: u16) -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(port)
        .username(USER)
        .password(PASSWORD)
        .ssl_mode(MySqlSslMode::Disabled)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program of MariaDB's is: Debian puts the server where only root's `PATH` leads.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "this needs MariaDB's `{name}`: install Debian's packages mariadb-server-core and \
                 mariadb-client-core (or mariadb-server; its service doesn't have to run)"
            )
        })
}
