//! A program that embeds windrow has its own processor: the example does, and is run here.

mod harness;

use harness::{Daemon, example, position};
use serde_json::json;

#[test]
fn an_embedding_program_processes_in_its_own_way() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_program(&example("own_processor"), data.path(), &[]);
    let json = [("content-type", "application/json")];
    let warm = br#"{"type":"sensor_data","source":"web","data":{"celsius":20.5}}"#;
    let stored = daemon.send("POST", "/events", &json, warm);
    let refused = br#"{"type":"sensor_data","source":"web","data":{"kelvin":1}}"#;
    let last = daemon.send("POST", "/events", &json, refused);

    let id = stored.json()["id"].as_str().unwrap().to_owned();
    let event = daemon.get(&format!("/events/{id}?position={}", position(&last))).json();
    assert_eq!(event["processed_data"], json!({ "fahrenheit": 68.9, "source": "web" }), "{event}");

    // What it refuses is in quarantine, with the reason and the line.
    let id = last.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.get(&format!("/events/{id}")).status, 404);
    let quarantine = std::fs::read_to_string(data.path().join("quarantine/events/table.ndjson"));
    let quarantine = quarantine.unwrap();
    assert!(quarantine.contains("`data` has no number `celsius`"), "{quarantine}");
    assert!(quarantine.contains("kelvin"), "{quarantine}");
    assert_eq!(quarantine.lines().count(), 1, "{quarantine}");
}
