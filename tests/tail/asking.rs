//! What can be wrong with a request for a tail.

use crate::client::Tail;
use crate::harness::{Answer, Daemon, encoded, run};

const PATH: &str = "/v1/streams/user-events/tail";

fn detail(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_wrong_condition_parameter_or_position_is_told_with_what_would_be_right() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for (query, field, told) in [
        (
            format!("where={}", encoded("credit>5")),
            "where",
            "no column `credit`; did you mean `credits`?",
        ),
        (
            format!("where={}", encoded("active > true")),
            "where",
            "can't be compared by `>`: it takes = !=",
        ),
        (format!("where={}", encoded("time > noon")), "where", "expected a timestamp such as"),
        ("where=credits".to_owned(), "where", "such as `credits >= 10`"),
        (vec!["where=id!=1"; 33].join("&"), "where", "no more than 32 are taken"),
        ("form=json".to_owned(), "form", "no parameter `form`; there are `from`, `position`"),
        ("format=csv".to_owned(), "format", "must be `lines` or `json`, not `csv`"),
        ("from=yesterday".to_owned(), "from", "expected `now`, `beginning`, the `position`"),
        ("from=".to_owned(), "from", "expected `now`"),
        ("position=-1".to_owned(), "position", "expected `now`"),
        ("from=now&from=now".to_owned(), "from", "`from` is there twice"),
        ("from=now&position=4096".to_owned(), "position", "say the same"),
        ("from=999999999".to_owned(), "from", "is behind the end of this log"),
        ("from=4096-4096-00000000".to_owned(), "from", "is from another log"),
    ] {
        let answer = daemon.get(&format!("{PATH}?{query}"));
        let detail = detail(&answer, 400);
        assert!(detail.contains(told), "{query}: {detail}");
        assert_eq!(answer.json()["field"], field, "{query}: {}", answer.text());
    }
    let answer = daemon.send("GET", PATH, &[("last-event-id", "the last one")], b"");
    assert!(detail(&answer, 400).contains("`Last-Event-ID` must be the id of an event"));
}

#[test]
fn a_stream_that_is_not_there_and_a_method_that_is_not_either_are_told() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    assert!(detail(&daemon.get("/v1/streams/nowhere/tail"), 404).contains("no stream `nowhere`"));
    let answer = daemon.post(PATH, "");
    detail(&answer, 405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    let head = daemon.send("HEAD", PATH, &[], b"");
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
}

#[test]
fn there_are_no_more_tails_than_may_be() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-tails", "2"]);
    let mut tails: Vec<_> = (0..2).map(|_| Tail::of(&daemon, "user-events", "")).collect();
    let answer = daemon.get(PATH);
    assert_eq!(detail(&answer, 429), "2 tails are open, which is `limits.tails`");
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert!((daemon.metric("windrow_limit_hits_total{limit=\"tails\"}") - 1.0).abs() < 0.1);
    tails.pop();
    let end = std::time::Instant::now() + crate::harness::PATIENCE;
    while daemon.metric("windrow_tails") > 1.5 {
        assert!(std::time::Instant::now() < end, "nobody noticed that one has gone");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    tails.push(Tail::of(&daemon, "user-events", ""));
}

#[test]
fn the_command_tells_what_was_wrong_and_does_not_try_again() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let url = format!("http://{}", daemon.address);
    let tail = |args: &[&str]| {
        let output = run(&[&["tail", "--url", &url], args].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (args, told) in [
        (["--stream=user-events", "--where=credit>5"], "did you mean `credits`?"),
        (["--stream=nowhere", "--where=a=b"], "there is no stream `nowhere`"),
        (["--stream=user-events", "--from=then"], "expected `now`, `beginning`"),
    ] {
        let (code, error) = tail(&args);
        assert!(code == Some(2) && error.contains(told), "{code:?} {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    drop(daemon);
    let (code, error) = tail(&["--stream=user-events"]);
    assert!(code == Some(1) && error.contains("no windrow answers at"), "{code:?} {error}");
}
