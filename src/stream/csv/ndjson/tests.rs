use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::stream::{DecodeLimits, Decoder, FrameContext, UnknownFields};
use crate::time::Timestamp;

/// The lines that a body's become, and the fault behind them.
fn read_with(mut csv: ToNdjson, body: &str) -> (String, Option<String>) {
    let mut lines = Vec::new();
    let fault = (1..).zip(body.lines()).find_map(|(number, line)| {
        let before = lines.len();
        let fault = csv.line(line.as_bytes(), number, &mut lines).err()?;
        assert_eq!(lines.len(), before, "a fault leaves nothing");
        Some(fault.to_string())
    });
    (String::from_utf8(lines).unwrap(), fault)
}

fn read(schema: Schema, stream: &str, header: Header, body: &str) -> (String, Option<String>) {
    read_with(ToNdjson::new(stream, Arc::new(schema), header), body)
}

fn usage(body: &str) -> (String, Option<String>) {
    read(Schema::builtin("usage").unwrap(), "usage", Header::Detected, body)
}

fn lines_of_usage(body: &str) -> String {
    match usage(body) {
        (lines, None) => lines,
        (_, Some(fault)) => panic!("{fault}"),
    }
}

/// One column of each type.
fn all_types() -> Schema {
    let columns = [
        ("at", "timestamp"),
        ("n", "i64?"),
        ("x", "f64?"),
        ("total", "decimal?"),
        ("yes", "bool?"),
        ("id", "uuid?"),
        ("kind", "a|b?"),
        ("note", "string?"),
        ("data", "object?"),
    ];
    Schema::new("at", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
}

#[test]
fn usage_without_a_header_has_the_order_of_its_files() {
    assert_eq!(
        lines_of_usage("acme,login,t-1,2024-07-31 19:10:46.740096+00\n"),
        "{\"customer_id\":\"acme\",\"event_type\":\"login\",\"transaction_id\":\"t-1\",\
         \"timestamp\":\"2024-07-31 19:10:46.740096+00\"}\n"
    );
    assert_eq!(
        lines_of_usage(",,t-2,0,\"{\"\"a\"\":[1,2]}\"\n"),
        "{\"customer_id\":\"\",\"event_type\":\"\",\"transaction_id\":\"t-2\",\"timestamp\":\"0\",\
         \"properties\":{\"a\":[1,2]}}\n"
    );
    assert_eq!(lines_of_usage("a,b,c,0,").matches("properties").count(), 0);
}

#[test]
fn a_header_says_which_field_is_which_and_becomes_a_blank_line() {
    assert_eq!(lines_of_usage("\n \t\n"), "\n\n", "as blank ones do");
    assert_eq!(
        lines_of_usage(
            "\ntimestamp,transaction_id,\"event_type\",customer_id\n0,t,\"a,b\",\"\"\"x\"\"\"\n"
        ),
        "\n\n{\"timestamp\":\"0\",\"transaction_id\":\"t\",\"event_type\":\"a,b\",\
         \"customer_id\":\"\\\"x\\\"\"}\n"
    );
}

#[test]
fn whoever_knows_better_than_the_look_of_a_line_says_so() {
    let header = "customer_id,event_type,transaction_id,timestamp";
    let read =
        |header: Header, body: &str| read(Schema::builtin("usage").unwrap(), "usage", header, body);
    let (lines, fault) = read(Header::Absent, header);
    assert!(lines.starts_with("{\"customer_id\":\"customer_id\"") && fault.is_none(), "{lines}");
    assert_eq!(read(Header::Present, header), ("\n".to_owned(), None));
    let (_, fault) = read(Header::Present, "customer_id,event_type,at,transaction_id");
    assert_eq!(
        fault.unwrap(),
        "line 1, field `timestamp`: expected a header that names this column, found one without it"
    );
    let (_, fault) = read(Header::Present, "customer_id,\"even");
    assert!(fault.unwrap().starts_with("line 1: expected a quoted field to end on its line"));
}

#[test]
fn fields_that_no_column_has_are_in_the_first_record_only() {
    let header = "customer_id,\"a\"\"b\",timestamp,transaction_id,,event_type\n";
    assert_eq!(
        lines_of_usage(&format!("{header}c,1,0,t,,e\n\nc,2,0,t,3,e\n")),
        "\n{\"customer_id\":\"c\",\"a\\\"b\":\"1\",\"timestamp\":\"0\",\"transaction_id\":\"t\",\
         \"\":\"\",\"event_type\":\"e\"}\n\n\
         {\"customer_id\":\"c\",\"timestamp\":\"0\",\"transaction_id\":\"t\",\"event_type\":\"e\"}\n"
    );
}

#[test]
fn what_is_no_record_is_named_with_its_line() {
    for (body, says) in [
        ("a,b,c\n", "line 1: expected 4 or 5 fields, found 3"),
        ("a,b,c,0\n\na,b,c,0,{},x,y\n", "line 3: expected 4 or 5 fields, found 7"),
        ("a,b,c,0\n\"a,b,c,0\n", "line 2: expected a quoted field to end on its line, found no"),
        ("a,b\"b\",c,0\n", "line 1: expected a field with a quote in it to be quoted"),
        (
            "customer_id,event_type,transaction_id,timestamp,timestamp\n",
            "line 1, field `timestamp`: expected each column once in the header, found it a second",
        ),
    ] {
        let fault = usage(body).1.unwrap();
        assert!(fault.starts_with(says), "{fault}");
    }
}

#[test]
fn values_are_json_where_their_column_wants_it_and_they_are_it() {
    let written = |record: &str| {
        let (lines, fault) = read(all_types(), "x", Header::Absent, record);
        assert_eq!(fault, None);
        lines
    };
    assert_eq!(
        written("2024-07-31,-7,1.5e3,12345678901234567890.10,true,u,a,x\\y,\"{\"\"a\"\":1}\""),
        "{\"at\":\"2024-07-31\",\"n\":-7,\"x\":1.5e3,\"total\":12345678901234567890.10,\"yes\":true,\
         \"id\":\"u\",\"kind\":\"a\",\"note\":\"x\\\\y\",\"data\":{\"a\":1}}\n"
    );
    assert_eq!(written("0, 7 ,,,false ,,,,"), "{\"at\":\"0\",\"n\":7,\"yes\":false}\n");
    assert_eq!(
        written("0,+7,NaN,1;2,TRUE,,,,\"{},\"\"n\"\":{}\""),
        "{\"at\":\"0\",\"n\":\"+7\",\"x\":\"NaN\",\"total\":\"1;2\",\"yes\":\"TRUE\",\
         \"data\":\"{},\\\"n\\\":{}\"}\n"
    );
    assert_eq!(written(",,,,,,,,"), "{\"at\":\"\"}\n", "so that the decoder names what is empty");
}

#[test]
fn a_required_field_that_is_empty_is_named_by_the_decoder() {
    let schema = Arc::new(all_types());
    let mut lines = Vec::new();
    ToNdjson::new("x", schema.clone(), Header::Absent).line(b",1", 1, &mut lines).unwrap();
    let decoder = Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN);
    let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };
    let error = decoder.decode(lines.into(), &context).unwrap_err().to_string();
    assert!(error.starts_with("line 1, field `at`: expected a timestamp"), "{error}");
    assert!(error.ends_with("found the string \"\""), "{error}");
}

proptest! {
    /// Against the `csv` crate, which reads the same records, and `serde_json`, which reads the lines.
    #[test]
    fn strings_come_through_as_they_were(
        records in prop::collection::vec(
            (r#"[ab,"\\é😀\t ]{0,8}"#, r#"[ab,"é]{0,4}"#, "[a-c]{1,3}", "[0-9 ]{1,5}"),
            1..8,
        ),
        always in any::<bool>(),
        with_header in any::<bool>(),
    ) {
        const NAMES: [&str; 4] = ["customer_id", "event_type", "transaction_id", "timestamp"];
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        if with_header {
            writer.write_record(NAMES).unwrap();
        }
        for (a, b, c, d) in &records {
            writer.write_record([a, b, c, d]).unwrap();
        }
        let body = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let lines = lines_of_usage(&body);
        let mut lines = lines.lines();
        if with_header {
            prop_assert_eq!(lines.next(), Some(""));
        }
        for (a, b, c, d) in &records {
            let object: Map<String, Value> = serde_json::from_str(lines.next().unwrap()).unwrap();
            let read: Vec<_> = NAMES.iter().map(|name| object[*name].as_str().unwrap()).collect();
            prop_assert_eq!(read, [a, b, c, d]);
        }
        prop_assert_eq!(lines.next(), None);
    }

    #[test]
    fn whatever_comes_a_line_becomes_one_object_or_is_refused(
        body in r#"([ab,"{}:\\ 1]{0,20}\n){0,6}"#,
    ) {
        let (lines, fault) = read(all_types(), "x", Header::Detected, &body);
        for line in lines.lines().filter(|line| !line.is_empty()) {
            prop_assert!(serde_json::from_str::<Map<String, Value>>(line).is_ok(), "{}", line);
        }
        let expected = body.lines().count();
        prop_assert!(fault.is_some() || lines.lines().count() == expected);
    }
}
