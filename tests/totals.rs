//! `windrow totals` counts what is in a file and prints it as documented.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use harness::{run, windrow};

const EVENTS: &str = "\
acme,login,t1,2021-03-01 04:12:00.5+00
umbrella,login,t2,2021-03-01T05:59:59.999999999Z
acme,api_call,t3,2021-03-01T04:59:59Z
umbrella,api_call,t4,2021-03-01T04:00:00Z
acme,login,t5,2021-03-01T06:29:59.999999999Z
acme,login,t6,2021-03-01T06:30:00Z
acme,login,t7,2021-03-01T03:59:59.999999999Z
";
const INTERVAL: [&str; 2] = ["2021-03-01T04:00:00Z", "2021-03-01T06:30:00Z"];

/// A file of events, in a directory of its own.
struct File {
    directory: tempfile::TempDir,
    path: String,
}

impl File {
    fn of(name: &str, content: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        Self { path: path.to_str().unwrap().to_owned(), directory }
    }

    /// `windrow totals` of this file with these arguments behind it.
    fn totals(&self, arguments: &[&str]) -> Output {
        run(&[&["totals", &self.path], arguments].concat())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command that does well prints, when it has nothing to complain of.
fn printed(output: &Output) -> String {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout)
}

/// The single sentence of wrong usage.
fn refused(output: &Output) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(text(&output.stdout), "");
    assert!(!error.contains("panicked"), "{error}");
    error
}

/// Customer, start and count of each row, from CSV.
fn rows(output: &Output) -> Vec<(String, String, u64)> {
    let printed = printed(output);
    let mut reader = csv::Reader::from_reader(printed.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["customer_id", "start", "end", "count"]);
    let row = |record: csv::StringRecord| {
        (record[0].to_owned(), record[1].to_owned(), record[3].parse().unwrap())
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn total(output: &Output) -> u64 {
    rows(output).into_iter().map(|(_, _, count)| count).sum()
}

#[test]
fn text_is_printed_as_documented() {
    let file = File::of("events.csv", EVENTS);
    let [start, end] = INTERVAL;
    let printed = printed(&file.totals(&[start, end]));
    let expected = format!(
        "Input file: {}
Start time: 2021-03-01 04:00:00 UTC
End time: 2021-03-01 06:30:00 UTC

Timebucket: 2021-03-01 04:00:00 +0000
Customer ID: acme Calls: 2
Customer ID: umbrella Calls: 1

Timebucket: 2021-03-01 05:00:00 +0000
Customer ID: umbrella Calls: 1

Timebucket: 2021-03-01 06:00:00 +0000
Customer ID: acme Calls: 1

",
        file.path
    );
    assert_eq!(printed, expected);
}

#[test]
fn asked_about_one_customer_the_head_names_it_and_empty_hours_have_zero() {
    let file = File::of("events.csv", EVENTS);
    let [start, end] = ["2021-03-01T05:30:00.25+00:00", "1614580200"];
    let expected = format!(
        "Input file: {}
Start time: 2021-03-01 05:30:00.25 UTC
End time: 2021-03-01 06:30:00 UTC
Customer ID: acme

Timebucket: 2021-03-01 05:00:00 +0000
Customer ID: acme Calls: 0

Timebucket: 2021-03-01 06:00:00 +0000
Customer ID: acme Calls: 1

",
        file.path
    );
    assert_eq!(printed(&file.totals(&[start, end, "--customer", "acme"])), expected);
    assert_eq!(printed(&file.totals(&[start, end, "no", "acme"])), expected);
}

#[test]
fn a_truthy_fourth_argument_prints_json() {
    let file = File::of("events.csv", EVENTS);
    let [start, end] = INTERVAL;
    let expected = "{
  \"2021-03-01 04:00:00 +0000\": {
    \"acme\": 2,
    \"umbrella\": 1
  },
  \"2021-03-01 05:00:00 +0000\": {
    \"umbrella\": 1
  },
  \"2021-03-01 06:00:00 +0000\": {
    \"acme\": 1
  }
}
";
    for arguments in [&["1"][..], &["TRUE"], &["--format", "json"], &["0", "--format", "json"]] {
        let arguments = [&[start, end], arguments].concat();
        assert_eq!(printed(&file.totals(&arguments)), expected, "{arguments:?}");
    }
    let alias = run(&["account_event_totals_1h", &file.path, start, end, "true"]);
    assert_eq!(printed(&alias), expected);
    let none = file.totals(&["2022-01-01", "2022-01-01T00:00:00.000000001Z", "yes"]);
    assert_eq!(printed(&none), "{\n  \"2022-01-01 00:00:00 +0000\": {}\n}\n");
    let one = file.totals(&["2022-01-01", "2022-01-01T01:00:00Z", "1", "acme"]);
    assert_eq!(printed(&one), "{\n  \"2022-01-01 00:00:00 +0000\": {\n    \"acme\": 0\n  }\n}\n");
}

#[test]
fn csv_has_a_row_for_each_customer_and_hour() {
    let file = File::of("events.csv", EVENTS);
    let [start, end] = INTERVAL;
    let expected = "customer_id,start,end,count
acme,2021-03-01T04:00:00Z,2021-03-01T05:00:00Z,1
umbrella,2021-03-01T04:00:00Z,2021-03-01T05:00:00Z,1
";
    let arguments = [start, "2021-03-01T05:00:00Z", "--format", "csv", "--event-type", "api_call"];
    assert_eq!(printed(&file.totals(&arguments)), expected);
    assert_eq!(total(&file.totals(&[start, end, "--format", "csv"])), 5);
}

#[test]
fn an_interval_without_length_has_no_buckets_and_one_that_is_backwards_is_refused() {
    let file = File::of("events.csv", EVENTS);
    let [start, end] = INTERVAL;
    assert_eq!(printed(&file.totals(&[start, start, "1"])), "{}\n");
    assert!(
        printed(&file.totals(&[start, start])).ends_with("End time: 2021-03-01 04:00:00 UTC\n\n")
    );
    let told = refused(&file.totals(&[end, start]));
    assert_eq!(
        told,
        "windrow: the end 2021-03-01T04:00:00Z lies before the start 2021-03-01T06:30:00Z; \
         the earlier of the two comes first\n"
    );
}

#[test]
fn wrong_usage_is_told_in_a_sentence() {
    let file = File::of("events.csv", EVENTS);
    let [start, end] = INTERVAL;
    let directory = file.directory.path().to_str().unwrap();
    for (arguments, says) in [
        (
            &[file.path.as_str(), "soon", end][..],
            "'soon' for '<START>': it is none of the forms taken",
        ),
        (&[&file.path, start, end, "maybe"], "expected 1, true, yes or on for JSON"),
        (&[&file.path, start, end, "1", "a", "--customer", "b"], "cannot be used with"),
        (&[&file.path, start], "<END>"),
        (&["no/such.csv", start, end], "windrow: there is no file no/such.csv\n"),
        (&[directory, start, end], "is a directory; name a CSV file in it\n"),
    ] {
        let told = refused(&run(&[&["totals"], arguments].concat()));
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
}

#[test]
fn bad_lines_are_skipped_named_and_counted() {
    let bad = "no record\n".repeat(12);
    let file = File::of("events.csv", format!("{EVENTS}\n{bad}acme,login,t,2021-03-01T04:00:00Z"));
    let [start, end] = INTERVAL;
    let output = file.totals(&[start, end, "--format", "csv"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("acme,2021-03-01T04:00:00Z,2021-03-01T05:00:00Z,3\n"));
    let told = text(&output.stderr);
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 11);
    assert_eq!(told[0], format!("{}, line 9: expected 4 or 5 fields, found 1", file.path));
    assert!(told[9].contains(", line 18: "));
    assert_eq!(told[10], format!("{}: 12 lines can't be understood and not counted", file.path));

    let strict = file.totals(&[start, end, "--format", "csv", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    assert_eq!(strict.stdout, output.stdout);
    assert!(text(&strict.stderr).ends_with(": 12 lines can't be understood\n"));
    let unread = file.totals(&[start, end, "--strict", "--customer", "acme"]);
    assert_eq!(unread.status.code(), Some(0));
}

#[test]
fn files_of_every_shape_are_read() {
    let [start, end] = INTERVAL;
    let arguments = [start, end, "--format", "csv"];
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(EVENTS.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = zstd::encode_all(EVENTS.as_bytes(), 1).unwrap();
    for (name, content, counted) in [
        ("empty.csv", Vec::new(), 0),
        ("line.csv", b"a,b,c,2021-03-01 05:00:00+00\n".to_vec(), 1),
        ("no_end.csv", b"a,b,c,2021-03-01 05:00:00+00".to_vec(), 1),
        ("no_seconds.csv", b"timestamp,customer_id\r\n2021-03-01 05:00,x\n".to_vec(), 0),
        ("events.csv.gz", gzip.clone(), 5),
        ("events.csv.zst", zstd, 5),
        ("not_named.csv", gzip.clone(), 5),
        ("not_compressed.gz", EVENTS.into(), 5),
        ("twice.gz", [gzip.clone(), gzip].concat(), 10),
    ] {
        let output = File::of(name, content).totals(&arguments);
        let is_bad = name == "no_seconds.csv";
        assert_eq!(text(&output.stderr).is_empty(), !is_bad, "{name}: {}", text(&output.stderr));
        if !is_bad {
            assert_eq!(total(&output), counted, "{name}");
        }
    }
    let binary =
        File::of("binary", (0..100_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    let output = binary.totals(&arguments);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("line 1: "), "{}", text(&output.stderr));
}

#[test]
fn a_dash_is_standard_input() {
    let [start, end] = INTERVAL;
    let mut child = windrow()
        .args(["totals", "-", start, end])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(EVENTS.as_bytes()).unwrap();
    let printed = printed(&child.wait_with_output().unwrap());
    assert!(printed.starts_with("Input file: -\n"), "{printed}");
    assert!(printed.contains("Customer ID: acme Calls: 2\n"), "{printed}");
}

#[test]
fn customers_have_any_name() {
    let long = "x".repeat(10 << 10);
    let [start, end] = INTERVAL;
    for name in ["", " ", "a b", "a/b", "say \"hi\"", "\"", "a,b", "😀", "100%2F%", "-x", &long] {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([name, "login", "t1", start]).unwrap();
        writer.write_record([&format!("{name}z"), "login", "t2", start]).unwrap();
        let file = File::of("events.csv", writer.into_inner().unwrap());
        let customer = format!("--customer={name}");
        let rows = rows(&file.totals(&[start, end, "--format", "csv", &customer]));
        let expected = [1, 0, 0].map(|count| (name.to_owned(), count));
        let found: Vec<_> = rows.into_iter().map(|(name, _, count)| (name, count)).collect();
        assert_eq!(found, expected, "{name:.20}");
    }
}

#[test]
fn buckets_follow_the_calendar() {
    let events = "\
a,b,c,2024-02-28T23:59:59Z
a,b,c,2024-02-29T23:30:00Z
a,b,c,2024-03-01T00:00:00Z
a,b,c,2023-12-31T23:59:59.999999999Z
a,b,c,2024-01-01 01:00:00+02
";
    let file = File::of("events.csv", events);
    let hours = |start, end| {
        let rows = rows(&file.totals(&[start, end, "--format", "csv", "--customer", "a"]));
        let counted = rows.iter().filter(|(_, _, count)| *count > 0);
        let counted: Vec<_> = counted.map(|(_, start, count)| (start.clone(), *count)).collect();
        (rows.len(), counted)
    };
    let (buckets, counted) = hours("2024-02-28T23:00:00Z", "2024-03-01T00:00:00.000000001Z");
    assert_eq!(buckets, 26, "29 February has its hours");
    let expected = ["2024-02-28T23:00:00Z", "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"];
    assert_eq!(counted, expected.map(|hour| (hour.to_owned(), 1)));
    let (buckets, counted) = hours("2023-12-31T22:00:00Z", "2024-01-01T00:00:00Z");
    assert_eq!((buckets, counted), (2, vec![("2023-12-31T23:00:00Z".to_owned(), 2)]));
    let (buckets, _) = hours("2023-01-01", "2024-01-01");
    assert_eq!(buckets, 365 * 24);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let file = File::of("events.csv", EVENTS);
    let mut child = windrow()
        .args(["totals", &file.path, "1900-01-01", "2200-01-01"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}
