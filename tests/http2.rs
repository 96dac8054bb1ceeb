//! HTTP/2 on a plain port, by those who know that it is spoken there: requests side by side, bodies of any
//! length, and its own ways of being a bad client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::{Connection, Daemon, user_event, user_events};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TIME: &str = "2024-07-01T02:03:04Z";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frames' types (RFC 9113, 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
/// `GET http /health/live`, by HPACK's static table and literals.
const HEAD: &[u8] = b"\x82\x86\x04\x0c/health/live\x01\x01x";

/// Runs a test's own connections.
fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Runtime::new().unwrap().block_on(test)
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(address).await.unwrap();
    let (requests, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// A POST, and the status and body of its answer.
async fn post(
    requests: &mut SendRequest<Full<Bytes>>,
    path: &str,
    body: impl Into<Bytes>,
) -> (StatusCode, String) {
    let uri = format!("http://windrow{path}");
    let request = Request::post(uri).body(Full::new(body.into())).unwrap();
    requests.ready().await.unwrap();
    let response = requests.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A frame of stream `stream`.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The type of the next frame that comes.
fn next_kind(connection: &Connection) -> u8 {
    let mut head = [0; 9];
    connection.stream().read_exact(&mut head).unwrap();
    let length = u64::from(u32::from_be_bytes([0, head[0], head[1], head[2]]));
    std::io::copy(&mut connection.stream().take(length), &mut std::io::sink()).unwrap();
    head[3]
}

/// The types of the frames that came before the connection ended, with the error code of a GOAWAY.
fn frames(connection: &mut Connection) -> (Vec<u8>, Option<u32>) {
    let bytes = connection.read_to_end().unwrap_or_default();
    let (mut kinds, mut code) = (Vec::new(), None);
    let mut rest = &bytes[..];
    while let [a, b, c, kind, _, _, _, _, _, behind @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = &behind[..length.min(behind.len())];
        kinds.push(*kind);
        if let (GO_AWAY, [_, _, _, _, number @ ..]) = (*kind, payload) {
            code = number.first_chunk().map(|number| u32::from_be_bytes(*number));
        }
        rest = &behind[payload.len()..];
    }
    (kinds, code)
}

#[test]
fn requests_go_side_by_side_over_one_connection() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let before = daemon.metric("windrow_connections_total");
    run(async {
        let requests = connect(daemon.address).await;
        let mut under_way = JoinSet::new();
        for number in 0..300 {
            let mut requests = requests.clone();
            under_way.spawn(async move {
                post(&mut requests, "/user/event", user_event(TIME, number)).await
            });
        }
        for (status, body) in under_way.join_all().await {
            assert_eq!(status, 200, "{body}");
        }
    });
    // Theirs, and the one that asks.
    assert!(daemon.metric("windrow_connections_total") - before < 2.5);
    assert_eq!(daemon.close_window("user-events")["rows"], 300);
}

#[test]
fn bodies_longer_than_every_window_come_through_and_bad_ones_hurt_no_other() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-in-flight", "4MiB"]);
    let large = user_events(0, 30_000);
    assert!(large.len() > 6 << 20);
    run(async {
        let requests = connect(daemon.address).await;
        let mut under_way = JoinSet::new();
        for number in 0..6 {
            let (mut requests, mut body) = (requests.clone(), large.clone());
            if number % 2 == 1 {
                body.insert_str(1000, "nonsense\n");
            }
            under_way.spawn(async move { post(&mut requests, "/user/event", body).await });
        }
        let statuses = under_way.join_all().await.into_iter().map(|(status, _)| status);
        assert_eq!(statuses.filter(StatusCode::is_success).count(), 3);
        let mut requests = requests.clone();
        assert_eq!(post(&mut requests, "/user/event", user_event(TIME, 1)).await.0, 200);
    });
    assert_eq!(daemon.close_window("user-events")["rows"], 90_001);
}

#[test]
fn a_daemon_that_ends_answers_what_is_under_way_and_waits_for_no_idle_connection() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    run(async {
        let mut requests = connect(daemon.address).await;
        assert_eq!(post(&mut requests, "/user/event", user_event(TIME, 1)).await.0, 200);
        let began = Instant::now();
        let stopped = tokio::task::spawn_blocking(move || daemon.stop());
        assert_eq!(stopped.await.unwrap().code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    });
}

#[test]
fn a_preface_that_comes_byte_by_byte_is_one() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut slow = daemon.connect();
    for byte in PREFACE {
        slow.write([*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    slow.write(frame(SETTINGS, 0, 0, b"")).unwrap();
    slow.write(frame(HEADERS, 5, 1, HEAD)).unwrap();
    while next_kind(&slow) != HEADERS {}
    // What only looks so at first is HTTP/1.1.
    let mut other = daemon.connect();
    other.write("P").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    other.write("OST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(other.read_answer("POST").unwrap().status, 404);
}

#[test]
fn who_takes_requests_back_without_end_is_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let began = Instant::now();
    for _ in 0..5 {
        let mut flood = daemon.connect();
        let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
        for number in 0..50_000 {
            let stream = 2 * number + 1;
            bytes.extend(frame(HEADERS, 5, stream, HEAD));
            // CANCEL
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        // It stops reading long before the end.
        let _ = flood.write(bytes);
        let (_, code) = frames(&mut flood);
        // ENHANCE_YOUR_CALM, unless the connection was reset before that could be read.
        assert!(matches!(code, None | Some(0xb)), "{code:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
    let most = daemon.resident_bytes_max().unwrap_or_default();
    assert!(most < 128 << 20, "{most} bytes");
}

#[test]
fn heads_without_end_are_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for continuation in [false, true] {
        let mut endless = daemon.connect();
        let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
        if continuation {
            // Of one request's head, one frame behind the other (CVE-2024-27316).
            bytes.extend(frame(HEADERS, 1, 1, HEAD));
            for _ in 0..20_000 {
                bytes.extend(frame(9, 0, 1, b"\x00\x01a\x7f\x01"));
            }
        } else {
            // One name, to be kept, and then told again and again.
            let mut head = HEAD.to_vec();
            head.extend(b"\x40\x01a\x7f\xa1\x1e");
            head.extend([b'v'; 4000]);
            head.extend([0xbe; 4000]);
            bytes.extend(frame(HEADERS, 5, 1, &head));
        }
        let _ = endless.write(bytes);
        // It may be over already.
        let _ = endless.stream().shutdown(std::net::Shutdown::Write);
        let _ = frames(&mut endless);
    }
    assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
    let most = daemon.resident_bytes_max().unwrap_or_default();
    assert!(most < 128 << 20, "{most} bytes");
}
