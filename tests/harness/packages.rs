//! Other people's packages: what a test pins in `requirements.txt` and `package-lock.json` is installed beside the
//! build, once for all runs with these pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Tests run side by side, and may want the same packages.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The `python` of an environment with what `pins`/requirements.txt names. Programs of the packages are beside it.
pub fn python(pins: &Path) -> PathBuf {
    let requirements = pins.join("requirements.txt");
    let directory = installed(&requirements, |directory| {
        run(
            Command::new("python3").args(["-m", "venv"]).arg(directory),
            "python3 and python3-venv",
        );
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        let python = directory.join("bin/python");
        run(Command::new(python).args(pip).arg(&requirements), "a package index");
    });
    directory.join("bin/python")
}

/// A directory whose `node_modules` has what `pins`/package-lock.json names. Node looks for modules beside
/// and above the program.
pub fn javascript(pins: &Path) -> PathBuf {
    installed(&pins.join("package-lock.json"), |directory| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(pins.join(file), directory.join(file)).unwrap();
        }
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(npm).current_dir(directory), "nodejs and npm");
    })
}

/// A directory in which everything is installed that the file `pins` names, by an earlier run or by `install`.
fn installed(pins: &Path, install: impl FnOnce(&Path)) -> PathBuf {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let test = pins.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let kind = pins.extension().unwrap().to_string_lossy();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{kind}"));
    let done = directory.join("windrow-installed");
    let pins = fs::read(pins).unwrap();
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
