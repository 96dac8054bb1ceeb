//! A body as a stream of pieces, within its limits.

use std::io;
use std::time::Duration;

use blake3::Hasher;
use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout};

use super::compression::Encoding;
use super::decompressed::{Decompressed, DecompressionRoom};
use super::error::IngestError;
use super::keyed::Fingerprint;
use super::source::LineSource;

/// Bounds on one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// As it is sent: `limits.body`.
    pub sent_bytes_max: Option<u64>,
    /// Once decompressed: `limits.decompressed`.
    pub decompressed_bytes_max: Option<u64>,
    /// How long it may send nothing: `limits.stall`.
    pub stall: Duration,
    /// How long it may take as a whole: `limits.request`.
    pub whole: Option<Duration>,
}

/// Reads one body. Where that is lines, it is a [`LineSource`].
pub struct BodyReader<B> {
    body: B,
    limits: BodyLimits,
    /// When it has taken too long as a whole.
    deadline: Option<Instant>,
    sent_bytes: u64,
    finished: bool,
    /// Sums up what was sent, where the body is to be known again.
    digest: Option<Box<Hasher>>,
    source: Source,
}

/// Where the bytes that are handed on stand.
enum Source {
    /// As they came.
    Plain(Bytes),
    /// Decompressed.
    Decompressed(Box<Decompressed>),
}

impl<B> BodyReader<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    /// A reader. Fails at once when the body announces that it is too long: then a client that sent
    /// `Expect: 100-continue` never sends it. What decompressing needs is taken of `room`.
    pub fn new(
        body: B,
        encoding: Encoding,
        limits: BodyLimits,
        room: &DecompressionRoom,
    ) -> Result<Self, IngestError> {
        check(body.size_hint().lower(), limits.sent_bytes_max)?;
        let source = match encoding {
            Encoding::Identity => Source::Plain(Bytes::new()),
            Encoding::Gzip | Encoding::Zstd => {
                Source::Decompressed(Box::new(Decompressed::new(encoding, room)))
            }
        };
        let deadline = limits.whole.map(|whole| Instant::now() + whole);
        Ok(Self { body, limits, deadline, sent_bytes: 0, finished: false, digest: None, source })
    }

    /// The same reader, which takes the body's fingerprint. Nothing may have been read of it.
    #[must_use]
    pub fn fingerprinted(self) -> Self {
        Self { digest: Some(Box::default()), ..self }
    }

    /// Takes `bytes` into the body's fingerprint, if that is taken: they are as good as a part of it.
    pub(super) fn fingerprint(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
    }

    async fn decompress(&mut self) -> Result<(), IngestError> {
        loop {
            let Source::Decompressed(state) = &mut self.source else { return Ok(()) };
            state.make_room().await?;
            match state.read() {
                Ok(_) => {
                    let bytes = state.bytes;
                    // A little of a body can become a lot, and must not keep everybody else from this thread.
                    consume_budget().await;
                    return match self.limits.decompressed_bytes_max {
                        Some(bytes_max) if bytes > bytes_max => {
                            Err(IngestError::DecompressedTooLarge { bytes_max })
                        }
                        _ => Ok(()),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let sent = self.next_sent().await?;
                    let Source::Decompressed(state) = &mut self.source else { return Ok(()) };
                    state.feed(sent);
                }
                Err(error) => {
                    let reason = match error.kind() {
                        io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
                        _ => error.to_string(),
                    };
                    return Err(IngestError::Undecodable { encoding: state.encoding, reason });
                }
            }
        }
    }

    /// How long the next piece may take, and what it means if it takes longer.
    fn patience(&self) -> (Duration, IngestError) {
        let BodyLimits { stall, whole, .. } = self.limits;
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match (left, whole) {
            (Some(left), Some(whole)) if left < stall => (left, IngestError::TooSlow { whole }),
            _ => (stall, IngestError::Stalled { waited: stall }),
        }
    }

    async fn next_sent(&mut self) -> Result<Option<Bytes>, IngestError> {
        loop {
            let (wait, late) = self.patience();
            let frame = timeout(wait, self.body.frame()).await.map_err(|_| late)?;
            let Some(frame) = frame else {
                self.finished = true;
                return Ok(None);
            };
            let frame = frame.map_err(|error| IngestError::Broken { reason: error.to_string() })?;
            // Trailers say nothing that ingestion needs.
            let Ok(data) = frame.into_data() else { continue };
            self.sent_bytes += data.len() as u64;
            check(self.sent_bytes, self.limits.sent_bytes_max)?;
            if let Some(digest) = &mut self.digest {
                digest.update(&data);
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

impl<B> LineSource for BodyReader<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    async fn fill(&mut self) -> Result<&[u8], IngestError> {
        match &self.source {
            Source::Plain(chunk) if chunk.is_empty() => {
                // What is read through still holds the memory that it came in.
                self.source = Source::Plain(Bytes::new());
                let chunk = self.next_sent().await?.unwrap_or_default();
                self.source = Source::Plain(chunk);
            }
            Source::Decompressed(state) if state.ready().is_empty() => self.decompress().await?,
            _ => {}
        }
        Ok(match &self.source {
            Source::Plain(chunk) => chunk,
            Source::Decompressed(state) => state.ready(),
        })
    }

    fn consume(&mut self, count: usize) {
        match &mut self.source {
            Source::Plain(chunk) => chunk.advance(count),
            Source::Decompressed(state) => state.consume(count),
        }
    }

    /// Exact, where the body says so and isn't compressed.
    fn bytes_left(&self) -> Option<u64> {
        match &self.source {
            Source::Plain(chunk) => Some(self.body.size_hint().exact()? + chunk.len() as u64),
            Source::Decompressed(_) => None,
        }
    }

    async fn drain(&mut self) -> Result<Option<Fingerprint>, IngestError> {
        while !self.finished {
            self.next_sent().await?;
        }
        Ok(self.digest.as_ref().map(|digest| digest.finalize().into()))
    }

    fn body_bytes(&self) -> u64 {
        match &self.source {
            Source::Plain(_) => self.sent_bytes,
            Source::Decompressed(state) => state.bytes,
        }
    }

    fn is_finished(&self) -> bool {
        self.finished || self.body.is_end_stream()
    }
}

fn check(bytes: u64, bytes_max: Option<u64>) -> Result<(), IngestError> {
    match bytes_max {
        Some(bytes_max) if bytes > bytes_max => Err(IngestError::BodyTooLarge { bytes_max }),
        _ => Ok(()),
    }
}
