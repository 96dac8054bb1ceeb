//! Examples of requests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::description::Description;
use crate::harness::{Daemon, position};

#[test]
fn each_example_of_a_request_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&data.path().join("data"));
    let description = Description::of(&daemon.get("/openapi.json"));
    let mut sent = BTreeMap::<&str, u64>::new();
    for operation in description.operations() {
        let Some(content) = operation.described["requestBody"]["content"].as_object() else {
            continue;
        };
        for (media, content) in content {
            let examples = content["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{} {media}", operation.path);
            for example in examples.values() {
                let mut value = example["value"].clone();
                if operation.path == "/v1/backup" {
                    // Any directory will do, and that of the example is no test's.
                    value["dir"] = json!(data.path().join("copy"));
                }
                let body = match &value {
                    Value::String(text)
                        if !media.ends_with("json") || media.ends_with("x-ndjson") =>
                    {
                        text.clone()
                    }
                    other => other.to_string(),
                };
                let headers = [("content-type", media.as_str())];
                let answer =
                    daemon.send(&operation.method, operation.path, &headers, body.as_bytes());
                assert_eq!(answer.status, 200, "{} {media}: {}", operation.path, answer.text());
                if answer.json()["accepted"].is_number() {
                    assert!(answer.json()["accepted"].as_u64() >= Some(1), "{}", answer.text());
                    position(&answer);
                }
                *sent.entry(operation.path).or_default() += 1;
            }
        }
    }
    assert!(sent["/v1/ingest"] == 5 && sent["/user/event"] == 3, "{sent:?}");
}

#[test]
fn a_configured_stream_is_described_with_its_columns_and_its_examples_are_taken() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("windrow.toml");
    let stream = "[streams.orders]\npath = \"/orders\"\ntime = \"created_at\"\nsinks = [\"windows\"]\n\
                  unknown_fields = \"reject\"\n\
                  columns = { created_at = \"timestamp\", order = \"i64\", total = \"decimal\", \
                  currency = \"EUR|USD\", code = \"string(10..12)\", note = \"string?\", data = \"object\" }\n";
    std::fs::write(&file, stream).unwrap();
    let daemon =
        Daemon::start_with(&data.path().join("data"), &["--config", file.to_str().unwrap()]);
    let description = Description::of(&daemon.get("/openapi.json"));
    let event = &description.0["components"]["schemas"]["event.orders"];
    assert_eq!(
        event["required"],
        json!(["created_at", "order", "total", "currency", "code", "data"])
    );
    assert_eq!(event["properties"]["currency"]["enum"], json!(["EUR", "USD"]));
    assert_eq!(event["properties"]["code"]["minLength"], 10);
    assert_eq!(event["additionalProperties"], false);
    for path in ["/orders", "/v1/streams/orders"] {
        let body = &description.0["paths"][path]["post"]["requestBody"]["content"];
        for media in ["application/x-ndjson", "application/json", "text/csv"] {
            let example = &body[media]["examples"]["example"]["value"];
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            let answer = daemon.send("POST", path, &[("content-type", media)], text.as_bytes());
            assert_eq!(answer.status, 200, "{path} {media}: {}", answer.text());
        }
    }
    let windows = &description.0["paths"]["/v1/streams/{stream}/windows"]["get"]["parameters"];
    let stream = windows.as_array().unwrap().iter().find(|it| it["name"] == "stream").unwrap();
    assert_eq!(stream["schema"]["enum"], json!(["user-events", "orders"]));
}
