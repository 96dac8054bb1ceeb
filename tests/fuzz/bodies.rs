//! Compressed bodies, sound, damaged and much larger than they look, in any pieces.

use std::io::{Read as _, Write as _};

use arbitrary::{Result, Unstructured};
use windrow::ingest::{Encoding, IngestError};

use crate::memory;
use crate::pieces::{Pieces, drain};
use crate::subject::Subject;

/// What decompressing takes whatever comes: gzip's state and window, and a buffer of 64 KiB. zstd's own
/// memory isn't seen; its window is bounded by 8 MiB.
const STATE_BYTES: usize = 512 << 10;
/// A body may grow past its limit by the buffer that is decompressed into.
const PIECE_BYTES: u64 = 64 << 10;

#[test]
fn bodies() {
    Subject { name: "bodies", generate, check, entropy_bytes_max: 1024, cases: 1000 }.run();
}

fn check(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let encoding = *u.choose(&[Encoding::Gzip, Encoding::Zstd])?;
    let limit = *u.choose(&[None, Some(100_u64), Some(200_000)])?;
    let pieces = Pieces::cut(body, u)?;
    let kept_max = limit.map_or(64 << 20, |limit| 2 * (limit + PIECE_BYTES) as usize);
    let bytes_max = STATE_BYTES + 4 * body.len() + kept_max;
    let (made, error) = memory::within(bytes_max, || drain(&mut pieces.reader(encoding, limit)));
    let length = made.len() as u64;
    if encoding == Encoding::Zstd && may_have_a_block_of_nothing(body) {
        return Ok(());
    }
    match (error, whole(encoding, body)) {
        (None, Some(expected)) => assert_eq!(made, expected),
        (Some(IngestError::DecompressedTooLarge { bytes_max }), expected) => {
            assert_eq!(Some(bytes_max), limit);
            assert!(length <= bytes_max, "{length} bytes were handed on");
            let is_longer = |expected: &Vec<u8>| expected.len() as u64 > bytes_max;
            assert!(expected.is_none_or(|expected| is_longer(&expected)));
        }
        (Some(IngestError::Undecodable { .. }), None) => {}
        (Some(error), Some(_)) => panic!("it can be decompressed, but: {error}"),
        (other, None) => panic!("it can't be decompressed, but: {other:?}"),
    }
    Ok(())
}

/// A compressed block of no bytes, which there isn't (RFC 8878, section 3.1.1.2.3): the library takes it piece by
/// piece, for nothing, and refuses it at once.
fn may_have_a_block_of_nothing(body: &[u8]) -> bool {
    body.windows(3).any(|header| matches!(header, [4 | 5, 0, 0]))
}

/// The whole body at once, by other ways into the same libraries; `None` if it is damaged or cut off.
fn whole(encoding: Encoding, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match encoding {
        _ if body.is_empty() => {}
        Encoding::Gzip => drop(flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out).ok()?),
        _ => {
            let mut decoder = zstd::stream::read::Decoder::new(body).ok()?;
            decoder.window_log_max(23).ok()?;
            decoder.read_to_end(&mut out).ok()?;
            // Piece by piece, the library doesn't see that a frame is not as long as it says.
            let at_once = zstd::bulk::decompress(body, out.len()).ok()?;
            assert_eq!(at_once, out);
        }
    }
    Some(out)
}

/// Frames and members of little and of much, and what is beside them.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let is_gzip = u.arbitrary()?;
    let mut body = Vec::new();
    for _ in 0..u.int_in_range(1..=3)? {
        let text: Vec<u8> = match u.int_in_range(0..=3)? {
            0 => Vec::new(),
            1 => b"{}\n".repeat(*u.choose(&[10, 1000, 100_000])?),
            _ => u.arbitrary()?,
        };
        if is_gzip {
            let mut encoder = flate2::write::GzEncoder::new(
                &mut body,
                flate2::Compression::new(u.int_in_range(0..=9)?),
            );
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap();
        } else {
            let mut encoder = zstd::Encoder::new(&mut body, u.int_in_range(1..=6)?).unwrap();
            encoder.include_checksum(u.arbitrary()?).unwrap();
            encoder.include_contentsize(u.arbitrary()?).unwrap();
            encoder.window_log(*u.choose(&[10, 17, 23, 24])?).unwrap();
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap();
        }
    }
    if u.ratio(1, 2)? {
        let at = u.int_in_range(0..=body.len())?;
        match u.int_in_range(0..=2)? {
            0 => body.truncate(at),
            1 => body.push(u.arbitrary()?),
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << u.int_in_range(0..=7)?;
                }
            }
        }
    }
    Ok(body)
}
