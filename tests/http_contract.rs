//! What the HTTP interface promises besides ingestion: routes, methods, problem documents, reading
//! one's own writes, health, metrics.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use harness::{Answer, Daemon, position, user_events};

/// Checks the form of an error, and gives its detail.
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let document = answer.json();
    assert_eq!(document["status"], status);
    assert_eq!(document["detail"], document["message"]);
    assert!(document["type"].as_str().is_some_and(|kind| kind.starts_with("urn:windrow:problem:")));
    assert!(document["title"].as_str().is_some_and(|title| !title.is_empty()));
    document["detail"].as_str().unwrap().to_owned()
}

#[test]
fn unknown_routes_streams_and_files_are_404() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    assert!(problem(&daemon.get("/no/such/route"), 404).contains("/no/such/route"));
    let detail = problem(&daemon.post("/v1/streams/order", "{}"), 404);
    assert!(detail.contains("`order`") && detail.contains("user-events"), "{detail}");
    problem(&daemon.get("/v1/streams/order/windows"), 404);
    let detail = problem(&daemon.get("/v1/streams/events/windows"), 404);
    assert!(detail.contains("has no windows"), "{detail}");
    for file in ["user-events-20240701-020304.csv", "..%2f..%2flock", "manifest.ndjson", "x"] {
        problem(&daemon.get(&format!("/v1/streams/user-events/windows/{file}")), 404);
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_allowed() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for (method, path, allowed) in [
        ("GET", "/user/event", "POST"),
        ("DELETE", "/v1/streams/user-events", "POST"),
        ("POST", "/metrics", "GET,HEAD"),
        ("POST", "/health", "GET,HEAD"),
        ("PUT", "/v1/streams/user-events/windows/close", "POST"),
        ("PUT", "/events", "GET,HEAD,POST"),
        ("GET", "/events/batch", "POST"),
        ("DELETE", "/events/01906c08-07f7-79fc-9eac-94b3b37eb2d4", "GET,HEAD"),
    ] {
        let answer = daemon.send(method, path, &[], b"");
        problem(&answer, 405);
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[test]
fn head_is_get_without_a_body() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let answer = daemon.send("HEAD", "/health", &[], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[test]
fn an_answer_carries_the_request_id_that_it_was_sent_or_a_new_one() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let answer = daemon.send("GET", "/health/live", &[("x-request-id", "abc-1")], b"");
    assert_eq!(answer.header("x-request-id"), Some("abc-1"));
    let made = [daemon.get("/health/live"), daemon.get("/nowhere")]
        .map(|answer| answer.header("x-request-id").unwrap().to_owned());
    assert_ne!(made[0], made[1]);
    let long = "x".repeat(4000);
    let answer = daemon.send("GET", "/health/live", &[("x-request-id", &long)], b"");
    assert!(answer.header("x-request-id").unwrap().len() < 100);
}

#[test]
fn streams_are_listed_with_their_schemas() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let streams = daemon.get("/v1/streams").json();
    let names: Vec<_> =
        streams["streams"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["user-events", "events", "usage"]);
    let stream = &streams["streams"][0];
    assert_eq!(stream["time"], "time");
    assert_eq!(stream["columns"][2], serde_json::json!({"name": "id", "type": "i64"}));
    assert_eq!(stream["paths"], serde_json::json!(["/user/event", "/v1/streams/user-events"]));
    let paths = &streams["streams"][1]["paths"];
    assert_eq!(*paths, serde_json::json!(["/events", "/events/batch", "/v1/streams/events"]));
}

#[test]
fn a_committed_file_is_downloaded_as_it_lies_on_disk() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 10_000));
    let listing = daemon.close_window("user-events");
    let record = &listing["committed"][0];
    let file = record["file"].as_str().unwrap();
    let answer = daemon.get(&format!("/v1/streams/user-events/windows/{file}"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(answer.body, daemon.outputs("user-events").bytes(file));
    assert_eq!(format!("{:08x}", crc32fast::hash(&answer.body)), record["crc32"]);
    let head = daemon.send("HEAD", &format!("/v1/streams/user-events/windows/{file}"), &[], b"");
    assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
}

#[test]
fn a_listing_is_paged_newest_first() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    // Twenty windows of five minutes, and one that stays open.
    daemon.ingest("user-events", user_events(0, 20 * 300 + 1));
    let mut files = Vec::new();
    let mut path = "/v1/streams/user-events/windows?limit=7".to_owned();
    loop {
        let page = daemon.get(&path).json();
        assert_eq!(page["open"].as_array().unwrap().len(), 1);
        let committed = page["committed"].as_array().unwrap();
        files.extend(committed.iter().map(|it| it["file"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/streams/user-events/windows?limit=7&cursor={next}"),
            None => break,
        }
    }
    files.reverse();
    assert_eq!(files, daemon.outputs("user-events").committed());
    assert_eq!(files.len(), 20);
}

#[test]
fn a_get_with_a_position_sees_what_was_written() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for round in 0..20 {
        let answer = daemon.post("/user/event", user_events(round * 100, 100));
        let path = format!("/v1/streams/user-events/windows?position={}", position(&answer));
        assert_eq!(daemon.get(&path).json()["rows"], (round + 1) * 100);
    }
}

#[test]
fn bad_parameters_are_named() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let windows = "/v1/streams/user-events/windows";
    for (path, field) in [
        (format!("{windows}?limit=0"), "limit"),
        (format!("{windows}?limit=ten"), "limit"),
        (format!("{windows}?limit=99999999"), "limit"),
        (format!("{windows}?cursor=x"), "cursor"),
        (format!("{windows}?position=yesterday"), "position"),
        (format!("{windows}?position=99999999999"), "position"),
        (format!("{windows}?page=5"), "page"),
        (format!("{windows}/user-events-20240701-000000.csv?at=5"), "at"),
        ("/metrics?format=xml".to_owned(), "format"),
        ("/metrics?form=json".to_owned(), "form"),
        ("/events?type=purchase".to_owned(), "type"),
        ("/events?source=%27%20OR%201%3D1".to_owned(), "source"),
        (format!("/events?user_id={}", "x".repeat(51)), "user_id"),
        ("/events?from=noon".to_owned(), "from"),
        ("/events?to=2024-07-32".to_owned(), "to"),
        ("/events?from=2024-07-02&to=2024-07-01".to_owned(), "to"),
        ("/events?limit=1001".to_owned(), "limit"),
        ("/events?order=random()".to_owned(), "order"),
        ("/events?limit=1&limit=1".to_owned(), "limit"),
        ("/events?user=x".to_owned(), "user"),
        ("/events/01906c08-07f7-79fc-9eac-94b3b37eb2d4?limit=1".to_owned(), "limit"),
    ] {
        let answer = daemon.get(&path);
        let detail = problem(&answer, 400);
        assert_eq!(answer.json()["field"], field, "{path}");
        assert!(detail.contains(&format!("`{field}`")), "{detail}");
    }
}

#[test]
fn a_path_or_query_that_is_no_text_is_a_problem_too() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    problem(&daemon.post("/v1/streams/%ff", "{}"), 404);
    problem(&daemon.get("/v1/streams/%ff/windows"), 404);
    problem(&daemon.get("/v1/streams/user-events/windows?limit=1&limit=2"), 400);
    problem(&daemon.get("/events/%ff"), 404);
}

#[test]
fn metrics_come_as_text_and_as_json() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 25));
    daemon.post("/user/event", "not json\n");
    let text = daemon.get("/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = text.text();
    for line in [
        r#"windrow_events_accepted_total{stream="user-events"} 25"#,
        r#"windrow_events_rejected_total{stream="user-events"} 1"#,
        r#"windrow_requests_total{stream="user-events"} 2"#,
        r#"windrow_requests_refused_total{reason="invalid",stream="user-events"} 1"#,
        r#"windrow_sink_events_total{sink="windows",stream="user-events"} 25"#,
        r#"windrow_sink_lag_bytes{sink="windows",stream="user-events"} 0"#,
        r#"windrow_sink_lag_events{sink="windows",stream="user-events"} 0"#,
        r#"windrow_window_open_rows{stream="user-events"} 25"#,
        "windrow_log_segments 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    for answer in [
        daemon.get("/metrics?format=json"),
        daemon.send("GET", "/metrics", &[("accept", "application/json")], b""),
    ] {
        let figures = answer.json();
        assert_eq!(figures["events_received"], 25, "a request that was refused never happened");
        assert_eq!(figures["events_processed"], 25);
        assert_eq!(figures["events_failed"], 0);
        assert_eq!(figures["current_queue_depth"], 0);
        assert!(figures["average_processing_latency_ms"].as_f64().unwrap() > 0.0);
        assert!(figures["uptime_seconds"].as_f64().unwrap() > 0.0);
        assert!(figures["events_per_second"].is_number() && figures["active_workers"] == 0);
    }
}

#[test]
fn health_says_how_each_sink_is() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 5));
    let health = daemon.get("/health").json();
    assert_eq!(health["status"], "ok");
    let sinks = health["sinks"].as_array().unwrap();
    let windows = sinks.iter().find(|it| it["stream"] == "user-events").unwrap();
    assert_eq!((&windows["sink"], &windows["status"]), (&"windows".into(), &"ok".into()));
    assert_eq!(windows["lag"]["bytes"], 0);
    for path in ["/health/live", "/health/ready"] {
        let answer = daemon.get(path);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
    }
}

#[test]
fn a_sink_that_takes_nothing_degrades_health_and_no_request_is_refused() {
    let data = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let daemon = Daemon::start_with(data.path(), &["--table-url", "mysql://root@127.0.0.1:1/none"]);
    let event = r#"{"type":"user_action","source":"web"}"#;
    assert_eq!(daemon.post("/v1/streams/events", event).status, 200);
    let end = std::time::Instant::now() + harness::PATIENCE;
    loop {
        let answer = daemon.get("/health");
        let health = answer.json();
        if health["status"] == "degraded" {
            assert_eq!(answer.status, 200);
            assert!(health["reason"].as_str().unwrap().contains("`table`"), "{health}");
            break;
        }
        assert!(std::time::Instant::now() < end, "{health}");
    }
    assert_eq!(daemon.get("/health/ready").status, 200);
}
