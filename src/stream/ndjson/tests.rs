mod agree;

use super::*;

const CONTEXT: FrameContext = FrameContext {
    arrival: Timestamp::from_nanos(1_719_799_384_055_000_000),
    seed: 42,
    first_line: 1,
};

fn schema(columns: &[(&str, &str)]) -> Arc<Schema> {
    let owned = |(name, kind): &(&str, &str)| ((*name).to_owned(), (*kind).to_owned());
    Arc::new(Schema::new(columns[0].0, columns.iter().map(owned)).unwrap())
}

fn decoder(columns: &[(&str, &str)]) -> Decoder {
    Decoder::new(schema(columns), UnknownFields::Ignore, DecodeLimits::OPEN)
}

fn built_in(stream: &str) -> Decoder {
    let schema = Arc::new(Schema::builtin(stream).unwrap());
    Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN)
}

fn rows(decoder: &Decoder, lines: impl AsRef<[u8]>) -> Rows {
    let payload = Bytes::copy_from_slice(lines.as_ref());
    decoder.decode(payload, &CONTEXT).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(decoder: &Decoder, lines: impl AsRef<[u8]>) -> LineError {
    let payload = Bytes::copy_from_slice(lines.as_ref());
    decoder.decode(payload, &CONTEXT).expect_err("a bad line")
}

fn cells(rows: &Rows, row: usize) -> Vec<Option<&str>> {
    rows.row(row).map(|cell| cell.map(|cell| std::str::from_utf8(cell.text).unwrap())).collect()
}

/// What becomes of one value in a column of a type: its cell, or what was found to be wrong.
fn one(kind: &str, json: &str) -> Result<Option<String>, String> {
    let decoder = decoder(&[("at", "timestamp"), ("v", kind)]);
    let line = format!("{{\"at\":0,\"v\":{json}}}");
    match decoder.decode(line.into(), &CONTEXT) {
        Ok(rows) => Ok(rows.cell(0, 1).map(|text| String::from_utf8(text.to_vec()).unwrap())),
        Err(error) => {
            assert_eq!((error.line, error.field.as_deref()), (1, Some("v")));
            Err(error.found)
        }
    }
}

fn taken(kind: &str, values: &[&str]) {
    for value in values {
        let cell = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        assert_eq!(one(kind, value), Ok(Some(cell.to_owned())), "{kind} {value}");
    }
}

fn refused(kind: &str, values: &[(&str, &str)]) {
    for (value, because) in values {
        let found = one(kind, value).expect_err(value);
        assert!(found.contains(because), "{kind} {value}: {found}");
    }
}

const USER_EVENT: &str = r#"{"time":"2024-07-07T00:36:10.719091325Z","uuid":"1b673aa0-ac34-45b3-81cf-0cb67e8a92f8","id":6261453740242541075,"active":true,"email":"jerrellhickle@jakubowski.name","phone":"(728)333-5474","description":"Doctor he bend nevertheless.","credits":-841845502.808236}"#;

#[test]
fn a_user_event_is_copied_cell_by_cell() {
    let rows = rows(&built_in("user-events"), USER_EVENT);
    assert_eq!((rows.len(), rows.columns(), rows.lines()), (1, 8, 1));
    assert_eq!(rows.time(0), Timestamp::parse("2024-07-07T00:36:10.719091325Z").unwrap());
    assert_eq!(
        cells(&rows, 0),
        [
            Some("2024-07-07T00:36:10.719091325Z"),
            Some("1b673aa0-ac34-45b3-81cf-0cb67e8a92f8"),
            Some("6261453740242541075"),
            Some("true"),
            Some("jerrellhickle@jakubowski.name"),
            Some("(728)333-5474"),
            Some("Doctor he bend nevertheless."),
            Some("-841845502.808236"),
        ]
    );
    assert!(rows.row(0).flatten().all(|cell| cell.bare));
}

#[test]
fn order_and_whitespace_of_fields_do_not_matter() {
    let decoder = decoder(&[("at", "timestamp"), ("a", "i64"), ("b", "string")]);
    for line in [
        r#"{"at":"2024-07-01","a":1,"b":"x"}"#,
        r#"{"at": "2024-07-01", "a": 1, "b": "x"}"#,
        r#"{"b":"x","a":1,"at":"2024-07-01"}"#,
        "\t{ \"a\" :\t1 , \"at\" : \"2024-07-01\" ,\r \"b\" : \"x\" } \t\r",
        r#"{"\u0061":1,"at":"2024-07-01","b":"\u0078"}"#,
    ] {
        let rows = rows(&decoder, line);
        assert_eq!(cells(&rows, 0), [Some("2024-07-01"), Some("1"), Some("x")], "{line}");
    }
}

#[test]
fn lines_end_with_lf_or_crlf_or_the_payload_and_blank_ones_are_counted_not_decoded() {
    let decoder = decoder(&[("at", "timestamp")]);
    let rows =
        rows(&decoder, "\u{feff}\r\n \t\n{\"at\":1}\r\n\n{\"at\":2}\n{\"at\":3}\n  \n\n{\"at\":4}");
    let seconds: Vec<i64> =
        rows.times().iter().map(|time| time.as_nanos() / 1_000_000_000).collect();
    assert_eq!(seconds, [1, 2, 3, 4]);
    assert_eq!((0..4).map(|row| rows.line(row)).collect::<Vec<_>>(), [3, 5, 6, 9]);
    assert_eq!(rows.lines(), 9);
    let none = self::rows(&decoder, "\n\r\n");
    assert_eq!((none.len(), none.lines(), none.is_empty()), (0, 2, true));
    assert_eq!(self::rows(&decoder, "").lines(), 0);
}

#[test]
fn a_later_frame_counts_lines_on_and_has_no_byte_order_mark() {
    let decoder = decoder(&[("at", "timestamp")]);
    let context = FrameContext { first_line: 1001, ..CONTEXT };
    let rows = decoder.decode("\n{\"at\":1}\n".into(), &context).unwrap();
    assert_eq!(rows.line(0), 1002);
    let error = decoder.decode("{\"at\":1}\n{}".into(), &context).unwrap_err();
    assert_eq!(error.line, 1002);
    let error = decoder.decode("\u{feff}{\"at\":1}".into(), &context).unwrap_err();
    assert_eq!((error.line, error.reason), (1001, BadLine::NotJson));
}

#[test]
fn timestamps_are_taken_in_every_form_and_copied_as_they_came() {
    taken(
        "timestamp",
        &[
            r#""2024-07-01T02:03:04.123456789Z""#,
            r#""2024-07-01 02:03:04+00""#,
            r#""2024-07-01""#,
            r#""1719799384.5""#,
            "1719799384055",
            "-0.5",
            "1.5e9",
        ],
    );
    refused(
        "timestamp",
        &[
            (r#""noon""#, r#"the string "noon""#),
            (r#""2024-07-01T02:03:04.1234567890Z""#, "finer than a nanosecond"),
            (r#""2024-02-30""#, "2024-02 has no day 30"),
            (r#""9999-12-31""#, "outside the years 1677 to 2262"),
            (r#""2024-07-01T02:03:60Z""#, "leap second"),
            ("1e300", "numbers below 100000000000 in size are seconds"),
            ("true", "true"),
            ("{}", "an object"),
        ],
    );
    let escaped = one("timestamp", r#""2024-07-01T02:03:04\u005a""#);
    assert_eq!(escaped, Ok(Some("2024-07-01T02:03:04Z".to_owned())));
}

#[test]
fn uuids_are_taken_in_either_case() {
    taken(
        "uuid",
        &[
            r#""087c1d96-c6d2-4cf5-8532-8473d74004e6""#,
            r#""087C1D96-C6D2-4CF5-8532-8473D74004E6""#,
            r#""00000000-0000-0000-0000-000000000000""#,
        ],
    );
    refused(
        "uuid",
        &[
            (r#""087c1d96c6d24cf585328473d74004e6""#, "the string \"087c"),
            (r#""087c1d96-c6d2-4cf5-8532-8473d74004eg""#, "eg\""),
            (r#""087c1d96-c6d2-4cf5-8532_8473d74004e6""#, "_"),
            (r#""{87c1d96-c6d2-4cf5-8532-8473d74004e}""#, "{"),
            (r#""""#, r#""""#),
            ("7", "the number 7"),
        ],
    );
}

#[test]
fn integers_have_64_bits() {
    taken(
        "i64",
        &["0", "-0", "7", "-9223372036854775808", "9223372036854775807", "5811804537417038826"],
    );
    refused(
        "i64",
        &[
            ("9223372036854775808", "beyond 64 bits"),
            ("-9223372036854775809", "beyond 64 bits"),
            ("1.0", "with a fraction or an exponent"),
            ("1e3", "with a fraction or an exponent"),
            (r#""7""#, r#"the string "7""#),
            ("false", "false"),
            ("[1]", "an array"),
        ],
    );
}

#[test]
fn floats_are_finite() {
    taken(
        "f64",
        &["0", "-95925802.95830855", "1e308", "1E-400", "-0.0", "123456789012345678901234567890"],
    );
    refused(
        "f64",
        &[
            ("1e309", "beyond what a 64-bit float holds"),
            ("-1e400", "beyond what a 64-bit float holds"),
            (&"9".repeat(310), "beyond what a 64-bit float holds"),
            (r#""1""#, "the string"),
            ("true", "true"),
        ],
    );
}

#[test]
fn decimals_have_any_precision_as_numbers_or_strings() {
    taken(
        "decimal",
        &["1e400", "0.00000000000000000000000000001", r#""12.50""#, r#""-1E+5""#, "-7"],
    );
    refused(
        "decimal",
        &[
            (r#""""#, r#""""#),
            (r#""12,50""#, "12,50"),
            (r#""+1""#, "+1"),
            (r#"".5""#, ".5"),
            (r#""1.""#, "1."),
            (r#"" 1""#, "\" 1\""),
            (r#""1 ""#, "\"1 \""),
            (r#""01""#, "01"),
            (r#""NaN""#, "NaN"),
            ("null1", ""),
        ][..9],
    );
}

#[test]
fn booleans_strings_and_choices() {
    taken("bool", &["true", "false"]);
    refused("bool", &[(r#""true""#, "the string"), ("1", "the number 1")]);
    taken("string", &[r#""""#, r#""a,b""#, r#""zażółć 🦀""#, r#"" ""#]);
    refused("string", &[("7", "the number 7"), ("{\"a\":1}", "an object")]);
    taken("string(3)", &[r#""abc""#, r#""🦀🦀🦀""#]);
    refused("string(3)", &[(r#""abcd""#, "it has 4 characters")]);
    taken("string(1..)", &[r#""a""#, r#"" ""#]);
    refused("string(1..)", &[(r#""""#, "the string \"\"")]);
    refused("string(2..3)", &[(r#""a""#, "it has 1 character")]);
    assert_eq!(one("string(3)", r#""\u0041\u0042\u0043""#), Ok(Some("ABC".to_owned())));
    taken("web|mobile", &[r#""web""#]);
    refused("web|mobile", &[(r#""Web""#, r#""Web""#), (r#""""#, "\"\""), ("1", "the number 1")]);
}

#[test]
fn strings_are_unescaped() {
    let unescaped = one("string", r#""a\"\\\/\b\f\n\r\t\u00e9\ud83e\udd80\u0000z""#);
    assert_eq!(unescaped, Ok(Some("a\"\\/\u{8}\u{c}\n\r\té🦀\0z".to_owned())));
    for half in
        [r#""\ud83e""#, r#""\udd80""#, r#""\ud83e\u0041""#, r#""\ud83e x""#, r#""\udd80\ud83e""#]
    {
        refused("string", &[(half, "one without its partner")]);
        refused("timestamp", &[(half, "one without its partner")]);
        refused("object", &[(&format!("{{\"x\":[{half}]}}"), "one without its partner")]);
    }
}

#[test]
fn objects_are_kept_as_they_came() {
    taken("object", &["{}", r#"{ "a" : [1, 2e999, "\u00e9", null] }"#, r#"{"a":1,"a":2}"#]);
    refused("object", &[("[]", "an array"), (r#""{}""#, "the string"), ("1", "the number 1")]);
}

#[test]
fn depth_may_be_limited_further() {
    let columns = schema(&[("at", "timestamp"), ("o", "object?")]);
    let limits = DecodeLimits { depth_max: 3, ..DecodeLimits::OPEN };
    let decoder = Decoder::new(columns, UnknownFields::Ignore, limits);
    for name in ["o", "x"] {
        // As the fast path reads it, and as it doesn't.
        for value in ["1", "\"\\u0041\""] {
            let line = |begin: &str, end: &str| {
                format!("{{\"at\":0,\"{name}\":{{\"a\":{begin}{value}{end}}}}}")
            };
            rows(&decoder, line("[", "]"));
            let error = refusal(&decoder, line("[[", "]]"));
            assert_eq!((error.reason, error.field.as_deref()), (BadLine::TooDeep, Some(name)));
            assert_eq!(error.expected, "arrays and objects nested at most 3 deep");
        }
    }
}

#[test]
fn depth_has_an_end_wherever_it_is() {
    let decoder = decoder(&[("at", "timestamp"), ("o", "object?")]);
    let nested = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth) + "1", "}".repeat(depth));
    rows(&decoder, format!("{{\"at\":0,\"o\":{}}}", nested(DEPTH_MAX - 1)));
    rows(&decoder, format!("{{\"at\":0,\"x\":{}}}", nested(DEPTH_MAX - 1)));
    for name in ["o", "x", "at"] {
        for depth in [DEPTH_MAX, 100_000] {
            let line = format!("{{\"{name}\":{},\"at\":0}}", nested(depth));
            let error = refusal(&decoder, line);
            let reason = if name == "at" { BadLine::BadValue } else { BadLine::TooDeep };
            assert_eq!((error.reason, error.field.as_deref()), (reason, Some(name)));
        }
    }
    let brackets = format!("{{\"at\":0,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refusal(&decoder, brackets).reason, BadLine::TooDeep);
    // Braces in strings are no depth.
    rows(&decoder, format!("{{\"at\":0,\"o\":{{\"a\":\"\\\"{}\"}}}}", "[".repeat(200)));
}

#[test]
fn null_and_missing_are_for_optional_columns() {
    let decoder = decoder(&[("at", "timestamp"), ("a", "i64?"), ("b", "string")]);
    let rows = rows(&decoder, "{\"at\":0,\"a\":null,\"b\":\"\"}\n{\"at\":0,\"b\":\"\"}");
    for row in 0..2 {
        assert_eq!(cells(&rows, row), [Some("0"), None, Some("")]);
    }
    let message = |line: &str| refusal(&decoder, line).to_string();
    assert_eq!(message(r#"{"at":0}"#), "line 1, field `b`: expected a string, found no such field");
    assert_eq!(message(r#"{"at":0,"b":null}"#), "line 1, field `b`: expected a string, found null");
    assert!(message(r#"{"b":"x"}"#).starts_with("line 1, field `at`: expected a timestamp"));
}

#[test]
fn a_columns_field_comes_once() {
    let decoder = decoder(&[("at", "timestamp"), ("a", "i64?")]);
    for line in [
        r#"{"at":0,"at":0}"#,
        r#"{"at":0,"a":1,"a":2}"#,
        r#"{"at":0,"a":null,"a":null}"#,
        r#"{"a":null,"at":0,"\u0061":1}"#,
    ] {
        assert_eq!(refusal(&decoder, line).reason, BadLine::Duplicate, "{line}");
    }
    assert_eq!(
        refusal(&decoder, r#"{"at":0,"at":0}"#).to_string(),
        "line 1, field `at`: expected each field once, found it a second time"
    );
    assert_eq!(rows(&decoder, r#"{"at":0,"x":1,"x":2}"#).unknown_fields(), 2);
}

#[test]
fn unknown_fields_are_counted_and_named_or_rejected() {
    let columns = &[("at", "timestamp"), ("total", "decimal?")];
    let many: String =
        (0..20).fold(String::new(), |fields, n| fields + &format!(",\"x{n}\":{{\"y\":[{n}]}}"));
    let lines = format!("{{\"at\":0{many}}}\n{{\"at\":0,\"x1\":1}}");
    let rows = rows(&decoder(columns), &lines);
    assert_eq!((rows.unknown_fields(), rows.unknown_names().len()), (21, Rows::UNKNOWN_NAMES_MAX));
    assert_eq!(rows.unknown_names()[..2], ["x0", "x1"]);

    let strict = Decoder::new(schema(columns), UnknownFields::Reject, DecodeLimits::OPEN);
    let error = refusal(&strict, r#"{"at":0,"totl":1}"#);
    assert_eq!(error.reason, BadLine::UnknownField);
    assert_eq!(
        error.to_string(),
        "line 1, field `totl`: expected only fields of the stream (`total`?), found another"
    );
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let decoder = decoder(&[("at", "timestamp"), ("s", "string?")]);
    for (line, found) in [
        (r#"{"at":0} {"at":1}"#, "more behind it, at byte 10"),
        (r#"{"at":0},"#, "more behind it, at byte 9"),
        (r#"[{"at":0}]"#, "an array"),
        ("\"at\"", "a string"),
        ("0", "a number"),
        ("at=0", "text that isn't JSON: at=0"),
        (r#"{"at":0"#, "EOF while parsing an object"),
        (r#"{"at":0,}"#, "trailing comma"),
        (r"{at:0}", "key must be a string"),
        (r#"{"at":00}"#, "at byte 8"),
        (r#"{"at":0,"s":"a}"#, "EOF while parsing a string"),
        ("{\"at\":0,\"s\":\"a\tb\"}", "control character"),
        (r#"{"at":0,"s":"\x"}"#, "invalid escape"),
        (r#"{"at":0,"s":tru}"#, "expected ident"),
        (r#"{"at":0,"s":NaN}"#, "expected value"),
        (r#"{"at":0,"\ud800":1}"#, "at byte"),
        ("\u{feff}{\"at\":0}", "text that isn't JSON"),
    ] {
        let error = refusal(&decoder, format!("\n{line}"));
        assert_eq!((error.line, error.reason), (2, BadLine::NotJson), "{line}");
        assert!(error.found.contains(found), "{line}: {}", error.found);
    }
}

#[test]
fn the_first_bad_line_is_the_error() {
    let decoder = decoder(&[("at", "timestamp")]);
    let error = refusal(&decoder, b"{\"at\":0}\n{\"at\":\"x\"}\n{\"at\":\"\xff\"}\n{}");
    assert_eq!((error.line, error.reason), (2, BadLine::BadValue));
    let error = refusal(&decoder, b"{\"at\":0}\n{\"at\":\"\xff\"}\n{}");
    assert_eq!((error.line, error.reason), (2, BadLine::NotUtf8));
    assert!(error.found.contains("0xff at byte 8"), "{}", error.found);
    let error = refusal(&decoder, b"{\"at\":0}\n{\"at\":\"\xe2\x82");
    assert_eq!((error.line, error.reason), (2, BadLine::NotUtf8), "a character cut off");
    let error = refusal(&decoder, b"{\"at\":0}\xff");
    assert_eq!((error.line, error.reason), (1, BadLine::NotUtf8), "behind the object");
}

#[test]
fn lines_have_a_limit_without_their_end() {
    let limits = DecodeLimits { line_bytes_max: 8, ..DecodeLimits::OPEN };
    let decoder = Decoder::new(schema(&[("at", "timestamp")]), UnknownFields::Ignore, limits);
    assert_eq!(rows(&decoder, "{\"at\":1}\r\n{\"at\":2}\n{\"at\":3}").len(), 3);
    for line in ["{\"at\":12}", "         ", "{\"at\":1} "] {
        let error = refusal(&decoder, format!("{{\"at\":1}}\n{line}\r\n"));
        assert_eq!((error.line, error.reason), (2, BadLine::TooLong), "{line}");
        assert_eq!(error.to_string(), "line 2: expected at most 8 bytes, found 9 bytes");
    }
}

#[test]
fn what_can_be_made_is_made_the_same_every_time() {
    let decoder = built_in("events");
    let lines = "{\"type\":\"user_action\",\"source\":\"web\"}\n\
                 {\"id\":null,\"type\":\"sensor_data\",\"source\":\"system\",\"timestamp\":null,\"data\":{\"a\":1}}\n\
                 {\"id\":\"087c1d96-c6d2-4cf5-8532-8473d74004e6\",\"type\":\"system_log\",\"source\":\"mobile\",\"timestamp\":0}";
    let rows = rows(&decoder, lines);
    let id = |line| made::uuid7(CONTEXT.arrival, CONTEXT.seed, line).to_string();
    let arrival = "2024-07-01T02:03:04.055Z";
    let text = |row| {
        cells(&rows, row).into_iter().map(|cell| cell.unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(text(0), [&id(1), "user_action", "web", arrival, "-", "-"]);
    assert_eq!(text(1), [&id(2), "sensor_data", "system", arrival, "-", "{\"a\":1}"]);
    assert_eq!(text(2)[3], "0");
    assert_eq!(rows.times()[..2], [CONTEXT.arrival; 2]);
    assert_eq!(rows.time(2), Timestamp::from_nanos(0));
}

#[test]
fn bare_cells_are_those_that_csv_need_not_quote() {
    let decoder = decoder(&[("at", "timestamp"), ("s", "string"), ("o", "object?")]);
    let bare = |line: &str| {
        rows(&decoder, line).row(0).map(|cell| cell.map(|cell| cell.bare)).collect::<Vec<_>>()
    };
    assert_eq!(bare(r#"{"at":0,"s":"plain text; 'single'"}"#), [Some(true), Some(true), None]);
    for quoted in ["a,b", r"a\nb", r"a\rb", r#"a\"b"#, r"a\u002cb"] {
        let line = format!("{{\"at\":0,\"s\":\"{quoted}\",\"o\":{{}}}}");
        assert_eq!(bare(&line), [Some(true), Some(false), Some(true)], "{quoted}");
    }
    let object = r#"{"at":0,"s":"\t","o":{"a":1}}"#;
    assert_eq!(bare(object), [Some(true), Some(true), Some(false)]);
}

#[test]
fn the_raw_line_of_every_row_is_found() {
    let lines =
        "\u{feff}{\"at\":0,\"s\":\"a\"}\r\n\n{\"at\":1,\"s\":\"b\\n\"}\n \n{\"s\":\"\",\"at\":2}";
    let rows = rows(&decoder(&[("at", "timestamp"), ("s", "string?")]), lines);
    let raw = |row| std::str::from_utf8(rows.raw_line(row)).unwrap();
    assert_eq!(raw(0), r#"{"at":0,"s":"a"}"#);
    assert_eq!(raw(1), r#"{"at":1,"s":"b\n"}"#);
    assert_eq!(raw(2), r#"{"s":"","at":2}"#);
}

#[test]
fn the_raw_line_of_a_row_that_holds_nothing_of_its_own_is_counted() {
    let schema: Schema = serde_json::from_value(serde_json::json!({
        "time": 0,
        "columns": [{"name": "at", "type": "timestamp", "made": "arrival"}],
    }))
    .unwrap();
    let decoder = Decoder::new(Arc::new(schema), UnknownFields::Ignore, DecodeLimits::OPEN);
    let rows = rows(&decoder, "{}\n\n{\"x\":1}\n{ }\n");
    let raw: Vec<_> = (0..3).map(|row| rows.raw_line(row)).collect();
    assert_eq!(raw, [&b"{}"[..], b"{\"x\":1}", b"{ }"]);
}
