//! `migrations-free-wal-spec.md` can't drift: the segments that windrow writes are parsed here with
//! nothing but the numbers in that page's tables.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "spec_page/page.rs"]
mod page;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use page::{Page, Segment};
use windrow::disk::RealDisk;
use windrow::log::rejected::{LineForm, RejectedLines};
use windrow::log::{
    CloseReason, CloseRecord, Committer, Key, Lines, Log, LogOptions, Opened, Outcome, Request,
};
use windrow::stream::{BadLine, LineError, Schema, StreamId};

/// A log whose batches are made one by one.
struct Writer {
    log: Log,
    committer: Committer,
    stream: StreamId,
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Lines of `events` orders, numbered from `first` on, of a request of which `before` are written.
fn orders(first: u64, events: u64, before: u64) -> (Bytes, Lines) {
    let line = |n| format!("{{\"at\":\"2024-07-01T02:03:04Z\",\"order\":{n}}}\n");
    let text = Bytes::from((first..first + events).map(line).collect::<String>());
    (text.clone(), Lines::undecoded(text, events as u32, before + 1, before))
}

impl Writer {
    fn open(dir: &Path) -> Self {
        let options = LogOptions {
            segment_bytes: 64 << 10,
            reserve_bytes: 0,
            seal_after: Duration::MAX,
            ..LogOptions::new(dir)
        };
        let columns = [("at", "timestamp"), ("order", "i64"), ("note", "string?")];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        let schemas = vec![("orders".to_owned(), Schema::new("at", columns).unwrap())];
        let Opened { log, committer, .. } =
            Log::open(Arc::new(RealDisk), options, schemas, &[]).unwrap();
        let (stream, _) = log.stream("orders").unwrap();
        Self { log, committer, stream }
    }

    fn step(&mut self) {
        while self.committer.step() {}
    }

    fn write(&mut self, request: &mut Request, lines: Lines) {
        let permit = now(self.log.admit(lines.payload_bytes())).unwrap().unwrap();
        now(request.write(lines, permit)).unwrap().unwrap();
        self.step();
    }

    fn commit(&mut self, request: Request, lines: Lines, outcome: Outcome) {
        let permit = now(self.log.admit(lines.payload_bytes())).unwrap().unwrap();
        let mut commit = pin!(request.commit(lines, permit, outcome));
        assert!(now(commit.as_mut()).is_none());
        self.step();
        now(commit).unwrap().unwrap();
    }

    fn close_window(&mut self) {
        let record = CloseRecord { reason: CloseReason::Request, window: None };
        self.log.request_close(self.stream, &record).unwrap();
        self.step();
    }

    /// Ends with a seal.
    fn shut_down(mut self) {
        self.log.shut_down();
        self.step();
    }
}

/// The segments in a directory, by their names.
fn files(page: &Page, dir: &Path) -> Vec<(String, PathBuf)> {
    let names = std::fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = names
        .filter(|name| page.lsn_of(name).is_some())
        .map(|name| (name.clone(), dir.join(name)))
        .collect();
    files.sort();
    files
}

fn segments(page: &Page, dir: &Path) -> Vec<Segment> {
    let read = |(name, path): (String, PathBuf)| page.segment(&name, &std::fs::read(path).unwrap());
    files(page, dir).into_iter().map(read).collect()
}

/// Writes the segment of the worked example.
fn write_the_example(dir: &Path) {
    let mut writer = Writer::open(dir);
    let request = writer.log.begin(writer.stream);
    let key = Key::new(Bytes::from_static(b"order-17"), std::array::from_fn(|byte| byte as u8));
    writer.commit(request, orders(17, 2, 0).1, Outcome { events: 2, rejected: 0, key });
    let mut request = writer.log.begin(writer.stream);
    writer.write(&mut request, orders(19, 2, 0).1);
    writer.close_window();
    writer.commit(request, orders(21, 1, 2).1, Outcome { events: 3, ..Outcome::default() });
    writer.shut_down();
}

/// What must be in it, whoever wrote it.
fn check_the_example(page: &Page, segment: &Segment) {
    let kind = |name| page.value("Frame kinds", name);
    let frames: Vec<Vec<(u64, u64)>> = segment
        .batches
        .iter()
        .map(|batch| {
            let frames = batch.frames.iter();
            frames.map(|frame| (frame.header.int("kind"), frame.header.int("flags"))).collect()
        })
        .collect();
    let first = 1 << page.value("Frame flags", "first");
    let commit = 1 << page.value("Frame flags", "commit");
    let expected = [
        vec![(kind("schema"), 0), (kind("lines"), first | commit)],
        vec![(kind("lines"), first)],
        vec![(kind("close window"), first | commit)],
        vec![(kind("lines"), commit)],
        vec![],
    ];
    assert_eq!(frames, expected);
    let history = page.history(std::slice::from_ref(segment), 1);
    let payload = |first, events| orders(first, events, 0).0.to_vec();
    assert_eq!(history, [vec![payload(17, 2)], vec![payload(19, 2), payload(21, 1)]]);
    let with_key = &segment.batches[0].frames[1];
    assert_eq!(with_key.key, b"order-17");
    assert!(with_key.header.bytes("fingerprint").iter().copied().eq(0..32));
    let schema: serde_json::Value =
        serde_json::from_slice(&segment.batches[0].frames[0].payload).unwrap();
    assert_eq!(schema["name"], "orders");
    assert_eq!(schema["schema"]["columns"][2]["optional"], true);
    let close: serde_json::Value =
        serde_json::from_slice(&segment.batches[2].frames[0].payload).unwrap();
    assert_eq!(close["reason"], "request");
    assert!(page.has("Segment flags", segment.header.int("flags"), "opened"));
    assert!(!page.has("Segment flags", segment.header.int("flags"), "gap accepted"));
}

#[test]
fn the_checksum_is_the_one_that_the_page_defines() {
    let page = Page::read();
    assert_eq!(u64::from(page.crc([&b"12345"[..], b"6789"])), page.number("CRC_CHECK"));
}

#[test]
fn a_real_segment_is_what_the_page_says() {
    let (page, dir) = (Page::read(), tempfile::tempdir().unwrap());
    write_the_example(dir.path());
    let segments = segments(&page, dir.path());
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0].len, page.number("EXAMPLE_BYTES"));
    check_the_example(&page, &segments[0]);
}

#[test]
fn the_worked_example_is_what_the_page_says() {
    let page = Page::read();
    let (name, file) = (page.constant("EXAMPLE_FILE"), page.example_bytes());
    check_the_example(&page, &page.segment(name, &file));
    assert_eq!(page.annotated(name, &file), page.example(), "an annotation is wrong");
}

#[test]
fn a_log_of_several_segments_reads_as_the_page_says() {
    let (page, dir) = (Page::read(), tempfile::tempdir().unwrap());
    let mut expected = Vec::new();
    let mut n = 0;
    for _opening in 0..3 {
        let mut writer = Writer::open(dir.path());
        let mut never = writer.log.begin(writer.stream);
        writer.write(&mut never, orders(900_000, 3, 0).1);
        for round in 0..8 {
            let mut long = writer.log.begin(writer.stream);
            let (begin, lines) = orders(n, 40, 0);
            writer.write(&mut long, lines);
            let mut aborted = writer.log.begin(writer.stream);
            writer.write(&mut aborted, orders(800_000, 1, 0).1);
            let request = writer.log.begin(writer.stream);
            let (whole, lines) = orders(n + 100, round, 0);
            writer.commit(request, lines, Outcome { events: round, ..Outcome::default() });
            drop(aborted);
            let (rest, lines) = orders(n + 40, 5, 40);
            writer.commit(long, lines, Outcome { events: 45, ..Outcome::default() });
            expected.push(vec![whole.to_vec()]);
            expected.push(vec![begin.to_vec(), rest.to_vec()]);
            n += 1000;
        }
        // As a crash would leave it: the request that never ends has no abort frame.
        let Writer { log, committer, .. } = writer;
        drop((committer, log, never));
    }
    let segments = segments(&page, dir.path());
    assert!(segments.len() >= 6, "three openings, and segments that were filled");
    assert_eq!(page.history(&segments, 1), expected);
}

#[test]
fn rejected_lines_stand_beside_the_events_as_the_page_says() {
    let (page, dir) = (Page::read(), tempfile::tempdir().unwrap());
    let mut writer = Writer::open(dir.path());
    let mut request = writer.log.begin(writer.stream);
    let mut rejected = RejectedLines::default();
    let bad = [
        (2, BadLine::NotUtf8, None, LineForm::Line, &b""[..], &b"\xff\r"[..]),
        (4, BadLine::BadValue, Some("order"), LineForm::Csv, b"at,order", b"2024-07-01,x"),
        (5, BadLine::Missing, Some("at"), LineForm::CloudEvent, b"", b"{}"),
    ];
    for (line, reason, field, form, header, raw) in bad {
        let field = field.map(str::to_owned);
        let (expected, found) = ("this".to_owned(), "that".to_owned());
        let error = LineError { line, reason, field, expected, found };
        rejected.push(&error, form, header, raw).unwrap();
    }
    writer.write(&mut request, Lines::rejected(rejected, 0));
    let outcome = Outcome { events: 2, rejected: 3, key: None };
    writer.commit(request, orders(1, 2, 0).1, outcome);
    let segments = segments(&page, dir.path());
    let frames: Vec<_> = segments[0].batches.iter().flat_map(|batch| &batch.frames).collect();
    let [_schema, rejected, events] = frames[..] else { panic!("{frames:?}") };
    assert_eq!(rejected.header.int("format"), page.value("Line formats", "rejected"));
    assert_eq!(events.header.int("format"), page.value("Line formats", "ndjson"));
    assert_eq!((rejected.header.int("events"), rejected.header.int("first line")), (0, 2));
    assert_eq!(events.header.int("request rejected"), 3);
    let faults = ["not_utf8", "bad_value", "missing"].map(|name| page.value("Faults", name));
    let forms = ["line", "csv", "cloud_event"].map(|name| page.value("Line forms", name));
    let read = page.rejected(&rejected.payload);
    assert_eq!(read.len(), 3);
    for (index, ((fields, texts), (line, _, field, _, header, raw))) in
        read.iter().zip(bad).enumerate()
    {
        let numbers = (fields.int("line"), fields.int("fault"), fields.int("form"));
        assert_eq!(numbers, (line, faults[index], forms[index]));
        let field = field.unwrap_or_default().as_bytes();
        assert_eq!(
            texts.each_ref().map(Vec::as_slice),
            [field, b"expected this, found that", header, raw]
        );
    }
    assert_eq!(page.history(&segments, 1).len(), 1);
}

#[test]
fn what_is_unreadable_ends_the_walk_and_is_damage_if_something_valid_stands_behind_it() {
    let (page, dir) = (Page::read(), tempfile::tempdir().unwrap());
    write_the_example(dir.path());
    let (name, path) = files(&page, dir.path()).remove(0);
    let whole = std::fs::read(path).unwrap();
    let segment = page.segment(&name, &whole);
    let last = segment.batches.len() - 1;
    for (index, batch) in segment.batches.iter().enumerate() {
        let start = batch.header.int("lsn") as usize;
        for byte in start..start + batch.header.int("length") as usize {
            let mut torn = whole.clone();
            torn[byte] ^= 0x40;
            let cut = page.segment(&name, &torn);
            assert_eq!(cut.batches, segment.batches[..index], "byte {byte}");
            assert_eq!(cut.end, start as u64);
            let align = page.number("BATCH_ALIGN_BYTES") as usize;
            let mut behind = (start..torn.len()).step_by(align);
            let found = behind.find_map(|offset| page.batch(&torn, offset, &segment.header));
            assert_eq!(found.is_some(), index < last, "byte {byte}");
        }
    }
}

/// Prints the worked example for the page.
#[test]
#[ignore = "it makes a part of the page"]
#[allow(clippy::print_stdout)]
fn print_the_example() {
    let (page, dir) = (Page::read(), tempfile::tempdir().unwrap());
    write_the_example(dir.path());
    let (name, path) = files(&page, dir.path()).remove(0);
    println!("```hexdump\n{}```", page.annotated(&name, &std::fs::read(path).unwrap()));
}
