use proptest::prelude::*;

use super::*;

fn texts(line: &str) -> Result<Vec<String>, CsvFault> {
    fields(line.as_bytes())?.map(|field| Ok(field?.text().into_owned())).collect()
}

#[test]
fn fields_are_what_stands_between_commas_and_quotes_are_taken_off() {
    for (line, expected) in [
        ("", &[""][..]),
        (",", &["", ""]),
        ("a,b", &["a", "b"]),
        (" a , b ", &[" a ", " b "]),
        (r#""a","b""#, &["a", "b"]),
        (r#""","""#, &["", ""]),
        (r#""a,b",c"#, &["a,b", "c"]),
        (r#""say ""hi""",c"#, &["say \"hi\"", "c"]),
        (r#""""""#, &["\""]),
        (r#""""""""#, &["\"\""]),
        ("größer,😀,\u{0}", &["größer", "😀", "\u{0}"]),
    ] {
        assert_eq!(texts(line).unwrap(), expected, "{line}");
    }
}

#[test]
fn what_is_no_record_is_named_with_its_field() {
    for (line, fault) in [
        ("a,b\"c", CsvFault::BareQuote { field: 2 }),
        ("a, \"b\"", CsvFault::BareQuote { field: 2 }),
        ("\"a", CsvFault::Unclosed { field: 1 }),
        ("a,\"", CsvFault::Unclosed { field: 2 }),
        ("\"a\"\"", CsvFault::Unclosed { field: 1 }),
        ("a,b,\"c\"d,e", CsvFault::BehindQuote { field: 3 }),
        ("\"a\" ,b", CsvFault::BehindQuote { field: 1 }),
    ] {
        assert_eq!(texts(line), Err(fault), "{line}");
    }
    let cut = fields(b"a,\xf0\x9f\x98").unwrap_err();
    assert_eq!(cut, CsvFault::NotUtf8 { column: 3 });
    assert_eq!(
        texts("a,\"b").unwrap_err().to_string(),
        "expected a quoted field to end on its line, found no closing quote of field 2"
    );
}

#[test]
fn behind_a_fault_there_are_no_more_fields() {
    let mut fields = fields(b"a\"b,c").unwrap();
    assert!(fields.next().unwrap().is_err());
    assert_eq!(fields.next(), None);
}

const WANTED: [Wanted<'static>; 4] = [
    Wanted { name: "customer", required: true },
    Wanted { name: "type", required: false },
    Wanted { name: "time", required: true },
    Wanted { name: "more", required: false },
];

#[test]
fn without_a_header_the_fields_behind_the_last_required_one_may_be_left_out() {
    let order = Order::without_header(&WANTED);
    assert_eq!(order.columns(), [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(order.fields(), 3..=4);
    assert_eq!(order.check_count(3), Ok(()));
    let message = order.check_count(5).unwrap_err().to_string();
    assert_eq!(message, "expected 3 or 4 fields, found 5");
}

#[test]
fn a_line_with_the_names_of_all_required_columns_is_a_header() {
    let order = Order::from_header(b"x,time,\"customer\",\"y\"\"\"", &WANTED).unwrap().unwrap();
    assert_eq!(order.columns(), [None, Some(2), Some(0), None]);
    assert_eq!((order.field_of(0), order.field_of(1)), (Some(2), None));
    assert_eq!(order.fields(), 3..=4);
    assert_eq!(order.unknown(), ["x", "y\""]);
}

#[test]
fn any_other_line_is_a_record() {
    for line in ["customer,type", "Customer,time", "customer,time\"", "acme,login,2024-07-31", ""] {
        assert_eq!(Order::from_header(line.as_bytes(), &WANTED), Ok(None), "{line}");
    }
    assert_eq!(Order::from_header(b"customer,time,\xff", &WANTED), Ok(None));
    let nothing_required = [Wanted { name: "a", required: false }];
    assert_eq!(Order::from_header(b"b", &nothing_required), Ok(None));
}

#[test]
fn a_header_that_names_a_column_twice_is_refused() {
    let twice = Order::from_header(b"time,customer,time", &WANTED);
    assert_eq!(twice, Err(NamedTwice("time".into())));
    assert!(matches!(Order::from_header(b"time,customer,x,x", &WANTED), Ok(Some(_))));
}

#[test]
fn line_ends_marks_and_blank_lines_are_taken_off() {
    assert_eq!(without_line_end(b"a,b\r\n"), b"a,b");
    assert_eq!(without_line_end(b"a,b\n"), b"a,b");
    assert_eq!(without_line_end(b"a,b\r"), b"a,b");
    assert_eq!(without_line_end(b"a\r\r\n"), b"a\r");
    assert_eq!(without_mark(b"\xef\xbb\xbfa"), b"a");
    assert_eq!(without_mark(b"\xef\xbba"), b"\xef\xbba");
    assert!(is_blank(b"") && is_blank(b" \t\r") && !is_blank(b" ,"));
}

/// What the `csv` crate reads in a line that it has written.
fn by_the_crate(line: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).unwrap();
    record.iter().map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_is_read_as_it_was(
        texts_in in prop::collection::vec(r#"[ab,"é ]{0,6}"#, 1..6),
        always in any::<bool>(),
    ) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        writer.write_record(&texts_in).unwrap();
        let written = writer.into_inner().unwrap();
        let line = without_line_end(&written);
        prop_assert_eq!(texts(std::str::from_utf8(line).unwrap()), Ok(texts_in));
    }

    #[test]
    fn what_is_taken_the_csv_crate_reads_alike(line in r#"[ab,"é ]{1,16}"#) {
        if let Ok(texts) = texts(&line) {
            prop_assert_eq!(by_the_crate(line.as_bytes()), texts);
        }
    }

    #[test]
    fn nothing_panics(line in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(fields) = fields(&line) {
            for field in fields.flatten() {
                let _ = field.text();
            }
        }
        let _ = Order::from_header(&line, &WANTED);
    }
}
