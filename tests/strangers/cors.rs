//! `cors`: pages of other origins.

use crate::harness::{Answer, Daemon, user_events};
use crate::rig::{Rig, problem, send};

const PAGE: &str = "https://app.example.org";

fn ask(daemon: &Daemon, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    daemon.send(method, path, headers, b"")
}

fn preflight(daemon: &Daemon, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    ask(daemon, "OPTIONS", "/v1/streams/user-events", &headers)
}

#[test]
fn a_page_of_an_allowed_origin_may_send_and_read_and_no_other_may() {
    let rig = Rig::new();
    let token = rig.token("read", "*");
    let daemon = rig.daemon(&["--cors", &format!("http://localhost:3000,{PAGE}")]);
    let answer = preflight(&daemon, PAGE);
    assert_eq!((answer.status, answer.body.len()), (204, 0), "it needs no token");
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    for needed in ["authorization", "content-type", "content-encoding", "idempotency-key"] {
        assert!(headers.contains(needed), "{headers}");
    }
    assert_eq!(answer.header("vary"), Some("origin"));

    let authorization = format!("Bearer {token}");
    for (path, status) in [("/v1/streams", 200), ("/nowhere", 404), ("/metrics", 200)] {
        let headers = [("origin", PAGE), ("authorization", &authorization)];
        let answer = ask(&daemon, "GET", path, &headers);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{path}");
        assert!(answer.header("access-control-expose-headers").unwrap().contains("retry-after"));
    }
    // An error can be read, too: a page must see that its token is wrong.
    let answer = ask(&daemon, "GET", "/v1/streams", &[("origin", PAGE)]);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));

    for other in ["https://example.org", "https://app.example.org.evil.example", "null"] {
        let answer = preflight(&daemon, other);
        assert_eq!(answer.status, 401, "{other}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let answer = ask(&daemon, "GET", "/health", &[("origin", other)]);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("vary"), Some("origin"), "a cache must not mix them up");
    }
    let plain = send(&daemon, &token, "GET", "/v1/streams", "");
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

#[test]
fn a_star_is_every_origin_and_nothing_is_none() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--cors", "*"]);
    assert_eq!(preflight(&daemon, "null").header("access-control-allow-origin"), Some("*"));
    daemon.stop();
    let daemon = Daemon::start(data.path());
    let answer = preflight(&daemon, PAGE);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
    assert_eq!(answer.header("vary"), None);
}

#[test]
fn what_a_page_elsewhere_sends_without_asking_is_refused_also_without_tokens() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--cors", PAGE]);
    let send = |headers: &[(&str, &str)]| {
        let body = user_events(0, 1);
        daemon.send("POST", "/user/event", headers, body.as_bytes())
    };
    // As browsers send a form of another site: they needn't ask before.
    let form = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let detail = problem(&send(&form), 403);
    assert!(detail.contains("`https://evil.example`") && detail.contains("`cors`"), "{detail}");
    assert_eq!(send(&[("origin", PAGE), ("sec-fetch-site", "cross-site")]).status, 200);
    assert_eq!(send(&[("origin", "https://evil.example")]).status, 200, "a program, not a page");
    assert_eq!(send(&[]).status, 200);
    let metrics = daemon.get("/metrics").text();
    assert!(metrics.contains("windrow_requests_denied_total{reason=\"origin\"} 1\n"), "{metrics}");
    assert_eq!(daemon.get("/v1/streams/user-events/windows").status, 200);
}

#[test]
fn a_page_whose_name_was_led_to_this_machine_may_not_send() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let send = |host: &str| {
        let body = user_events(0, 1);
        let length = body.len();
        let mut page = daemon.connect();
        let head = format!("host: {host}\r\norigin: http://{host}\r\ncontent-length: {length}");
        page.write(format!("POST /user/event HTTP/1.1\r\n{head}\r\n\r\n{body}")).unwrap();
        page.read_answer("POST").unwrap()
    };
    // To its browser, it sends to where it comes from.
    let detail = problem(&send("evil.example:8080"), 403);
    assert!(detail.contains("`http://evil.example:8080`") && detail.contains("`cors`"), "{detail}");
    for own in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(send(own).status, 200, "{own}");
    }
    assert_eq!(daemon.ingest("user-events", user_events(5, 1))["rows"], 4);
}
