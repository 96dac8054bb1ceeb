//! The command line keeps its word: exit codes, sentences, and configuration from wherever it comes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::{Daemon, run, user_events, windrow};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The single sentence of a failure.
fn sentence(output: &Output, code: i32) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!error.contains("panicked") && !error.contains("backtrace"), "{error}");
    error
}

#[test]
fn help_and_version_are_for_everybody() {
    for arguments in [&["--help"][..], &["--version"], &["wal", "--help"], &["serve", "--help"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn wrong_usage_is_exit_code_2_and_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    for (arguments, says) in [
        (&["serve", "--listen", "8080"][..], "--listen: `listen` is `8080`, expected an address"),
        (&["--wal-max", "1", "config"], "--wal-max: `wal.max` is `1`, expected at least twice"),
        (
            &["config", "--config", "no/such.toml"],
            "the configuration file no/such.toml can't be read",
        ),
        (&["config", "--require-tokens"], "`tokens` names no file"),
        (&["verify", "--data-dir", data], "there is no data directory"),
        (&["wal", "ls", "--data-dir", data], "there is no data directory"),
        (&["replay", "--sink", "keys", "--data-dir", "."], "there is no sink `keys` to replay"),
        (&["replay", "--sink", "windows", "--data-dir", "."], "there is no log in ./wal"),
    ] {
        let told = sentence(&run(arguments), 2);
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
    for arguments in
        [&["frobnicate"][..], &["--no-such-flag"], &["--streams-x-frob", "1"], &["replay"]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).starts_with("error: "));
    }
}

#[test]
fn what_is_mistyped_is_told_with_the_nearest() {
    for (arguments, meant) in [
        (&["windws"][..], "'windows'"),
        (&["wal", "dmp"], "'dump'"),
        (&["serve", "--wal-segmnet", "1MiB"], "'--wal-segment'"),
        (
            &["--streams-user-events-windows-lenght", "1h", "serve"],
            "'--streams-user-events-windows-length'",
        ),
        (
            &["config", "--streams-user-events-windows-lenght=1h"],
            "'--streams-user-events-windows-length'",
        ),
        (&["serve", "--log-format", "jsn"], "expected `text` or `json`"),
        (&["totals", "f", "0", "1", "--format", "jsn"], "'json'"),
        (&["completions", "bsh"], "'bash'"),
        (&["replay", "--sink", "window", "--data-dir", "."], "did you mean `windows`?"),
    ] {
        let output = run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(meant), "{arguments:?}: {told}");
    }
}

#[test]
fn every_shell_completes_commands_and_options() {
    for (shell, has) in [
        ("bash", "complete -F _windrow"),
        ("zsh", "#compdef windrow"),
        ("fish", "complete -c windrow"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let output = run(&["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success() && script.contains(has), "{shell}");
        for word in ["quarantine", "wal-segment", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // A disk that is full is told, and is no panic.
    let output = windrow().args(["completions", "bash"]).stdout(full()).output().unwrap();
    sentence(&output, 1);
}

/// What takes no byte.
fn full() -> fs::File {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn bash_completes_what_somebody_has_begun() {
    let completed = |line: &str| {
        let script = format!(
            "source <('{}' completions bash); COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _windrow windrow \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            windrow().get_program().display()
        );
        text(&Command::new("bash").args(["-c", &script]).output().unwrap().stdout)
    };
    assert_eq!(completed("windrow ver"), "verify\n");
    assert_eq!(completed("windrow wal du"), "dump\n");
    assert_eq!(completed("windrow serve --wal-seg"), "--wal-segment\n");
    assert_eq!(completed("windrow totals --format j"), "json\n");
}

#[test]
fn a_command_that_fails_is_exit_code_1() {
    let told = sentence(&run(&["health", "--url", "http://127.0.0.1:1"]), 1);
    assert!(told.starts_with("windrow: no windrow answers at http://127.0.0.1:1: "), "{told}");
    let told = sentence(&run(&["health", "--listen", "127.0.0.1:1"]), 1);
    assert!(told.contains("http://127.0.0.1:1"), "{told}");
    let told = sentence(&run(&["health", "--listen", "unix:/no/such/socket"]), 1);
    assert!(told.contains("unix:/no/such/socket"), "{told}");
}

/// The effective value and origin of a key.
fn effective(command: &mut Command, key: &str) -> (serde_json::Value, String) {
    let output = command.args(["config", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let entry = entries.iter().find(|entry| entry["key"] == key).unwrap();
    (entry["value"].clone(), entry["origin"].as_str().unwrap().to_owned())
}

#[test]
fn config_says_where_each_value_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = windrow();
        command.current_dir(dir.path());
        command
    };
    let of = |mut command: Command| effective(&mut command, "shutdown");
    assert_eq!(of(command()), ("\"10s\"".into(), "default".into()));
    fs::write(dir.path().join("windrow.toml"), "# first\nshutdown = \"1s\"\n").unwrap();
    assert_eq!(of(command()), ("\"1s\"".into(), "windrow.toml:2".into()));
    let mut with_variable = command();
    with_variable.env("WINDROW_SHUTDOWN", "2s");
    assert_eq!(of(with_variable), ("\"2s\"".into(), "WINDROW_SHUTDOWN".into()));
    let mut with_flag = command();
    with_flag.env("WINDROW_SHUTDOWN", "2s").args(["--shutdown", "3s"]);
    assert_eq!(of(with_flag), ("\"3s\"".into(), "--shutdown".into()));
}

#[test]
fn what_config_prints_is_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let printed = |config: Option<&Path>| {
        let mut command = windrow();
        command.args(["--streams-o-time", "at", "--streams-o-columns", "{ at = \"timestamp\" }"]);
        command.arg("config").current_dir(dir.path());
        command.args(config.iter().flat_map(|path| ["--config".as_ref(), path.as_os_str()]));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let first = printed(None);
    // The built-in columns that are made can't be written in a file, so that stream's are left out.
    let kept = |line: &&str| !line.contains(".columns") && !line.contains(".time");
    let file: Vec<_> = first.lines().filter(kept).collect();
    let path = dir.path().join("again.toml");
    fs::write(&path, file.join("\n")).unwrap();
    let values = |printed: &str| -> Vec<String> {
        let lines = printed.lines().filter(|line| !line.starts_with("# note: "));
        lines.map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(values(&printed(Some(&path))), values(&first));
}

#[test]
fn the_log_can_be_read_with_its_daemon_running() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    daemon.ingest("user-events", user_events(0, 400));
    let data = dir.path().to_str().unwrap();

    let ls = run(&["wal", "--data-dir", data]);
    assert!(ls.status.success(), "{}", text(&ls.stderr));
    assert!(text(&ls.stdout).contains("windows of user-events"), "{}", text(&ls.stdout));

    // Written since the last checkpoint, or in it: it is shown either way.
    let windows = run(&["windows", "--data-dir", data]);
    let listed = text(&windows.stdout);
    assert!(
        listed.contains("user-events-20240701-020304.csv  [2024-07-01T02:03:04Z, "),
        "{listed}"
    );
    assert!(listed.contains("user-events-20240701-020804.csv.open  "), "{listed}");
    let windows = run(&["windows", "--stream", "user-events", "--json", "--data-dir", data]);
    let listed: serde_json::Value = serde_json::from_slice(&windows.stdout).unwrap();
    assert_eq!(listed["committed"][0]["rows"], 300);
    let told = sentence(&run(&["windows", "--stream", "user-event", "--data-dir", data]), 2);
    assert!(told.contains("did you mean `user-events`?"), "{told}");

    let dump = run(&["wal", "dump", "--payload", "--data-dir", data]);
    assert!(dump.status.success(), "{}", text(&dump.stderr));
    let dumped = text(&dump.stdout);
    assert!(dumped.contains("commit of 400 events, 0 rejected"), "{dumped}");
    assert_eq!(dumped.lines().filter(|line| line.starts_with("{\"time\"")).count(), 400);

    let verify = run(&["verify", "--data-dir", data]);
    assert!(verify.status.success(), "{}", text(&verify.stdout));

    let health = run(&["health", "--url", &format!("http://{}/", daemon.address)]);
    assert!(health.status.success(), "{}", text(&health.stderr));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    daemon.ingest("user-events", user_events(0, 4000));
    let mut child = windrow()
        .args(["wal", "dump", "--payload", "--data-dir", dir.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 100];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_daemon_on_a_unix_socket_is_asked_through_it() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", dir.path().join("socket").display());
    let mut daemon = windrow()
        .args(["serve", "--listen", &socket, "--data-dir"])
        .arg(dir.path().join("data"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = std::time::Instant::now() + harness::PATIENCE;
    while !run(&["health", "--listen", &socket]).status.success() {
        assert!(std::time::Instant::now() < end, "not ready at {socket}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}
