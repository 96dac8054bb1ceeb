//! `windrow backup`: copies made while all three outputs are written, and while none is; what they
//! hold when a daemon starts on them; and what is left of one that doesn't come to its end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod interrupted;
mod keyed;
mod load;
mod running;
mod stopped;

#[path = "../harness/mod.rs"]
mod harness;

use std::path::Path;
use std::process::Output;

use harness::run;

/// `windrow backup`, without a configuration that could be lying about.
fn backup(arguments: &[&str]) -> Output {
    run(&[&["backup"], arguments].concat())
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Fails unless everything in the data directory is as it was written.
fn assert_whole(data: &Path) {
    let verified = run(&["verify", "--strict", "--data-dir", data.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{told}{}", stderr(&verified));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
