//! A place to execute a page's blocks in: the repository's samples, an empty data directory, a free port.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, packages};
use crate::page::Block;

/// What the pages' programs need is pinned here.
const PINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages_work");
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| packages::python(Path::new(PINS)));
static JAVASCRIPT: LazyLock<PathBuf> = LazyLock::new(|| packages::javascript(Path::new(PINS)));

pub struct Place {
    dir: tempfile::TempDir,
    address: String,
    daemon: Option<Child>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let cargo = format!(
            "#!/bin/sh\n[ \"$1 $2\" = 'run --release' ] || exit 9\nshift 2\n\
             [ \"$1\" != -- ] || shift\nexec '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_windrow")
        );
        fs::write(bin.join("cargo"), cargo).unwrap();
        fs::set_permissions(bin.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        symlink(examples, dir.path().join("examples")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { dir, address: free.to_string(), daemon: None }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// `text` as the shell would execute it here.
    pub fn shell(&self, text: &str) -> Command {
        let mut command = self.program("sh");
        command.args(["-ec", &self.here(text)]);
        command
    }

    fn program(&self, name: impl AsRef<Path>) -> Command {
        let path = std::env::var_os("PATH").unwrap();
        let mut paths = vec![self.path("bin")];
        paths.extend(std::env::split_paths(&path));
        let mut command = Command::new(name.as_ref());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WINDROW_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.dir.path())
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("WINDROW_LISTEN", &self.address)
            .stdin(Stdio::null());
        command
    }

    fn here(&self, text: &str) -> String {
        text.replace("127.0.0.1:8080", &self.address)
    }

    pub fn serve(&mut self, text: &str) {
        let text = format!("exec {}", text.trim());
        let daemon = self.shell(&text).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.daemon = Some(daemon);
        wait_for("windrow to be ready", || {
            TcpStream::connect(&self.address).is_ok()
                && self.shell("cargo run --release -- health").output().unwrap().status.success()
        });
    }

    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// Executes a block of sh, Python or JavaScript, and gives what it has printed.
    pub fn run(&self, block: &Block) -> String {
        let before = self.data_files();
        let output = match block.info.split(' ').next() {
            Some("python") => {
                let text = self.here(&block.text);
                self.program(&*PYTHON).args(["-c", &text]).output().unwrap()
            }
            Some("js") => self.node(block),
            _ => self.shell(&block.text).output().unwrap(),
        };
        let printed = describe(&output);
        assert!(output.status.success(), "{}:\n{}{printed}", block.at, block.text);
        let answer = String::from_utf8(output.stdout).unwrap();
        // Every problem document says its status; the README shows one on purpose.
        if !block.text.contains("yesterday") {
            assert!(!answer.contains("\"status\":4"), "{}: {answer}", block.at);
        }
        if block.text.contains("/user/event") && block.text.contains("@examples")
            || block.text.contains("windows/close")
        {
            wait_for("the windows to be there", || self.settled(&before));
        }
        answer
    }

    /// Modules are looked for beside the program.
    fn node(&self, block: &Block) -> Output {
        let modules = self.path("node_modules");
        if !modules.exists() {
            symlink(JAVASCRIPT.join("node_modules"), modules).unwrap();
        }
        fs::write(self.path("block.mjs"), self.here(&block.text)).unwrap();
        self.program("node").arg("block.mjs").output().unwrap()
    }

    /// Reads `text` as configuration, which must be good.
    pub fn read_config(&self, text: &str) {
        fs::write(self.path("shown.toml"), text).unwrap();
        let read = self.shell("cargo run --release -- config --config shown.toml");
        let output = { read }.output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
    }

    /// Lets a daemon with the configuration that was read last take `lines` for its stream `logs`, compressed
    /// as the senders are told to, and looks for the events in the log.
    pub fn send_to_logs(&self, lines: &str) {
        let mut elsewhere = Self::new();
        fs::copy(self.path("shown.toml"), elsewhere.path("windrow.toml")).unwrap();
        elsewhere.serve("cargo run --release");
        fs::File::create(elsewhere.path("lines")).unwrap().write_all(lines.as_bytes()).unwrap();
        let url = "http://127.0.0.1:8080/v1/streams/logs";
        let send = format!(
            "gzip -c lines | curl -s -H 'Content-Type: application/x-ndjson' \
             -H 'Content-Encoding: gzip' --data-binary @- {url}"
        );
        let output = elsewhere.shell(&send).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        let expected = format!("{{\"accepted\":{},\"rejected\":0,", lines.lines().count());
        assert!(answer.starts_with(&expected), "{lines}: {answer}");
    }

    /// Whether something has come into the windows since `before`, and nothing comes any more.
    fn settled(&self, before: &[PathBuf]) -> bool {
        let now = self.data_files();
        std::thread::sleep(Duration::from_millis(300));
        now != before && now == self.data_files()
    }

    fn data_files(&self) -> Vec<PathBuf> {
        let Ok(streams) = fs::read_dir(self.path("data/windows")) else { return Vec::new() };
        let mut files: Vec<_> = streams
            .flat_map(|stream| fs::read_dir(stream.unwrap().path()).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn describe(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
