//! A request that comes again under its `Idempotency-Key` gets its first answer, and nothing of it is
//! ingested: on every route, over a kill, a trimmed log and a lost store, whoever hangs up in between.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod storm;

use std::io::Write as _;
use std::time::{Duration, Instant};

use harness::{Answer, Daemon, PATIENCE, position, run, user_events};

const KEY: &str = "idempotency-key";

fn send(daemon: &Daemon, path: &str, key: &str, media: &str, body: &[u8]) -> Answer {
    daemon.send("POST", path, &[(KEY, key), ("content-type", media)], body)
}

fn lines(daemon: &Daemon, key: &str, body: &str) -> Answer {
    send(daemon, "/user/event", key, "application/x-ndjson", body.as_bytes())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn rows(daemon: &Daemon, position: &str) -> u64 {
    daemon.windows_at("user-events", position)["rows"].as_u64().unwrap()
}

fn metric(daemon: &Daemon, line: &str) -> u64 {
    let text = daemon.get("/metrics").text();
    let found = text.lines().find_map(|it| it.strip_prefix(line));
    found.unwrap_or_else(|| panic!("{line} isn't in\n{text}")).trim().parse().unwrap()
}

fn assert_replayed(again: &Answer, first: &Answer) {
    assert_eq!((again.status, again.text()), (first.status, first.text()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(first.header("idempotency-replayed"), None);
}

const EVENT: &str = r#"{"type":"user_action","source":"web"}"#;

/// Every route, with a body that it takes, none of which has an id or a time where one can be made.
fn requests() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let usage = r#"{"transaction_id":"t","customer_id":"c","event_type":"e","timestamp":0}"#;
    let cloud_event = r#"{"specversion":"1.0","id":"i","source":"/","type":"e","subject":"c","time":"2024-07-01"}"#;
    let batch = format!(r#"{{"events":[{EVENT},{EVENT},{EVENT}]}}"#);
    vec![
        ("/user/event", "application/x-ndjson", user_events(0, 3).into()),
        (
            "/user/event",
            "text/csv",
            b"2024-07-01,7bd1e4ab-360a-46df-add7-e8352cb9c48e,1,true,e,p,d,1\n".into(),
        ),
        (
            "/v1/streams/user-events",
            "application/json",
            format!("[{}]", harness::user_event("2024-07-01", 1)).into(),
        ),
        ("/v1/streams/user-events", "application/json", user_events(0, 9000).into()),
        ("/events", "application/json", EVENT.into()),
        ("/events/batch", "application/json", batch.into()),
        ("/v1/ingest", "application/json", format!("[{usage}]").into()),
        ("/v1/ingest", "application/cloudevents+json", cloud_event.into()),
        ("/v1/streams/usage", "application/x-ndjson", Vec::new()),
        ("/v1/streams/events", "application/json", b"\n\n".into()),
    ]
}

#[test]
fn every_route_answers_a_repeat_as_it_did_first_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path());
    let requests = requests();
    let first: Vec<_> = requests
        .iter()
        .zip(0..)
        .map(|((path, media, body), n)| {
            let answer = send(&daemon, path, &format!("key {n}"), media, body);
            assert_eq!(answer.status, 200, "{path} {media}: {}", answer.text());
            answer
        })
        .collect();
    // From memory, from the log after a kill, from the store after a stop.
    for round in 0..4 {
        for (n, ((path, media, body), first)) in requests.iter().zip(&first).enumerate() {
            assert_replayed(&send(&daemon, path, &format!("\"key {n}\""), media, body), first);
            let other = [&body[..], b"\n"].concat();
            let conflict = send(&daemon, path, &format!("key {n}"), media, &other);
            assert_eq!(conflict.status, 409, "{path}: {}", conflict.text());
            assert_eq!(conflict.json()["type"], "urn:windrow:problem:idempotency-key-reused");
        }
        match round {
            0 => std::thread::sleep(Duration::from_millis(300)),
            1 => daemon.kill(),
            _ => assert!(daemon.stop().success()),
        }
        if round == 0 {
            daemon = Daemon::start_with(&dir.path().join("other"), &[]);
            assert!(daemon.stop().success());
        }
        daemon = Daemon::start(dir.path());
    }
    let last = position(&send(&daemon, "/user/event", "last", "application/json", b""));
    assert_eq!(rows(&daemon, &last), 3 + 1 + 1 + 9000);
    assert_eq!(metric(&daemon, "windrow_requests_replayed_total{stream=\"usage\"}"), 0);
    assert!(daemon.stop().success());
    let verified = run(&["verify", "--data-dir", dir.path().to_str().unwrap()]);
    let told = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success() && told.contains("keys: 11 idempotency keys"), "{told}");
}

#[test]
fn what_was_refused_leaves_its_key_free_and_what_is_counted_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let good = user_events(0, 2);
    assert_eq!(lines(&daemon, "k", &format!("{good}no event\n")).status, 400);
    let first = lines(&daemon, "k", &good);
    assert_eq!(first.status, 200);
    assert_replayed(&lines(&daemon, "k", &good), &first);
    assert_eq!(lines(&daemon, "k", "another body").status, 409);
    assert_eq!(rows(&daemon, &position(&first)), 2);
    for (name, value) in [
        ("requests_replayed_total{stream=\"user-events\"}", 1),
        ("requests_refused_total{reason=\"key_reused\",stream=\"user-events\"}", 1),
        ("requests_refused_total{reason=\"invalid\",stream=\"user-events\"}", 1),
        ("events_accepted_total{stream=\"user-events\"}", 2),
        ("idempotency_keys{stream=\"user-events\"}", 1),
    ] {
        assert_eq!(metric(&daemon, &format!("windrow_{name}")), value, "{name}");
    }
    let two = [(KEY, "a"), (KEY, "b")];
    for answer in [
        daemon.send("POST", "/user/event", &two, good.as_bytes()),
        lines(&daemon, "\"open", &good),
        lines(&daemon, &"x".repeat(256), &good),
    ] {
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("`Idempotency-Key`"), "{}", answer.text());
    }
}

/// So much a body of many lines is long: `WINDROW_TEST_BODY_MIB`, of which a campaign takes a thousand.
fn long_body_mebibytes() -> u64 {
    let mebibytes = std::env::var_os("WINDROW_TEST_BODY_MIB");
    mebibytes.map_or(96, |text| text.to_str().unwrap().parse().unwrap())
}

/// Sends a body that nobody holds: a line of a quarter of a MiB, over and over.
fn send_long(daemon: &Daemon, key: &str) -> Answer {
    let line = user_events(0, 1).replace("Number 0", &"n".repeat(256 << 10));
    let lines = (long_body_mebibytes() << 20) / line.len() as u64;
    let mut connection = daemon.connect();
    let length = lines * line.len() as u64;
    let head = format!(
        "POST /user/event HTTP/1.1\r\nhost: w\r\n{KEY}: {key}\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write(head).unwrap();
    for _ in 0..lines {
        connection.write(&line).unwrap();
    }
    connection.read_answer("POST").unwrap()
}

#[test]
fn a_known_keys_long_body_is_hashed_as_it_comes_and_never_held() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let first = send_long(&daemon, "k");
    assert_eq!(first.status, 200, "{}", first.text());
    let rows = rows(&daemon, &position(&first));
    assert!(daemon.stop().success());
    let daemon = Daemon::start(dir.path());
    assert_eq!(lines(&daemon, "another", &user_events(1, 1)).status, 200);
    let before = daemon.resident_bytes_max();
    let log_before = metric(&daemon, "windrow_log_written_bytes_total");
    assert_replayed(&send_long(&daemon, "k"), &first);
    if let (Some(before), Some(after)) = (before, daemon.resident_bytes_max()) {
        let more = after.saturating_sub(before) >> 20;
        assert!(more < 24, "{more} MiB more were resident");
    }
    let logged = metric(&daemon, "windrow_log_written_bytes_total") - log_before;
    assert!(logged < 1 << 20, "{logged} bytes were logged");
    daemon.wait_for_rows("user-events", rows + 1);
}

#[test]
fn a_compressed_body_is_told_by_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let plain = user_events(0, 20_000);
    let packed = gzip(plain.as_bytes());
    let headers = [(KEY, "k"), ("content-encoding", "gzip")];
    let first = daemon.send("POST", "/user/event", &headers, &packed);
    assert_eq!(first.status, 200, "{}", first.text());
    assert_replayed(&daemon.send("POST", "/user/event", &headers, &packed), &first);
    assert_eq!(lines(&daemon, "k", &plain).status, 409, "the same events, sent as another body");
    assert_eq!(rows(&daemon, &position(&first)), 20_000);
}

#[test]
fn of_many_at_a_time_one_is_ingested_and_the_others_are_told_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let body = user_events(0, 5000);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let one = || scope.spawn(|| lines(&daemon, "k", &body));
        let threads: Vec<_> = (0..100).map(|_| one()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut first = None;
    for answer in &answers {
        if answer.status == 409 {
            assert_eq!(answer.json()["type"], "urn:windrow:problem:idempotency-key-under-way");
            assert_eq!(answer.header("retry-after"), Some("1"));
        } else if answer.header("idempotency-replayed").is_none() {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(first.replace(answer).is_none(), "two of them were ingested");
        }
    }
    let first = first.unwrap();
    for answer in answers.iter().filter(|answer| answer.header("idempotency-replayed").is_some()) {
        assert_replayed(answer, first);
    }
    assert_eq!(rows(&daemon, &position(first)), 5000);
}

#[test]
fn a_client_that_hangs_up_frees_the_key_or_finds_its_request_taken() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let mut taken = 0;
    for round in 0..60_u64 {
        let body = user_events(round * 10, 10);
        let head = format!(
            "POST /user/event HTTP/1.1\r\nhost: w\r\n{KEY}: k{round}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = daemon.connect();
        connection.write([head.as_bytes(), body.as_bytes()].concat()).unwrap();
        // The commit takes a sync: hung up before it, in it and behind it.
        std::thread::sleep(Duration::from_micros(round * 20));
        drop(connection);
        let answer = until_over(|| lines(&daemon, &format!("k{round}"), &body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        taken += u64::from(answer.header("idempotency-replayed").is_some());
    }
    let last = position(&lines(&daemon, "last", ""));
    assert_eq!(rows(&daemon, &last), 600, "{taken} were taken although their clients had gone");
}

/// Sends again while the key is under way.
fn until_over(send: impl Fn() -> Answer) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = send();
        if answer.status != 409 || Instant::now() > end {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn keys_outlive_the_log_that_they_were_in() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--wal-segment", "64KiB", "--wal-max", "4MiB"];
    let daemon = Daemon::start_with(dir.path(), &args);
    let body = user_events(0, 10);
    let first = lines(&daemon, "k", &body);
    let mut sent = 10;
    while holds(&daemon, &position(&first)) {
        daemon.ingest("user-events", user_events(sent, 500));
        sent += 500;
    }
    assert_replayed(&lines(&daemon, "k", &body), &first);
    daemon.kill();
    let daemon = Daemon::start_with(dir.path(), &args);
    assert_replayed(&lines(&daemon, "k", &body), &first);
    let last = position(&lines(&daemon, "last", ""));
    assert_eq!(rows(&daemon, &last), sent);
}

/// Whether the log still holds what stands at this position.
fn holds(daemon: &Daemon, position: &str) -> bool {
    let oldest = daemon.get("/health").json()["log"]["oldest"].clone();
    let oldest = oldest.as_u64().or_else(|| oldest.as_str().and_then(|text| text.parse().ok()));
    oldest.unwrap() <= position.parse().unwrap()
}

#[test]
fn a_store_that_is_lost_is_made_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--wal-retain", "1h"];
    let daemon = Daemon::start_with(dir.path(), &args);
    let body = user_events(0, 10);
    let first = lines(&daemon, "k", &body);
    assert!(daemon.stop().success());
    std::fs::remove_dir_all(dir.path().join("keys")).unwrap();
    let daemon = Daemon::start_with(dir.path(), &args);
    assert_replayed(&lines(&daemon, "k", &body), &first);
    assert!(daemon.stop().success());
    for entry in std::fs::read_dir(dir.path().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"x").unwrap();
        }
    }
    let daemon = Daemon::start_with(dir.path(), &args);
    assert!(dir.path().join("keys.broken-1").is_dir(), "{}", daemon.log());
    assert_replayed(&lines(&daemon, "k", &body), &first);
}

#[test]
fn a_stream_that_is_removed_takes_its_keys_along_without_being_asked() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("w.toml");
    let own = "[streams.own]\ntime = \"at\"\ncolumns = { at = \"timestamp\" }\n";
    std::fs::write(&config, own).unwrap();
    let with = ["--config", config.to_str().unwrap()];
    let data = dir.path().join("data");
    let daemon = Daemon::start_with(&data, &with);
    let body = b"{\"at\":0}\n";
    let first = send(&daemon, "/v1/streams/own", "k", "application/json", body);
    daemon.windows_at("own", &position(&first));
    assert!(daemon.stop().success());
    // The windows' own files are removed with their stream, once nothing waits for them.
    std::fs::write(&config, "").unwrap();
    assert!(Daemon::start_with(&data, &with).stop().success());
    std::fs::write(&config, own).unwrap();
    let daemon = Daemon::start_with(&data, &with);
    let again = send(&daemon, "/v1/streams/own", "k", "application/json", body);
    assert_eq!(again.status, 200, "{}", again.text());
}

#[test]
fn a_key_is_new_again_once_it_was_kept_long_enough() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &["--idempotency-keep", "400ms"]);
    let body = user_events(0, 1);
    let first = lines(&daemon, "k", &body);
    std::thread::sleep(Duration::from_millis(500));
    let again = lines(&daemon, "k", &body);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, None));
    assert_ne!(position(&again), position(&first));
    assert_eq!(rows(&daemon, &position(&again)), 2);
}

#[test]
fn past_the_limit_new_keys_are_refused_and_known_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &["--limits-keys", "3"]);
    let body = user_events(0, 1);
    for key in ["a", "b", "c"] {
        assert_eq!(lines(&daemon, key, &body).status, 200);
    }
    let refused = lines(&daemon, "d", &body);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("10")));
    assert!(refused.text().contains("`limits.keys`"), "{}", refused.text());
    assert_eq!(lines(&daemon, "a", &body).header("idempotency-replayed"), Some("true"));
    assert_eq!(daemon.post("/user/event", &body).status, 200, "without a key");
    assert_eq!(metric(&daemon, "windrow_limit_hits_total{limit=\"keys\"}"), 1);
}
