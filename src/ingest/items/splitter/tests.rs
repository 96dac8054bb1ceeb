use proptest::prelude::*;
use serde_json::Value;

use super::*;

const BATCH: Form = Form::Member { name: "events", items_max: 3 };
const ARRAY: Form = Form::Array;

/// The lines of a body that comes in pieces of `piece` bytes, and the fault behind them.
fn split_by(form: Form, body: &[u8], piece: usize) -> (String, Option<DocumentError>) {
    let mut splitter = Splitter::new(form);
    let mut lines = Vec::new();
    let fault = body
        .chunks(piece)
        .try_for_each(|piece| splitter.split(piece, &mut lines))
        .and_then(|()| splitter.finish());
    (String::from_utf8_lossy(&lines).into_owned(), fault.err())
}

/// The same, whatever the pieces are.
fn split(form: Form, body: &str) -> (String, Option<DocumentError>) {
    let whole = split_by(form, body.as_bytes(), usize::MAX);
    for piece in 1..body.len().min(40) {
        let in_pieces = split_by(form, body.as_bytes(), piece);
        assert_eq!(in_pieces, whole, "{body} in pieces of {piece}");
    }
    whole
}

fn lines(form: Form, body: &str) -> String {
    match split(form, body) {
        (lines, None) => lines,
        (_, Some(fault)) => panic!("{body}: {fault}"),
    }
}

fn fault(form: Form, body: &str) -> String {
    match split(form, body) {
        (_, Some(fault)) => fault.to_string(),
        (lines, None) => panic!("{body} was taken: {lines}"),
    }
}

#[test]
fn each_item_becomes_one_line_as_it_stands() {
    for (form, body, expected) in [
        (Form::One, r#"{"a": 1}"#, "{\"a\": 1}\n"),
        (Form::One, " \r\n\t{\"a\":[{}]}\n\n", "{\"a\":[{}]}\n"),
        (ARRAY, r#"[{"a":1},{"b":[2]} , {}]"#, "{\"a\":1}\n{\"b\":[2]}\n{}\n"),
        (ARRAY, "[ ]\n", ""),
        (BATCH, r#"{"events":[{"a":1},{}]}"#, "{\"a\":1}\n{}\n"),
        (BATCH, r#" { "events" : [ { } ] } "#, "{ }\n"),
    ] {
        assert_eq!(lines(form, body), expected);
        assert_eq!(lines(form, &format!("\u{feff}{body}")), expected, "behind a byte-order mark");
    }
}

#[test]
fn line_ends_inside_an_item_become_spaces() {
    let body = "{\"events\":[{\r\n\t\"a\": \"x\\n\"\n},\n{\n}\n]\n}\n";
    assert_eq!(lines(BATCH, body), "{  \t\"a\": \"x\\n\" }\n{ }\n");
}

#[test]
fn brackets_quotes_and_commas_in_strings_end_nothing() {
    let item = r#"{"}]":"\"],{[\\","b":"]"}"#;
    assert_eq!(lines(ARRAY, &format!("[{item},{item}]")), format!("{item}\n{item}\n"));
}

#[test]
fn what_is_no_object_is_a_line_too_so_that_the_decoder_says_what_it_is() {
    let body = r#"[1.5,"x, y",nonsense]"#;
    assert_eq!(lines(ARRAY, body), "1.5\n\"x, y\"\nnonsense\n");
    assert_eq!(lines(Form::One, "17"), "17");
    assert_eq!(lines(Form::One, r#"[{"a":1},{}]"#), "[{\"a\":1},{}]\n");
}

#[test]
fn other_members_are_skipped_wherever_they_stand() {
    for body in [
        r#"{"by":"x","n":-1.5e3,"events":[{}]}"#,
        r#"{"events":[{}],"events2":{"events":[1,2,3,4,5]},"ok":true}"#,
        r#"{"Events":[1],"\u0065vents":[{}],"none":null,"a":[[]]}"#,
    ] {
        assert_eq!(lines(BATCH, body), "{}\n", "{body}");
    }
}

#[test]
fn other_members_must_be_json() {
    for body in [
        r#"{"a":tru,"events":[{}]}"#,
        r#"{"a":{"b"},"events":[{}]}"#,
        r#"{"a":"\x","events":[{}]}"#,
        r#"{"a":[1}],"events":[{}]}"#,
        r#"{"\x":1,"events":[{}]}"#,
    ] {
        assert!(fault(BATCH, body).contains("isn't JSON"), "{body}: {}", fault(BATCH, body));
    }
    let (_, fault) = split_by(BATCH, b"{\"a\":\"\xff\"}", 3);
    assert!(fault.unwrap().to_string().contains("isn't JSON"));
}

/// Checks what is said about each body: where, what would be right, and what stands there.
fn assert_faults(form: Form, faults: &[(&str, &str, &str, &str)]) {
    for (body, place, expected, found) in faults {
        let said = format!("{place} of the body: expected {expected}, found {found}");
        assert_eq!(fault(form, body), said, "{body}");
    }
}

#[test]
fn what_is_wrong_around_one_item_is_said() {
    const END: &str = "the end of the body";
    const EVENT: &str = "an event as a JSON object";
    assert_faults(
        Form::One,
        &[
            ("", "at byte 1", EVENT, END),
            ("  ", "at byte 3", EVENT, END),
            (" ]", "at byte 2", EVENT, "`]`"),
            ("{} {}", "at byte 4", "nothing behind the event", "`{`"),
            (r#"{"a":"#, "event 0, at byte 6", "the rest of it", END),
        ],
    );
}

#[test]
fn what_is_wrong_with_an_array_is_said() {
    assert_faults(
        ARRAY,
        &[
            ("{}", "at byte 1", "an array of events", "`{`"),
            ("[", "at byte 2", "an event or `]`", "the end of the body"),
            ("[,{}]", "at byte 2", "an event or `]`", "`,`"),
            ("[{},]", "at byte 5", "an event", "`]`"),
            ("[]{}", "at byte 3", "nothing behind the document", "`{`"),
            ("[{}}]", "event 0, at byte 4", "`,` or `]` behind it", "`}`"),
            ("[{}]]", "at byte 5", "nothing behind the document", "`]`"),
        ],
    );
}

#[test]
fn what_is_wrong_with_an_envelope_is_said() {
    const END: &str = "the end of the body";
    const BATCH_FORM: &str = "an object such as {\"events\": […]}";
    const WITHOUT: (&str, &str) = ("this member", "the end of the object without it");
    assert_faults(
        BATCH,
        &[
            ("", "at byte 1", BATCH_FORM, END),
            ("[{}]", "at byte 1", BATCH_FORM, "`[`"),
            ("{}", "field `events`, at byte 2", WITHOUT.0, WITHOUT.1),
            (r#"{"event":[]}"#, "field `events`, at byte 12", WITHOUT.0, WITHOUT.1),
            (r#"{"events":{}}"#, "field `events`, at byte 11", "an array of events", "`{`"),
            (r#"{"events":null}"#, "field `events`, at byte 11", "an array of events", "`n`"),
            (r#"{"events":[]}"#, "field `events`, at byte 12", "at least one event", "`]`"),
            (r#"{"events":[{},]}"#, "field `events`, at byte 15", "an event", "`]`"),
            (r#"{"events":[{}{}]}"#, "event 0, at byte 14", "`,` or `]` behind it", "`{`"),
            (r#"{"events":[{},{}}]}"#, "event 1, at byte 17", "`,` or `]` behind it", "`}`"),
            (
                r#"{"events":[{}],"events":[{}]}"#,
                "field `events`, at byte 24",
                "it once",
                "it a second time",
            ),
            (r#"{"events":[{}]}x"#, "at byte 16", "nothing behind the document", "`x`"),
            (r#"{"events":[{}]"#, "at byte 15", "`,` or `}`", END),
            (r#"{"events":[{}]],"a":1}"#, "at byte 15", "`,` or `}`", "`]`"),
            (r#"{"events":[{}],}"#, "at byte 16", "a member's name", "`}`"),
            (r#"{"events" [{}]}"#, "at byte 11", "`:`", "`[`"),
            ("{events:[{}]}", "at byte 2", "a member's name or `}`", "`e`"),
            ("{\u{e9}", "at byte 2", "a member's name or `}`", "the byte 0xc3"),
            (r#"{"a":tru,"#, "at byte 9", "JSON before it", "a value that isn't JSON"),
        ],
    );
}

#[test]
fn half_a_byte_order_mark_is_none() {
    for body in [&b"\xef\xbb{}"[..], b"\xef{}", b"\xef\xbb\xbf\xef\xbb\xbf{}", b" \xef\xbb\xbf{}"] {
        let (lines, fault) = split_by(ARRAY, body, 1);
        assert!(lines.is_empty() && fault.is_some(), "{body:?}");
    }
}

#[test]
fn a_document_cut_anywhere_is_refused() {
    let body = r#"{"a":[1,{"b":"\\"}],"events":[{"c":"d\""},{"e":[2]}],"f":null}"#;
    assert_eq!(lines(BATCH, body), "{\"c\":\"d\\\"\"}\n{\"e\":[2]}\n");
    for cut in 0..body.len() {
        assert!(split(BATCH, &body[..cut]).1.is_some(), "{}", &body[..cut]);
    }
}

#[test]
fn the_item_beyond_the_limit_is_refused_before_it_is_read() {
    let (lines, fault) = split(BATCH, r#"{"events":[{},{},{} , {"long":"#);
    assert_eq!(lines, "{}\n{}\n{}\n");
    assert_eq!(fault, Some(DocumentError::TooMany { items_max: 3 }));
}

#[test]
fn a_raw_control_character_in_a_string_is_refused_with_its_index() {
    for item in ["{\"a\":\"x\ny\"}", "{\"a\":\"x\\\ny\"}", "\"\n\"", "{\"\t\":1}"] {
        let (lines, fault) = split(ARRAY, &format!("[{{}},{item}]"));
        assert!(lines.starts_with("{}\n") && lines.lines().count() == 2, "{lines:?}");
        let fault = fault.unwrap().to_string();
        assert!(fault.starts_with("event 1, at byte ") && fault.contains(r"`\n`"), "{fault}");
    }
}

#[test]
fn another_member_may_be_long_and_not_endless() {
    let body = |bytes: usize| format!(r#"{{"a":"{}","events":[{{}}]}}"#, "x".repeat(bytes - 2));
    assert_eq!(split_by(BATCH, body(BESIDE_BYTES_MAX).as_bytes(), 1000).1, None);
    let bytes_max = BESIDE_BYTES_MAX;
    for piece in [1000, usize::MAX] {
        let (_, fault) = split_by(BATCH, body(BESIDE_BYTES_MAX + 1).as_bytes(), piece);
        assert_eq!(fault, Some(DocumentError::BesideTooLong { bytes_max }));
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\"\\\\\\[\\]{},: \\n\\u{e9}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-c\"\\[}]{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn lines_are_the_items(
        items in prop::collection::vec(json(), 1..20),
        besides in prop::collection::vec(json(), 0..3),
        piece in 1..200_usize,
        pretty in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut document = serde_json::Map::new();
        document.extend(besides.into_iter().enumerate().map(|(n, value)| (format!("a{n}"), value)));
        document.insert("events".into(), items.clone().into());
        let body = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            serde_json::to_string(&document).unwrap()
        };
        let form = Form::Member { name: "events", items_max: 20 };
        let (lines, fault) = split_by(form, body.as_bytes(), piece);
        prop_assert_eq!(fault, None);
        let read: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(read, items);
        prop_assert!(lines.len() <= body.len());

        let (_, fault) = split_by(form, &body.as_bytes()[..cut.index(body.len())], piece);
        prop_assert!(fault.is_some());
    }

    #[test]
    fn no_bytes_whatever_break_it(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[\\[\\]{}\",:\\\\ \\na1]{0,60}".prop_map(String::into_bytes),
            r#"\{"events":\[[\[\]{}",:\\ \na1]{0,40}\]\}"#.prop_map(String::into_bytes),
        ],
        piece in 1..70_usize,
    ) {
        for form in [Form::One, ARRAY, BATCH] {
            let whole = split_by(form, &body, usize::MAX);
            prop_assert_eq!(split_by(form, &body, piece), whole.clone());
            // A body that is taken is JSON, if its items are.
            let items_are_json =
                whole.0.lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
            if whole.1.is_none() && items_are_json {
                prop_assert!(serde_json::from_slice::<IgnoredAny>(&body).is_ok());
            }
        }
    }
}
