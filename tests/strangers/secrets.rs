//! No token is ever written anywhere but where `windrow token new` shows it.

use std::fs;
use std::process::Output;

use rustix::process::Signal;

use crate::harness::{Daemon, user_events, windrow};
use crate::rig::{Rig, get, send};

/// The secret part of a token, and a little less of it.
fn parts(token: &str) -> [&str; 2] {
    [&token[21..], &token[40..]]
}

fn printed(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[test]
fn no_token_is_in_the_log_or_the_metrics_or_an_answer_or_the_data() {
    let rig = Rig::new();
    let token = rig.token("ingest,read,admin", "user-events");
    let data = rig.dir().join("data");
    let file = rig.file();
    let args = ["--tokens", file.to_str().unwrap(), "-vv", "--log-level", "trace"];
    let daemon = Daemon::start_with(&data, &args);
    let unknown = format!("{}{}", &token[..21], "5eed".repeat(16));
    let mut told = String::new();
    for token in [&token, &unknown] {
        for (method, path, body) in [
            ("POST", "/user/event", user_events(0, 1)),
            ("POST", "/user/event", "not json".to_owned()),
            ("POST", "/v1/streams/events", "{}".to_owned()),
            ("GET", "/v1/streams", String::new()),
            ("GET", "/metrics", String::new()),
            ("GET", "/nowhere", String::new()),
            ("GET", "/health", String::new()),
        ] {
            let answer = send(&daemon, token, method, path, &body);
            told += &answer.text();
            told.extend(answer.headers.into_iter().map(|(_, value)| value));
        }
    }
    fs::write(rig.file(), format!("{token}\n")).unwrap();
    daemon.signal(Signal::HUP);
    let end = std::time::Instant::now() + crate::harness::PATIENCE;
    while !daemon.log().contains("can't be read again") {
        assert!(std::time::Instant::now() < end, "{}", daemon.log());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    told += &get(&daemon, &token, "/metrics").text();
    told += &daemon.log();
    daemon.stop();
    for entry in walk(&data) {
        told += &String::from_utf8_lossy(&fs::read(entry).unwrap());
    }
    for token in [&token, &unknown] {
        for part in parts(token) {
            assert!(!told.contains(part));
        }
    }
}

#[test]
fn who_tries_tokens_is_told_by_address() {
    let rig = Rig::new();
    rig.token("ingest", "user-events");
    let daemon = rig.daemon(&[]);
    let mut stranger = daemon.connect();
    let address = stranger.stream().local_addr().unwrap();
    let made_up = [("authorization", "Bearer made-up")];
    assert_eq!(stranger.send("GET", "/metrics", &made_up, b"").status, 401);
    let end = std::time::Instant::now() + crate::harness::PATIENCE;
    let told: serde_json::Value = loop {
        let log = daemon.log();
        let mut lines = log.lines();
        if let Some(told) = lines.find(|line| line.contains("tokens that this daemon doesn't know"))
        {
            break serde_json::from_str(told).unwrap();
        }
        assert!(std::time::Instant::now() < end, "{log}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert_eq!(told["fields"]["last_from"], address.to_string(), "{told}");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn no_token_is_in_what_commands_print() {
    let rig = Rig::new();
    let token = rig.token("ingest,read", "*");
    let file = rig.file();
    let file = file.to_str().unwrap();
    let data = rig.dir().join("none");
    let mut outputs = Vec::new();
    let mut run = |args: &[&str], variable: (&str, &str)| {
        let mut command = windrow();
        command.args(args).env(variable.0, variable.1);
        let output = printed(&command.output().unwrap());
        outputs.push(output);
    };
    let url = "http://127.0.0.1:1";
    for variable in [("WINDROW_TOKEN", token.as_str()), ("WINDROW_TOKENS", file)] {
        run(&["config"], variable);
        run(&["config", "--json"], variable);
        run(&["token", "ls", "--file", file], variable);
        run(&["token", "ls", "--json", "--file", file], variable);
        run(&["health", "--url", url], variable);
        run(&["health", "--url", url, "--token", &token], variable);
        run(&["import", "--help"], variable);
    }
    // Where it doesn't belong.
    let data = data.to_str().unwrap();
    run(&["serve", "--data-dir", data, "--tokens", &token], ("X", ""));
    run(&["serve", "--data-dir", data], ("WINDROW_TOKENS", &token));
    run(&["config"], ("WINDROW_TOKENS", &token));
    run(&["token", "revoke", "--file", file, "nobody"], ("X", ""));
    for output in outputs {
        for part in parts(&token) {
            assert!(!output.contains(part), "{output}");
        }
    }
}
