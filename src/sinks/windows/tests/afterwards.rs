//! `keep` and `on_commit` (W7, W8).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::harness::{DIR, History, Step, files, request, run, start};
use crate::disk::{RealDisk, SimDisk};
use crate::log::Lsn;
use crate::metrics::Metrics;
use crate::sinks::OpenSink;
use crate::sinks::windows::{Keep, OnCommit, Page, Windows, WindowsOptions, listing};

fn script(windows: i64) -> Vec<Step> {
    (0..windows).flat_map(|window| [request([window * 10, window * 10 + 1]), Step::Close]).collect()
}

#[test]
fn keep_removes_the_oldest_and_lists_the_rest() {
    let options = WindowsOptions { keep: Some(Keep::Bytes(200)), ..WindowsOptions::default() };
    let disk = SimDisk::new(1);
    run(&disk, &options, &History::of(&script(8))).unwrap();
    let kept: Vec<_> = files(&disk).into_keys().collect();
    assert_eq!(kept, ["s-19700101-000000-8.csv"]);
    let listed = listing(&disk, Path::new(DIR), "s", &Page::newest(10)).unwrap();
    assert_eq!((listed.committed.len(), listed.rows), (1, 16));
    // W6: a name that was removed isn't given again.
    run(&disk, &options, &History::of(&script(9))).unwrap();
    assert!(files(&disk).contains_key("s-19700101-000000-9.csv"));
}

#[test]
fn a_crash_at_any_operation_of_keep_loses_no_row_that_it_kept() {
    let options = WindowsOptions { keep: Some(Keep::Bytes(300)), ..WindowsOptions::default() };
    let history = History::of(&script(6));
    let disk = SimDisk::new(1);
    run(&disk, &options, &history).unwrap();
    let expected = files(&disk);
    for op in 1..=disk.ops() {
        for fate in [SimDisk::KEEP_NOTHING, SimDisk::KEEP_EVERYTHING, 2, 3] {
            let disk = SimDisk::new(op);
            disk.crash_at(op);
            run(&disk, &options, &history).unwrap_err();
            let after = disk.after_crash(fate);
            run(&after, &options, &history).unwrap_or_else(|error| panic!("{op}, {fate}: {error}"));
            assert_eq!(files(&after), expected, "crash at operation {op}, fate {fate}");
            let listed = listing(&after, Path::new(DIR), "s", &Page::newest(10)).unwrap();
            assert_eq!(listed.rows, 12, "crash at operation {op}, fate {fate}");
        }
    }
}

#[test]
fn keep_waits_for_on_commit() {
    let keep = Some(Keep::For(Duration::ZERO));
    let on_commit = Some(OnCommit::Command("false".into()));
    let options = WindowsOptions { keep, on_commit, ..WindowsOptions::default() };
    let disk = SimDisk::new(1);
    run(&disk, &options, &History::of(&script(3))).unwrap();
    assert_eq!(files(&disk).len(), 3);
}

/// Waits for something that another thread does.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "{what} never happened");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn real(dir: &Path, on_commit: OnCommit) -> Windows {
    let options = WindowsOptions { on_commit: Some(on_commit), ..WindowsOptions::default() };
    let metrics = Metrics::new().unwrap().stream("s");
    Windows::new(Arc::new(RealDisk), dir, "s", options, metrics)
}

#[test]
fn a_command_is_called_for_each_file_until_it_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let calls = dir.path().join("calls");
    // It fails the first time that it is called for a file.
    let command = format!(
        "echo $(basename $WINDROW_FILE) >> {calls}; wc -l < $WINDROW_FILE >> {calls}; \
         mkdir {dir}/$(basename $WINDROW_FILE)",
        calls = calls.display(),
        dir = dir.path().display()
    );
    let windows = real(dir.path(), OnCommit::Command(format!("{command} && exit 1 || exit 0")));
    let mut sink = windows.open(start(), Lsn::ZERO).unwrap();
    History::of(&script(2)).replay(sink.as_mut(), 1, 1).unwrap();
    let expected =
        "s-19700101-000000.csv\n3\n".repeat(2) + &"s-19700101-000000-2.csv\n3\n".repeat(2);
    eventually("the fourth call", || {
        std::fs::read_to_string(&calls).unwrap_or_default() == expected
    });
    // What has succeeded is not called again.
    eventually("keeping the place", || {
        let place = std::fs::read_to_string(windows.dir().join("on_commit.json")).unwrap();
        let manifest = std::fs::metadata(windows.dir().join("manifest.ndjson")).unwrap();
        place.contains(&format!("\"manifest_bytes\":{}", manifest.len()))
    });
}

#[test]
fn a_url_gets_the_record() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/committed", server.local_addr().unwrap());
    let answered = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in ["503 Busy", "204 Fine"] {
            let (mut client, _) = server.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"\"}") {
                let count = client.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            write!(client, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    });
    let dir = tempfile::tempdir().unwrap();
    let windows = real(dir.path(), OnCommit::Url(url));
    let mut sink = windows.open(start(), Lsn::ZERO).unwrap();
    History::of(&script(1)).replay(sink.as_mut(), 1, 1).unwrap();
    let requests = answered.join().unwrap();
    for request in requests {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /committed HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        let record: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&record["file"], &record["rows"]),
            (&"s-19700101-000000.csv".into(), &2.into())
        );
    }
}
