//! A compressed body as it is read, and the memory that this takes.
//!
//! A decompressor's memory is what its body asks for, up to 8 MiB of window. So all of them together have a
//! bound: one begins only once there is room for it, and goes on over a window only once there is room for
//! that.
//!
//! Nobody waits for room while somebody else waits for what it has. Beginnings and windows have rooms apart, so
//! that bodies that wait for a window leave the others theirs; a window is waited for whole, with none in hand;
//! and whoever has one never waits again. So a crowd of large windows is served a few at a time, as fast as
//! these are read.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::compression::{Decompressor, Encoding};
use super::error::IngestError;
use super::memory::{Held, Memory};

/// What a decompressed body is handed on in, at most.
const PIECE_BYTES: usize = 64 << 10;
/// The first piece: most bodies are small.
const FIRST_PIECE_BYTES: usize = 4 << 10;
/// The room for decompression is this part of `limits.in_flight`.
const ROOM_PART: u64 = 2;
/// Of that room, so many eighths are for windows: of 32 MiB, two of the largest or eight of `zstd -3`.
const WINDOWS_EIGHTHS: u64 = 5;

/// Room for what all decompressors need.
#[derive(Clone, Debug)]
pub struct DecompressionRoom {
    /// For what each holds before it knows its window, and for its buffer.
    beginnings: Memory,
    windows: Memory,
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
    beginning: Held,
    window: Held,
}

impl DecompressionRoom {
    /// The room where so many bytes may be in flight.
    pub fn new(in_flight_bytes: u64) -> Self {
        let bytes = in_flight_bytes / ROOM_PART;
        let windows = bytes / 8 * WINDOWS_EIGHTHS;
        Self { beginnings: Memory::new(bytes - windows), windows: Memory::new(windows) }
    }
}

impl Decompressed {
    pub(super) fn new(encoding: Encoding, room: &DecompressionRoom) -> Self {
        Self {
            encoding,
            decompressor: None,
            buffer: vec![0; FIRST_PIECE_BYTES],
            ready: 0..0,
            bytes: 0,
            beginning: Held::none_of(&room.beginnings),
            window: Held::none_of(&room.windows),
        }
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
        let first = Decompressor::first_bytes(self.encoding);
        match &self.decompressor {
            Some(decompressor) => {
                self.window.wait_for(decompressor.held_bytes().saturating_sub(first)).await
            }
            None => self.beginning.wait_for(first + self.buffer.len()).await,
        }
    }

    /// Decompresses the next piece: how many bytes; zero at the end. `WouldBlock` asks to be fed.
    pub(super) fn read(&mut self) -> io::Result<usize> {
        if self.ready.end == self.buffer.len() && self.buffer.len() < PIECE_BYTES {
            let more = self.buffer.len() * 3;
            // It goes on with a small one as well.
            if self.beginning.try_grow(more) {
                self.buffer = vec![0; self.buffer.len() + more];
            }
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
        let room = DecompressionRoom::new(64 << 20);
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
        assert_eq!(room.windows.free_bytes(), 20 << 20);
        assert_eq!(room.beginnings.free_bytes(), 12 << 20);
    }

    #[tokio::test]
    async fn who_has_a_window_goes_on_whoever_waits() {
        let room = DecompressionRoom::new(64 << 20);
        let sent = zeros();
        let mut begun: Vec<_> = (0..10).map(|_| Decompressed::new(Encoding::Zstd, &room)).collect();
        let (able, waiting) = begun.split_at_mut(2);
        // Both have their windows, and not yet the largest of buffers.
        for state in &mut *able {
            decompress(state, &sent, 5 << 10).await.unwrap();
        }
        let mut crowd: Vec<_> =
            waiting.iter_mut().map(|state| Box::pin(decompress(state, &sent, 1 << 20))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for waits in &mut crowd {
            assert!(waits.as_mut().poll(&mut context).is_pending());
        }
        for state in able {
            let goes_on = pin!(decompress(state, &sent, 16 << 20));
            assert!(goes_on.poll(&mut context).is_ready());
        }
        drop(crowd);
        drop(begun);
        assert_eq!(room.windows.free_bytes(), 20 << 20);
    }

    #[tokio::test]
    async fn a_larger_window_is_waited_for_with_none_in_hand() {
        let room = DecompressionRoom::new(64 << 20);
        let mut small = zstd::encode_all(&*vec![b' '; 3 << 20], 3).unwrap();
        small.extend_from_slice(&zeros());
        let (growing, large) = (Bytes::from(small), zeros());
        let mut first = Decompressed::new(Encoding::Zstd, &room);
        decompress(&mut first, &growing, 1 << 20).await.unwrap();
        let mut others: Vec<_> = (0..2).map(|_| Decompressed::new(Encoding::Zstd, &room)).collect();
        let (second, third) = others.split_at_mut(1);
        decompress(&mut second[0], &large, 1 << 20).await.unwrap();
        let mut small = Held::none_of(&room.windows);
        assert!(small.try_grow(2 << 20));
        let mut context = Context::from_waker(Waker::noop());
        let mut waits = Box::pin(decompress(&mut third[0], &large, 1 << 20));
        assert!(waits.as_mut().poll(&mut context).is_pending());
        let mut grows = Box::pin(decompress(&mut first, &growing, 4 << 20));
        assert!(grows.as_mut().poll(&mut context).is_pending());
        // The first has given its window back.
        assert!(waits.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn without_room_for_a_larger_buffer_a_small_one_does() {
        let room = DecompressionRoom::new(64 << 20);
        let mut only = Decompressed::new(Encoding::Gzip, &room);
        only.make_room().await.unwrap();
        let mut others = Held::none_of(&room.beginnings);
        assert!(others.try_grow(room.beginnings.free_bytes()));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, &vec![b' '; 1 << 20]).unwrap();
        let sent = Bytes::from(encoder.finish().unwrap());
        decompress(&mut only, &sent, 1 << 19).await.unwrap();
        assert_eq!(only.buffer.len(), FIRST_PIECE_BYTES);
        drop(others);
        decompress(&mut only, &sent, 1 << 20).await.unwrap();
        assert_eq!(only.buffer.len(), PIECE_BYTES);
    }

    #[tokio::test]
    async fn a_body_that_needs_more_than_there_is_gets_all_there_is() {
        let room = DecompressionRoom::new(1 << 20);
        let mut only = Decompressed::new(Encoding::Zstd, &room);
        decompress(&mut only, &zeros(), 16 << 20).await.unwrap();
        assert_eq!(room.windows.free_bytes(), 0);
    }
}
