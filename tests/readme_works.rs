//! Everything that README.md shows works: its blocks are taken from the page and executed.
//!
//! A block says behind its language what is done with it:
//!
//! | mark | |
//! |---|---|
//! | `serve` | started, and kept running for the blocks behind it |
//! | `run` | executed by `sh -e`; it must succeed |
//! | `output` | what the block before it printed, to the letter |
//! | `docker` | executed by `ops/compose-check`; here the two are compared |
//! | `test` | what runs this test; here it is looked at |
//! | `windrow.toml` | read as configuration |
//!
//! `cargo run --release` runs the binary under test, in a directory of the test's own, and port 8080
//! is replaced by a free one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const README: &str = include_str!("../README.md");
const COMPOSE_CHECK: &str = include_str!("../ops/compose-check");
const PATIENCE: Duration = Duration::from_secs(30);

/// A fenced block of the page.
#[derive(Debug)]
struct Block {
    /// The line of its fence, from 1.
    line: usize,
    /// What stands behind the fence: language and mark.
    info: &'static str,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in README.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => open = Some(Block { line: index + 1, info, text: String::new() }),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of README.md isn't closed");
    blocks
}

/// A place to execute blocks in: the repository's samples, an empty data directory, a free port.
struct Place {
    dir: tempfile::TempDir,
    address: String,
    daemon: Option<Child>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }
}

impl Place {
    fn new() -> Self {
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

    fn shell(&self, text: &str) -> Command {
        let path = std::env::var_os("PATH").unwrap();
        let mut paths = vec![self.dir.path().join("bin")];
        paths.extend(std::env::split_paths(&path));
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WINDROW_") {
                command.env_remove(name);
            }
        }
        command
            .args(["-ec", &text.replace("127.0.0.1:8080", &self.address)])
            .current_dir(self.dir.path())
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("WINDROW_LISTEN", &self.address)
            .stdin(Stdio::null());
        command
    }

    fn serve(&mut self, block: &Block) {
        let text = format!("exec {}", block.text.trim());
        let daemon = self.shell(&text).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.daemon = Some(daemon);
        wait_for("windrow to be ready", || {
            TcpStream::connect(&self.address).is_ok()
                && self.shell("cargo run --release -- health").output().unwrap().status.success()
        });
    }

    fn run(&self, block: &Block) -> String {
        let before = self.data_files();
        let output = self.shell(&block.text).output().unwrap();
        let printed = describe(&output);
        assert!(output.status.success(), "README.md:{}:\n{}{printed}", block.line, block.text);
        let answer = String::from_utf8(output.stdout).unwrap();
        // Every problem document says its status; the page shows one on purpose.
        if !block.text.contains("yesterday") {
            assert!(!answer.contains("\"status\":4"), "README.md:{}: {answer}", block.line);
        }
        if block.text.contains("/user/event") && block.text.contains("@examples")
            || block.text.contains("windows/close")
        {
            wait_for("the windows to be there", || self.settled(&before));
        }
        answer
    }

    /// Whether something has come into the windows since `before`, and nothing comes any more.
    fn settled(&self, before: &[PathBuf]) -> bool {
        let now = self.data_files();
        std::thread::sleep(Duration::from_millis(300));
        now != before && now == self.data_files()
    }

    fn data_files(&self) -> Vec<PathBuf> {
        let directory = self.dir.path().join("data/windows/user-events");
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
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

#[test]
fn what_the_readme_shows_works_in_its_order() {
    let mut place = Place::new();
    let mut printed = None;
    for block in blocks() {
        match block.info {
            "sh serve" => place.serve(&block),
            "sh run" => printed = Some(place.run(&block)),
            "text output" => {
                let printed = printed.take().expect("an output stands behind what prints it");
                assert_eq!(printed, block.text, "README.md:{}", block.line);
            }
            "toml windrow.toml" => {
                fs::write(place.dir.path().join("shown.toml"), &block.text).unwrap();
                let read = place.shell("cargo run --release -- config --config shown.toml");
                let output = { read }.output().unwrap();
                assert!(output.status.success(), "{}", describe(&output));
            }
            // The two tests below.
            "sh docker" | "sh test" => {}
            other => panic!("README.md:{}: nothing executes a block `{other}`", block.line),
        }
    }
    // What the page says about the data of its samples, rows counted by other means.
    let rows = |file: &str| {
        let path = place.dir.path().join("data/windows/user-events").join(file);
        fs::read_to_string(path).unwrap().lines().count() - 1
    };
    assert_eq!(rows("user-events-20240701-020304.csv"), 300);
    assert_eq!(rows("user-events-20240701-020804.csv"), 240);
    assert_eq!(rows("user-events-20240701-021304.csv"), 124);
    // One event, then three, then two of them again beside another one without an id.
    let stored = place.shell("curl -s http://127.0.0.1:8080/events").output().unwrap().stdout;
    let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["events"].as_array().map(Vec::len), Some(5), "{stored}");
}

#[test]
fn compose_check_executes_the_docker_blocks() {
    let mut shown: Vec<_> = blocks()
        .iter()
        .filter(|block| block.info == "sh docker")
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut executed: Vec<_> = COMPOSE_CHECK
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("readme '")?.strip_suffix('\''))
        .collect();
    // In which order they are executed, only the script knows.
    shown.sort_unstable();
    executed.sort_unstable();
    assert_eq!(shown, executed);
}

#[test]
fn the_command_that_passes_the_tests_is_the_one_that_runs_this() {
    let blocks = blocks();
    let [block] = blocks.iter().filter(|block| block.info == "sh test").collect::<Vec<_>>()[..]
    else {
        panic!("there is one command that passes the tests");
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for script in [block.text.trim(), ".ci/run", "ops/compose-check"] {
        let mode = fs::metadata(root.join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be executed");
    }
    let ci = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(ci.contains(block.text.trim()), ".ci/run runs {}", block.text);
    let script = fs::read_to_string(root.join(block.text.trim())).unwrap();
    for step in ["cargo fmt --all --check", "-D warnings", "cargo test"] {
        assert!(script.contains(step), "{} runs `{step}`", block.text);
    }
}

#[test]
fn the_pages_that_the_readme_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = 0;
    for target in README.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !target.starts_with("http") {
            assert!(root.join(target).exists(), "README.md names {target}");
            names += 1;
        }
    }
    assert!(names >= 5);
}
