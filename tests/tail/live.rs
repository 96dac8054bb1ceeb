//! Events as they happen.

use std::time::Instant;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::client::Tail;
use crate::harness::{Daemon, user_event, user_events};

#[test]
fn events_come_as_they_are_committed_and_as_they_were_sent() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 3));
    let mut tails = [Tail::of(&daemon, "user-events", ""), Tail::of(&daemon, "user-events", "")];
    let mut other = Tail::of(&daemon, "usage", "");
    let header = |name: &str| {
        tails[0].headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("content-type"), Some("text/event-stream"));
    assert_eq!(header("cache-control"), Some("no-store"));
    // Spaces, an unknown field, blank lines and the end of a line are the sender's.
    let odd =
        user_event("2024-07-01T03:00:00Z", 7).replace("{\"time\":", "{ \"x\":1,\r \"time\" : ");
    let body = format!("\n{odd}\r\n\n{}\n", user_event("2024-07-01T03:00:01Z", 8));
    for round in 0..2 {
        daemon.ingest("user-events", &body);
        for tail in &mut tails {
            assert_eq!(tail.line(), odd.replace('\r', " "), "round {round}");
            assert_eq!(tail.line(), user_event("2024-07-01T03:00:01Z", 8));
        }
    }
    assert!(tails[0].is_quiet() && other.is_quiet());
    assert!((daemon.metric("windrow_tails") - 3.0).abs() < 0.1);
    assert!((daemon.metric("windrow_tail_events_total") - 8.0).abs() < 0.1);
    drop(tails);
    let begun = Instant::now();
    while daemon.metric("windrow_tails") > 1.5 {
        assert!(begun.elapsed() < crate::harness::PATIENCE, "those that have gone are still open");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn nothing_of_a_request_is_seen_before_it_is_committed() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut tail = Tail::of(&daemon, "user-events", "");
    let chunk = |lines: &str| format!("{:x}\r\n{lines}\r\n", lines.len());
    let head = "POST /user/event HTTP/1.1\r\nhost: windrow\r\ntransfer-encoding: chunked\r\n\r\n";
    // Long enough for many frames, which are in the log before the last of them comes.
    let (first, second) = (user_events(0, 5000), user_events(5000, 10));
    let mut upload = daemon.connect();
    let mut broken = daemon.connect();
    for connection in [&mut upload, &mut broken] {
        connection.write(head).unwrap();
        connection.write(chunk(&first)).unwrap();
    }
    daemon.ingest("user-events", user_events(9000, 1));
    assert_eq!(tail.line(), user_events(9000, 1).trim_end());
    assert!(tail.is_quiet());
    // One that begins in the middle of it.
    let mut late = Tail::of(&daemon, "user-events", "");
    drop(broken);
    upload.write(chunk(&second)).unwrap();
    upload.write("0\r\n\r\n").unwrap();
    assert_eq!(upload.read_answer("POST").unwrap().status, 200);
    let expected = first + &second;
    for tail in [&mut tail, &mut late] {
        let lines = tail.lines(5010);
        assert!(lines.iter().map(String::as_str).eq(expected.lines()));
        assert!(tail.is_quiet());
    }
}

#[test]
fn only_events_that_the_conditions_hold_for_are_sent() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut tail = Tail::of(
        &daemon,
        "user-events",
        "where=active=true&where=id%20%3E%3D%205811804537417038816&where=description~Number",
    );
    daemon.ingest("user-events", user_events(0, 20));
    let expected: Vec<_> = user_events(0, 20).lines().step_by(2).map(str::to_owned).collect();
    assert_eq!(tail.lines(6), expected[..6]);
    assert!(tail.is_quiet());
    let behind = Tail::of(&daemon, "user-events", &format!("from={}", tail.id)).is_quiet();
    assert!(!behind, "the last event that was sent was the eleventh");
}

#[test]
fn as_json_an_event_says_what_its_line_does_not() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut tail = Tail::of(&daemon, "events", "format=json");
    let event = r#"{"type":"sensor_data","source":"iot_device","data":{"t":21.50}}"#;
    let answer =
        daemon.send("POST", "/events", &[("content-type", "application/json")], event.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = tail.next().unwrap();
    assert!(sent.data.ends_with(&format!("\"event\":{event}}}")), "{}", sent.data);
    let json: serde_json::Value = serde_json::from_str(&sent.data).unwrap();
    assert_eq!(json["position"], sent.id.as_str());
    assert_eq!(json["stream"], "events");
    // It had none of its own.
    assert_eq!(json["time"], json["arrived"]);
    assert!(json["time"].as_str().unwrap().starts_with("20"), "{json}");
}

#[test]
fn http_2_follows_many_streams_over_one_connection() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let socket = tokio::net::TcpStream::connect(daemon.address).await.unwrap();
        let io = TokioIo::new(socket);
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut requests, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let mut bodies = Vec::new();
        for _ in 0..3 {
            let uri = "http://windrow/v1/streams/user-events/tail";
            let request = http::Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap();
            let response = requests.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            bodies.push((response.into_body(), String::new()));
        }
        daemon.ingest("user-events", user_events(0, 2));
        for (body, text) in &mut bodies {
            while text.matches("data: ").count() < 2 {
                let frame = body.frame().await.unwrap().unwrap();
                *text += str::from_utf8(frame.data_ref().unwrap()).unwrap();
            }
            let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
            assert!(lines.eq(user_events(0, 2).lines()), "{text}");
        }
    });
}

#[test]
fn a_shutdown_ends_tails_with_a_word_and_does_not_wait_for_them() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--shutdown", "30s"]);
    let mut tail = Tail::of(&daemon, "user-events", "");
    daemon.ingest("user-events", user_events(0, 1));
    tail.line();
    let begun = Instant::now();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    let end = tail.next().unwrap();
    let said: serde_json::Value = serde_json::from_str(&end.data).unwrap();
    assert_eq!((end.name.as_str(), &said["reason"]), ("end", &"shutting-down".into()));
    assert_eq!(said["position"], end.id.as_str(), "{said}");
    assert_eq!(tail.next(), None);
}
