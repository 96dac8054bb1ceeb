//! Metronome's own SDKs, for Python and for JavaScript, work against windrow as they are.
//!
//! Both are installed beside the build, in the versions that `requirements.txt` and `package-lock.json`
//! pin, once for all runs. What they do and what they must get stands in `sdk.py` and `sdk.mjs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Daemon, python};

/// Where this test's files are.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/metronome_sdks");

#[test]
fn the_python_sdk_works_as_it_is() {
    let python = python::environment("metronome-python", &here("requirements.txt"));
    against_windrow(Command::new(python).arg(here("sdk.py")));
}

#[test]
fn the_javascript_sdk_works_as_it_is() {
    let directory = installed("javascript", "package-lock.json", |directory| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(here(file), directory.join(file)).unwrap();
        }
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(npm).current_dir(directory), "nodejs and npm");
    });
    // Modules are looked for beside the program.
    let program = directory.join("sdk.mjs");
    fs::copy(here("sdk.mjs"), &program).unwrap();
    against_windrow(Command::new("node").arg(program));
}

/// Runs a program against a fresh daemon.
fn against_windrow(program: &mut Command) {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let url = format!("http://{}", daemon.address);
    let output = program.env("METRONOME_BASE_URL", url).output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        daemon.log()
    );
}

/// A directory in which everything is installed that `pins` names, by an earlier run or by `install`.
fn installed(name: &str, pins: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("metronome-{name}"));
    let done = directory.join("windrow-installed");
    let pins = fs::read(here(pins)).unwrap();
    if fs::read(&done).ok().as_ref() != Some(&pins) {
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        fs::create_dir_all(&directory).unwrap();
        install(&directory);
        fs::write(done, pins).unwrap();
    }
    directory
}

fn run(command: &mut Command, needs: &str) {
    let output =
        command.output().unwrap_or_else(|error| panic!("this test needs {needs}: {error}"));
    assert!(
        output.status.success(),
        "this test needs {needs}: {command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn here(file: &str) -> PathBuf {
    Path::new(HERE).join(file)
}
