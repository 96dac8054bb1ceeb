//! A request's body as it leaves, piece by piece.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::file_range::{FileRange, PIECE_BYTES, Reading, Unreadable};
use super::report::Report;

/// A body on its way.
pub enum Sending {
    /// What is in memory.
    Held(Bytes),
    /// What is in a file.
    InFile {
        /// What stands in front of it.
        head: Bytes,
        /// Its lines.
        reading: Box<Reading>,
        /// What they are read into.
        buffers: Buffers,
        /// Shows how far that is: a long request takes a while.
        moving: Arc<Moving>,
    },
}

/// How much of a request without an answer stands in the progress bar: none when this is gone.
pub struct Moving {
    report: Arc<Report>,
    bytes: AtomicU64,
}

/// What pieces of a file are read into: as many as are under way at once, used again and again.
#[derive(Default)]
pub struct Buffers(Vec<Bytes>);

impl Sending {
    /// The lines of a range.
    pub fn in_file(range: &Arc<FileRange>, moving: &Arc<Moving>) -> Self {
        Self::InFile {
            head: range.head.clone(),
            reading: Box::new(Arc::clone(range).reading()),
            buffers: Buffers::default(),
            moving: Arc::clone(moving),
        }
    }

    fn bytes_left(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::InFile { head, reading, .. } => head.len() as u64 + reading.bytes_left(),
        }
    }

    fn piece(&mut self) -> Result<Bytes, Unreadable> {
        match self {
            Self::Held(bytes) => Ok(bytes.split_to(bytes.len().min(PIECE_BYTES))),
            Self::InFile { head, .. } if !head.is_empty() => Ok(std::mem::take(head)),
            // The bytes are in the page cache, where they were summed up a moment ago: a thread of its
            // own for reading them would cost more than it saves.
            Self::InFile { reading, buffers, moving, .. } => {
                let piece = buffers.fill(|buffer| reading.read(buffer))?;
                moving.on(piece.len() as u64);
                Ok(piece)
            }
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        Poll::Ready(match self.bytes_left() {
            0 => None,
            _ => Some(self.piece().map(Frame::data)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes_left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes_left())
    }
}

impl Moving {
    /// Nothing has left yet.
    pub fn new(report: &Arc<Report>) -> Arc<Self> {
        Arc::new(Self { report: Arc::clone(report), bytes: AtomicU64::new(0) })
    }

    /// What has left was in vain, or is delivered.
    pub fn back(&self) {
        self.report.moved_back(self.bytes.swap(0, Ordering::Relaxed));
    }

    fn on(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.report.moved(bytes);
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.back();
    }
}

impl Buffers {
    fn fill<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Bytes, E> {
        let free = self.0.iter().position(Bytes::is_unique).map(|at| self.0.swap_remove(at));
        let mut buffer = match free.map(Bytes::try_into_mut) {
            Some(Ok(buffer)) => buffer,
            _ => BytesMut::zeroed(PIECE_BYTES),
        };
        let length = fill(&mut buffer)?;
        let buffer = buffer.freeze();
        let piece = buffer.slice(..length);
        self.0.push(buffer);
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_its_piece_has_left() {
        let mut buffers = Buffers::default();
        let mut fill = |byte| {
            let piece = buffers.fill(|buffer| {
                buffer.fill(byte);
                Ok::<_, ()>(usize::from(byte))
            });
            piece.unwrap()
        };
        let (one, two) = (fill(1), fill(2));
        let place = one.as_ptr();
        drop(one);
        let three = fill(3);
        assert_eq!((&two[..], &three[..]), (&[2; 2][..], &[3; 3][..]));
        assert_eq!(three.as_ptr(), place);
        assert_eq!(buffers.0.len(), 2);
    }
}
