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

use harness::{Daemon, packages};

/// Where this test's files are.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/metronome_sdks");

#[test]
fn the_python_sdk_works_as_it_is() {
    let python = packages::python(Path::new(HERE));
    against_windrow(Command::new(python).arg(here("sdk.py")));
}

#[test]
fn the_javascript_sdk_works_as_it_is() {
    let program = packages::javascript(Path::new(HERE)).join("sdk.mjs");
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

fn here(file: &str) -> PathBuf {
    Path::new(HERE).join(file)
}
