//! Starting with tokens, without, and with files of tokens that are none.

use std::fs;

use crate::harness::{Daemon, run};
use crate::rig::{Rig, get};

fn ended(data: &std::path::Path, args: &[&str]) -> (i32, String) {
    match Daemon::try_start(data, args) {
        Ok(_) => panic!("it started with {args:?}"),
        Err(ended) => (ended.status.code().unwrap(), ended.log),
    }
}

#[test]
fn it_does_not_start_without_the_tokens_that_it_shall_have() {
    let rig = Rig::new();
    rig.token("read", "*");
    let data = rig.dir().join("data");
    let file = rig.file();
    let file = file.to_str().unwrap();
    let (code, told) = ended(&data, &["--require-tokens"]);
    assert_eq!(code, 2);
    assert!(told.contains("`require_tokens` is true, and `tokens` names no file"), "{told}");
    for (content, says) in [
        (None, "there is no file of tokens"),
        (Some("nonsense\n"), "this isn't a token as `windrow token new` writes it"),
    ] {
        match content {
            None => fs::remove_file(file).unwrap(),
            Some(text) => fs::write(file, text).unwrap(),
        }
        let (code, told) = ended(&data, &["--require-tokens", "--tokens", file]);
        assert_eq!(code, 2, "{told}");
        let said = told.lines().find(|line| line.starts_with("windrow: ")).unwrap();
        assert!(said.contains(says) && said.contains(file), "{said}");
        assert!(!said.contains("nonsense"), "{said}");
    }
}

#[test]
fn it_takes_tokens_before_its_log_is_open_and_starts_with_required_ones() {
    let rig = Rig::new();
    let token = rig.token("read", "*");
    let daemon = rig.daemon(&["--require-tokens"]);
    assert_eq!(get(&daemon, &token, "/v1/streams").status, 200);
    assert_eq!(daemon.get("/v1/streams").status, 401);
}

#[test]
fn it_warns_loudly_where_everybody_can_reach_it() {
    const WARNING: &str = "NO TOKENS";
    let rig = Rig::new();
    rig.token("read", "*");
    let (data, file) = (rig.dir().join("data"), rig.file());
    let everywhere = ["--listen", "0.0.0.0:0"];
    let daemon = Daemon::start_with(&data, &everywhere);
    assert!(daemon.log().contains(WARNING), "{}", daemon.log());
    daemon.stop();
    let daemon = Daemon::start_with(&data, &["--listen", "127.0.0.1:0"]);
    assert!(!daemon.log().contains(WARNING), "{}", daemon.log());
    daemon.stop();
    let tokens = ["--tokens", file.to_str().unwrap()];
    let daemon = Daemon::start_with(&data, &[everywhere, tokens].concat());
    assert!(!daemon.log().contains(WARNING), "{}", daemon.log());
    assert!(daemon.log().contains("tokens are sent without encryption"), "{}", daemon.log());
}

#[test]
fn what_is_odd_about_tokens_is_told_at_the_start() {
    let rig = Rig::new();
    rig.token("read", "orders,oders");
    let daemon = rig.daemon(&[]);
    let log = daemon.log();
    assert!(
        log.contains("a token is for a stream that there isn't") && log.contains("oders"),
        "{log}"
    );
    daemon.stop();
    fs::write(rig.file(), "# none yet\n").unwrap();
    let daemon = rig.daemon(&[]);
    assert!(daemon.log().contains("there is no token in the file of tokens"), "{}", daemon.log());
    assert_eq!(daemon.get("/v1/streams").status, 401);
    let health = run(&["health", "--url", &format!("http://{}", daemon.address)]);
    assert!(health.status.success());
}
