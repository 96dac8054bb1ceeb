//! What a request holds and where that stands, in 128 bits.

use xxhash_rust::xxh3::Xxh3;

/// The digest of a body and of where it stands, which becomes the request's key: a repeat has the same,
/// and lines that stand twice in a file are two. XXH3 (Y. Collet), since nobody gains by making two
/// bodies alike.
#[derive(Clone)]
pub struct Digest(Xxh3);

impl Digest {
    /// Of an empty body for a stream, of lines that stand in a file from this one on.
    pub fn begin(stream: &str, file: &str, first_line: u64) -> Self {
        let mut digest = Xxh3::new();
        digest.update(stream.as_bytes());
        digest.update(&[0]);
        digest.update(file.as_bytes());
        digest.update(&[0]);
        digest.update(&first_line.to_le_bytes());
        Self(digest)
    }

    /// Goes on with the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of everything so far.
    pub fn value(&self) -> u128 {
        self.0.digest128()
    }
}
