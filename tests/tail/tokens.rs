//! Tails where tokens are configured.

use std::path::Path;

use rustix::process::Signal;

use crate::client::Tail;
use crate::harness::{Daemon, run, user_events};

const PATH: &str = "/v1/streams/user-events/tail";

/// Runs `windrow token`.
fn token(file: &Path, args: &[&str]) -> String {
    let (command, rest) = args.split_first().unwrap();
    let output = run(&[&["token", command, "--file", file.to_str().unwrap()], rest].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_tail_needs_a_token_that_reads_the_stream_and_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    let new = |scopes: &str, streams: &str| {
        token(&file, &["new", "--scopes", scopes, "--streams", streams])
    };
    let [sender, reader, other] =
        [new("ingest", "*"), new("read", "user-events"), new("read", "usage")];
    let daemon =
        Daemon::start_with(&dir.path().join("data"), &["--tokens", file.to_str().unwrap()]);
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(daemon.get(PATH).status, 401);
    for token in [&sender, &other] {
        let denied = daemon.send("GET", PATH, &[("authorization", &bearer(token))], b"");
        assert_eq!(denied.status, 403, "{}", denied.text());
    }
    let send = |count| {
        let headers = [("authorization", bearer(&sender))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = daemon.send("POST", "/user/event", &headers, user_events(0, count).as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let mut tail = Tail::open(daemon.address, PATH, &[("authorization", &bearer(&reader))]);
    send(1);
    tail.line();
    token(&file, &["revoke", &reader[8..20]]);
    daemon.signal(Signal::HUP);
    while daemon.send("GET", "/v1/streams", &[("authorization", &bearer(&reader))], b"").status
        != 401
    {}
    // It would have been sent.
    send(1);
    let mut last = tail.next().unwrap();
    if last.name.is_empty() {
        // It waited for events already when the token was good, and has read one more.
        last = tail.next().unwrap();
    }
    assert!(last.name == "end" && last.data.contains(r#""reason":"token""#), "{last:?}");
    assert_eq!(tail.next(), None);
}
