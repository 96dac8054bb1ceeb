//! Readers against a model of what was committed, and against logs that are not whole.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::ahead::READ_AHEAD_BYTES;
use super::{AtRest, Item, ReadError, Reader, Source};
use crate::disk::{Disk, SimDisk};
use crate::log::frame::FRAME_TARGET_BYTES;
use crate::log::rig::{DIR, Rig, Upload, batches, now, numbers, options};
use crate::log::scan::LogDir;
use crate::log::segment::{SegmentHeader, segment_name};
use crate::log::{Control, Lsn, Position, UnderWay};

/// What a reader yields, for comparing. Schemas are left out: segments repeat them.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    Event(u64),
    Committed(u64),
    Closed,
    Lost(u64),
}

/// What was seen, and the position behind each part of it.
#[derive(Default, Debug)]
struct History {
    seen: Vec<Seen>,
    positions: Vec<(usize, Position)>,
}

impl History {
    /// Reads until nothing more is durable.
    fn read(&mut self, reader: &mut Reader) -> Result<(), ReadError> {
        while let Some(item) = reader.next()? {
            // L10: the last frame crosses the line, and no other one is begun behind it.
            assert!(reader.ahead.raw_bytes < READ_AHEAD_BYTES + FRAME_TARGET_BYTES);
            match item {
                Item::Rejected(_) => panic!("nobody has asked for rejected lines"),
                Item::Events(events) => {
                    self.positions.push((self.seen.len(), events.before));
                    for (row, n) in (events.from_row..).zip(numbers(&events.rows, events.from_row))
                    {
                        self.seen.push(Seen::Event(n));
                        let position = Position {
                            under_way: Some(UnderWay {
                                request: events.request,
                                commit: events.commit,
                                events: events.first_event + row as u64 + 1,
                            }),
                            ..events.before
                        };
                        self.positions.push((self.seen.len(), position));
                    }
                }
                Item::Committed(request) => {
                    self.seen.push(Seen::Committed(request.events));
                    assert_eq!(request.position, reader.position());
                }
                Item::Control { control: Control::CloseWindow(..), .. } => {
                    self.seen.push(Seen::Closed);
                }
                Item::Lost { lines, position } => {
                    self.seen.push(Seen::Lost(lines));
                    assert_eq!(position, reader.position());
                }
                Item::Control { .. } | Item::Passed { .. } => {}
            }
            self.positions.push((self.seen.len(), reader.position()));
        }
        self.positions.push((self.seen.len(), reader.position()));
        Ok(())
    }

    fn of(mut reader: Reader) -> Result<Self, ReadError> {
        let mut history = Self::default();
        history.read(&mut reader)?;
        Ok(history)
    }
}

fn events(seen: &[Seen]) -> u64 {
    seen.iter().filter(|seen| matches!(seen, Seen::Event(_))).count() as u64
}

fn start(rig: &Rig) -> Position {
    Position::at(rig.log.id(), Lsn::ZERO)
}

/// Reads from disk alone what is durable now.
fn at_rest(rig: &Rig, disk: &SimDisk, stream: &str, from: Position) -> Result<Reader, ReadError> {
    let dir = LogDir::new(Arc::new(disk.clone()), DIR);
    let head = Arc::new(AtRest { end: rig.log.durable_end() });
    Reader::new(Source::new(dir, rig.log.id(), head), rig.stream(stream), from)
}

/// Removes what trimming below `restart` would.
fn trimmed(disk: &SimDisk, restart: Lsn) -> SimDisk {
    let disk = disk.after_kill(1);
    let dir = LogDir::new(Arc::new(disk.clone()), DIR);
    let segments = dir.segments().unwrap();
    for pair in segments.windows(2) {
        if pair[1] <= restart {
            disk.remove_file(&dir.path().join(segment_name(pair[0]))).unwrap();
        }
    }
    disk
}

/// One thing that happens to a log with two streams and some uploads.
#[derive(Clone, Copy, Debug)]
enum Op {
    Write { upload: usize, events: u64 },
    Commit { upload: usize, events: u64 },
    Abort { upload: usize },
    Close { stream: usize },
    Step,
    Reopen,
}

const STREAMS: [&str; 2] = ["a", "b"];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..4_usize, 1..60_u64).prop_map(|(upload, events)| Op::Write { upload, events }),
        5 => (0..4_usize, 0..60_u64).prop_map(|(upload, events)| Op::Commit { upload, events }),
        1 => (0..4_usize).prop_map(|upload| Op::Abort { upload }),
        1 => (0..2_usize).prop_map(|stream| Op::Close { stream }),
        8 => Just(Op::Step),
        1 => Just(Op::Reopen),
    ]
}

/// The log, what is durable of each stream, and what isn't yet.
struct Model {
    rig: Rig,
    uploads: HashMap<usize, (Upload, Vec<u64>)>,
    queued: Vec<(usize, Vec<Seen>)>,
    durable: [Vec<Seen>; 2],
    next_event: u64,
    tail_bytes: usize,
}

impl Model {
    fn new(tail_bytes: usize) -> Self {
        Self {
            rig: Self::open(&SimDisk::new(1), tail_bytes),
            uploads: HashMap::new(),
            queued: Vec::new(),
            durable: [Vec::new(), Vec::new()],
            next_event: 0,
            tail_bytes,
        }
    }

    fn open(disk: &SimDisk, tail_bytes: usize) -> Rig {
        Rig::open(disk, crate::log::LogOptions { tail_bytes, ..options() }, &[])
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Write { upload, events } => {
                let first = self.take_numbers(events);
                let (mut request, mut numbers) = self.upload(upload);
                self.rig.write(&mut request, first, events);
                numbers.extend(first..first + events);
                self.uploads.insert(upload, (request, numbers));
            }
            Op::Commit { upload, events } => {
                let first = self.take_numbers(events);
                let (request, mut numbers) = self.upload(upload);
                drop(self.rig.commit(request, first, events));
                numbers.extend(first..first + events);
                let count = numbers.len() as u64;
                let mut seen: Vec<Seen> = numbers.into_iter().map(Seen::Event).collect();
                seen.push(Seen::Committed(count));
                self.queued.push((upload % 2, seen));
            }
            Op::Abort { upload } => drop(self.uploads.remove(&upload)),
            Op::Close { stream } => {
                self.rig.close_window(STREAMS[stream]);
                self.queued.push((stream, vec![Seen::Closed]));
            }
            Op::Step => {
                self.rig.step();
                for (stream, seen) in self.queued.drain(..) {
                    self.durable[stream].extend(seen);
                }
            }
            Op::Reopen => {
                self.uploads.clear();
                self.queued.clear();
                self.rig = Self::open(&self.rig.disk.after_kill(1), self.tail_bytes);
            }
        }
    }

    fn upload(&mut self, upload: usize) -> (Upload, Vec<u64>) {
        self.uploads
            .remove(&upload)
            .unwrap_or_else(|| (self.rig.begin(STREAMS[upload % 2]), Vec::new()))
    }

    fn take_numbers(&mut self, events: u64) -> u64 {
        self.next_event += events;
        self.next_event - events
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// L2, L3: what is read is what was committed, in the order of the commits, whole, and nothing
    /// else, from the tail and from disk; and from every position on it is exactly the rest, even
    /// when all that the position doesn't need is trimmed (L9).
    #[test]
    fn a_reader_yields_what_was_committed_and_goes_on_from_every_position(
        ops in prop::collection::vec(op(), 1..120),
        tail_bytes in prop_oneof![Just(0_usize), Just(20_000), Just(16 << 20)],
    ) {
        let mut model = Model::new(tail_bytes);
        for op in ops {
            model.apply(op);
        }
        model.apply(Op::Step);
        let rig = &model.rig;
        for (stream, expected) in STREAMS.iter().zip(&model.durable) {
            let history =
                History::of(rig.log.reader(rig.stream(stream), start(rig)).unwrap()).unwrap();
            prop_assert_eq!(&history.seen, expected, "with the tail");
            let from_disk =
                History::of(at_rest(rig, &rig.disk, stream, start(rig)).unwrap()).unwrap();
            prop_assert_eq!(&from_disk.seen, expected, "from disk");
            let restarts: Vec<Lsn> =
                from_disk.positions.iter().map(|(_, position)| position.restart).collect();
            prop_assert!(restarts.is_sorted(), "restart went back: {restarts:?}");
            let stride = (from_disk.positions.len() / 24).max(1);
            for (seen, position) in &from_disk.positions {
                prop_assert_eq!(position.events_applied(), events(&expected[..*seen]));
            }
            for (seen, position) in from_disk.positions.iter().step_by(stride) {
                let disk = trimmed(&rig.disk, position.restart);
                let rest = at_rest(rig, &disk, stream, *position).and_then(History::of);
                prop_assert_eq!(&rest.unwrap().seen, &expected[*seen..], "from {:?}", position);
            }
            for (seen, position) in history.positions.iter().step_by(stride) {
                let rest = rig.log.reader(rig.stream(stream), *position).and_then(History::of);
                prop_assert_eq!(&rest.unwrap().seen, &expected[*seen..], "from {:?}", position);
            }
        }
    }

    /// L3: a reader that keeps up sees the same as one that comes later, and never anything before
    /// it is durable.
    #[test]
    fn a_reader_that_keeps_up_sees_the_same(
        ops in prop::collection::vec(op(), 1..120),
        tail_bytes in prop_oneof![Just(0_usize), Just(20_000), Just(16 << 20)],
    ) {
        let mut model = Model::new(tail_bytes);
        let mut reader = model.rig.log.reader(model.rig.stream("a"), start(&model.rig)).unwrap();
        let mut history = History::default();
        for op in ops {
            model.apply(op);
            if matches!(op, Op::Reopen) {
                let position = reader.position();
                reader = model.rig.log.reader(model.rig.stream("a"), position).unwrap();
            }
            history.read(&mut reader).unwrap();
            prop_assert_eq!(&history.seen, &model.durable[0]);
            prop_assert_eq!(reader.position().events_applied(), events(&history.seen));
        }
    }
}

/// A log of several segments, with 20 events in each request of stream `a`.
fn several_segments() -> Rig {
    let mut rig = Rig::new();
    for n in 0..40 {
        rig.append("a", n * 20, 20);
    }
    assert!(rig.dir().segments().unwrap().len() >= 3);
    rig
}

/// A window may end before the first event of a request, and its record holds the position there.
#[test]
fn a_position_before_the_events_of_a_request_leads_to_its_rejected_lines() {
    let mut rig = Rig::new();
    rig.append("a", 0, 3);
    for first in [true, false] {
        let mut upload = rig.begin("a");
        if !first {
            rig.write(&mut upload, 3, 2);
        }
        rig.reject(&mut upload);
        // So the events are in another batch.
        rig.step();
        let commit = rig.commit(upload, 5, 2);
        rig.step();
        now(commit).unwrap().unwrap();
    }
    let stream = rig.stream("a");
    let whole = History::of(rig.log.reader(stream, start(&rig)).unwrap()).unwrap();
    let from_disk = History::of(at_rest(&rig, &rig.disk, "a", start(&rig)).unwrap()).unwrap();
    assert_eq!((events(&whole.seen), &whole.seen), (9, &from_disk.seen));
    for (seen, position) in whole.positions.iter().chain(&from_disk.positions) {
        let disk = trimmed(&rig.disk, position.restart);
        let rest = at_rest(&rig, &disk, "a", *position).and_then(History::of);
        assert_eq!(rest.unwrap().seen, whole.seen[*seen..], "{position:?}");
    }
}

/// L10, too: see [`History::read`].
#[test]
fn a_request_larger_than_the_tail_is_read_from_disk_in_order() {
    let mut rig = Rig::open(
        &SimDisk::new(3),
        crate::log::LogOptions { segment_bytes: 4 << 20, ..options() },
        &[],
    );
    let mut upload = rig.begin("a");
    let per_frame = 5000;
    for frame in 0..30 {
        rig.write(&mut upload, frame * per_frame, per_frame);
        rig.step();
    }
    let commit = rig.commit(upload, 30 * per_frame, 1);
    let mut reader = rig.log.reader(rig.stream("a"), start(&rig)).unwrap();
    let mut history = History::default();
    history.read(&mut reader).unwrap();
    assert_eq!(history.seen, [], "nothing is committed");
    rig.step();
    let committed = now(commit).unwrap().unwrap();
    history.read(&mut reader).unwrap();
    let events = 30 * per_frame + 1;
    let mut expected: Vec<Seen> = (0..events).map(Seen::Event).collect();
    expected.push(Seen::Committed(events));
    assert!(history.seen == expected);
    assert_eq!(reader.position().commit, committed.lsn);
}

#[test]
fn a_frame_that_changed_after_it_was_verified_is_noticed() {
    let mut rig =
        Rig::open(&SimDisk::new(3), crate::log::LogOptions { tail_bytes: 0, ..options() }, &[]);
    let mut upload = rig.begin("a");
    rig.write(&mut upload, 0, 10);
    rig.step();
    let mut reader = rig.log.reader(rig.stream("a"), start(&rig)).unwrap();
    while reader.next().unwrap().is_some() {}
    let name = segment_name(rig.dir().segments().unwrap()[0]);
    let path = std::path::Path::new(DIR).join(name);
    let bytes = rig.disk.contents(&path).unwrap();
    let needle = b"\"n\":5}";
    let offset = bytes.windows(needle.len()).position(|window| window == needle).unwrap() + 4;
    assert!(rig.disk.rot(&path, offset as u64, 1));
    drop(rig.commit(upload, 10, 1));
    rig.step();
    let error = History::of(reader).unwrap_err();
    assert!(matches!(error, ReadError::Contradiction { .. }), "{error}");
}

#[test]
fn damage_in_an_older_segment_is_told_behind_all_that_stands_before_it() {
    let rig = several_segments();
    let batch = batches(&rig.dir())[7];
    let segment = rig.dir().open_at(batch).unwrap().unwrap();
    assert!(rig.disk.rot(segment.path(), segment.offset_of(batch) + 100, 0x10));
    let mut reader = at_rest(&rig, &rig.disk, "a", start(&rig)).unwrap();
    let mut history = History::default();
    let error = history.read(&mut reader).unwrap_err();
    assert_eq!(history.seen.len(), 7 * 21, "seven requests of 20 events");
    let ReadError::Damaged { path, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((path.as_path(), *offset), (segment.path(), segment.offset_of(batch)));
    assert!(!error.is_transient());
    assert!(matches!(reader.next(), Err(ReadError::Over)));
}

#[test]
fn a_missing_segment_is_an_error_that_names_what_is_missing() {
    let rig = several_segments();
    let segments = rig.dir().segments().unwrap();
    rig.disk.remove_file(&rig.dir().path().join(segment_name(segments[1]))).unwrap();
    let error = at_rest(&rig, &rig.disk, "a", start(&rig)).and_then(History::of).unwrap_err();
    let ReadError::Missing { from, to, .. } = error else { panic!("{error}") };
    assert_eq!((from, to), (segments[1], segments[2].advanced(4096)));
}

/// Sets the flags with which `windrow wal repair` gives up what is missing before a segment.
fn accept_gap_before(rig: &Rig, first_lsn: Lsn) {
    with_header(rig, first_lsn, |header| SegmentHeader {
        gap_accepted: true,
        opened: true,
        ..header
    });
}

fn with_header(rig: &Rig, first_lsn: Lsn, other: impl Fn(SegmentHeader) -> SegmentHeader) {
    let path = rig.dir().path().join(segment_name(first_lsn));
    let mut bytes = rig.disk.contents(&path).unwrap();
    let encoded = other(SegmentHeader::decode(&bytes).unwrap()).encode();
    bytes[..encoded.len()].copy_from_slice(&encoded);
    rig.disk.install(&path, &bytes);
}

#[test]
fn a_gap_that_was_accepted_is_jumped_and_requests_cut_by_it_are_passed_over() {
    let mut rig = several_segments();
    let mut upload = rig.begin("a");
    rig.write(&mut upload, 10_000, 5);
    rig.append("a", 9_000, 1);
    let begins = *rig.dir().segments().unwrap().last().unwrap();
    for n in 40..80 {
        rig.append("a", n * 20, 20);
    }
    drop(rig.commit(upload, 10_005, 5));
    rig.step();
    rig.append("a", 20_000, 2);
    // The segment in which the upload begins goes, and with it some whole requests.
    let segments = rig.dir().segments().unwrap();
    let behind = segments[segments.partition_point(|&first| first <= begins)];
    rig.disk.remove_file(&rig.dir().path().join(segment_name(begins))).unwrap();
    accept_gap_before(&rig, behind);
    let history = at_rest(&rig, &rig.disk, "a", start(&rig)).and_then(History::of).unwrap();
    assert!(!history.seen.contains(&Seen::Event(10_005)), "half of a request was yielded (L2)");
    assert!(history.seen.ends_with(&[
        Seen::Event(79 * 20 + 19),
        Seen::Committed(20),
        Seen::Lost(10),
        Seen::Event(20_000),
        Seen::Event(20_001),
        Seen::Committed(2),
    ]));
    // And a position before the gap goes on behind it.
    let (seen, position) =
        history.positions.iter().rfind(|(_, p)| p.restart < begins).copied().unwrap();
    let rest = at_rest(&rig, &rig.disk, "a", position).and_then(History::of).unwrap();
    assert_eq!(rest.seen, history.seen[seen..]);
}

#[test]
fn a_position_of_another_log_is_refused() {
    let rig = Rig::new();
    let other = Position::at(crate::log::LogId([7; 16]), Lsn::ZERO);
    let error = rig.log.reader(rig.stream("a"), other).unwrap_err();
    assert!(matches!(error, ReadError::OtherLog { .. }), "{error}");
}

#[test]
fn a_sink_with_a_history_is_not_given_half_of_a_request() {
    let mut rig = several_segments();
    let position = {
        let mut reader = at_rest(&rig, &rig.disk, "a", start(&rig)).unwrap();
        while reader.next().unwrap().is_some() {}
        reader.position()
    };
    let mut upload = rig.begin("a");
    rig.write(&mut upload, 10_000, 5);
    rig.step();
    let too_far = Position { restart: rig.log.durable_end(), ..position };
    drop(rig.commit(upload, 10_005, 5));
    rig.step();
    let error = at_rest(&rig, &rig.disk, "a", too_far).and_then(History::of).unwrap_err();
    assert!(matches!(error, ReadError::Headless { .. }), "{error}");
    // A sink without a history that begins there is given the next whole one.
    let anywhere = Position::at(rig.log.id(), too_far.restart);
    rig.append("a", 11_000, 1);
    let history = at_rest(&rig, &rig.disk, "a", anywhere).and_then(History::of).unwrap();
    assert_eq!(history.seen, [Seen::Lost(10), Seen::Event(11_000), Seen::Committed(1)]);
}

/// In front of the oldest file there may have been more, but not where the log was opened with it.
#[test]
fn no_request_is_committed_behind_an_opening_that_began_before_it() {
    let mut rig = several_segments();
    let mut upload = rig.begin("a");
    rig.write(&mut upload, 10_000, 5);
    for n in 40..80 {
        rig.append("a", n * 20, 20);
    }
    drop(rig.commit(upload, 10_005, 5));
    rig.step();
    let oldest = *rig.dir().segments().unwrap().last().unwrap();
    let disk = trimmed(&rig.disk, oldest);
    let from = Position::at(rig.log.id(), oldest);
    let history = at_rest(&rig, &disk, "a", from).and_then(History::of).unwrap();
    assert!(!history.seen.contains(&Seen::Event(10_005)));

    let opened_with = |gap_accepted| {
        with_header(&rig, oldest, |header| SegmentHeader { opened: true, gap_accepted, ..header });
        at_rest(&rig, &trimmed(&rig.disk, oldest), "a", from).and_then(History::of)
    };
    let error = opened_with(false).unwrap_err();
    assert!(matches!(error, ReadError::Headless { .. }), "{error}");
    assert_eq!(opened_with(true).unwrap().seen, history.seen, "what was before it was given up");
}

#[test]
fn an_idle_stream_moves_on_with_the_log() {
    let rig = several_segments();
    let mut reader = at_rest(&rig, &rig.disk, "b", start(&rig)).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.position().restart, rig.log.durable_end());
    assert_eq!(reader.read_to(), rig.log.durable_end());
}

#[test]
fn lines_are_decoded_by_the_version_they_were_accepted_under() {
    let mut rig = several_segments();
    let disk = rig.disk.clone();
    rig.append("a", 5000, 1);
    drop(rig);
    let narrower = crate::stream::Schema::new(
        "at",
        [("at", "timestamp")].map(|(name, kind)| (name.to_owned(), kind.to_owned())),
    )
    .unwrap();
    let schemas = vec![("a".to_owned(), narrower)];
    let opened = crate::log::Log::open(Arc::new(disk.clone()), options(), schemas, &[]).unwrap();
    let (stream, version) = opened.log.stream("a").unwrap();
    assert_eq!(version.0, 2);
    let from = Position::at(opened.log.id(), Lsn::ZERO);
    let history = History::of(opened.log.reader(stream, from).unwrap()).unwrap();
    assert!(history.seen.contains(&Seen::Event(5000)));
}
