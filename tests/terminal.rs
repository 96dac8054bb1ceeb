//! Colours are for terminals, and for those who want them. Python opens the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::process::Command;

use harness::windrow;

/// Runs its arguments with standard error, and standard output, on a terminal, and prints what came there.
/// A daemon is stopped once it says that it is ready.
const ON_A_TERMINAL: &str = r#"
import os, pty, signal, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave)
os.close(slave)
seen = b""
while True:
    try:
        got = os.read(master, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if b"ready" in seen and "serve" in sys.argv:
        child.send_signal(signal.SIGTERM)
child.wait()
sys.stdout.buffer.write(seen)
"#;

fn on_a_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let windrow = windrow();
    let mut command = Command::new("python3");
    command.args(["-c", ON_A_TERMINAL]).arg(windrow.get_program()).args(arguments);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "CI"] {
        command.env_remove(name);
    }
    let output = command.env("TERM", "xterm").envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const COLOUR: &str = "\u{1b}[";
/// Each is a reason to do without colours.
const WITHOUT: [(&str, &str); 3] = [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")];

#[test]
fn help_has_colours_on_a_terminal_unless_somebody_does_without() {
    let shown = on_a_terminal(&["--help"], &[]);
    assert!(shown.contains(COLOUR) && shown.contains("Usage:"), "{shown}");
    for reason in WITHOUT {
        let shown = on_a_terminal(&["--help"], &[reason]);
        assert!(!shown.contains(COLOUR) && shown.contains("Usage:"), "{reason:?}: {shown}");
    }
    let piped = windrow().arg("--help").env("TERM", "xterm").output().unwrap();
    assert!(!String::from_utf8_lossy(&piped.stdout).contains(COLOUR));
}

#[test]
fn the_daemons_log_has_colours_on_a_terminal_unless_somebody_does_without() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let shown = on_a_terminal(&serve, &[]);
    assert!(shown.contains(COLOUR) && shown.contains("ready"), "{shown}");
    for reason in WITHOUT {
        let shown = on_a_terminal(&serve, &[reason]);
        assert!(!shown.contains(COLOUR) && shown.contains("ready"), "{reason:?}: {shown}");
    }
}
