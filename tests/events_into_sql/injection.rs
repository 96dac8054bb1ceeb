//! SQL in any value or parameter is a value, never a statement.

use serde_json::json;

use crate::harness::encoded;
use crate::harness::table::{Counts, Event, Rig, events, in_both_databases};

/// What would do harm in one quoting or another, or match what it shouldn't.
const STATEMENTS: [&str; 12] = [
    "'; DROP TABLE processed_events; --",
    "\"; DROP TABLE processed_events; --",
    "`; DROP TABLE processed_events; --",
    "' OR '1'='1",
    "\\' OR 1=1 -- ",
    "\\",
    "'",
    "') UNION SELECT 1,2,3,4,5,6,7,8 --",
    "%",
    "_ser-1",
    "?",
    "$1 :a @b {c} %s /*",
];

in_both_databases![
    statements_in_values_are_stored_as_they_are,
    statements_in_parameters_find_nothing_and_do_nothing,
    a_cursor_that_somebody_made_up_is_refused,
    statements_where_enumerations_are_expected_are_refused,
];

fn statements_in_values_are_stored_as_they_are(rig: &Rig) {
    let daemon = rig.start();
    let sent: Vec<_> = STATEMENTS
        .iter()
        .zip(0..)
        .map(|(text, n)| {
            let data = json!({ *text: text, "metadata": { *text: [text] } }).to_string();
            Event::number(n).of_user(text).with_data(data)
        })
        .collect();
    daemon.store(&sent);
    daemon.wait_for_counts(Counts::stored(STATEMENTS.len() as u64));
    let mut expected: Vec<_> = sent.iter().map(Event::row).collect();
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    // What the processor trims, it trims here too.
    for (row, expected) in rig.rows().iter().zip(&expected) {
        assert_eq!((&row.id, &row.user_id), (&expected.id, &expected.user_id));
        assert_eq!(row.data["metadata"], expected.data["metadata"]);
    }
    for (event, text) in sent.iter().zip(STATEMENTS) {
        let found = daemon.get(&format!("/events?user_id={}", encoded(text))).json();
        assert_eq!(found["events"].as_array().unwrap().len(), 1, "{text}: {found}");
        assert_eq!(found["events"][0]["id"], event.id.as_str());
    }
}

fn statements_in_parameters_find_nothing_and_do_nothing(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..50));
    for text in STATEMENTS {
        let text = encoded(text);
        // A user may be called anything; nobody is called that here.
        let found = daemon.get(&format!("/events?user_id={text}"));
        assert_eq!(found.json()["events"], json!([]), "{}", found.text());
        for parameter in ["type", "source", "from", "to", "limit", "cursor", "order", "position"] {
            let refused = daemon.get(&format!("/events?{parameter}={text}"));
            assert_eq!(refused.status, 400, "{parameter}={text}: {}", refused.text());
        }
        let refused = daemon.get(&format!("/events?{text}=1"));
        assert_eq!(refused.status, 400, "{text}: {}", refused.text());
        let refused = daemon.get(&format!("/events/{text}"));
        assert_eq!(refused.status, 400, "{text}: {}", refused.text());
    }
    assert_eq!(rig.count(), 50);
}

fn a_cursor_that_somebody_made_up_is_refused(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..50));
    let cursor = daemon.get("/events?limit=10").json()["next"].as_str().unwrap().to_owned();
    for changed in
        [format!("{cursor}'"), format!("{cursor}A"), cursor[1..].to_owned(), String::new()]
    {
        let answer = daemon.get(&format!("/events?limit=10&cursor={}", encoded(&changed)));
        assert_eq!(answer.status, 400, "{changed}: {}", answer.text());
        assert!(answer.text().contains("cursor"), "{}", answer.text());
    }
}

fn statements_where_enumerations_are_expected_are_refused(rig: &Rig) {
    let daemon = rig.start();
    for field in ["id", "type", "source", "timestamp"] {
        for text in STATEMENTS {
            let mut event: serde_json::Value =
                serde_json::from_str(&Event::number(1).text()).unwrap();
            event[field] = text.into();
            let refused = daemon.post_json("/events", &event.to_string());
            assert_eq!(refused.status, 400, "{field}: {}", refused.text());
            assert_eq!(refused.json()["field"], field, "{}", refused.text());
        }
    }
    daemon.store(&events(0..1));
    assert_eq!(rig.count(), 1);
}
