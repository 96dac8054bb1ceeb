//! A compressed body as it is read, and the memory that this takes.
//!
//! A decompressor's memory is what its body asks for, up to 8 MiB of window. So all of them together have a
//! bound: one begins only once there is room for it, and goes on over a window only once there is room for
//! that.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::compression::{Decompressor, Encoding};
use super::error::IngestError;
use crate::log::AppendError;

/// What a decompressed body is handed on in, at most.
const PIECE_BYTES: usize = 64 << 10;
/// The first piece: most bodies are small.
const FIRST_PIECE_BYTES: usize = 4 << 10;
/// The room for decompression is this part of `limits.in_flight`.
const ROOM_PART: u64 = 2;
/// Room that comes free comes soon. Whoever has waited for so long is told to come again.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(5);

/// Room for what all decompressors need.
#[derive(Clone, Debug)]
pub struct DecompressionRoom {
    /// A permit for each byte.
    free: Arc<Semaphore>,
    bytes: u32,
}

/// What one decompressor has of it.
struct Held {
    room: DecompressionRoom,
    permit: Option<OwnedSemaphorePermit>,
}

/// A compressed body that is being read.
pub(super) struct Decompressed {
    pub(super) encoding: Encoding,
    /// `None` until there is room for it.
    decompressor: Option<Decompressor>,
    buffer: Vec<u8>,
    ready: Range<usize>,
    /// How many bytes it has become so far.
    pub(super) bytes: u64,
    held: Held,
}

impl DecompressionRoom {
    /// The room where so many bytes may be in flight.
    pub fn new(in_flight_bytes: u64) -> Self {
        let bytes_max = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let bytes = u32::try_from(in_flight_bytes / ROOM_PART).unwrap_or(bytes_max).min(bytes_max);
        Self { free: Arc::new(Semaphore::new(bytes as usize)), bytes }
    }
}

impl Held {
    /// Makes it so many bytes, if it is less; or all that there is, for who needs more than that.
    async fn grow_to(&mut self, bytes: usize) -> Result<(), IngestError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.room.bytes);
        let has = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) as u32;
        if bytes <= has {
            return Ok(());
        }
        let more = Arc::clone(&self.room.free).acquire_many_owned(bytes - has);
        // The semaphore is never closed.
        let Ok(Ok(more)) = timeout(ROOM_WAIT_MAX, more).await else {
            return Err(AppendError::Busy.into());
        };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

impl Decompressed {
    pub(super) fn new(encoding: Encoding, room: &DecompressionRoom) -> Self {
        let held = Held { room: room.clone(), permit: None };
        let buffer = vec![0; FIRST_PIECE_BYTES];
        Self { encoding, decompressor: None, buffer, ready: 0..0, bytes: 0, held }
    }

    /// What is decompressed and wasn't used yet.
    pub(super) fn ready(&self) -> &[u8] {
        &self.buffer[self.ready.clone()]
    }

    /// So many bytes of that are used now.
    pub(super) fn consume(&mut self, count: usize) {
        self.ready.start += count;
    }

    /// Waits for room for what decompressing needs from now on.
    pub(super) async fn make_room(&mut self) -> Result<(), IngestError> {
        let needed = match &self.decompressor {
            Some(decompressor) => decompressor.held_bytes(),
            None => Decompressor::first_bytes(self.encoding),
        };
        self.held.grow_to(needed + self.buffer.len()).await
    }

    /// Decompresses the next piece: how many bytes; zero at the end. `WouldBlock` asks to be fed.
    pub(super) fn read(&mut self) -> io::Result<usize> {
        if self.ready.end == self.buffer.len() && self.buffer.len() < PIECE_BYTES {
            self.buffer = vec![0; self.buffer.len() * 4];
        }
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new(self.encoding)?),
        };
        let count = decompressor.read(&mut self.buffer)?;
        self.ready = 0..count;
        self.bytes += count as u64;
        Ok(count)
    }

    /// Hands over the next piece of the compressed body, or says that there is none, once [`Self::read`] has
    /// asked for it.
    pub(super) fn feed(&mut self, sent: Option<Bytes>) {
        if let Some(decompressor) = &mut self.decompressor {
            match sent {
                Some(chunk) => decompressor.feed(chunk),
                None => decompressor.end(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// Zeros, in a frame that asks for a window of 8 MiB.
    fn zeros() -> Bytes {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(23).unwrap();
        encoder.include_contentsize(false).unwrap();
        io::copy(&mut io::Read::take(io::repeat(0), 32 << 20), &mut encoder).unwrap();
        encoder.finish().unwrap().into()
    }

    /// Decompresses until there is no room, for so many bytes.
    async fn decompress(
        state: &mut Decompressed,
        sent: &Bytes,
        bytes: u64,
    ) -> Result<(), IngestError> {
        while state.bytes < bytes {
            state.make_room().await?;
            match state.read() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.feed(Some(sent.clone()));
                }
                Err(error) => panic!("{error}"),
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn windows_of_all_bodies_together_have_a_bound_and_are_given_back() {
        let room = DecompressionRoom::new(40 << 20);
        let begin = || Decompressed::new(Encoding::Zstd, &room);
        let sent = zeros();
        let (mut first, mut second, mut third) = (begin(), begin(), begin());
        decompress(&mut first, &sent, 1 << 20).await.unwrap();
        decompress(&mut second, &sent, 1 << 20).await.unwrap();
        {
            let waits = pin!(decompress(&mut third, &sent, 1 << 20));
            assert!(waits.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert!(third.bytes < 1 << 20, "{}", third.bytes);
        drop(first);
        decompress(&mut third, &sent, 1 << 20).await.unwrap();
        drop((second, third));
        assert_eq!(room.free.available_permits(), 20 << 20);
    }

    #[tokio::test]
    async fn a_body_that_needs_more_than_there_is_gets_all_there_is() {
        let room = DecompressionRoom::new(1 << 20);
        let mut only = Decompressed::new(Encoding::Zstd, &room);
        decompress(&mut only, &zeros(), 16 << 20).await.unwrap();
        assert_eq!(room.free.available_permits(), 0);
    }
}
