//! What clients sent, what they were told, and what somebody who watches the directory has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use windrow::disk::SimDisk;
use windrow::log::{AppendError, Committed, Lines, Outcome, Request};
use windrow::stream::{DecodeLimits, Decoder, FrameContext, UnknownFields};
use windrow::time::Timestamp;

use super::daemon::{Daemon, poll, ready};
use super::{Stream, schema};

/// Midnight of 1 July 2024.
const BASE_SECONDS: i64 = 1_719_792_000;

/// What a client knows about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 200: it must be there for ever.
    Acknowledged,
    /// No answer, or an error: it is there as a whole or not at all.
    Unknown,
    /// The body never came to its end: it isn't there.
    BrokenOff,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub stream: Stream,
    pub events: u64,
    pub answer: Answer,
    /// Where its end stands among the ends of all requests.
    pub order: usize,
}

type Answering = Pin<Box<dyn Future<Output = Result<Committed, AppendError>>>>;

/// All clients, and the one who watches.
#[derive(Default)]
pub struct Client {
    pub sent: Vec<Sent>,
    ends: usize,
    upload: Option<(usize, Request)>,
    waiting: Vec<(usize, Answering)>,
    /// Committed files as they were when they were first seen.
    seen: BTreeMap<PathBuf, Vec<u8>>,
}

/// A copy knows and has seen the same, but has nothing under way.
impl Clone for Client {
    fn clone(&self) -> Self {
        let (sent, seen) = (self.sent.clone(), self.seen.clone());
        Self { sent, seen, ends: self.ends, ..Self::default() }
    }
}

/// The time of an event, `seconds` after the base. A later request is a little later in the same second,
/// so that windows can begin in the second in which the one before was closed.
fn time(seconds: i64, request: usize) -> Timestamp {
    Timestamp::from_nanos((BASE_SECONDS + seconds) * 1_000_000_000 + request as i64)
}

/// Long lines come as from a body that was decoded elsewhere, so that sinks decode them themselves.
const DECODED_PAD_MAX: usize = 100;

fn lines(sender: &Request, request: usize, done: u64, seconds: &[i64], pad: usize) -> Lines {
    let is_decoded = pad <= DECODED_PAD_MAX;
    let pad = "p".repeat(pad);
    let line = |(index, seconds): (usize, &i64)| {
        let (time, id) = (time(*seconds, request), format!("{request}-{}", done + index as u64));
        format!("{{\"time\":\"{time}\",\"id\":\"{id}\",\"pad\":\"{pad}\"}}\n")
    };
    let text: String = seconds.iter().enumerate().map(line).collect();
    let payload = Bytes::from(text);
    if !is_decoded {
        return Lines::undecoded(payload, seconds.len() as u32, done + 1, done);
    }
    let decoder = Decoder::new(Arc::new(schema()), UnknownFields::Ignore, DecodeLimits::OPEN);
    let (arrival, seed) = (sender.arrival(), sender.seed());
    let context = FrameContext { arrival, seed, first_line: done + 1 };
    let rows = decoder.decode(payload.clone(), &context).unwrap();
    Lines::new(payload, Arc::new(rows), done + 1, done)
}

impl Client {
    /// Sends a request of one frame. Its answer is there once the log has settled.
    pub fn send(&mut self, daemon: &Daemon, stream: Stream, seconds: &[i64], pad: usize) {
        let (number, request) = self.begin(daemon, stream);
        self.end(daemon, number, request, seconds, pad);
    }

    /// Begins an upload with a first frame.
    pub fn begin_upload(&mut self, daemon: &Daemon, stream: Stream, seconds: &[i64], pad: usize) {
        let (number, request) = self.begin(daemon, stream);
        self.upload = Some((number, request));
        self.go_on_with_upload(daemon, seconds, pad);
    }

    /// Another frame of the upload.
    pub fn go_on_with_upload(&mut self, daemon: &Daemon, seconds: &[i64], pad: usize) {
        let Some((number, request)) = &mut self.upload else { return };
        let sent = &mut self.sent[*number];
        let lines = lines(request, *number, sent.events, seconds, pad);
        sent.events += seconds.len() as u64;
        let permit = ready(daemon.log.admit(lines.payload_bytes()));
        if permit.and_then(|permit| ready(request.write(lines, permit))).is_err() {
            self.upload = None;
        }
    }

    /// The upload's last frame.
    pub fn end_upload(&mut self, daemon: &Daemon, seconds: &[i64], pad: usize) {
        if let Some((number, request)) = self.upload.take() {
            self.end(daemon, number, request, seconds, pad);
        }
    }

    /// The connection of the upload breaks.
    pub fn break_off_upload(&mut self) {
        self.upload = None;
    }

    /// Takes the answers that have come. Requests without one don't get one any more.
    pub fn take_answers(&mut self) {
        for (number, mut answering) in self.waiting.drain(..) {
            if let Poll::Ready(Ok(committed)) = poll(&mut answering) {
                assert_eq!(committed.events, self.sent[number].events);
                self.sent[number].answer = Answer::Acknowledged;
            }
        }
    }

    /// Looks at the directory: a file that has its final name never changes again.
    pub fn watch(&mut self, disk: &SimDisk) {
        for path in disk.files() {
            if path.extension().is_some_and(|ending| ending == "csv") {
                let contents = disk.contents(&path).unwrap();
                let first = self.seen.entry(path.clone()).or_insert_with(|| contents.clone());
                assert!(*first == contents, "{} has changed since it was seen", path.display());
            }
        }
    }

    /// Committed files that were seen.
    pub fn seen(&self) -> impl Iterator<Item = &Path> {
        self.seen.keys().map(PathBuf::as_path)
    }

    /// Every file that was ever seen committed is there, and the same, but for those `removed`.
    pub fn assert_seen_files_are_there(&mut self, disk: &SimDisk, removed: &BTreeSet<PathBuf>) {
        self.watch(disk);
        for path in self.seen.keys().filter(|path| !removed.contains(*path)) {
            assert!(disk.contents(path).is_some(), "{} was committed and is gone", path.display());
        }
    }

    fn begin(&mut self, daemon: &Daemon, stream: Stream) -> (usize, Request) {
        let answer = Answer::BrokenOff;
        self.sent.push(Sent { stream, events: 0, answer, order: usize::MAX });
        (self.sent.len() - 1, daemon.log.begin(daemon.stream(stream)))
    }

    fn end(
        &mut self,
        daemon: &Daemon,
        number: usize,
        request: Request,
        seconds: &[i64],
        pad: usize,
    ) {
        let sent = &mut self.sent[number];
        let lines = lines(&request, number, sent.events, seconds, pad);
        sent.events += seconds.len() as u64;
        sent.answer = Answer::Unknown;
        sent.order = self.ends;
        self.ends += 1;
        let outcome = Outcome { events: sent.events, rejected: 0, key: None };
        let Ok(permit) = ready(daemon.log.admit(lines.payload_bytes())) else { return };
        let mut answering: Answering = Box::pin(request.commit(lines, permit, outcome));
        if let Poll::Ready(answer) = poll(&mut answering) {
            assert!(answer.is_err(), "acknowledged before anything was written");
        } else {
            self.waiting.push((number, answering));
        }
    }
}
