//! `windrow token`, and commands that send one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{run, windrow};
use crate::rig::Rig;

#[test]
fn a_token_is_shown_once_and_its_hash_is_in_a_file_of_its_owner_alone() {
    let rig = Rig::new();
    let file = rig.file();
    let path = file.to_str().unwrap();
    let made =
        run(&["token", "new", "--file", path, "--scopes", "ingest,read", "--name", "importer"]);
    assert!(made.status.success());
    let out = String::from_utf8(made.stdout).unwrap();
    let (token, rest) = out.split_once('\n').unwrap();
    assert_eq!((token.len(), rest), (85, ""), "standard output is the token and nothing else");
    let err = String::from_utf8(made.stderr).unwrap();
    assert!(err.contains("only this once") && err.contains("SIGHUP"), "{err}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(token));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    rig.token("admin", "usage,events");
    let listed = String::from_utf8(run(&["token", "ls", "--file", path]).stdout).unwrap();
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(&token[8..20]) && lines[0].ends_with("*  importer"), "{listed}");
    assert!(lines[1].contains("admin") && lines[1].contains("events,usage"), "{listed}");
    let json = run(&["token", "ls", "--json", "--file", path]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json[0]["scopes"], serde_json::json!(["ingest", "read"]));
    assert_eq!(
        (&json[0]["streams"], &json[1]["streams"][0]),
        (&serde_json::Value::Null, &"events".into())
    );

    let revoked = windrow()
        .args(["token", "revoke", "importer"])
        .env("WINDROW_TOKENS", path)
        .output()
        .unwrap();
    assert!(revoked.status.success());
    assert!(!fs::read_to_string(&file).unwrap().contains("importer"));
}

#[test]
fn what_makes_no_token_is_told_in_one_sentence() {
    let rig = Rig::new();
    let file = rig.file();
    let path = file.to_str().unwrap();
    let missing = rig.dir().join("none/tokens");
    for (code, says, args) in [
        (2, "there is no scope `write`", vec!["new", "--file", path, "--scopes", "write"]),
        (2, "--scopes", vec!["new", "--file", path]),
        (
            2,
            "can't be called `Usage`",
            vec!["new", "--file", path, "--scopes", "read", "--streams", "Usage"],
        ),
        (
            2,
            "expected 1 to 100 characters",
            vec!["new", "--file", path, "--scopes", "read", "--name", "a\nb"],
        ),
        (2, "give one with --file", vec!["new", "--scopes", "read"]),
        (2, "there is no file of tokens", vec!["ls", "--file", path]),
        (2, "there is no file of tokens", vec!["revoke", "--file", path, "a"]),
        (
            2,
            "none/tokens can't be made: there is no such directory",
            vec!["new", "--scopes", "read", "--file", missing.to_str().unwrap()],
        ),
    ] {
        let output = windrow().arg("token").args(&args).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
        assert!(output.stdout.is_empty());
    }
    assert!(!file.exists());
}

#[test]
fn an_import_sends_its_token() {
    let rig = Rig::new();
    let token = rig.token("ingest,read", "usage");
    let narrow = rig.token("ingest,read", "events");
    let token_file = rig.dir().join("importer.token");
    fs::write(&token_file, format!("{token}\n")).unwrap();
    let rows = rig.dir().join("rows.csv");
    fs::write(&rows, "acme,login,tx-1,2021-03-01T00:00:00Z\n").unwrap();
    let daemon = rig.daemon(&[]);
    let url = format!("http://{}", daemon.address);
    let import = || {
        let mut command = windrow();
        command.args(["import", "--stream", "usage", "--url", &url]).arg(&rows);
        command
    };
    let by_file = import().arg("--token-file").arg(&token_file).output().unwrap();
    assert!(by_file.status.success(), "{}", String::from_utf8_lossy(&by_file.stderr));
    let by_variable = import().env("WINDROW_TOKEN", &token).output().unwrap();
    assert!(by_variable.status.success(), "{}", String::from_utf8_lossy(&by_variable.stderr));
    let without = import().output().unwrap();
    let told = String::from_utf8(without.stderr).unwrap();
    assert_eq!(without.status.code(), Some(1));
    assert!(told.contains("401") && told.contains("needs a token"), "{told}");
    let other = import().env("WINDROW_TOKEN", &narrow).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "{}", String::from_utf8_lossy(&other.stderr));
}
