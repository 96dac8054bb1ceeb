//! Which lines the daemon won't take, judged here: it names one for each request that it refuses.
//!
//! Lines are decoded by the code that the daemon decodes them with. Where it is stricter all the same
//! (a shorter `limits.line`, `unknown_fields = "reject"`), it names what isn't found here.

use std::sync::Arc;

use bytes::Bytes;

use super::chunks::Chunk;
use super::format::Format;
use crate::stream::{DecodeLimits, Decoder, FrameContext, LineError, Schema, UnknownFields};
use crate::time::Timestamp;

/// Judges lines of a stream.
pub struct Judge {
    decoder: Decoder,
}

impl Judge {
    /// A judge of lines of this schema.
    pub fn new(schema: &Schema) -> Self {
        let schema = Arc::new(schema.clone());
        Self { decoder: Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN) }
    }

    /// The bad lines of a chunk, by their numbers in its body, each with the reason.
    pub fn bad_lines(&self, chunk: &Chunk) -> Vec<(u64, String)> {
        match chunk.format {
            Format::Ndjson => self.bad_json(&chunk.body),
            Format::Csv { .. } => Vec::new(),
        }
    }

    fn bad_json(&self, body: &Bytes) -> Vec<(u64, String)> {
        let mut bad = Vec::new();
        let mut rest = body.clone();
        let mut context = FrameContext { arrival: Timestamp::now(), seed: 0, first_line: 1 };
        while let Err(error) = self.decoder.decode(rest.clone(), &context) {
            // The decoder stops at the first: go on behind it.
            let behind = error.line - context.first_line + 1;
            rest = rest.slice(end_of_line(&rest, behind)..);
            context.first_line = error.line + 1;
            bad.push((error.line, reason(&error)));
        }
        bad
    }
}

/// Where the line of this number ends, from 1, its line end included.
fn end_of_line(body: &[u8], number: u64) -> usize {
    let ends = memchr::memchr_iter(b'\n', body);
    ends.take(number as usize).last().map_or(body.len(), |end| end + 1)
}

/// What is wrong, without the line's number.
fn reason(error: &LineError) -> String {
    let LineError { field, expected, found, .. } = error;
    let field = field.as_ref().map(|field| format!("field `{field}`: ")).unwrap_or_default();
    format!("{field}expected {expected}, found {found}")
}
