//! What the description says to whom, and of whom.

use crate::description::Description;
use crate::rig::{Rig, get, send};

#[test]
fn each_operation_takes_the_scope_that_it_names_and_no_other() {
    let rig = Rig::new();
    let scopes = ["ingest", "read", "admin"];
    let tokens = scopes.map(|scope| rig.token(scope, "*"));
    let daemon = rig.daemon(&[]);
    let description = Description::of(&get(&daemon, &tokens[1], "/openapi.json"));
    for operation in description.operations() {
        let security = &operation.described["security"];
        let path = operation.somewhere();
        let what = format!("{} {path}", operation.method);
        if security.is_null() {
            assert!(path.starts_with("/health"), "{what}");
            assert_eq!(daemon.get(&path).status, 200, "{what}");
            continue;
        }
        assert_eq!(security.as_array().unwrap().len(), 1, "{what}");
        let named = security[0]["bearer"][0].as_str().unwrap();
        for (scope, token) in scopes.iter().zip(&tokens) {
            let answer = send(&daemon, token, &operation.method, &path, "");
            let refused = matches!(answer.status, 401 | 403);
            assert_eq!(refused, *scope != named, "{what} with {scope}: {}", answer.text());
        }
        assert_eq!(daemon.send(&operation.method, &path, &[], b"").status, 401, "{what}");
    }
}

#[test]
fn a_token_for_some_streams_is_told_of_these() {
    let rig = Rig::new();
    let all = rig.token("read", "*");
    let one = rig.token("read", "orders");
    let daemon = rig.daemon(&[]);
    for _ in 0..2 {
        let everything = get(&daemon, &all, "/openapi.json");
        assert!(everything.text().contains("/user/event") && everything.text().contains("/orders"));
        let description = Description::of(&get(&daemon, &one, "/openapi.json"));
        let sending: Vec<_> = description
            .operations()
            .filter(|it| it.described["tags"][0] == "sending")
            .map(|it| it.path.to_owned())
            .collect();
        assert_eq!(sending, ["/orders", "/v1/streams/orders"]);
    }
}
