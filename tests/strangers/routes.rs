//! Every route with every kind of wrong token.

use std::time::{Duration, Instant};

use crate::harness::{Answer, Daemon, user_events};
use crate::rig::{Rig, get, problem, send};

/// What a route is about.
#[derive(Clone, Copy)]
enum Of {
    /// A stream.
    Stream(&'static str),
    /// None, or what the token may see.
    Nobody,
    /// All streams at once.
    All,
}
use Of::{All, Nobody, Stream};

const WINDOWS: &str = "/v1/streams/user-events/windows";

/// Every route but health: method, path, scope, and whose data it is about.
const ROUTES: [(&str, &str, &str, Of); 28] = [
    ("POST", "/user/event", "ingest", Stream("user-events")),
    ("POST", "/orders", "ingest", Stream("orders")),
    ("POST", "/events", "ingest", Stream("events")),
    ("POST", "/events/batch", "ingest", Stream("events")),
    ("POST", "/v1/ingest", "ingest", Stream("usage")),
    ("POST", "/v1/streams/orders", "ingest", Stream("orders")),
    ("POST", "/v1/streams/nowhere", "ingest", Stream("nowhere")),
    ("GET", "/events", "read", Stream("events")),
    ("HEAD", "/events", "read", Stream("events")),
    ("GET", "/events/01906c08-07f7-79fc-9eac-94b3b37eb2d4", "read", Stream("events")),
    ("GET", "/v1/customers/acme/total_events", "read", Stream("usage")),
    ("GET", "/v1/customers//total_events", "read", Stream("usage")),
    ("GET", "/v1/usage/totals", "read", Stream("usage")),
    ("POST", "/v1/usage", "read", Stream("usage")),
    ("POST", "/v1/events/search", "read", Stream("usage")),
    ("GET", WINDOWS, "read", Stream("user-events")),
    ("GET", "/v1/streams/nowhere/windows", "read", Stream("nowhere")),
    ("GET", "/v1/streams/user-events/windows/x.csv", "read", Stream("user-events")),
    ("POST", "/v1/streams/user-events/windows/close", "admin", Stream("user-events")),
    ("GET", "/v1/streams/user-events/rejected", "read", Stream("user-events")),
    ("GET", "/v1/streams/orders/tail?from=later", "read", Stream("orders")),
    ("GET", "/v1/streams/nowhere/tail", "read", Stream("nowhere")),
    ("POST", "/v1/backup", "admin", All),
    ("GET", "/", "read", Nobody),
    ("GET", "/openapi.json", "read", Nobody),
    ("GET", "/v1/streams", "read", Nobody),
    ("GET", "/metrics", "read", Nobody),
    ("GET", "/metrics?format=json", "read", Nobody),
];

/// What there is no route for, and what a route has no method for.
const NO_ROUTES: [(&str, &str); 5] = [
    ("GET", "/no/such/route"),
    ("GET", "/health/other"),
    ("DELETE", "/v1/streams/user-events"),
    ("OPTIONS", "/v1/streams"),
    ("GET", "/v1/streams/%ff/windows"),
];

/// What somebody without the right token is told: how to get in, and nothing else.
fn unauthorized(answer: &Answer, what: &str) -> String {
    let challenge = answer.header("www-authenticate").unwrap_or_else(|| panic!("{what}"));
    assert!(challenge.starts_with("Bearer realm=\"windrow\""), "{challenge}");
    if what.starts_with("HEAD") {
        assert_eq!(answer.status, 401, "{what}");
        return String::new();
    }
    let detail = problem(answer, 401);
    for name in ["user-events", "orders", "/events"] {
        assert!(!answer.text().contains(name), "{what}: {}", answer.text());
    }
    detail
}

#[test]
fn no_route_tells_a_stranger_anything_but_that_a_token_is_needed() {
    let rig = Rig::new();
    let token = rig.token("ingest,read,admin", "*");
    let daemon = rig.daemon(&[]);
    let id = &token[..21];
    let unknown = format!("windrow_0123456789ab_{}", "0".repeat(64));
    let other_secret = format!("{id}{}", "0".repeat(64));
    let right = format!("Bearer {token}");
    let headers: Vec<Vec<(&str, String)>> = vec![
        vec![],
        vec![("authorization", format!("Bearer {unknown}"))],
        vec![("authorization", format!("Bearer {other_secret}"))],
        vec![("authorization", format!("Bearer {token}0"))],
        vec![("authorization", "Bearer".to_owned())],
        vec![("authorization", token.clone())],
        vec![("authorization", "Basic dTpw".to_owned())],
        vec![("authorization", right.clone()), ("authorization", right.clone())],
        vec![("cookie", right.clone()), ("x-authorization", right)],
    ];
    let routes = ROUTES.iter().map(|(method, path, ..)| (*method, *path)).chain(NO_ROUTES);
    for (method, path) in routes {
        for headers in &headers {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = daemon.send(method, path, &headers, b"");
            unauthorized(&answer, &format!("{method} {path} {headers:?}"));
        }
    }
    for path in [format!("/v1/streams?access_token={token}"), format!("/metrics?token={token}")] {
        unauthorized(&daemon.get(&path), &path);
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(daemon.get(path).status, 200);
        assert_eq!(get(&daemon, "wrong", path).status, 200);
    }
    let told = get(&daemon, &token, "/metrics").text();
    let denied = |reason: &str| format!("windrow_requests_denied_total{{reason=\"{reason}\"}} ");
    for reason in ["missing", "malformed", "unknown"] {
        assert!(
            told.contains(&denied(reason)) && !told.contains(&(denied(reason) + "0\n")),
            "{told}"
        );
    }
}

#[test]
fn every_route_names_the_scope_that_a_token_lacks() {
    let rig = Rig::new();
    let scopes = ["ingest", "read", "admin"];
    let without = scopes.map(|scope| {
        let others: Vec<_> = scopes.into_iter().filter(|other| *other != scope).collect();
        rig.token(&others.join(","), "*")
    });
    let with = scopes.map(|scope| rig.token(scope, "*"));
    let daemon = rig.daemon(&[]);
    for (method, path, scope, _) in ROUTES {
        let at = scopes.iter().position(|it| *it == scope).unwrap();
        let refused = send(&daemon, &without[at], method, path, "");
        assert_eq!(refused.status, 403, "{method} {path}");
        let expected = format!("error=\"insufficient_scope\", scope=\"{scope}\"");
        assert!(refused.header("www-authenticate").unwrap().ends_with(&expected), "{refused:?}");
        if method != "HEAD" {
            let detail = problem(&refused, 403);
            assert!(detail.contains(&format!("needs the scope `{scope}`")), "{detail}");
        }
        let passed = send(&daemon, &with[at], method, path, "");
        assert!(![401, 403].contains(&passed.status), "{method} {path}: {}", passed.text());
    }
}

#[test]
fn every_route_of_a_stream_refuses_a_token_for_another_one() {
    let rig = Rig::new();
    let streams = ["user-events", "events", "usage", "orders", "nowhere"];
    let tokens = streams.map(|stream| {
        let others: Vec<_> = streams.into_iter().filter(|other| *other != stream).collect();
        (rig.token("ingest,read,admin", &others.join(",")), rig.token("ingest,read,admin", stream))
    });
    let daemon = rig.daemon(&[]);
    for (method, path, _, of) in ROUTES {
        let Stream(stream) = of else { continue };
        let (without, with) = &tokens[streams.iter().position(|it| *it == stream).unwrap()];
        let refused = send(&daemon, without, method, path, "");
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
        if method != "HEAD" {
            let detail = problem(&refused, 403);
            assert!(detail.contains(&format!("isn't for the stream `{stream}`")), "{detail}");
        }
        let passed = send(&daemon, with, method, path, "");
        assert!(![401, 403].contains(&passed.status), "{method} {path}: {}", passed.text());
    }
}

#[test]
fn what_is_about_all_streams_refuses_a_token_for_some() {
    let rig = Rig::new();
    let [some, all] =
        ["user-events,events,usage,orders", "*"].map(|it| rig.token("admin,read", it));
    let daemon = rig.daemon(&[]);
    for (method, path, ..) in ROUTES.iter().filter(|(.., of)| matches!(of, All)) {
        let detail = problem(&send(&daemon, &some, method, path, ""), 403);
        assert!(
            detail.contains("this is about all streams") && detail.contains("`usage`"),
            "{detail}"
        );
        let passed = send(&daemon, &all, method, path, "");
        assert!(![401, 403].contains(&passed.status), "{method} {path}: {}", passed.text());
    }
}

#[test]
fn each_is_shown_the_streams_that_its_token_is_for() {
    let rig = Rig::new();
    let all = rig.token("ingest,read", "*");
    let some = rig.token("read", "usage,events");
    let daemon = rig.daemon(&[]);
    let names = |token: &str| -> Vec<String> {
        let streams = get(&daemon, token, "/v1/streams").json();
        let names = streams["streams"].as_array().unwrap().iter();
        names.map(|stream| stream["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&all), ["user-events", "events", "usage", "orders"]);
    assert_eq!(names(&some), ["events", "usage"]);

    assert_eq!(send(&daemon, &all, "POST", "/user/event", &user_events(0, 3)).status, 200);
    let (metrics, own) =
        (get(&daemon, &all, "/metrics").text(), get(&daemon, &some, "/metrics").text());
    assert!(metrics.contains("stream=\"user-events\"") && metrics.contains("stream=\"usage\""));
    assert!(!own.contains("stream=\"user-events\"") && !own.contains("orders"), "{own}");
    assert!(own.contains("stream=\"usage\"") && own.contains("windrow_build_info"), "{own}");
    assert!(get(&daemon, &all, "/metrics").text().contains("windrow_tokens 2\n"));

    let hint = problem(&get(&daemon, &all, "/nowhere"), 404);
    assert!(hint.contains("/orders"), "{hint}");
    let hint = problem(&get(&daemon, &some, "/nowhere"), 404);
    assert!(!hint.contains("/orders") && !hint.contains("/user/event"), "{hint}");
}

#[test]
fn nothing_of_a_body_is_waited_for_that_nobody_may_send() {
    let rig = Rig::new();
    let reader = rig.token("read", "*");
    let daemon = rig.daemon(&[]);
    let begun = Instant::now();
    for (authorization, status) in [
        (String::new(), 401),
        ("authorization: Bearer x\r\n".to_owned(), 401),
        (format!("authorization: Bearer {reader}\r\n"), 403),
    ] {
        for framing in [
            "content-length: 1000000000\r\n",
            "transfer-encoding: chunked\r\n",
            "content-length: 10\r\nexpect: 100-continue\r\n",
        ] {
            let mut connection = daemon.connect();
            connection
                .write(format!(
                    "POST /user/event HTTP/1.1\r\nhost: w\r\n{authorization}{framing}\r\n"
                ))
                .unwrap();
            // The first answer is the last one: no `100 Continue` has come before it.
            let answer = connection.read_answer("POST").unwrap();
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("connection"), Some("close"));
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let mut connection = daemon.connect();
    for _ in 0..3 {
        let answer = connection.send("GET", "/metrics", &[], b"");
        assert_eq!((answer.status, answer.header("connection")), (401, None), "it may go on");
    }
}

#[test]
fn over_http2_too_the_answer_is_seen_by_whoever_is_still_sending() {
    let rig = Rig::new();
    rig.token("ingest", "*");
    let daemon = rig.daemon(&[]);
    let body = rig.dir().join("body");
    std::fs::write(&body, vec![b' '; 3_000_000]).unwrap();
    let url = format!("http://{}/user/event", daemon.address);
    let data = format!("@{}", body.display());
    for round in 0..20 {
        let curl = std::process::Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"])
            .args(["--http2-prior-knowledge", "--data-binary", &data, &url])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&curl.stdout).into_owned();
        assert_eq!(told, "2 401", "{round}: {}", String::from_utf8_lossy(&curl.stderr));
    }
}

#[test]
fn over_a_unix_socket_a_token_is_needed_too() {
    use std::io::{Read as _, Write as _};

    let rig = Rig::new();
    let token = rig.token("read", "*");
    let socket = rig.dir().join("windrow.sock");
    let tokens = rig.file();
    let mut daemon = crate::harness::windrow()
        .args(["--listen", &format!("unix:{}", socket.display()), "--tokens"])
        .arg(&tokens)
        .arg("--data-dir")
        .arg(rig.dir().join("data"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ask = |authorization: &str| -> std::io::Result<String> {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket)?;
        let head = format!(
            "GET /v1/streams HTTP/1.1\r\nhost: w\r\nconnection: close\r\n{authorization}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let end = Instant::now() + crate::harness::PATIENCE;
    while ask("").is_err() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(10));
    }
    let [without, with] =
        ["", &format!("authorization: Bearer {token}\r\n")].map(|header| ask(header).unwrap());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(without.starts_with("HTTP/1.1 401"), "{without}");
    assert!(with.starts_with("HTTP/1.1 200"), "{with}");
}

#[test]
fn without_tokens_everybody_may_do_everything_whatever_token_they_send() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    assert_eq!(send(&daemon, "any", "POST", "/user/event", &user_events(0, 3)).status, 200);
    assert_eq!(get(&daemon, "any", "/v1/streams").status, 200);
    assert_eq!(daemon.get("/metrics").status, 200);
}
