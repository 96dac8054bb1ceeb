//! Copies of a data directory without its daemon.

use std::fs;

use crate::harness::{Daemon, run, user_events};
use crate::load::{Held, Load};
use crate::{assert_whole, backup, names, stderr};

#[test]
fn without_a_daemon_the_command_makes_the_copy_itself() {
    let dir = tempfile::tempdir().unwrap();
    let [data, copy] = ["data", "copy"].map(|name| dir.path().join(name));
    let daemon = Daemon::start_with(&data, &["--wal-segment", "1MiB"]);
    let load = Load::start(&daemon);
    load.wait_for(3000);
    let acknowledged = load.stop();
    // What a kill leaves is in the copy as it is.
    daemon.kill();
    let [data, copy] = [&data, &copy].map(|path| path.to_str().unwrap());
    let made = backup(&[copy, "--data-dir", data]);
    assert!(made.status.success(), "{}", stderr(&made));
    let told = String::from_utf8(made.stdout).unwrap();
    assert!(told.contains("/copy: ") && told.contains("the log up to LSN"), "{told}");
    assert_whole(copy.as_ref());
    for directory in [copy, data] {
        let daemon = Daemon::start(directory.as_ref());
        assert_eq!(Held::by(&daemon), acknowledged, "{directory}");
        assert_eq!(daemon.stop().code(), Some(0));
    }
}

#[test]
fn a_log_elsewhere_is_in_the_copy_where_a_log_usually_is() {
    let dir = tempfile::tempdir().unwrap();
    let [data, log, copy] = ["data", "log", "copy"].map(|name| dir.path().join(name));
    let at_log = ["--wal-dir", log.to_str().unwrap()];
    let daemon = Daemon::start_with(&data, &at_log);
    daemon.ingest("user-events", user_events(0, 10));
    assert_eq!(daemon.stop().code(), Some(0));
    let arguments = [&[copy.to_str().unwrap(), "--data-dir", data.to_str().unwrap()], &at_log[..]];
    let made = backup(&arguments.concat());
    assert!(made.status.success(), "{}", stderr(&made));
    let daemon = Daemon::start(&copy);
    assert_eq!(daemon.wait_for_rows("user-events", 10)["rows"], 10);
}

#[test]
fn a_directory_that_is_no_place_for_a_copy_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let daemon = Daemon::start(&data);
    daemon.ingest("user-events", user_events(0, 10));
    let url = format!("http://{}", daemon.address);
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/file"), "mine").unwrap();
    let refused = |at: &[&str]| {
        for (copy, why) in [
            ("full", "isn't empty"),
            ("full/file", "is no directory"),
            ("data/copy", "of which it would be the copy"),
            ("data/wal/copy", "of which it would be the copy"),
            ("data", "of which it would be the copy"),
        ] {
            let copy = dir.path().join(copy);
            let made = backup(&[&[copy.to_str().unwrap()], at].concat());
            assert_eq!(made.status.code(), Some(2), "{}", stderr(&made));
            assert!(stderr(&made).contains(why), "{}", stderr(&made));
        }
    };
    refused(&["--url", &url]);
    assert_eq!(daemon.stop().code(), Some(0));
    refused(&["--data-dir", data.to_str().unwrap()]);
    assert_eq!(names(dir.path()), ["data", "full"]);
    assert_eq!(names(&dir.path().join("full")), ["file"]);
    assert_whole(&data);
}

#[test]
fn a_daemon_that_cant_be_reached_is_told_with_why_it_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let [data, copy] = ["data", "copy"].map(|name| dir.path().join(name));
    let daemon = Daemon::start(&data);
    let (data, copy) = (data.to_str().unwrap(), copy.to_str().unwrap());
    let nobody = ["--listen", "127.0.0.1:1"];
    let made = backup(&[&[copy, "--data-dir", data], &nobody[..]].concat());
    assert_eq!(made.status.code(), Some(1), "{}", stderr(&made));
    assert!(stderr(&made).contains("is in use by process"), "{}", stderr(&made));
    assert!(stderr(&made).contains("127.0.0.1:1"), "{}", stderr(&made));
    drop(daemon);
    let made = run(&["backup", copy, "--data-dir", "/nowhere", "--listen", "127.0.0.1:1"]);
    assert!(stderr(&made).contains("there is no data directory /nowhere"), "{}", stderr(&made));
}
