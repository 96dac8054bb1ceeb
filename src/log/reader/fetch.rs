//! Going back for frames that were passed before their request was committed.

use bytes::Bytes;

use super::ReadError;
use super::pending::FrameRef;
use crate::log::Lsn;
use crate::log::buffers::Buffers;
use crate::log::scan::LogDir;
use crate::log::walk::SegmentFile;

/// Frames that stand close together are read at once, so much of them.
const CHUNK_BYTES: u64 = 1 << 20;
/// Other requests' frames are read along where they are no longer than this.
const HOLE_BYTES_MAX: u64 = 64 << 10;

/// Reads payloads by their places.
#[derive(Debug)]
pub(super) struct Fetch {
    dir: LogDir,
    segment: Option<SegmentFile>,
    buffers: Buffers,
    chunk: Option<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    at: Lsn,
    bytes: Bytes,
}

impl Chunk {
    fn payload(&self, frame: &FrameRef) -> Option<Bytes> {
        let start = frame.payload_at().0.checked_sub(self.at.0)?;
        let end = start + u64::from(frame.payload_bytes);
        (end <= self.bytes.len() as u64).then(|| self.bytes.slice(start as usize..end as usize))
    }
}

impl Fetch {
    pub fn new(dir: LogDir) -> Self {
        Self { dir, segment: None, buffers: Buffers::default(), chunk: None }
    }

    /// The payload of the first of `frames`, unverified; the others are those that will be asked for
    /// next, in order.
    pub fn payload(&mut self, frames: &[FrameRef]) -> Result<Bytes, ReadError> {
        let Some(first) = frames.first() else { return Ok(Bytes::new()) };
        if let Some(payload) = self.chunk.as_ref().and_then(|chunk| chunk.payload(first)) {
            return Ok(payload);
        }
        self.chunk = None;
        let segment = self.segment_of(first.batch)?;
        let at = first.payload_at();
        let mut end = first.payload_end();
        for frame in &frames[1..] {
            let fits = frame.payload_end().bytes_since(at) <= CHUNK_BYTES;
            if !fits
                || frame.payload_at().bytes_since(end) > HOLE_BYTES_MAX
                || frame.payload_end() > segment.end()
            {
                break;
            }
            end = frame.payload_end();
        }
        let bytes = segment.read_into(&mut self.buffers, at, end.bytes_since(at) as usize)?;
        let payload = bytes.slice(..first.payload_bytes as usize);
        self.chunk = Some(Chunk { at, bytes });
        Ok(payload)
    }

    /// Gives its memory back: the request is done.
    pub fn rest(&mut self) {
        self.chunk = None;
        self.buffers = Buffers::default();
    }

    fn segment_of(&mut self, lsn: Lsn) -> Result<SegmentFile, ReadError> {
        let holds =
            |segment: &SegmentFile| segment.header().first_lsn <= lsn && lsn < segment.end();
        if let Some(segment) = self.segment.as_ref().filter(|segment| holds(segment)) {
            return Ok(segment.clone());
        }
        let segment = self.dir.open_at(lsn)?.filter(holds).ok_or_else(|| ReadError::Missing {
            dir: self.dir.path().to_path_buf(),
            from: lsn,
            to: lsn.advanced(1),
        })?;
        self.segment = Some(segment.clone());
        Ok(segment)
    }
}
