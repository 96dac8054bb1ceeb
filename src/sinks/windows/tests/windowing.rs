//! The examples that people read.

use std::time::Duration;

use super::harness::{History, Step, files, records, request, run, windows};
use crate::disk::SimDisk;
use crate::sinks::windows::WindowsOptions;
use crate::time::Timestamp;

fn seconds(from: &str, to: &str) -> Step {
    let nanos = |text: &str| Timestamp::parse(text).unwrap().as_nanos();
    request((nanos(from)..=nanos(to)).step_by(1_000_000_000))
}

#[test]
fn the_seed_example() {
    let script = [
        seconds("2024-07-01T02:03:04Z", "2024-07-01T02:11:05Z"),
        seconds("2024-07-01T02:12:06Z", "2024-07-01T02:15:07Z"),
    ];
    let disk = SimDisk::new(1);
    run(&disk, &WindowsOptions::default(), &History::of(&script)).unwrap();
    let names: Vec<_> = files(&disk).into_keys().collect();
    assert_eq!(
        names,
        ["s-20240701-020304.csv", "s-20240701-020804.csv", "s-20240701-021304.csv.open"]
    );
    let spans: Vec<_> = records(&disk)
        .iter()
        .map(|record| (record.window_start.to_string(), record.window_end.to_string(), record.rows))
        .collect();
    let span = |start: &str, end: &str, rows| (start.to_owned(), end.to_owned(), rows);
    assert_eq!(
        spans,
        [
            span("2024-07-01T02:03:04Z", "2024-07-01T02:08:04Z", 300),
            span("2024-07-01T02:08:04Z", "2024-07-01T02:13:04Z", 182 + 58),
        ]
    );
    assert!(disk.is_read_only(super::harness::path("s-20240701-020304.csv")));
}

#[test]
fn a_close_by_hand_ends_behind_the_last_event_and_twice_in_a_second_is_number_two() {
    let script = [request([5, 9]), Step::Close, Step::Close, request([9, 10]), Step::Close];
    let disk = SimDisk::new(1);
    run(&disk, &WindowsOptions::default(), &History::of(&script)).unwrap();
    let listed: Vec<_> = records(&disk)
        .into_iter()
        .map(|record| (record.file, record.window_end.as_nanos(), record.late))
        .collect();
    let record = |file: &str, end, late| (file.to_owned(), end, late);
    assert_eq!(
        listed,
        [
            record("s-19700101-000000.csv", 10, false),
            record("s-19700101-000000.late.csv", 10, true),
            record("s-19700101-000000-2.csv", 11, false),
        ]
    );
}

#[test]
fn without_a_header_the_first_row_is_the_first_event() {
    let options = WindowsOptions { header: false, ..WindowsOptions::default() };
    let disk = SimDisk::new(1);
    run(&disk, &options, &History::of(&[request([0])])).unwrap();
    let open = &files(&disk)["s-19700101-000000.csv.open"];
    assert_eq!(open, "1970-01-01T00:00:00Z,\"event 0, of \"\"0\"\"\"\n");
}

#[test]
fn what_is_open_is_shown() {
    let disk = SimDisk::new(1);
    let windows = windows(&disk, &WindowsOptions::default());
    let mut sink =
        crate::sinks::OpenSink::open(&windows, super::harness::start(), crate::log::Lsn::ZERO)
            .unwrap();
    let history = History::of(&[request([0, 1]), request([-1])]);
    history.replay(sink.as_mut(), 1, 100).unwrap();
    let (rows, open) = windows.live();
    assert_eq!((rows, open.len()), (3, 2));
    assert_eq!((open[0].rows, open[0].late), (2, false));
    assert_eq!((open[1].rows, open[1].late), (1, true));
    assert_eq!(open[0].file, "s-19700101-000000.csv.open");
}

#[test]
fn idleness_asks_for_a_close_of_the_newest_window() {
    let idle_close = Some(Duration::from_mins(1));
    let options = WindowsOptions { idle_close, ..WindowsOptions::default() };
    let disk = SimDisk::new(1);
    let windows = windows(&disk, &options);
    let mut sink =
        crate::sinks::OpenSink::open(&windows, super::harness::start(), crate::log::Lsn::ZERO)
            .unwrap();
    let later = std::time::Instant::now() + Duration::from_hours(1);
    assert_eq!(sink.idle_close(later), None, "nothing is open");
    History::of(&[request([0])]).replay(sink.as_mut(), 1, 1).unwrap();
    assert_eq!(sink.idle_close(std::time::Instant::now()), None, "an event has just come");
    let record = sink.idle_close(later).unwrap();
    assert_eq!(record.window.as_deref(), Some("s-19700101-000000.csv"));
}
