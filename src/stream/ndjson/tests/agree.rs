//! The fast path against the reference: on any payload they say the same.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// A column of each type.
const COLUMNS: [(&str, &str); 14] = [
    ("at", "timestamp"),
    ("uuid", "uuid?"),
    ("n", "i64?"),
    ("f", "f64?"),
    ("flag", "bool?"),
    ("text", "string?"),
    ("short", "string(4)?"),
    ("some", "string(1..4)?"),
    ("price", "decimal?"),
    ("thing", "object?"),
    ("kind", "web|mobile|ó?"),
    ("then", "timestamp?"),
    ("a rather long name of a column", "string?"),
    ("qu\"ote", "i64?"),
];

/// Values that some column takes, or nearly takes.
const VALUES: [&str; 88] = [
    "null",
    "true",
    "false",
    "nul",
    "nulll",
    "True",
    "truefalse",
    "0",
    "-0",
    "1",
    "-1",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "0.5",
    "1.50",
    "-12.25",
    "1e5",
    "1E+5",
    "1e-5",
    "1e",
    "1e+",
    "1e99",
    "1e100",
    "1e308",
    "1e309",
    "-1e400",
    "999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "8999999999999999999",
    "12345678901234567890",
    "1719799384.5",
    "1719799384055",
    "99999999999",
    "0.0000000001",
    "\"\"",
    "\"a\"",
    "\"web\"",
    "\"mobile\"",
    "\"ó\"",
    "\"Web\"",
    "\"a,b\"",
    "\"abcd\"",
    "\"abcde\"",
    "\"óóóó\"",
    "\"óóóóó\"",
    "\"a\\nb\"",
    "\"\\u0041\\ud83e\\udd80\"",
    "\"\\ud83e\"",
    "\"\\q\"",
    "\"\\u00",
    "\"tab\tinside\"",
    "\"seven89\"",
    "\"eight890\"",
    "\"nine89012\"",
    "\"comma,behind\"",
    "\"behind,comma,\"",
    "\"12.50\"",
    "\"-1e5\"",
    "\"1.\"",
    "\"2024-07-01T02:03:04Z\"",
    "\"2024-07-01T02:03:04.5Z\"",
    "\"2024-07-01T02:03:04.123456789Z\"",
    "\"2024-07-01T02:03:04.1234567890Z\"",
    "\"2024-07-01 02:03:04+02\"",
    "\"2024-07-01\"",
    "\"2024-02-30T00:00:00Z\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"2024-07-01T02:03:60Z\"",
    "\"2262-04-11T23:47:16.854775808Z\"",
    "\"1677-09-21T00:12:43.145224192Z\"",
    "\"087c1d96-c6d2-4cf5-8532-8473d74004e6\"",
    "\"087C1D96-C6D2-4CF5-8532-8473D74004E6\"",
    "\"087c1d96-c6d2-4cf5-8532-8473d74004eg\"",
    "\"087c1d96-c6d2-4cf5-8532_8473d74004e6\"",
    "{}",
    "{\"a\":[1,{}]}",
    "{\"a\":\"}\\\"\",\"a\":1e999}",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":1",
    "[]",
    "[1,\"]\"]",
    "[1,,2]",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&VALUES[..]).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<f64>().prop_map(|x| x.to_string()),
        1 => "\"[ -!#-\\[\\]-~é🦀,]{0,30}\"",
        1 => "\"[a-z,\\\\\"/bnu0-9\t]{0,12}\"",
    ]
}

/// A value that the column takes, more often than not.
fn good_value(column: &str) -> Vec<&'static str> {
    match column {
        "at" | "then" => {
            vec!["\"2024-07-01T02:03:04.5Z\"", "0", "\"2024-07-01 02:03:04+02\"", "null"]
        }
        "uuid" => vec!["\"087c1d96-c6d2-4cf5-8532-8473d74004e6\"", "null"],
        "n" | "qu\"ote" => vec!["-7", "9223372036854775807", "null"],
        "f" | "price" => vec!["-12.25", "1e-5", "0"],
        "flag" => vec!["true", "false"],
        "thing" => vec!["{}", "{\"a\":[1,{}]}"],
        "kind" => vec!["\"web\"", "\"ó\""],
        "short" => vec!["\"\"", "\"óóóó\"", "\"a\\n\""],
        _ => vec!["\"a,b\"", "\"\\u0041\\ud83e\\udd80\"", "\"plain text, and longer\"", "null"],
    }
}

fn field() -> impl Strategy<Value = String> {
    let space = || select(vec!["", "", "", "", " ", "  ", "\t", "\r"]);
    let names: Vec<&str> =
        COLUMNS.iter().map(|(name, _)| *name).chain(["x", "AT", "at ", ""]).collect();
    let parts = (select(names), value(), any::<Index>(), 0..4_u8);
    (parts, [space(), space(), space(), space()]).prop_map(
        |((name, value, index, luck), [a, b, c, d])| {
            let good = good_value(name);
            let value = if luck > 0 { good[index.index(good.len())].to_owned() } else { value };
            let name = if luck == 3 && name == "n" { "\"\\u006e\"".to_owned() } else { json(name) };
            format!("{a}{name}{b}:{c}{value}{d}")
        },
    )
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Fields in the columns' order, or any; all, or some.
fn fields() -> impl Strategy<Value = Vec<String>> {
    let in_order =
        proptest::collection::vec((any::<Index>(), 0..12_u8), COLUMNS.len()).prop_map(|choices| {
            let columns = COLUMNS.iter().zip(choices);
            let there = columns.filter(|((name, _), (_, luck))| *name == "at" || *luck > 0);
            there
                .map(|((name, _), (index, _))| {
                    let good = good_value(name);
                    format!("{}:{}", json(name), good[index.index(good.len())])
                })
                .collect()
        });
    prop_oneof![
        4 => in_order.clone(),
        3 => (in_order, any::<u64>()).prop_map(|(mut fields, seed): (Vec<String>, u64)| {
            fields.sort_by_key(|field| field.len() as u64 ^ seed & 31);
            fields
        }),
        4 => proptest::collection::vec(field(), 0..6).prop_map(|mut fields| {
            fields.insert(0, "\"at\":0".to_owned());
            fields
        }),
        1 => proptest::collection::vec(field(), 0..6),
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let framed = (
        fields(),
        select(
            vec![("{", "}"); 12]
                .into_iter()
                .chain([
                    (" {", "} "),
                    ("{", ",}"),
                    ("[{", "}]"),
                    ("{", "}}"),
                    ("{", ""),
                    ("", ""),
                    ("{", "} {}"),
                    ("\u{feff}{", "}"),
                ])
                .collect::<Vec<_>>(),
        ),
    );
    let line = framed.prop_map(|(fields, (open, close))| {
        format!("{open}{}{close}", fields.join(",")).into_bytes()
    });
    let spoiled = (line, any::<Index>(), any::<u8>(), 0..24_u8);
    spoiled.prop_map(|(mut line, index, byte, how)| {
        match how {
            0 if !line.is_empty() => drop(line.remove(index.index(line.len()))),
            1 => line.insert(index.index(line.len() + 1), byte),
            2 if !line.is_empty() => {
                let at = index.index(line.len());
                line[at] = byte;
            }
            3 if !line.is_empty() => line.truncate(index.index(line.len())),
            _ => {}
        }
        line
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let ends = select(vec!["\n", "\n", "\n", "\r\n", "\n\n", "\n \r\n", " \n", "\r\r\n"]);
    let lines = proptest::collection::vec((line(), ends), 1..5);
    (lines, any::<bool>()).prop_map(|(lines, last_end)| {
        let mut payload: Vec<u8> = Vec::new();
        let mut end = "";
        for (line, behind) in lines {
            payload.extend_from_slice(end.as_bytes());
            payload.extend_from_slice(&line);
            end = behind;
        }
        if last_end {
            payload.extend_from_slice(end.as_bytes());
        }
        payload
    })
}

/// Everything that can be seen of rows.
fn seen(rows: &Rows) -> String {
    use std::fmt::Write;
    let mut seen = format!(
        "{} lines, unknown {:?}\n",
        rows.lines(),
        (rows.unknown_fields(), rows.unknown_names())
    );
    for row in 0..rows.len() {
        let cells: Vec<_> = rows
            .row(row)
            .map(|cell| cell.map(|c| (String::from_utf8_lossy(c.text), c.bare)))
            .collect();
        let _ = writeln!(seen, "{} {:?} {cells:?}", rows.line(row), rows.time(row));
    }
    seen
}

fn agree(decoder: &Decoder, payload: &[u8], first_line: u64) -> Result<(), TestCaseError> {
    let context = FrameContext { first_line, ..CONTEXT };
    let payload = Bytes::copy_from_slice(payload);
    let fast = decoder.decode(payload.clone(), &context).map(|rows| seen(&rows));
    let reference =
        decoder.decode_by(payload.clone(), &context, Path::Reference).map(|rows| seen(&rows));
    prop_assert_eq!(fast, reference, "{}", String::from_utf8_lossy(&payload));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn on_every_type(payload in payload(), strict: bool, limit in prop_oneof![4 => Just(usize::MAX), 1 => 0..400_usize]) {
        let unknown = if strict { UnknownFields::Reject } else { UnknownFields::Ignore };
        let decoder = Decoder::new(schema(&COLUMNS), unknown, DecodeLimits { line_bytes_max: limit, ..DecodeLimits::OPEN });
        agree(&decoder, &payload, 1)?;
    }

    #[test]
    fn on_values_alone(kind in select(&COLUMNS[..]), values in proptest::collection::vec(value(), 1..4)) {
        let decoder = decoder(&[("at", "timestamp"), ("v", kind.1)]);
        for value in values {
            agree(&decoder, format!("{{\"at\":0,\"v\":{value}}}").as_bytes(), 1)?;
            agree(&decoder, format!("{{\"at\":0,\"other\":{value}}}\n").as_bytes(), 1)?;
            agree(&decoder, format!("{{\"at\":{value},\"v\":null}}\r\n").as_bytes(), 7)?;
        }
    }

    #[test]
    fn on_made_values(
        fields in proptest::collection::vec(select(vec![
            "\"id\":null", "\"id\":\"087c1d96-c6d2-4cf5-8532-8473d74004e6\"", "\"type\":\"sensor_data\"",
            "\"source\":\"web\"", "\"timestamp\":null", "\"timestamp\":1", "\"user_id\":\"\\t\"", "\"data\":{\"a\":1}",
        ]), 0..7),
    ) {
        let line = format!("\n{{\"type\":\"user_action\",\"source\":\"system\"}}\n{{{}}}\n", fields.join(","));
        agree(&built_in("events"), line.as_bytes(), 3)?;
    }

    #[test]
    fn on_many_columns(fields in proptest::collection::vec((0..60_usize, 0..3_u8), 0..20)) {
        let names: Vec<String> = (0..50).map(|column| format!("column_{column}")).collect();
        let optional = names.iter().map(|name| (name.as_str(), "i64?"));
        let columns: Vec<_> = std::iter::once(("at", "timestamp")).chain(optional).collect();
        let field = |(column, value): &(usize, u8)| {
            format!(",\"column_{column}\":{}", ["null", "1", "-22"][usize::from(*value)])
        };
        let fields: String = fields.iter().map(field).collect();
        agree(&decoder(&columns), format!("{{\"at\":0{fields}}}\n{{\"at\":1}}").as_bytes(), 1)?;
    }

    #[test]
    fn on_a_spoiled_user_event(index: Index, byte: u8, cut: Index) {
        let decoder = built_in("user-events");
        let mut line = USER_EVENT.as_bytes().to_vec();
        agree(&decoder, &line[..cut.index(line.len())], 1)?;
        let at = index.index(line.len());
        line[at] = byte;
        agree(&decoder, &line, 1)?;
        line.insert(at, b'0');
        agree(&decoder, &line, 1)?;
    }
}

#[test]
fn the_fast_path_takes_what_nearly_all_lines_look_like() {
    let columns = Columns::new(Arc::new(Schema::builtin("user-events").unwrap()));
    for text in [
        USER_EVENT.to_owned(),
        USER_EVENT.replace("\":", "\": ").replace(",\"", ", \""),
        USER_EVENT.replace("Doctor", "Doc\\tor"),
        USER_EVENT.replace(",\"id\"", ",\"x\":[{}],\"id\""),
        USER_EVENT
            .replace("{\"time\":\"2024-07-07T00:36:10.719091325Z\",", "{")
            .replace('}', ",\"time\":1719799384}"),
    ] {
        let scan = Scan { columns: &columns, unknown_fields: UnknownFields::Ignore, text: &text };
        let mut rows = RowsBuilder::new(columns.len(), 1);
        rows.begin();
        assert!(
            scan.object(0, &mut rows).is_some_and(|taken| taken.end == text.len() && taken.full),
            "{text}"
        );
    }
}
