//! Buffers that batches are read into, used again once nobody looks at them any more.
//!
//! A reader that lags moves gigabytes through memory that it needs a few megabytes of. Asking the
//! allocator for each batch anew costs a page fault for every 4 KiB, and lets the resident size
//! follow the allocator's habits instead of our bounds.

use bytes::{Bytes, BytesMut};

/// Buffers that are remembered at most, and their bytes: somewhat more than a read-ahead needs.
const KEPT_MAX: usize = 8;
const KEPT_BYTES_MAX: usize = 12 << 20;
/// Buffers are made in steps of this, so that batches of about the same size share them.
const STEP_BYTES: usize = 256 << 10;

/// Buffers that were handed out and may have come free since.
#[derive(Debug, Default)]
pub struct Buffers {
    handed_out: Vec<Bytes>,
}

impl Buffers {
    /// `len` bytes of which nobody promises what they hold, filled by `fill`, then shared.
    /// Slices of what comes back keep the buffer from being used again.
    pub fn read<E>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let mut buffer = self.take(len);
        let filled = fill(&mut buffer[..len]);
        let whole = buffer.freeze();
        let bytes = whole.slice(..len);
        self.keep(whole);
        filled.map(|()| bytes)
    }

    /// A free buffer that is long enough, but not so long that a small batch pins a large one.
    fn take(&mut self, len: usize) -> BytesMut {
        let fits = |kept: &Bytes| kept.len() >= len && kept.len() / 4 <= len && kept.is_unique();
        if let Some(index) = self.handed_out.iter().position(fits)
            && let Ok(buffer) = self.handed_out.swap_remove(index).try_into_mut()
        {
            return buffer;
        }
        BytesMut::zeroed(len.next_multiple_of(STEP_BYTES.min(len.next_power_of_two())))
    }

    fn keep(&mut self, whole: Bytes) {
        self.handed_out.push(whole);
        // The oldest go: what is still looked at after so many others will be for long.
        while self.handed_out.len() > KEPT_MAX
            || self.handed_out.iter().map(Bytes::len).sum::<usize>() > KEPT_BYTES_MAX
        {
            self.handed_out.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffers: &mut Buffers, len: usize, byte: u8) -> Bytes {
        buffers
            .read(len, |buffer| {
                buffer.fill(byte);
                Ok::<_, ()>(())
            })
            .unwrap()
    }

    #[test]
    fn a_buffer_is_used_again_once_its_slices_are_gone() {
        let mut buffers = Buffers::default();
        let first = read(&mut buffers, 300_000, 1);
        let slice = first.slice(7..9);
        let address = first.as_ptr();
        drop(first);
        let second = read(&mut buffers, 300_000, 2);
        assert_ne!(second.as_ptr(), address, "a slice of it is still alive");
        assert_eq!(&slice[..], [1, 1]);
        drop(slice);
        assert_eq!(read(&mut buffers, 290_000, 3).as_ptr(), address);
    }

    #[test]
    fn a_small_batch_does_not_pin_a_large_buffer() {
        let mut buffers = Buffers::default();
        let address = read(&mut buffers, 4 << 20, 1).as_ptr();
        let small = read(&mut buffers, 100, 2);
        assert_ne!(small.as_ptr(), address);
        assert_eq!(read(&mut buffers, 4 << 20, 3).as_ptr(), address);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut buffers = Buffers::default();
        let held: Vec<Bytes> = (0..40).map(|byte| read(&mut buffers, 64, byte)).collect();
        assert!(buffers.handed_out.len() <= KEPT_MAX);
        assert!(held.iter().zip(0..).all(|(bytes, byte)| bytes.iter().all(|&b| b == byte)));
    }
}
