//! Compressed bodies: gzip (RFC 1952) and zstd (RFC 8878), decompressed piece by piece.
//!
//! A body may be several gzip members or zstd frames one behind the other, as `cat a.gz b.gz` makes
//! them: all of them are the body. A decoder that stops behind the first one would acknowledge what
//! it never read, which is why this isn't left to a middleware that does.
//!
//! Memory is bounded whatever a client sends: output goes into a buffer of the caller's, and a zstd
//! frame that asks for a window above [`ZSTD_WINDOW_LOG_MAX`] is refused.

use std::fmt;
use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer};

/// 8 MiB: what RFC 8878 recommends that every decoder takes, and RFC 9659 demands for this header.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// What a decoder for gzip holds: its window of 32 KiB and its tables.
const GZIP_BYTES: usize = 44 << 10;
/// What one for zstd holds before it knows the window, by `ZSTD_sizeof_DCtx`.
const ZSTD_BYTES: usize = 96 << 10;

/// No frame's header is longer (RFC 8878, sections 3.1.1 and 3.1.1.1).
const ZSTD_HEADER_BYTES_MAX: usize = 18;

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// From a `Content-Encoding` header. `None` for what isn't taken, lists of two included.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        if value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
            Some(Self::Identity)
        } else if value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip") {
            Some(Self::Gzip)
        } else if value.eq_ignore_ascii_case(b"zstd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// A decompressor that is fed and drained in turn.
pub(super) enum Decompressor {
    Gzip(Box<MultiGzDecoder<Fed>>),
    Zstd { decoder: DCtx<'static>, fed: Fed, frame: ZstdFrame },
}

/// A zstd frame, as far as it is read.
///
/// Whether a frame is as long as its header says, the library looks at behind its last block; but not in
/// `ZSTD_decompressStream` where that block is empty.
#[derive(Debug, Default)]
pub(super) struct ZstdFrame {
    is_open: bool,
    /// What it begins with.
    head: Vec<u8>,
    made_bytes: u64,
}

/// Input that ends for now: `WouldBlock` until it is fed again, the end only once it is told so.
#[derive(Debug, Default)]
pub(super) struct Fed {
    chunk: Bytes,
    begun: bool,
    ended: bool,
}

impl Decompressor {
    /// A decompressor for `encoding`, which must not be that of a plain body.
    pub(super) fn new(encoding: Encoding) -> io::Result<Self> {
        match encoding {
            Encoding::Identity => Err(io::ErrorKind::InvalidInput.into()),
            Encoding::Gzip => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Fed::default())))),
            Encoding::Zstd => {
                let mut decoder = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                let window_max = DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
                decoder.set_parameter(window_max).map_err(zstd_error)?;
                Ok(Self::Zstd { decoder, fed: Fed::default(), frame: ZstdFrame::default() })
            }
        }
    }

    /// What one for `encoding` holds before it has read anything, in bytes.
    pub(super) fn first_bytes(encoding: Encoding) -> usize {
        match encoding {
            Encoding::Identity => 0,
            Encoding::Gzip => GZIP_BYTES,
            Encoding::Zstd => ZSTD_BYTES,
        }
    }

    /// What it holds, in bytes. A window is counted once it is known, though hardly touched then.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Gzip(_) => GZIP_BYTES,
            Self::Zstd { decoder, .. } => decoder.sizeof(),
        }
    }

    /// Hands over the next piece of the compressed body, once [`Self::read`] has asked for it.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        let fed = self.fed();
        fed.chunk = chunk;
        fed.begun = true;
    }

    /// Says that the compressed body is complete.
    pub(super) fn end(&mut self) {
        self.fed().ended = true;
    }

    /// Decompresses into `out`: how many bytes; zero at the end. `WouldBlock` asks to be fed.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            // No member at all is no error to us, as it is none with zstd: the body is empty.
            Self::Gzip(decoder) if decoder.get_ref().ended && !decoder.get_ref().begun => Ok(0),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd { decoder, fed, frame } => read_zstd(decoder, fed, frame, out),
        }
    }

    fn fed(&mut self) -> &mut Fed {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd { fed, .. } => fed,
        }
    }
}

fn read_zstd(
    decoder: &mut DCtx<'static>,
    fed: &mut Fed,
    frame: &mut ZstdFrame,
    out: &mut [u8],
) -> io::Result<usize> {
    loop {
        // A frame that is done with all its input may still hold output back, so that an open frame
        // is asked even when nothing is left to give it.
        if fed.chunk.is_empty() && !frame.is_open {
            return if fed.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let mut input = InBuffer::around(&fed.chunk);
        let mut output = OutBuffer::around(&mut *out);
        let hint = decoder.decompress_stream(&mut output, &mut input).map_err(zstd_error)?;
        let (taken, made) = (input.pos(), output.pos());
        frame.goes_on(&fed.chunk[..taken], made, hint == 0)?;
        fed.chunk.advance(taken);
        if made > 0 {
            return Ok(made);
        }
        if taken == 0 && frame.is_open && fed.chunk.is_empty() {
            let kind =
                if fed.ended { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::WouldBlock };
            return Err(kind.into());
        }
    }
}

impl ZstdFrame {
    /// `made` bytes have come of `taken`, and with these the frame is over or not.
    fn goes_on(&mut self, taken: &[u8], made: usize, is_over: bool) -> io::Result<()> {
        self.is_open = !is_over;
        let missing = ZSTD_HEADER_BYTES_MAX - self.head.len();
        self.head.extend_from_slice(&taken[..missing.min(taken.len())]);
        self.made_bytes += made as u64;
        if !is_over {
            return Ok(());
        }
        let Self { head, made_bytes, .. } = std::mem::take(self);
        match zstd_safe::get_frame_content_size(&head) {
            Ok(Some(bytes)) if bytes != made_bytes => Err(io::Error::other(format!(
                "a frame says that it holds {bytes} bytes, and it holds {made_bytes}"
            ))),
            _ => Ok(()),
        }
    }
}

fn zstd_error(code: zstd_safe::ErrorCode) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}

impl Read for Fed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Fed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.chunk.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn compress(encoding: Encoding, text: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Identity => text.to_vec(),
            Encoding::Gzip => gzip(text),
            Encoding::Zstd => zstd::encode_all(text, 3).unwrap(),
        }
    }

    /// Feeds pieces of `piece` bytes and drains through a buffer of `out` bytes.
    fn decompress(
        encoding: Encoding,
        body: &[u8],
        piece: usize,
        out: usize,
    ) -> io::Result<Vec<u8>> {
        let mut decompressor = Decompressor::new(encoding)?;
        let mut pieces = body.chunks(piece);
        let mut all = Vec::new();
        let mut buffer = vec![0; out];
        loop {
            match decompressor.read(&mut buffer) {
                Ok(0) => return Ok(all),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match pieces.next() {
                    Some(piece) => decompressor.feed(Bytes::copy_from_slice(piece)),
                    None => decompressor.end(),
                },
                Err(error) => return Err(error),
            }
        }
    }

    proptest! {
        #[test]
        fn several_members_in_any_pieces_are_all_there(
            texts in prop::collection::vec("[a-c]{0,200}", 1..4),
            piece in 1..50_usize,
            out in 1..50_usize,
        ) {
            for encoding in [Encoding::Gzip, Encoding::Zstd] {
                let body: Vec<u8> =
                    texts.iter().flat_map(|text| compress(encoding, text.as_bytes())).collect();
                let all = decompress(encoding, &body, piece, out).unwrap();
                prop_assert_eq!(String::from_utf8(all).unwrap(), texts.concat());
            }
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_an_error() {
        let text = b"{\"a\":1}\n".repeat(40);
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let body = compress(encoding, &text);
            for cut in 1..body.len() {
                let error = decompress(encoding, &body[..cut], 7, 64).unwrap_err();
                assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{encoding} cut at {cut}");
            }
        }
    }

    #[test]
    fn garbage_behind_the_body_is_an_error() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let mut body = compress(encoding, b"{}\n");
            body.extend_from_slice(b"garbage behind it");
            assert!(decompress(encoding, &body, 1000, 64).is_err(), "{encoding}");
        }
    }

    #[test]
    fn an_empty_body_is_empty() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            assert_eq!(decompress(encoding, b"", 1, 64).unwrap(), b"", "{encoding}");
        }
    }

    /// The library finds that out where the last block isn't empty.
    #[test]
    fn a_frame_is_as_long_as_it_says() {
        for (says, is_right) in [(0, true), (46, false)] {
            // A frame in one segment, whose length is one byte, and an empty last block.
            let body = [0x28, 0xb5, 0x2f, 0xfd, 0x20, says, 1, 0, 0].repeat(2);
            for piece in [1, 5, 100] {
                let made = decompress(Encoding::Zstd, &body, piece, 64);
                assert_eq!(made.is_ok(), is_right, "{made:?}");
            }
        }
    }

    #[test]
    fn a_window_of_128_mib_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&b"{}\n".repeat(1 << 20)).unwrap();
        let body = encoder.finish().unwrap();
        assert!(decompress(Encoding::Zstd, &body, 1000, 64).is_err());
    }

    #[test]
    fn names_are_read_in_either_case() {
        assert_eq!(Encoding::from_header(b" GZip "), Some(Encoding::Gzip));
        assert_eq!(Encoding::from_header(b"identity"), Some(Encoding::Identity));
        assert_eq!(Encoding::from_header(b"br"), None);
        assert_eq!(Encoding::from_header(b"gzip, gzip"), None);
    }
}
