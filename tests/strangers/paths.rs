//! Names that lead elsewhere: of streams, of files, and encoded so that two readers might disagree.

use std::fs;

use crate::harness::user_events;
use crate::rig::{Rig, get, problem, send};

#[test]
fn a_stream_s_name_is_the_same_however_it_is_encoded() {
    let rig = Rig::new();
    let own = rig.token("ingest,read,admin", "user-events");
    let other = rig.token("ingest,read,admin", "events");
    let daemon = rig.daemon(&[]);
    for spelled in ["user-events", "user%2Devents", "%75ser-events", "user%2devents"] {
        let path = format!("/v1/streams/{spelled}");
        assert_eq!(send(&daemon, &own, "POST", &path, &user_events(0, 1)).status, 200, "{path}");
        assert_eq!(send(&daemon, &other, "POST", &path, &user_events(0, 1)).status, 403, "{path}");
        assert_eq!(get(&daemon, &own, &format!("{path}/windows")).status, 200, "{path}");
        assert_eq!(get(&daemon, &other, &format!("{path}/windows")).status, 403, "{path}");
    }
    for spelled in [
        "events%2F..%2Fuser-events",
        "events/../user-events",
        "events%00",
        "user-events%00",
        "user-events%20",
        "User-Events",
        "events;user-events",
        "./user-events",
        "",
    ] {
        for token in [&own, &other] {
            let path = format!("/v1/streams/{spelled}/windows");
            let answer = get(&daemon, token, &path);
            assert!([403, 404].contains(&answer.status), "{path}: {}", answer.text());
        }
    }
    let listing = get(&daemon, &own, "/v1/streams/user-events/windows?position=").status;
    assert_eq!(listing, 400);
    let rows = daemon_rows(&daemon, &own);
    assert_eq!(rows, 4, "what was refused is nowhere");
}

fn daemon_rows(daemon: &crate::harness::Daemon, token: &str) -> u64 {
    let end = std::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        let rows = get(daemon, token, "/v1/streams/user-events/windows").json()["rows"].as_u64();
        if rows >= Some(4) || std::time::Instant::now() > end {
            return rows.unwrap_or_default();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn no_file_but_committed_ones_can_be_fetched() {
    let rig = Rig::new();
    let token = rig.token("ingest,read,admin", "*");
    let daemon = rig.daemon(&[]);
    let answer = send(&daemon, &token, "POST", "/user/event", &user_events(0, 10));
    let position = answer.json()["position"].as_str().unwrap().to_owned();
    let windows = "/v1/streams/user-events/windows";
    let listing = get(&daemon, &token, &format!("{windows}?position={position}")).json();
    let open = listing["open"][0]["file"].as_str().unwrap().to_owned();
    // As near to a committed file as they get, one level above and beside.
    let data = rig.dir().join("data");
    for beside in ["windows/user-events/user-events-x.csv.new", "windows/user-events-x.csv"] {
        fs::write(data.join(beside), "secret").unwrap();
    }
    fs::write(rig.dir().join("user-events-x.csv"), "secret").unwrap();
    let long = format!("user-events-{}.csv", "x".repeat(5000));
    for file in [
        "..",
        "../../lock",
        "..%2f..%2flock",
        "%2e%2e%2f%2e%2e%2flock",
        "..%2fuser-events-x.csv",
        "user-events-%2f..%2f..%2fuser-events-x.csv",
        "user-events-..%2f..%2fuser-events-x.csv",
        "user-events-%5c..%5cx.csv",
        "user-events-x.csv.new",
        "user-events-%00.csv",
        "user-events-x.csv%00",
        "user-events-%ff.csv",
        "user-events-%0a.csv",
        "%2fetc%2fpasswd",
        "manifest.ndjson",
        "checkpoint",
        &long,
        &open,
        &open.replace(".csv.open", ".csv"),
    ] {
        let answer = get(&daemon, &token, &format!("{windows}/{file}"));
        assert!(!answer.text().contains("secret"), "{file}");
        problem(&answer, 404);
    }
}
