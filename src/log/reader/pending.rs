//! Requests whose commit a reader hasn't seen yet.
//!
//! A request may be larger than memory and take an hour to arrive, and it may never be committed. So
//! its frames are held as places in the log, some 40 bytes for a quarter of a megabyte of lines, and
//! read again when their turn comes. They were verified as part of their batch when the reader
//! passed them; the checksum of the payload alone, taken then, verifies them when they are read
//! without their batch.

use std::collections::{BTreeSet, HashMap};

use crate::log::frame::FrameHeader;
use crate::log::{Lsn, RequestId};
use crate::stream::SchemaVersion;
use crate::time::Timestamp;

/// Where the lines of one frame are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FrameRef {
    /// The batch it is in: what must stay in the log as long as the frame is needed.
    pub batch: Lsn,
    /// Address of the frame, relative to the batch.
    pub frame_offset: u32,
    /// Address of the payload, relative to the batch.
    pub payload_offset: u32,
    pub payload_bytes: u32,
    pub payload_crc: u32,
    pub events: u32,
    pub first_line: u64,
    pub first_event: u64,
}

/// A request without its commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PendingRequest {
    pub schema: SchemaVersion,
    pub arrival: Timestamp,
    pub seed: u64,
    /// Those that will be read again.
    pub frames: Vec<FrameRef>,
    /// Events in its frames.
    pub events: u64,
    /// The batch with which it begins.
    pub begin: Lsn,
    /// Its first frames stand before where reading began, and are not among `frames`.
    headless: bool,
}

/// All requests of one stream that have begun and are neither committed nor aborted.
#[derive(Debug, Default)]
pub(super) struct Pending {
    requests: HashMap<RequestId, PendingRequest>,
    /// The same requests by where they begin.
    by_begin: BTreeSet<(Lsn, RequestId)>,
}

/// Why a frame doesn't continue its request.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OutOfOrder {
    /// The frames that came before it weren't seen.
    #[error("its request begins before it, and no frame of it was seen")]
    NotBegun,
    /// Some of them weren't.
    #[error("it begins with event {found} of its request, behind event {expected}")]
    Hole {
        /// Events seen so far.
        expected: u64,
        /// What its header says.
        found: u64,
    },
}

impl FrameRef {
    /// The address of the frame.
    pub fn lsn(&self) -> Lsn {
        self.batch.advanced(self.frame_offset.into())
    }

    /// The address of its payload.
    pub fn payload_at(&self) -> Lsn {
        self.batch.advanced(self.payload_offset.into())
    }

    /// The address behind its payload.
    pub fn payload_end(&self) -> Lsn {
        self.payload_at().advanced(self.payload_bytes.into())
    }
}

impl Pending {
    /// Adds a frame without a commit flag; its place only if it `is_wanted` later.
    pub fn add(
        &mut self,
        header: &FrameHeader,
        frame: FrameRef,
        is_wanted: bool,
    ) -> Result<(), OutOfOrder> {
        if header.first {
            self.begin(header, frame.batch, false);
        }
        let request = self.requests.get_mut(&header.request).ok_or(OutOfOrder::NotBegun)?;
        if request.headless {
            return Ok(());
        }
        if request.events != frame.first_event {
            return Err(OutOfOrder::Hole { expected: request.events, found: frame.first_event });
        }
        request.events += u64::from(frame.events);
        if is_wanted {
            request.frames.push(frame);
        }
        Ok(())
    }

    /// Holds a request whose first frames can't be read any more, so that a position made meanwhile
    /// leads back to `begin`, where reading began, and finds the same.
    pub fn add_headless(&mut self, header: &FrameHeader, begin: Lsn) {
        self.begin(header, begin, true);
    }

    fn begin(&mut self, header: &FrameHeader, begin: Lsn, headless: bool) {
        let request = PendingRequest {
            schema: header.schema,
            arrival: header.arrival,
            seed: header.seed,
            frames: Vec::new(),
            events: 0,
            begin,
            headless,
        };
        self.by_begin.insert((begin, header.request));
        self.requests.insert(header.request, request);
    }

    /// Takes a request out: it is committed or aborted.
    pub fn take(&mut self, id: RequestId) -> Option<PendingRequest> {
        let request = self.requests.remove(&id)?;
        self.by_begin.remove(&(request.begin, id));
        Some(request)
    }

    /// Drops all of them: the log was opened again, and none of them was committed.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.by_begin.clear();
    }

    /// The batch with which the oldest of them begins.
    pub fn oldest(&self) -> Option<Lsn> {
        self.by_begin.first().map(|&(batch, _)| batch)
    }
}

impl PendingRequest {
    /// Whether its frames hold all its events but those of a commit frame that begins with event
    /// `first_event`.
    pub fn is_whole_up_to(&self, first_event: u64) -> bool {
        !self.headless && self.events == first_event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::frame::{FrameKind, LineFormat};
    use crate::stream::StreamId;

    fn header(request: u64, first: bool) -> FrameHeader {
        FrameHeader {
            payload_bytes: 10,
            kind: FrameKind::Lines,
            first,
            commit: false,
            format: LineFormat::Ndjson,
            key_bytes: 0,
            stream: StreamId(1),
            schema: SchemaVersion(1),
            request: RequestId(request),
            arrival: Timestamp::from_nanos(7),
            seed: 8,
            first_line: 1,
            first_event: 0,
            events: 2,
            request_events: 0,
            request_rejected: 0,
            fingerprint: [0; 32],
        }
    }

    fn frame(batch: u64, first_event: u64) -> FrameRef {
        FrameRef {
            batch: Lsn(batch),
            frame_offset: 48,
            payload_offset: 160,
            payload_bytes: 10,
            payload_crc: 0,
            events: 2,
            first_line: first_event + 1,
            first_event,
        }
    }

    #[test]
    fn the_oldest_is_that_of_the_requests_still_pending() {
        let mut pending = Pending::default();
        // Request 2 has the larger number but begins first.
        pending.add(&header(2, true), frame(4096, 0), true).unwrap();
        pending.add(&header(1, true), frame(8192, 0), true).unwrap();
        pending.add(&header(2, false), frame(12288, 2), true).unwrap();
        assert_eq!(pending.oldest(), Some(Lsn(4096)));
        assert_eq!(pending.take(RequestId(2)).unwrap().frames.len(), 2);
        assert_eq!(pending.oldest(), Some(Lsn(8192)));
        assert_eq!(pending.take(RequestId(2)), None);
        pending.clear();
        assert_eq!(pending.oldest(), None);
    }

    #[test]
    fn a_frame_that_does_not_continue_its_request_is_refused() {
        let mut pending = Pending::default();
        assert_eq!(
            pending.add(&header(1, false), frame(4096, 2), true),
            Err(OutOfOrder::NotBegun),
            "its first frame was never seen"
        );
        pending.add(&header(1, true), frame(8192, 0), true).unwrap();
        assert_eq!(
            pending.add(&header(1, false), frame(12288, 4), true),
            Err(OutOfOrder::Hole { expected: 2, found: 4 })
        );
    }

    #[test]
    fn a_request_without_its_beginning_is_never_whole() {
        let mut pending = Pending::default();
        pending.add_headless(&header(1, false), Lsn(4096));
        pending.add(&header(1, false), frame(12288, 4), true).unwrap();
        assert_eq!(
            pending.oldest(),
            Some(Lsn(4096)),
            "a position leads back to where reading began"
        );
        let request = pending.take(RequestId(1)).unwrap();
        assert!((0..10).all(|first_event| !request.is_whole_up_to(first_event)));
        assert_eq!(pending.oldest(), None);
    }

    #[test]
    fn a_reference_is_small() {
        // 4 GiB in frames of 256 KiB are 16,384 references: well below a megabyte.
        assert!(size_of::<FrameRef>() <= 48);
    }
}
