//! `on_invalid = "quarantine"`: good lines are ingested, bad ones are kept to the byte.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::small_disk::SmallDisk;
use harness::{Answer, Daemon, user_event};
use serde_json::{Value, json};

const KEEPS: [&str; 2] = ["--streams-user-events-on-invalid", "quarantine"];

fn start(data: &Path) -> Daemon {
    Daemon::start_with(data, &KEEPS)
}

/// The records of a stream's quarantine.
fn records(data: &Path, stream: &str) -> Vec<Value> {
    let path = data.join("quarantine").join(stream).join("ingest.ndjson");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The raw lines in a stream's quarantine.
fn raw(data: &Path, stream: &str) -> Vec<Vec<u8>> {
    let raw = |record: &Value| match record["raw"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(record["raw_base64"].as_str().unwrap()).unwrap(),
    };
    records(data, stream).iter().map(raw).collect()
}

fn taken(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn position(taken: &Value) -> String {
    taken["position"].as_str().unwrap().to_owned()
}

fn good(n: u64) -> String {
    user_event("2024-07-01T02:03:04Z", n).trim_end().to_owned()
}

#[test]
fn good_lines_are_ingested_and_bad_ones_kept_before_the_answer() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let bad_time = good(3).replace("2024-07-01T02:03:04Z", "noon");
    let body = [
        good(1).as_bytes(),
        b"\n\n{\"half\": \r\n",
        bad_time.as_bytes(),
        b"\n\xff\xfe not utf-8 \x00\r\n",
        good(2).as_bytes(),
        b"\r\n  17",
    ]
    .concat();
    let answer = taken(&daemon.post("/user/event", body));
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(4)), "{answer}");
    let errors = answer["errors"].as_array().unwrap();
    let lines: Vec<_> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5, 7]);
    assert_eq!(errors[1]["field"], "time");
    assert!(errors[1]["detail"].as_str().unwrap().starts_with("line 4, field `time`: expected"));
    assert!(errors[0].get("field").is_none());
    let expected: [&[u8]; 4] =
        [b"{\"half\": ", bad_time.as_bytes(), b"\xff\xfe not utf-8 \x00", b"  17"];
    assert_eq!(raw(data.path(), "user-events"), expected);
    let records = records(data.path(), "user-events");
    assert_eq!(records[1]["stage"], "ingest");
    assert_eq!(records[1]["fault"], "bad_value");
    assert_eq!(records[1]["field"], "time");
    assert_eq!(records[1]["line"], 4);
    assert_eq!(records[2]["fault"], "not_utf8");
    assert_eq!(records[0]["commit"].to_string(), position(&answer));
    daemon.windows_at("user-events", &position(&answer));
    assert_eq!(daemon.wait_for_rows("user-events", 2)["rows"], 2);
}

#[test]
fn a_body_of_nothing_but_bad_lines_is_taken_too_and_only_ten_are_told() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let lines: Vec<String> = (0..20_000).map(|n| format!("bad {n}")).collect();
    let answer = taken(&daemon.post("/user/event", lines.join("\n")));
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(0), &json!(20_000)));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 10);
    let kept = raw(data.path(), "user-events");
    assert!(
        kept.iter().map(Vec::as_slice).eq(lines.iter().map(String::as_bytes)),
        "{} lines",
        kept.len()
    );
    let metrics = daemon.get("/metrics").text();
    assert!(metrics.contains("windrow_lines_quarantined_total{stream=\"user-events\"} 20000"));
    assert!(!metrics.contains("windrow_quarantine_bytes{stream=\"user-events\"} 0\n"));
}

#[test]
fn a_large_body_of_both_is_told_apart_line_by_line() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let (mut body, mut bad) = (Vec::new(), Vec::new());
    for n in 0..30_000_u64 {
        if n % 7 == 3 || (9000..10_000).contains(&n) {
            let mut line = format!("{{\"n\":{n},").into_bytes();
            line.push(if n % 2 == 0 { 0xff } else { b'"' });
            body.extend(&line);
            bad.push(line);
        } else {
            body.extend(good(n).as_bytes());
        }
        body.extend(if n % 5 == 0 { &b"\r\n"[..] } else { b"\n" });
    }
    let answer = taken(&daemon.post("/user/event", &body));
    assert_eq!(answer["rejected"], bad.len());
    assert_eq!(answer["accepted"], 30_000 - bad.len());
    assert!(raw(data.path(), "user-events") == bad);
    assert_eq!(daemon.windows_at("user-events", &position(&answer))["rows"], answer["accepted"]);
}

#[test]
fn a_record_of_csv_is_kept_with_its_header_and_an_event_with_its_form() {
    let data = tempfile::tempdir().unwrap();
    let args = ["--streams-usage-on-invalid", "quarantine"];
    let daemon = Daemon::start_with(data.path(), &args);
    let csv = "customer_id,timestamp,event_type,transaction_id\r\nc,2024-07-01,login,t-1\r\n\
               c,noon,login,t-2\r\nc,2024-07-01,login\r\nc,2024-07-01,\"login,t-3\r\n\
               \"\"\"c\",2024-07-01,login,t-4\r\n";
    let send = |media: &str, body: &[u8]| {
        taken(&daemon.send("POST", "/v1/ingest", &[("content-type", media)], body))
    };
    let answer = send("text/csv", csv.as_bytes());
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(3)), "{answer}");
    assert_eq!(answer["errors"][0]["line"], 3);
    let array = "[{\"transaction_id\":\"t-5\"},\n{\"transaction_id\":\n\"t-6\"} , 17]";
    let answer = send("application/json", array.as_bytes());
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(0), &json!(3)), "{answer}");
    assert_eq!(answer["errors"][2]["index"], 2);
    assert!(answer["errors"][2]["detail"].as_str().unwrap().starts_with("event 2: expected"));
    let event = r#"{"specversion":"1.0","source":"/a","id":"t-7","type":"x","subject":"c"}"#;
    let answer = send("application/cloudevents-batch+json", format!("[{event}]").as_bytes());
    assert_eq!(answer["errors"][0]["field"], "time");
    let headers = [("ce-specversion", "1.0"), ("ce-id", "t-8"), ("ce-type", "%22x%22")];
    let answer = taken(&daemon.send("POST", "/v1/ingest", &headers, b"{\"n\":\n1.50}"));
    assert_eq!(answer["errors"][0]["field"], "source");
    let records = records(data.path(), "usage");
    let shown: Vec<_> = records
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap_or("").to_owned();
            (text("form"), text("header"), text("raw"))
        })
        .collect();
    let header = "customer_id,timestamp,event_type,transaction_id";
    let csv = |raw: &str| ("csv".to_owned(), header.to_owned(), raw.to_owned());
    let line = |raw: &str| (String::new(), String::new(), raw.to_owned());
    let in_structured_mode =
        r#"{"specversion":"1.0","id":"t-8","type":"\"x\"","data":{"n": 1.50}}"#;
    assert_eq!(
        shown,
        [
            csv("c,noon,login,t-2"),
            csv("c,2024-07-01,login"),
            csv("c,2024-07-01,\"login,t-3"),
            line(r#"{"transaction_id":"t-5"}"#),
            line(r#"{"transaction_id": "t-6"}"#),
            line("17"),
            ("cloud_event".to_owned(), String::new(), event.to_owned()),
            ("cloud_event".to_owned(), String::new(), in_structured_mode.to_owned()),
        ]
    );
}

#[test]
fn a_malformed_document_is_refused_as_a_whole_and_so_is_a_line_that_is_too_long() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let json = [("content-type", "application/json")];
    let broken = daemon.send("POST", "/user/event", &json, b"[{\"a\":1},{\"b\":");
    assert_eq!(broken.status, 400, "{}", broken.text());
    let long = format!("bad\n\"{}\"\n", "x".repeat(1 << 20));
    let answer = daemon.post("/user/event", long);
    assert_eq!(answer.status, 413, "{}", answer.text());
    let gzip = [("content-encoding", "gzip")];
    assert_eq!(daemon.send("POST", "/user/event", &gzip, b"bad").status, 400);
    assert!(records(data.path(), "user-events").is_empty());
    assert_eq!(taken(&daemon.post("/user/event", good(1)))["rejected"], 0);
}

#[test]
fn who_wants_all_or_nothing_asks_for_it() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let strict = [("prefer", "handling=strict")];
    let body = format!("{}\nbad\n", good(1));
    let answer = daemon.send("POST", "/user/event", &strict, body.as_bytes());
    assert_eq!((answer.status, &answer.json()["line"]), (400, &json!(2)));
    let answer = daemon.send("POST", "/user/event", &strict, good(1).as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("preference-applied"), Some("handling=strict"));
    assert!(records(data.path(), "user-events").is_empty());
}

#[test]
fn events_that_come_as_documents_are_kept_and_the_others_get_their_ids() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--streams-events-on-invalid", "quarantine"]);
    let event = r#"{"type":"user_action","source":"web"}"#;
    let batch = format!("{{\"events\":[{{\"type\":\"none\"}},{event},{event}]}}");
    let json = [("content-type", "application/json")];
    let answer = taken(&daemon.send("POST", "/events/batch", &json, batch.as_bytes()));
    assert_eq!(answer["ids"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(answer["errors"][0]["index"], 0);
    let answer = taken(&daemon.send("POST", "/events", &json, b"{\"type\":\"none\"}"));
    assert!(answer.get("id").is_none() && answer["rejected"] == 1, "{answer}");
}

#[test]
fn past_its_limit_requests_with_bad_lines_are_refused_and_others_are_not() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &[KEEPS[0], KEEPS[1], "--quarantine-max", "4KiB"]);
    let mut answers = (0..40).map(|n| daemon.post("/user/event", format!("bad {n}\n")));
    let refused = answers.find(|answer| answer.status != 200).expect("it has a limit");
    assert_eq!(refused.status, 400);
    let problem = refused.json();
    assert_eq!(
        (&problem["line"], &problem["type"]),
        (&json!(1), &json!("urn:windrow:problem:quarantine-full"))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("`quarantine.max`") && detail.contains("quarantine retry"), "{detail}");
    let kept = records(data.path(), "user-events").len();
    assert!((3..16).contains(&kept), "{kept} lines in 4 KiB");
    assert_eq!(taken(&daemon.post("/user/event", good(1)))["accepted"], 1);
    let health = daemon.get("/health").json();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["reason"].as_str().unwrap().contains("quarantine.max"), "{health}");
    assert_eq!(health["quarantine"][0]["stream"], "user-events");
}

#[test]
fn a_kill_keeps_every_bad_line_that_was_acknowledged_and_shows_none_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut sent = 0_u64;
    for round in 0..6 {
        let daemon = start(data.path());
        for _ in 0..20 {
            let lines = (sent..sent + 3).map(|n| format!("bad {n}\n{}\n", good(n)));
            let answer = taken(&daemon.post("/user/event", lines.collect::<String>()));
            assert_eq!(answer["rejected"], 3);
            sent += 3;
        }
        if round % 2 == 0 { daemon.kill() } else { assert!(daemon.stop().success()) }
    }
    let daemon = start(data.path());
    let answer = taken(&daemon.post("/user/event", "the last one"));
    let expected = (0..sent).map(|n| format!("bad {n}")).chain(["the last one".to_owned()]);
    let kept = raw(data.path(), "user-events");
    assert_eq!(kept, expected.map(String::into_bytes).collect::<Vec<_>>());
    assert_eq!(daemon.windows_at("user-events", &position(&answer))["rows"], sent);
    assert!(daemon.stop().success());
    let verify = harness::run(&["verify", "--data-dir", data.path().to_str().unwrap()]);
    let text = String::from_utf8(verify.stdout).unwrap();
    assert!(verify.status.success() && text.contains("rejected lines"), "{text}");
}

/// What a subcommand of `windrow quarantine` prints.
fn quarantine(data: &Path, args: &[&str]) -> String {
    let data = ["--data-dir", data.to_str().unwrap()];
    let output = harness::run(&[&["quarantine"], args, &data].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn listed(data: &Path) -> Value {
    serde_json::from_str(&quarantine(data, &["ls", "--json"])).unwrap()
}

/// A daemon that refuses fields that it doesn't know, with lines in quarantine that have one, or are
/// worse.
fn with_bad_lines(data: &Path) -> Vec<String> {
    let args = [KEEPS[0], KEEPS[1], "--streams-user-events-unknown-fields", "reject"];
    let daemon = Daemon::start_with(data, &args);
    let strange = |n| good(n).replacen('{', "{\"new\":1,", 1);
    let lines: Vec<_> = (0..700).map(strange).collect();
    let body = format!("{}\nbad\n{}\n{}\n", lines.join("\n"), good(1000), "{\"time\":1}");
    let answer = taken(&daemon.post("/user/event", body));
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(702)), "{answer}");
    assert!(daemon.stop().success());
    lines
}

#[test]
fn what_is_in_quarantine_is_listed_and_shown_with_a_daemon_and_without() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(quarantine(data.path(), &["ls"]), "nothing is in quarantine\n");
    let lines = with_bad_lines(data.path());
    let listed = listed(data.path());
    assert_eq!(listed[0]["stream"], "user-events");
    assert_eq!((&listed[0]["records"], &listed[0]["settled"]), (&json!(702), &json!(0)));
    assert_eq!(listed[0]["faults"], json!({"unknown_field": 700, "not_json": 1, "missing": 1}));
    let text = quarantine(data.path(), &["ls"]);
    assert!(text.starts_with("user-events, by ingest: 702 records, "), "{text}");
    assert!(text.contains("\n  unknown_field: 700\n"), "{text}");
    let raw = quarantine(data.path(), &["show", "--fault", "unknown_field", "--raw"]);
    assert_eq!(raw.trim_end(), lines.join("\n"));
    let daemon = start(data.path());
    let shown = quarantine(data.path(), &["show", "--fault", "not_json", "--limit", "1"]);
    let record: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&record["line"], &record["raw"]), (&json!(701), &json!("bad")));
    assert!(daemon.stop().success());
    let data_dir = data.path().to_str().unwrap();
    let wrong = ["quarantine", "ls", "--stream", "user-event", "--data-dir", data_dir];
    let output = harness::run(&wrong);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("did you mean `user-events`"), "{told}");
}

#[test]
fn lines_that_are_good_now_are_sent_again_once_and_settled() {
    let data = tempfile::tempdir().unwrap();
    with_bad_lines(data.path());
    let bytes = listed(data.path())[0]["bytes"].as_u64().unwrap();
    let limit = format!("{}", bytes + 600);
    let args = [KEEPS[0], KEEPS[1], "--quarantine-max", limit.as_str()];
    let daemon = Daemon::start_with(data.path(), &args);
    let url = format!("http://{}", daemon.address);
    assert_eq!(daemon.post("/user/event", "bad\nbad\nbad\n").status, 400, "it is full");
    let told = quarantine(data.path(), &["retry", "--url", &url]);
    assert!(told.contains("user-events: 700 lines are accepted now, 2 are still bad"), "{told}");
    assert!(told.contains("still bad: line 701 of the request at "), "{told}");
    assert_eq!(daemon.wait_for_rows("user-events", 701)["rows"], 701);
    let after = listed(data.path());
    assert_eq!((&after[0]["records"], &after[0]["settled"]), (&json!(2), &json!(700)));
    let held = after[0]["bytes"].as_u64().unwrap();
    assert!(held < bytes / 100, "{held} of {bytes}");
    let metrics = daemon.get("/metrics").text();
    assert!(
        metrics.contains(&format!("windrow_quarantine_bytes{{stream=\"user-events\"}} {held}\n"))
    );
    taken(&daemon.post("/user/event", "bad\nbad\nbad\n"));
    let told = quarantine(data.path(), &["retry", "--url", &url, "--stream", "user-events"]);
    assert!(told.contains("user-events: 0 lines are accepted now, 5 are still bad"), "{told}");
    assert_eq!(daemon.wait_for_rows("user-events", 701)["rows"], 701);
    assert_eq!(records(data.path(), "user-events").len(), 705, "no bad line is kept twice");
    assert!(daemon.stop().success());
    // What is settled stays settled over a start.
    let daemon = Daemon::start_with(data.path(), &args);
    let metrics = daemon.get("/metrics").text();
    let held = listed(data.path())[0]["bytes"].as_u64().unwrap();
    assert!(
        metrics.contains(&format!("windrow_quarantine_bytes{{stream=\"user-events\"}} {held}\n"))
    );
}

/// Killed between an acknowledgement and its note: the key says that the line is there already.
#[test]
fn a_retry_that_is_killed_and_given_again_ingests_each_line_once() {
    let data = tempfile::tempdir().unwrap();
    let lines = with_bad_lines(data.path());
    let daemon = start(data.path());
    let url = format!("http://{}", daemon.address);
    let rows = || daemon.get("/v1/streams/user-events/windows").json()["rows"].as_u64().unwrap();
    let mut interrupted = 0;
    for enough in [30, 200, 400] {
        let dir = data.path().to_str().unwrap();
        let arguments = ["quarantine", "retry", "--url", &url, "--data-dir", dir];
        let mut retry = harness::windrow().args(arguments).stdout(Stdio::null()).spawn().unwrap();
        let end = std::time::Instant::now() + harness::PATIENCE;
        while rows() < enough && retry.try_wait().unwrap().is_none() {
            assert!(std::time::Instant::now() < end, "{} rows", rows());
        }
        interrupted += u64::from(retry.try_wait().unwrap().is_none());
        retry.kill().unwrap();
        retry.wait().unwrap();
    }
    assert!(interrupted > 0, "all were quicker than the kill: the test needs more lines");
    let told = quarantine(data.path(), &["retry", "--url", &url]);
    assert!(told.contains("2 are still bad"), "{told}");
    assert_eq!(listed(data.path())[0]["records"], 2);
    // With the one that was good from the beginning.
    let all = lines.len() as u64 + 1;
    assert_eq!(daemon.wait_for_rows("user-events", all)["rows"], all);
}

#[test]
fn records_of_csv_are_sent_again_as_what_they_were() {
    let data = tempfile::tempdir().unwrap();
    let refuses =
        ["--streams-usage-on-invalid", "quarantine", "--streams-usage-unknown-fields", "reject"];
    let daemon = Daemon::start_with(data.path(), &refuses);
    let csv = "new,customer_id,timestamp,event_type,transaction_id\n1,c,2024-07-01,login,t-1\n";
    let answer = daemon.send("POST", "/v1/ingest", &[("content-type", "text/csv")], csv.as_bytes());
    assert_eq!(taken(&answer)["rejected"], 1);
    assert!(daemon.stop().success());
    let daemon = Daemon::start_with(data.path(), &refuses[..2]);
    let url = format!("http://{}", daemon.address);
    let told = quarantine(data.path(), &["retry", "--url", &url]);
    assert!(told.contains("usage: 1 lines are accepted now, 0 are still bad"), "{told}");
    let total = || daemon.get("/v1/customers/c/total_events").json()["total"].as_u64();
    let end = std::time::Instant::now() + harness::PATIENCE;
    while total() != Some(1) {
        assert!(std::time::Instant::now() < end, "{:?}", total());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn quarantine_is_rebuilt_from_what_the_log_holds() {
    let data = tempfile::tempdir().unwrap();
    with_bad_lines(data.path());
    let before = raw(data.path(), "user-events");
    let data_dir = data.path().to_str().unwrap();
    let replay = harness::run(&["replay", "--sink", "quarantine", "--data-dir", data_dir]);
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    assert!(raw(data.path(), "user-events").is_empty());
    let daemon = start(data.path());
    taken(&daemon.post("/user/event", "one more"));
    let after = raw(data.path(), "user-events");
    assert!(after[..before.len()] == before[..] && after.len() == before.len() + 1);
}

#[test]
fn a_stream_that_keeps_bad_lines_no_more_starts_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    taken(&daemon.post("/user/event", format!("{}\nbad\n", good(1))));
    taken(&daemon.post("/user/event", good(2)));
    daemon.kill();
    let daemon = Daemon::start(data.path());
    assert_eq!(daemon.post("/user/event", "bad").status, 400);
    assert_eq!(raw(data.path(), "user-events"), [b"bad"]);
}

#[test]
fn a_full_disk_under_quarantine_is_507_for_bad_lines_only_and_heals() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(disk.data()).unwrap();
    std::os::unix::fs::symlink(disk.data(), data.path().join("quarantine")).unwrap();
    let daemon = start(data.path());
    taken(&daemon.post("/user/event", "bad 0"));
    let filler = disk.fill(7);
    let (mut kept, mut refused) = (1, None);
    while refused.is_none() {
        assert!(kept < 100_000, "the disk has no end");
        let lines: Vec<_> = (kept..kept + 500).map(|n| format!("bad {n}")).collect();
        let answer = daemon.post("/user/event", lines.join("\n"));
        if answer.status == 200 { kept += 500 } else { refused = Some(answer) }
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.json()["line"].as_u64()), (507, Some(1)));
    assert_eq!(refused.json()["type"], "urn:windrow:problem:quarantine-failing");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(taken(&daemon.post("/user/event", good(1)))["accepted"], 1);
    assert_eq!(daemon.get("/health").json()["status"], "degraded");
    std::fs::remove_file(filler).unwrap();
    let end = std::time::Instant::now() + harness::PATIENCE;
    while daemon.post("/user/event", "the last").status != 200 {
        assert!(std::time::Instant::now() < end, "it doesn't heal");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let expected = (0..kept).map(|n| format!("bad {n}")).chain(["the last".to_owned()]);
    let expected: Vec<_> = expected.map(String::into_bytes).collect();
    assert!(raw(data.path(), "user-events") == expected);
    assert_eq!(daemon.wait_for_rows("user-events", 1)["rows"], 1);
}
