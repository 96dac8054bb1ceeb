//! The description against the routes, and against the copy that is committed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, header};
use serde_json::Value;
use tower::ServiceExt as _;

use super::described;
use crate::config::{Config, Sources};
use crate::metrics::Metrics;
use crate::server::{App, routes};

/// Where the copy is.
const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

/// A configuration with a stream that has a path of its own, besides the built-in ones.
fn config() -> Config {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("windrow.toml");
    let invoices = "[streams.invoices]\npath = \"/invoices\"\ntime = \"at\"\nsinks = [\"windows\"]\n\
                  on_invalid = \"quarantine\"\nunknown_fields = \"reject\"\n\
                  columns = { at = \"timestamp\", total = \"decimal\", note = \"string(1..5)?\" }\n";
    std::fs::write(&file, invoices).unwrap();
    from(Sources { file: Some(file), ..Sources::default() })
}

fn from(sources: Sources) -> Config {
    Config::from_settings(&sources.read().unwrap()).unwrap()
}

fn document(config: &Config, is_guarded: bool) -> Value {
    serde_json::to_value(described(&config.streams, is_guarded)).unwrap()
}

fn app(config: &Config) -> Arc<App> {
    Arc::new(App::new(config, Arc::new(Metrics::new().unwrap()), None))
}

/// A path of the description as it is registered: a stream's name is a variable part there.
fn as_registered(path: &str, config: &Config) -> String {
    let named = config.streams.iter().any(|it| path == format!("/v1/streams/{}", it.name));
    if named { "/v1/streams/{stream}".to_owned() } else { path.to_owned() }
}

#[test]
fn each_route_is_described_and_nothing_else() {
    let config = config();
    let document = document(&config, false);
    let paths = document["paths"].as_object().unwrap().keys();
    let described: BTreeSet<_> = paths.map(|path| as_registered(path, &config)).collect();
    assert_eq!(described, routes::paths(&app(&config)));
    assert!(document["paths"]["/invoices"]["post"].is_object());
}

#[tokio::test]
async fn each_method_of_a_route_is_described_and_no_other() {
    let config = config();
    let router = routes::router(&app(&config));
    for (path, item) in document(&config, false)["paths"].as_object().unwrap() {
        let described: BTreeSet<_> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        // No route has it, so that the answer says which ones it has.
        let at = path.replace("{stream}", "invoices").replace(['{', '}'], "");
        let request = Request::builder().method("TRACE").uri(at).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let allowed = answer.headers()[header::ALLOW].to_str().unwrap();
        let allowed = allowed.split(',').filter(|method| *method != "HEAD").map(str::to_owned);
        assert_eq!(described, allowed.collect(), "{path}");
    }
}

#[test]
fn what_is_named_is_there() {
    let document = document(&config(), true);
    let mut names = Vec::new();
    references(&document, &mut names);
    assert!(names.len() > 100);
    for name in names {
        let pointer = name.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{name}");
    }
}

fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            names.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}

#[test]
fn what_nobody_names_is_not_there() {
    let document = document(&config(), true);
    let mut names = Vec::new();
    references(&document, &mut names);
    for (kind, components) in document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            let at = format!("#/components/{kind}/{name}");
            assert!(
                names.contains(&at) || kind == "securitySchemes" || name.starts_with("event."),
                "{at}"
            );
        }
    }
}

#[test]
fn a_name_of_an_operation_is_that_of_one() {
    let document = document(&config(), false);
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<_> = operations.map(|it| it["operationId"].as_str().unwrap().to_owned()).collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}

#[test]
fn an_operation_needs_a_token_only_where_there_are_tokens() {
    let config = config();
    for is_guarded in [false, true] {
        let document = document(&config, is_guarded);
        let security = &document["paths"]["/metrics"]["get"]["security"];
        let needed = serde_json::json!({ "bearer": ["read"] });
        let expected = if is_guarded { vec![needed] } else { vec![needed, serde_json::json!({})] };
        assert_eq!(*security, Value::Array(expected));
        assert_eq!(document["paths"]["/health"]["get"]["security"], Value::Null);
    }
}

#[test]
fn a_stream_that_is_not_told_of_leaves_no_trace() {
    let mut config = config();
    assert!(document(&config, true).to_string().contains("invoices"));
    config.streams.retain(|stream| stream.name == "user-events");
    let document = document(&config, true);
    assert!(!document.to_string().contains("invoices"));
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(!path.contains("usage") && !path.contains("/events"), "{path}");
    }
}

#[test]
fn the_committed_copy_is_the_description_of_the_built_in_streams() {
    let sources = Sources { file: Some(Path::new("/dev/null").to_owned()), ..Sources::default() };
    let mut text = described(&from(sources).streams, false).to_pretty_json().unwrap();
    text.push('\n');
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(COPY, &text).unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == text,
        "the API isn't what docs/openapi.json says: look whether it should have changed, and then renew \
         the copy with `RENEW=1 cargo test --lib openapi`"
    );
}
