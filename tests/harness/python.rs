//! Python's packages, installed beside the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Tests run side by side, and may want the same environment.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The Python of an environment in which everything is installed that the file `pins` names, by an earlier
/// run or by this one. Programs of the packages are beside it.
pub fn environment(name: &str, pins: &Path) -> PathBuf {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = directory.join("bin/python");
    let done = directory.join("windrow-installed");
    let wanted = fs::read(pins).unwrap();
    if fs::read(&done).ok().as_ref() == Some(&wanted) {
        return python;
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    must_succeed(
        Command::new("python3").args(["-m", "venv"]).arg(&directory),
        "python3 and python3-venv",
    );
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    must_succeed(Command::new(&python).args(pip).arg(pins), "a package index");
    fs::write(done, wanted).unwrap();
    python
}

fn must_succeed(command: &mut Command, needs: &str) {
    let output =
        command.output().unwrap_or_else(|error| panic!("this test needs {needs}: {error}"));
    assert!(
        output.status.success(),
        "this test needs {needs}: {command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
