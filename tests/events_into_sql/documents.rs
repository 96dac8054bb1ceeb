//! Every JSON document that is taken is in the table, value by value, or in quarantine; none blocks.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::table::{Counts, Event, Rig, events, in_both_databases};

in_both_databases![
    documents_come_through_value_by_value,
    numbers_keep_their_text_strings_are_trimmed_and_metadata_stays_to_the_byte,
    a_document_of_a_mebibyte_is_stored_and_one_beyond_is_refused,
    a_deeply_nested_document_blocks_nothing,
    a_user_id_of_fifty_characters_is_stored_and_a_longer_one_is_refused,
    times_at_the_ends_of_what_is_taken_block_nothing,
    a_large_request_streams_through,
];

fn documents_come_through_value_by_value(rig: &Rig) {
    let daemon = rig.start();
    let documents = [
        r"{}",
        r#"{"":"","a":{"b":[1,[2,[3,{}]],null,true,false]}}"#,
        r#"{"quotes":"\" ' ` \\ -- ; %_","lines":"a\nb\r\nc\td"}"#,
        r#"{"nul":"a\u0000b","\u0000":0}"#,
        r#"{"text":"äöü ß 漢字 \ud83d\ude00 😀 \u202e\ufeff."}"#,
        r#"{"key with spaces":{"Ключ":"значение"},"😀":"k"}"#,
        r#"{"same":1,"same":2}"#,
    ];
    let sent: Vec<_> =
        documents.iter().zip(0..).map(|(data, n)| Event::number(n).with_data(*data)).collect();
    daemon.store(&sent);
    daemon.wait_for_counts(Counts::stored(documents.len() as u64));
    let mut expected: Vec<_> = sent.iter().map(Event::row).collect();
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(rig.rows(), expected);
}

fn numbers_keep_their_text_strings_are_trimmed_and_metadata_stays_to_the_byte(rig: &Rig) {
    let daemon = rig.start();
    let metadata = r#"{ "spaced" : [ 1.0 , "  as it came  " ], "big":1e400, "e":"\u00e9" }"#;
    let data = format!(
        r#"{{"big":123456789012345678901234567890,"exact":1.10,"e":1E+2,"neg":-0.0,"text":"  trimmed\t","in":[" a ",{{" key ":" b "}}],"metadata":{metadata}}}"#
    );
    daemon.store(&[Event::number(0).with_data(data)]);
    let stored = &rig.sql().column("SELECT processed_data FROM processed_events")[0];
    for part in [
        r#""big":123456789012345678901234567890"#,
        r#""exact":1.10"#,
        r#""e":1E+2"#,
        r#""neg":-0.0"#,
        r#""text":"trimmed""#,
        r#"["a",{" key ":"b"}]"#,
        metadata,
    ] {
        assert!(stored.contains(part), "no {part} in {stored}");
    }
}

fn a_document_of_a_mebibyte_is_stored_and_one_beyond_is_refused(rig: &Rig) {
    let daemon = rig.start();
    let padded = |bytes: usize| {
        let empty = Event::number(1).with_data(r#"{"pad":""}"#).text().len();
        Event::number(1).with_data(format!(r#"{{"pad":"{}"}}"#, "x".repeat(bytes - empty)))
    };
    let longest = padded(1 << 20);
    assert_eq!(longest.text().len(), 1 << 20);
    let refused = daemon.post_json("/events", &padded((1 << 20) + 1).text());
    assert_eq!(refused.status, 413, "{}", refused.text());
    daemon.store(std::slice::from_ref(&longest));
    assert_eq!(rig.rows(), [longest.row()]);
    let answered = daemon.get(&format!("/events/{}", longest.id)).json();
    assert_eq!(answered["processed_data"]["data"]["pad"], longest.row().data["pad"]);
}

fn a_deeply_nested_document_blocks_nothing(rig: &Rig) {
    let daemon = rig.start();
    let nested = |depth: usize| format!(r#"{{"d":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let (mut accepted, mut shallow) = (1, 0);
    for depth in [10, 20, 100, 120, 1000, 100_000] {
        let event = Event::number(depth as u64).with_data(nested(depth));
        let answer = daemon.post_json("/events", &event.text());
        // What is too deep to be read is refused at once, and says so.
        assert!(matches!(answer.status, 200 | 400), "{depth}: {}", answer.text());
        accepted += u64::from(answer.status == 200);
        shallow += u64::from(depth <= 20);
    }
    daemon.store(&events(0..1));
    let counts = daemon.counts();
    assert_eq!(counts.received, accepted);
    assert_eq!(counts.processed + counts.failed, accepted, "{counts:?}");
    assert_eq!(rig.count(), counts.processed);
    assert_eq!(rig.quarantined().len() as u64, counts.failed);
    assert!(counts.processed > shallow, "{counts:?}");
    if rig.is_sqlite() {
        assert_eq!(counts.failed, 0, "SQLite takes what was accepted: {:?}", rig.quarantined());
    }
}

fn a_user_id_of_fifty_characters_is_stored_and_a_longer_one_is_refused(rig: &Rig) {
    let daemon = rig.start();
    // Characters, not bytes: these are of four bytes each.
    let longest = Event::number(1).of_user(&"😀".repeat(50));
    daemon.store(std::slice::from_ref(&longest));
    assert_eq!(rig.rows(), [longest.row()]);
    let longer = Event::number(2).of_user(&"a".repeat(51));
    let refused = daemon.post_json("/events", &longer.text());
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["field"], "user_id", "{}", refused.text());
    assert_eq!(rig.count(), 1);
}

fn times_at_the_ends_of_what_is_taken_block_nothing(rig: &Rig) {
    let daemon = rig.start();
    let times = [
        "1677-09-22T00:00:00Z",
        "1969-12-31T23:59:59.999999999Z",
        "2024-02-29T23:59:59.123456789+14:00",
        "2038-01-19T03:14:08Z",
        "2262-04-11T00:00:00Z",
    ];
    let items: Vec<_> = times
        .iter()
        .map(|time| json!({ "type": "system_log", "source": "web", "timestamp": time, "data": {} }))
        .collect();
    let answer = daemon.post_json("/events/batch", &json!({ "events": items }).to_string());
    daemon.wait_for_table(&crate::harness::position(&answer));
    daemon.wait_for_counts(Counts::stored(times.len() as u64));
    let mut sql = rig.sql();
    for (id, sent) in answer.json()["ids"].as_array().unwrap().iter().zip(times) {
        let id = id.as_str().unwrap();
        let row = sql.rows(&format!(
            "SELECT created_at, processed_data FROM processed_events WHERE id = '{id}'"
        ));
        let sent = chrono::DateTime::parse_from_rfc3339(sent).unwrap().to_utc();
        // Cut off behind microseconds, never rounded up: half past eleven isn't tomorrow.
        let created_at = sent.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        assert_eq!(row[0][0].as_deref(), Some(&*created_at));
        let processed: Value = serde_json::from_str(row[0][1].as_ref().unwrap()).unwrap();
        let exact = processed["timestamp"].as_str().unwrap();
        assert_eq!(chrono::DateTime::parse_from_rfc3339(exact).unwrap().to_utc(), sent);
    }
}

fn a_large_request_streams_through(rig: &Rig) {
    let daemon = rig.start();
    let begun = Instant::now();
    daemon.store(&events(0..20_000));
    assert_eq!(rig.count(), 20_000);
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}
