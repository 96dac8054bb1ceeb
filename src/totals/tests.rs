//! Whole counts, of files that are cut into chunks of any size.

mod brute_force;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn question(start: &str, end: &str) -> Question {
    let interval = Interval::new(time(start), time(end)).unwrap();
    Question { interval, customer: None, event_type: None }
}

/// A file in a directory that goes with it.
struct OnDisk {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl OnDisk {
    fn of(content: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.csv");
        std::fs::write(&path, content).unwrap();
        Self { _directory: directory, path }
    }

    fn in_chunks_of(&self, bytes: usize) -> Input {
        Input::in_chunks_of(bytes, &self.path).unwrap()
    }
}

/// Hour, customer and count, in order, with what was bad.
type Counted = (Vec<(String, String, u64)>, BadLines);

fn counted(input: &Input, question: &Question) -> Counted {
    let (totals, bad_lines) = count(input, question, &|_| {}).unwrap();
    let counts = totals
        .buckets()
        .flat_map(|Bucket { start, counts, .. }| {
            counts.into_iter().map(move |Count { customer, count }| {
                (start.to_string(), customer.to_owned(), count)
            })
        })
        .collect();
    (counts, bad_lines)
}

const DAY: [&str; 2] = ["2024-07-01", "2024-07-02"];

fn count_text(content: &str) -> Counted {
    let file = OnDisk::of(content.as_bytes());
    counted(&file.in_chunks_of(CHUNK), &question(DAY[0], DAY[1]))
}

const CHUNK: usize = 256 << 10;

#[test]
fn columns_go_by_the_header_and_a_mark_and_blank_lines_are_passed_over() {
    let hour = "2024-07-01T02:00:00Z".to_owned();
    for content in [
        "a,login,t1,2024-07-01T02:03:04Z\n",
        "a,login,t1,2024-07-01T02:03:04Z",
        "a,login,t1,2024-07-01T02:03:04Z,{}\r\n",
        "\u{feff}\r\n\n \na,login,t1,2024-07-01T02:03:04Z\n\n",
        "timestamp,customer_id\n2024-07-01T02:03:04Z,a\n",
        "\u{feff}\n\"customer_id\",x,timestamp\r\na,,\"2024-07-01 02:03:04\"\r\n",
        "customer_id,event_type,transaction_id,timestamp\na,login,t1,1719799384",
    ] {
        let (counts, bad_lines) = count_text(content);
        assert_eq!(counts, [(hour.clone(), "a".to_owned(), 1)], "{content:?}");
        assert_eq!(bad_lines, BadLines::default(), "{content:?}");
    }
}

#[test]
fn a_bad_line_is_named_by_number_and_reason() {
    let good = "a,login,t1,2024-07-01T02:03:04Z\n";
    for (line, reason) in [
        ("a,login,t1", "expected 4 or 5 fields, found 3"),
        ("a,login,t1,2024-07-01,{},", "expected 4 or 5 fields, found 6"),
        ("\"a,login,t1,2024-07-01", "expected a quoted field to end on its line"),
        ("a\"b,login,t1,2024-07-01", "found a quote inside field 1"),
        ("a,login,,2024-07-01", "expected a transaction_id, found nothing"),
        ("a,login,t1,", "expected a timestamp, found ``"),
        (
            "a,login,t1,yesterday",
            "expected a timestamp, found `yesterday`: it is none of the forms",
        ),
        ("a,login,t1,2024-07-32", "2024-07 has no day 32"),
    ] {
        let (counts, bad_lines) = count_text(&format!("{good}\n{line}\r\n{good}"));
        assert_eq!(counts[0].2, 2, "{line}");
        let [BadLine { line: 3, reason: told }] = bad_lines.first.as_slice() else {
            panic!("{line}: {bad_lines:?}");
        };
        assert!(told.contains(reason), "{line}: {told}");
        assert_eq!(bad_lines.count, 1);
    }
}

#[test]
fn a_record_that_ends_before_its_transaction_has_none() {
    let file =
        "timestamp,customer_id,transaction_id\n2024-07-01,a\n2024-07-01,a,\n2024-07-01,a,t\n";
    let (counts, bad_lines) = count_text(file);
    assert_eq!(counts[0].2, 1);
    let lines: Vec<u64> = bad_lines.first.iter().map(|bad_line| bad_line.line).collect();
    assert_eq!(lines, [2, 3], "{bad_lines:?}");
}

#[test]
fn of_many_bad_lines_the_first_ten_are_named_whoever_finds_them() {
    let lines: String = (0..3000).map(|n| if n % 3 == 0 { "no\n" } else { "\n" }).collect();
    let file = OnDisk::of(lines.as_bytes());
    for chunk in [1, 7, 100, CHUNK] {
        let (_, bad_lines) = counted(&file.in_chunks_of(chunk), &question(DAY[0], DAY[1]));
        assert_eq!(bad_lines.count, 1000);
        let numbers: Vec<u64> = bad_lines.first.iter().map(|bad_line| bad_line.line).collect();
        assert_eq!(numbers, [1, 4, 7, 10, 13, 16, 19, 22, 25, 28], "chunks of {chunk}");
    }
}

#[test]
fn a_line_that_is_too_long_is_one_bad_line() {
    let good = "a,login,t1,2024-07-01T02:03:04Z\n";
    let long = "x".repeat(3 * LINE_BYTES_MAX);
    let content = format!("{good}{long}\n{good}{long}");
    let plain = OnDisk::of(content.as_bytes());
    let gzip = OnDisk::of(&gzip(content.as_bytes()));
    for file in [plain, gzip] {
        for chunk in [10_000, CHUNK, 8 * LINE_BYTES_MAX] {
            let (counts, bad_lines) = counted(&file.in_chunks_of(chunk), &question(DAY[0], DAY[1]));
            assert_eq!(counts[0].2, 2, "chunks of {chunk}");
            let lines: Vec<u64> = bad_lines.first.iter().map(|bad_line| bad_line.line).collect();
            assert_eq!((bad_lines.count, lines), (2, vec![2, 4]), "chunks of {chunk}");
            assert!(bad_lines.first[0].reason.contains("longer than 1048576 bytes"));
        }
    }
}

#[test]
fn what_is_passed_over_unread_is_not_called_bad() {
    let file = OnDisk::of(b"not a record\na,login,t1,2024-07-01\nb,a,t2,never\na,login,t3,never\n");
    let mut question = question(DAY[0], DAY[1]);
    question.customer = Some("login".into());
    let (_, bad_lines) = counted(&file.in_chunks_of(CHUNK), &question);
    assert_eq!(bad_lines.first.iter().map(|bad| bad.line).collect::<Vec<_>>(), [4]);
    question.customer = Some("nobody".into());
    let (counts, bad_lines) = counted(&file.in_chunks_of(CHUNK), &question);
    assert_eq!((counts.len(), bad_lines.count), (24, 0));
    assert!(counts.iter().all(|(_, customer, count)| customer == "nobody" && *count == 0));
}

#[test]
fn a_file_that_grows_is_read_to_the_end_of_the_line_that_stood_there() {
    let file = OnDisk::of(b"a,login,t1,2024-07-01\na,login,t2,20");
    let input = file.in_chunks_of(CHUNK);
    let mut more = OpenOptions::new().append(true).open(&file.path).unwrap();
    more.write_all(b"24-07-01\na,login,t3,2024-07-01\nb,").unwrap();
    let (counts, bad_lines) = counted(&input, &question(DAY[0], DAY[1]));
    assert_eq!(counts, [("2024-07-01T00:00:00Z".to_owned(), "a".to_owned(), 2)]);
    assert_eq!(bad_lines.count, 0);
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_is_an_error() {
    let file = OnDisk::of(&b"a,login,t1,2024-07-01\n".repeat(100));
    let input = file.in_chunks_of(1000);
    OpenOptions::new().write(true).open(&file.path).unwrap().set_len(1500).unwrap();
    let error = count(&input, &question(DAY[0], DAY[1]), &|_| {}).unwrap_err().to_string();
    assert!(error.contains("became shorter while it was read"), "{error}");
}

#[test]
fn a_damaged_archive_is_an_error() {
    let whole = gzip(&b"a,login,t1,2024-07-01\n".repeat(100));
    let file = OnDisk::of(&whole[..whole.len() - 3]);
    let error = count(&file.in_chunks_of(CHUNK), &question(DAY[0], DAY[1]), &|_| {});
    assert!(error.unwrap_err().to_string().contains("events.csv can't be read: "));
}

#[test]
fn a_header_that_does_not_do_is_an_error() {
    let asked = Question { event_type: Some("login".into()), ..question(DAY[0], DAY[1]) };
    for (header, says) in [
        ("customer_id,timestamp", "no column `event_type`"),
        ("customer_id,timestamp,event_type,timestamp", "names the column `timestamp` twice"),
    ] {
        let file = OnDisk::of(header.as_bytes());
        let error = count(&file.in_chunks_of(CHUNK), &asked, &|_| {}).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn progress_adds_up_to_the_file() {
    let content = b"a,login,t1,2024-07-01\n".repeat(1000);
    for content in [gzip(&content), content] {
        let file = OnDisk::of(&content);
        let input = file.in_chunks_of(1000);
        let read = std::sync::atomic::AtomicU64::new(0);
        count(&input, &question(DAY[0], DAY[1]), &|bytes| {
            read.fetch_add(bytes, Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!(Some(read.into_inner()), input.bytes());
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Two members or frames, as `cat a.gz b.gz` makes them.
fn in_two(content: &[u8], compress: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (a, b) = content.split_at(content.len() / 2);
    [compress(a), compress(b)].concat()
}

/// Names that have to be quoted, contain each other or are empty.
const CUSTOMERS: [&str; 10] =
    ["", "a", "aa", "a b", "say \"a\"", "\"", "a,b", "größer/😀%2F", "login", " a "];

fn line() -> impl Strategy<Value = String> {
    let moment = 1_719_791_999_000_000_000..1_719_806_401_000_000_000_i64;
    let customer = prop::sample::select(CUSTOMERS.to_vec());
    let record = (customer, "(login|a)", moment, 0..6_usize, any::<bool>()).prop_map(
        |(customer, event_type, moment, form, quoted)| {
            let record = [customer, &event_type, "t1", &brute_force::printed(moment, form)];
            let style = if quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
            let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
            writer.write_record(record).unwrap();
            String::from_utf8(writer.into_inner().unwrap()).unwrap()
        },
    );
    let other =
        prop::sample::select(vec!["", " ", "\r", "no record", "a,b,c,d", "a,b,,2024-07-01"]);
    prop_oneof![9 => record, 1 => other.prop_map(|line| format!("{line}\n"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_count_is_the_brute_force_s(
        lines in prop::collection::vec(line(), 0..60),
        header in any::<bool>(),
        end_is_missing in any::<bool>(),
        crlf in any::<bool>(),
        start in 1_719_788_400_000_000_000..1_719_810_000_000_000_000_i64,
        length in prop_oneof![Just(0), 0..20_000_000_000_000_i64],
        customer in prop::option::of(prop::sample::select(CUSTOMERS.to_vec())),
        event_type in prop::option::of("(login|a)"),
        chunk in 60..2000_usize,
    ) {
        let mut content = lines.concat();
        if header {
            content = format!("customer_id,event_type,transaction_id,timestamp\n{content}");
        }
        if crlf {
            content = content.replace('\n', "\r\n");
        }
        if end_is_missing {
            content.truncate(content.trim_end_matches(['\r', '\n']).len());
        }
        let interval =
            Interval::new(Timestamp::from_nanos(start), Timestamp::from_nanos(start + length));
        let question =
            Question { interval: interval.unwrap(), customer: customer.map(Into::into), event_type };
        let expected = brute_force::counts(&content, &question);
        let plain = content.as_bytes();
        for content in [
            plain.to_vec(),
            in_two(plain, gzip),
            in_two(plain, |part| zstd::encode_all(part, 1).unwrap()),
        ] {
            let file = OnDisk::of(&content);
            let (counts, bad_lines) = counted(&file.in_chunks_of(chunk), &question);
            prop_assert_eq!(&counts, &expected.counts);
            if question.customer.is_none() {
                let bad: Vec<u64> = bad_lines.first.iter().map(|bad_line| bad_line.line).collect();
                prop_assert_eq!(bad, &expected.bad[..expected.bad.len().min(10)]);
                prop_assert_eq!(bad_lines.count, expected.bad.len() as u64);
            }
        }
    }

    #[test]
    fn nothing_panics(content in prop::collection::vec(any::<u8>(), 0..400), chunk in 1..50_usize) {
        let file = OnDisk::of(&content);
        if let Ok(input) = Input::in_chunks_of(chunk, &file.path) {
            let _ = count(&input, &question(DAY[0], DAY[1]), &|_| {});
        }
    }
}

#[test]
fn a_pipe_is_read_in_turns() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let writer = {
        let pipe = pipe.clone();
        thread::spawn(move || {
            let mut pipe = File::create(pipe).unwrap();
            for _ in 0..1000 {
                pipe.write_all(b"a,login,t1,2024-07-01\n").unwrap();
            }
        })
    };
    let input = Input::in_chunks_of(500, Path::new(&pipe)).unwrap();
    assert_eq!(input.bytes(), None);
    let (counts, _) = counted(&input, &question(DAY[0], DAY[1]));
    writer.join().unwrap();
    assert_eq!(counts[0].2, 1000);
}

#[test]
fn many_counts_and_hours_are_printed_whole_and_in_order() {
    use std::fmt::Write as _;
    let mut content = String::new();
    for (hour, customer) in (0..24).flat_map(|hour| (0..3000).map(move |at| (hour, at))) {
        let customer = (customer + hour * 7) % 3000;
        writeln!(content, "c{customer},call,t,2024-07-01 {hour:02}:30:00+00").unwrap();
    }
    let file = OnDisk::of(content.as_bytes());
    let question = question("2024-07-01", "2024-12-01");
    let (totals, _) = count(&file.in_chunks_of(CHUNK), &question, &|_| {}).unwrap();

    let mut csv = Vec::new();
    print_csv(&totals, &mut csv).unwrap();
    let mut expected = "customer_id,start,end,count\n".to_owned();
    for line in content.lines() {
        let (customer, hour) = (line.split(',').next().unwrap(), &line[line.len() - 11..][..2]);
        let begin = time(&format!("2024-07-01 {hour}:00:00Z"));
        let end = Timestamp::from_nanos(begin.as_nanos() + 3_600_000_000_000);
        writeln!(expected, "{customer},{begin},{end},1").unwrap();
    }
    assert!(csv == expected.as_bytes(), "72,000 rows, as their events stand in the file");

    let mut text = Vec::new();
    let head = Head { input: &file.path, question: &question };
    print_text(head, &totals, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let hours = text.lines().filter_map(|line| line.strip_prefix("Timebucket: "));
    let hours: Vec<_> = hours.map(|hour| time(&hour.replace(" +0000", "Z"))).collect();
    assert_eq!(hours.len(), 153 * 24);
    assert!(hours.is_sorted_by(|a, b| a < b));
}
