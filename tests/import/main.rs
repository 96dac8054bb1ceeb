//! `windrow import` brings every row in once, however often it runs and whatever happens on the way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod scripted;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use harness::{Daemon, PATIENCE, windrow};
use scripted::{Reply, Scripted};

const HEADER: &str = "transaction_id,timestamp,customer_id,event_type,properties\n";

/// A record in the order of [`HEADER`], and one as it is without.
fn record(number: usize, with_header: bool) -> String {
    let time = format!("2024-07-31 19:{:02}:{:02}.740096+00", number / 60 % 60, number % 60);
    if with_header {
        format!("t{number},{time},\"acme, inc\",login,\"{{\"\"n\"\":{number}}}\"\n")
    } else {
        format!("\"acme, inc\",login,t{number},{time}\n")
    }
}

fn json(number: usize) -> String {
    format!(
        r#"{{"transaction_id":"t{number}","customer_id":"acme, inc","event_type":"login","timestamp":{}}}"#,
        1_700_000_000 + number
    ) + "\n"
}

fn import(url: &str, files: &[&Path]) -> Command {
    let mut command = windrow();
    command.args(["import", "--stream", "usage", "--url", url]).args(files).stdin(Stdio::null());
    command
}

fn url(daemon: &Daemon) -> String {
    format!("http://{}", daemon.address)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    output
}

fn accepted(output: &Output) -> u64 {
    let line = text(&output.stdout);
    let line = line.lines().find_map(|line| line.strip_prefix("Rows accepted: ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

/// How many events there are once everything that was taken is counted.
fn total(daemon: &Daemon) -> u64 {
    // An empty request is behind everything that was taken before it.
    let position = harness::position(&daemon.post("/v1/ingest", json(0)));
    let path =
        format!("/v1/customers/acme%2C%20inc/total_events?window_size=none&position={position}");
    let answer = daemon.get(&path);
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), daemon.log());
    answer.json()["total"].as_u64().unwrap()
}

fn compressed(text: &str, name: &str) -> Vec<u8> {
    if name.ends_with("zst") {
        return zstd::encode_all(text.as_bytes(), 1).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn files_of_every_form_are_imported_and_a_second_run_adds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let lines = |range: std::ops::Range<usize>, line: &dyn Fn(usize) -> String| -> String {
        range.map(line).collect()
    };
    let header = format!("\u{feff}\n{HEADER}{}", lines(0..1000, &|n| record(n, true)));
    let plain = lines(1000..2000, &|n| record(n, false));
    let files = [
        ("header.csv", header.replace('\n', "\r\n").into_bytes()),
        ("plain.csv.gz", compressed(&plain, "gz")),
        ("more.zst", compressed(&lines(2000..3000, &json), "zst")),
        ("without-an-end.ndjson", lines(3000..4000, &json).trim_end().as_bytes().to_vec()),
        ("empty.csv", Vec::new()),
    ];
    let paths = files.map(|(name, bytes)| {
        fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    });
    let paths: Vec<_> = paths.iter().map(std::path::PathBuf::as_path).collect();
    for _ in 0..2 {
        // Small chunks, so that cuts, headers and the order of things are all there.
        let output = succeeds(import(&url(&daemon), &paths).args(["--chunk", "4KiB"]));
        assert_eq!(accepted(&output), 4000);
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
        assert_eq!(total(&daemon), 4000);
    }
    // The same rows once more, by a pipe, in chunks of another size.
    let mut child = import(&url(&daemon), &[Path::new("-")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plain.as_bytes()).unwrap();
    assert_eq!(accepted(&child.wait_with_output().unwrap()), 1000);
    assert_eq!(total(&daemon), 4000);
}

#[test]
fn a_stream_that_takes_a_row_again_as_one_more_gets_each_once_from_the_same_command() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let file = dir.path().join("alike.ndjson");
    // All of them alike, so that chunks are, too.
    fs::write(&file, format!("{}\n", harness::user_event("2024-07-01", 1)).repeat(500)).unwrap();
    for _ in 0..2 {
        let mut command = windrow();
        command.args([
            "import",
            "--stream",
            "user-events",
            "--url",
            &url(&daemon),
            "--chunk",
            "4KiB",
        ]);
        let output = succeeds(command.arg(&file).stdin(Stdio::null()));
        assert_eq!(accepted(&output), 500);
        let last = harness::position(&daemon.post("/user/event", ""));
        assert_eq!(daemon.windows_at("user-events", &last)["rows"], 500);
    }
}

#[test]
fn bad_lines_are_named_and_cost_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let file = dir.path().join("some.csv");
    let mut lines = HEADER.to_owned();
    for number in 0..500 {
        // Every twentieth is bad, in several ways.
        let line = match number % 100 {
            10 => "t1,noon,c,login,\n".to_owned(),
            30 => "too,few\n".to_owned(),
            50 => format!("\"open,{}", record(number, true)),
            70 => ",2024-07-31,c,login,\n".to_owned(),
            90 => "t1,2024-07-31,c,login,{not json\n".to_owned(),
            11 => format!("\n{}", record(number, true)),
            _ => record(number, true),
        };
        lines += &line;
    }
    fs::write(&file, &lines).unwrap();
    let output = succeeds(import(&url(&daemon), &[&file]).args(["--chunk", "4KiB"]));
    assert_eq!(accepted(&output), 475);
    assert!(text(&output.stdout).contains("Lines left out: 25"), "{}", text(&output.stdout));
    assert_eq!(total(&daemon), 475);
    let errors = text(&output.stderr);
    assert_eq!(errors.lines().count(), 11, "{errors}");
    assert!(errors.ends_with("15 more lines can't be understood\n"), "{errors}");
    for line in errors.lines().take(10) {
        let number = line.strip_prefix(&format!("{}, line ", file.display())).unwrap();
        let (number, reason) = number.split_once(": ").unwrap();
        let stands_there = lines.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap();
        let is_bad = ["noon", "too,few", "\"open", ",2024-07-31,c", "not json"];
        assert!(is_bad.iter().any(|bad| stands_there.contains(bad)), "{line}: {stands_there}");
        assert!(reason.contains("expected"), "{line}");
    }
    let strict = import(&url(&daemon), &[&file]).arg("--strict").output().unwrap();
    assert_eq!(strict.status.code(), Some(1));
    assert!(text(&strict.stderr).contains("25 lines can't be understood and are left out"));
    assert_eq!(total(&daemon), 475);
}

#[test]
fn a_stream_that_keeps_bad_lines_keeps_those_of_a_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let daemon = Daemon::start_with(&data, &["--streams-usage-on-invalid", "quarantine"]);
    let file = dir.path().join("some.ndjson");
    let line = |number| if number % 20 == 7 { format!("bad {number}\n") } else { json(number) };
    fs::write(&file, (0..500).map(line).collect::<String>()).unwrap();
    for run in 0..2 {
        let output = succeeds(import(&url(&daemon), &[&file]).args(["--chunk", "4KiB"]));
        let told = text(&output.stdout);
        assert_eq!(accepted(&output), 475, "{run}: {told}");
        assert!(told.contains("Rows put into quarantine: 25\n"), "{run}: {told}");
        assert!(told.contains("Lines left out: 0\n"), "{run}: {told}");
    }
    assert_eq!(total(&daemon), 475);
    let kept = fs::read_to_string(data.join("quarantine/usage/ingest.ndjson")).unwrap();
    // Chunks come in any order.
    assert_eq!(kept.lines().count(), 25, "{kept}");
    for number in (7..500).step_by(20) {
        assert!(kept.contains(&format!("\"raw\":\"bad {number}\"")), "{number} isn't in {kept}");
    }
}

#[test]
fn a_file_that_holds_no_lines_is_left_out_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let file = dir.path().join("binary");
    let bytes: Vec<u8> =
        (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(&file, bytes).unwrap();
    let output = succeeds(&mut import(&url(&daemon), &[&file]));
    assert_eq!(accepted(&output), 0);
    assert!(text(&output.stderr).lines().count() == 11, "{}", text(&output.stderr));
}

/// Starts an import of so many rows that it can be caught in the middle.
fn long_import(url: &str, file: &Path) -> Child {
    let lines: String = (0..60_000).map(|number| record(number, false)).collect();
    fs::write(file, lines).unwrap();
    import(url, &[file])
        .args(["--chunk", "16KiB"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for_some(daemon: &Daemon) {
    let end = Instant::now() + PATIENCE;
    loop {
        let path = "/v1/customers/acme%2C%20inc/total_events?window_size=none";
        if daemon.get(path).json()["total"].as_u64() > Some(1000) {
            return;
        }
        assert!(Instant::now() < end, "nothing arrives:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_interrupted_import_goes_on_where_the_same_command_is_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let file = dir.path().join("long.csv");
    let child = long_import(&url(&daemon), &file);
    wait_for_some(&daemon);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "it was over before it was interrupted");
    let told = text(&output.stderr);
    assert!(told.contains("the same command adds what is missing: interrupted"), "{told}");
    assert!(accepted(&output) > 0);
    assert!(total(&daemon) < 60_000);
    assert_eq!(accepted(&succeeds(&mut import(&url(&daemon), &[&file]))), 60_000);
    assert_eq!(total(&daemon), 60_000);
}

#[test]
fn a_daemon_that_is_killed_and_comes_back_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // A port of its own, so that the daemon can come back to it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut daemon = Daemon::start_with(&data, &["--listen", &address]);
    let mut child = long_import(&url(&daemon), &dir.path().join("long.csv"));
    for _ in 0..3 {
        wait_for_some(&daemon);
        daemon.kill();
        daemon = Daemon::start_with(&data, &["--listen", &address]);
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(accepted(&output), 60_000);
    assert_eq!(total(&daemon), 60_000);
}

#[test]
fn what_the_daemon_says_about_waiting_is_kept_and_the_same_request_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("few.csv");
    fs::write(&file, record(0, false)).unwrap();
    let server = Scripted::start(vec![
        Reply::status(429).retry_after(1),
        Reply::status(503),
        Reply::HangUp,
        Reply::status(507).retry_after(0),
        Reply::accepted(1),
    ]);
    let began = Instant::now();
    let output = succeeds(&mut import(&server.url(), &[&file]));
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(accepted(&output), 1);
    assert!(text(&output.stderr).contains("the daemon answers 429: no; trying again in 1s"));
    assert!(text(&output.stdout).contains("Requests: 5, of which repeats: 4"));
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    let key = requests[0].header("idempotency-key").unwrap();
    assert_eq!(key.len(), "import-".len() + 32, "128 bits of what is sent: {key}");
    for request in &requests {
        assert_eq!(request.header("idempotency-key"), Some(key));
        assert_eq!(request.header("content-type"), Some("text/csv; header=absent"));
        assert_eq!(text(&request.body), record(0, false));
    }
}

#[test]
fn there_is_an_end_to_patience() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("few.csv");
    fs::write(&file, record(0, false)).unwrap();
    for (reply, says) in [
        (Reply::status(503).retry_after(60), "the daemon answers 503: no; given up after 300ms"),
        (Reply::HangUp, "broke: "),
        (Reply::status(403), "the daemon refuses "),
        (Reply::status(500), "500: no"),
    ] {
        let server = Scripted::start(vec![reply; 20]);
        let output =
            import(&server.url(), &[&file]).args(["--patience", "300ms"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.contains(says), "{told}");
        assert!(told.contains("not all rows are in"), "{told}");
        assert_eq!(accepted(&output), 0);
    }
}

#[test]
fn a_line_that_only_the_daemon_finds_bad_is_left_out_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("few.csv");
    let lines: String = (0..3).map(|number| record(number, false)).collect();
    fs::write(&file, &lines).unwrap();
    let server = Scripted::start(vec![Reply::bad_line(2), Reply::accepted(2)]);
    let output = succeeds(&mut import(&server.url(), &[&file]));
    assert_eq!(text(&output.stderr), format!("{}, line 2: no\n", file.display()));
    let requests = server.requests();
    assert_eq!(text(&requests[1].body), lines.replace(&record(1, false), "\n"));
    assert_ne!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
    // Nor does a daemon that finds fault with what isn't there get the same for ever.
    let server = Scripted::start(vec![Reply::bad_line(7); 9]);
    let output = import(&server.url(), &[&file]).output().unwrap();
    assert_eq!((output.status.code(), server.requests().len()), (Some(1), 1));
}

/// A file of records that is too long to be held in memory: more than 4 MiB.
fn long_file(dir: &Path, with_header: bool) -> (std::path::PathBuf, String) {
    let records: String = (0..90_000).map(|number| record(number, with_header)).collect();
    let lines = if with_header { format!("{HEADER}{records}") } else { records };
    assert!(lines.len() > 4 << 20);
    let file = dir.join("long.csv");
    fs::write(&file, &lines).unwrap();
    (file, lines)
}

#[test]
fn a_long_chunk_is_read_again_for_each_try() {
    let dir = tempfile::tempdir().unwrap();
    let (file, lines) = long_file(dir.path(), true);
    let server = Scripted::start(vec![
        Reply::HangUp,
        Reply::status(503).retry_after(0),
        Reply::accepted(90_000),
    ]);
    let output = succeeds(&mut import(&server.url(), &[&file]));
    assert_eq!(accepted(&output), 90_000);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.header("idempotency-key"), requests[0].header("idempotency-key"));
        assert!(request.body == lines.as_bytes());
    }
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_told_and_nothing_of_it_taken() {
    for change in [|_: &str| String::new(), |lines: &str| lines.replace("login", "logon")] {
        let dir = tempfile::tempdir().unwrap();
        let (file, lines) = long_file(dir.path(), false);
        let server = Scripted::start(vec![Reply::status(503).retry_after(1); 9]);
        let child = import(&server.url(), &[&file])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let end = Instant::now() + PATIENCE;
        while server.requests().is_empty() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(2));
        }
        fs::write(&file, change(&lines)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.contains("long.csv was changed while it was imported"), "{told}");
        assert_eq!(server.requests().len(), 1, "a second one came to its end");
    }
}

#[test]
fn a_chunk_that_is_too_long_for_the_daemon_comes_in_shorter_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (file, lines) = long_file(dir.path(), true);
    let server =
        Scripted::start(vec![Reply::status(413), Reply::accepted(70_000), Reply::accepted(20_000)]);
    assert_eq!(accepted(&succeeds(&mut import(&server.url(), &[&file]))), 90_000);
    let mut together = HEADER.to_owned();
    for request in &server.requests()[1..] {
        assert!(request.body.len() <= 4 << 20);
        together += text(&request.body).strip_prefix(HEADER).unwrap();
    }
    assert!(together == lines);
}

#[test]
fn a_bad_line_in_a_long_chunk_costs_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let (file, lines) = long_file(dir.path(), true);
    let mut lines: Vec<_> = lines.lines().collect();
    for bad in [7, 50_000, 85_000] {
        lines[bad - 1] = "t1,noon,c,login,";
    }
    fs::write(&file, lines.join("\n")).unwrap();
    for _ in 0..2 {
        let output = succeeds(&mut import(&url(&daemon), &[&file]));
        assert_eq!(accepted(&output), 89_997);
        assert_eq!(total(&daemon), 89_997);
        let errors = text(&output.stderr);
        for (told, bad) in errors.lines().zip([7, 50_000, 85_000]) {
            assert!(told.contains(&format!("long.csv, line {bad}: ")), "{told}");
        }
        assert_eq!(errors.lines().count(), 3, "{errors}");
        // The long one, three shorter ones, and those of them that had a bad line once more.
        assert!(text(&output.stdout).contains(", of which repeats: 0"));
    }
}

#[test]
fn a_token_goes_with_every_request() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("few.csv");
    fs::write(&file, record(0, false)).unwrap();
    let server = Scripted::start(vec![Reply::accepted(1)]);
    succeeds(import(&server.url(), &[&file]).env("WINDROW_TOKEN", "secret"));
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer secret"));
}

#[test]
fn a_unix_socket_is_a_place_too() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", dir.path().join("windrow.sock").display());
    let file = dir.path().join("few.csv");
    fs::write(&file, record(0, false)).unwrap();
    let mut daemon = windrow();
    daemon.args(["--listen", &socket, "--data-dir"]).arg(dir.path().join("data"));
    let mut daemon = daemon.stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while !windrow().args(["health", "--listen", &socket]).output().unwrap().status.success() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = import(&socket, &[&file]).output().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(accepted(&output), 1);
}

#[test]
fn what_cannot_work_is_told_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    let url = url(&daemon);
    let file = dir.path().join("few.csv");
    fs::write(&file, record(0, false)).unwrap();
    let array = dir.path().join("array.json");
    fs::write(&array, "[{}]").unwrap();
    let (file, array, here) =
        (file.to_str().unwrap(), array.to_str().unwrap(), dir.path().to_str().unwrap());
    for (code, says, arguments) in [
        (2, "has no stream `usag`", vec!["--stream", "usag", "--url", &url, file]),
        (2, "is a directory", vec!["--stream", "usage", "--url", &url, here]),
        (2, "no/such.csv can't be read", vec!["--stream", "usage", "--url", &url, "no/such.csv"]),
        (2, "--url is `ftp://x`", vec!["--stream", "usage", "--url", "ftp://x", file]),
        (1, "it is a JSON array", vec!["--stream", "usage", "--url", &url, array]),
        (1, "no windrow answers", vec!["--stream", "usage", "--url", "http://127.0.0.1:1", file]),
    ] {
        let output = windrow().arg("import").args(arguments).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(says) && told.lines().count() == 1, "{told}");
    }
}
