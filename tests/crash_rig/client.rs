//! What clients sent, what they were told, and what somebody who watches the directory has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

use windrow::disk::SimDisk;
use windrow::log::{AppendError, Committed, Lines, Lsn, Outcome, Request};

use super::Stream;
use super::body::{Body, Frames, Line};
use super::daemon::{Daemon, poll, ready};

/// What a client knows about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 200: it must be there for ever. Its commit stands there.
    Acknowledged(Lsn),
    /// No answer, or an error: it is there as a whole or not at all.
    Unknown,
    /// The body never came to its end, or was refused: it isn't there.
    BrokenOff,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub stream: Stream,
    pub body: Body,
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
    /// Streams of which somebody has closed a window by hand.
    closed: BTreeSet<Stream>,
}

/// A copy knows and has seen the same, but has nothing under way.
impl Clone for Client {
    fn clone(&self) -> Self {
        let (sent, seen, closed) = (self.sent.clone(), self.seen.clone(), self.closed.clone());
        Self { sent, seen, closed, ends: self.ends, ..Self::default() }
    }
}

impl Sent {
    /// How many events it has.
    pub fn events(&self) -> u64 {
        self.body.events.len() as u64
    }

    /// Whether it must be there.
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Answer::Acknowledged(_))
    }
}

impl Client {
    /// Sends a request of one piece. Its answer is there once the log has settled.
    pub fn send(&mut self, daemon: &Daemon, stream: Stream, lines: &[Line], pad: usize) {
        let (number, request) = self.begin(daemon, stream);
        self.end(daemon, number, request, lines, pad);
    }

    /// Begins an upload with a first piece.
    pub fn begin_upload(&mut self, daemon: &Daemon, stream: Stream, lines: &[Line], pad: usize) {
        let (number, request) = self.begin(daemon, stream);
        self.upload = Some((number, request));
        self.go_on_with_upload(daemon, lines, pad);
    }

    /// Another piece of the upload.
    pub fn go_on_with_upload(&mut self, daemon: &Daemon, lines: &[Line], pad: usize) {
        let Some((number, mut request)) = self.upload.take() else { return };
        let good = self.write_rejected(daemon, number, &mut request, lines, pad);
        let written = good.and_then(|good| {
            let permit = ready(daemon.log.admit(good.payload_bytes())).ok()?;
            ready(request.write(good, permit)).ok()
        });
        self.upload = written.map(|()| (number, request));
    }

    /// The upload's last piece.
    pub fn end_upload(&mut self, daemon: &Daemon, lines: &[Line], pad: usize) {
        if let Some((number, request)) = self.upload.take() {
            self.end(daemon, number, request, lines, pad);
        }
    }

    /// The connection of the upload breaks.
    pub fn break_off_upload(&mut self) {
        self.upload = None;
    }

    /// A window was closed by hand.
    pub fn has_closed(&mut self, stream: Stream) {
        self.closed.insert(stream);
    }

    /// Whether windows of a stream were closed by hand.
    pub fn closes(&self, stream: Stream) -> bool {
        self.closed.contains(&stream)
    }

    /// Takes the answers that have come. Requests without one don't get one any more.
    pub fn take_answers(&mut self) {
        for (number, mut answering) in self.waiting.drain(..) {
            if let Poll::Ready(Ok(committed)) = poll(&mut answering) {
                assert_eq!(committed.events, self.sent[number].events());
                self.sent[number].answer = Answer::Acknowledged(committed.lsn);
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
        let (body, answer) = (Body::default(), Answer::BrokenOff);
        self.sent.push(Sent { stream, body, answer, order: usize::MAX });
        (self.sent.len() - 1, daemon.log.begin(daemon.stream(stream)))
    }

    fn end(
        &mut self,
        daemon: &Daemon,
        number: usize,
        mut request: Request,
        lines: &[Line],
        pad: usize,
    ) {
        let good = self.write_rejected(daemon, number, &mut request, lines, pad);
        let Some(good) = good else { return };
        let sent = &mut self.sent[number];
        sent.answer = Answer::Unknown;
        sent.order = self.ends;
        self.ends += 1;
        let rejected = sent.body.bad.len() as u64;
        let outcome = Outcome { events: sent.events(), rejected, key: None };
        let Ok(permit) = ready(daemon.log.admit(good.payload_bytes())) else { return };
        let mut answering: Answering = Box::pin(request.commit(good, permit, outcome));
        if let Poll::Ready(answer) = poll(&mut answering) {
            assert!(answer.is_err(), "acknowledged before anything was written");
        } else {
            self.waiting.push((number, answering));
        }
    }

    /// Writes the bad ones among lines. The good ones, unless the request was refused.
    fn write_rejected(
        &mut self,
        daemon: &Daemon,
        number: usize,
        request: &mut Request,
        lines: &[Line],
        pad: usize,
    ) -> Option<Lines> {
        let Sent { stream, body, .. } = &mut self.sent[number];
        let mut lines = lines.to_vec();
        lines.retain(|line| *line != Line::Bad || stream.keeps_bad_lines());
        let Frames { rejected, good } = body.add(request, number, &lines, pad);
        if !rejected.is_empty() && daemon.refuses_bad_lines(*stream) {
            return None;
        }
        for frame in rejected {
            let room = ready(daemon.log.admit_rejected(frame.payload_bytes())).ok()?;
            ready(request.write(frame, room)).ok()?;
        }
        Some(good)
    }
}
