//! Newline-delimited JSON into rows.

use std::sync::Arc;

use bytes::Bytes;

use super::{LineError, Rows, Schema, UnknownFields};
use crate::time::Timestamp;

/// Bounds on one line.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// A line's longest length in bytes, without its end.
    pub line_bytes_max: usize,
    /// How deep arrays and objects may nest.
    pub depth_max: usize,
}

/// What a frame's lines lack and need: from its header.
#[derive(Clone, Copy, Debug)]
pub struct FrameContext {
    /// When the request arrived.
    pub arrival: Timestamp,
    /// The request's seed.
    pub seed: u64,
    /// The number of the payload's first line in the body, from 1.
    pub first_line: u64,
}

/// Decodes and validates the lines of one schema version.
#[derive(Debug)]
pub struct Decoder {
    schema: Arc<Schema>,
    unknown_fields: UnknownFields,
    limits: DecodeLimits,
}

impl Decoder {
    /// A decoder for `schema`.
    pub fn new(schema: Arc<Schema>, unknown_fields: UnknownFields, limits: DecodeLimits) -> Self {
        Self { schema, unknown_fields, limits }
    }

    /// Decodes whole lines. The first bad one is the error.
    pub fn decode(&self, payload: Bytes, context: &FrameContext) -> Result<Rows, LineError> {
        let _ = (payload, context, &self.schema, self.unknown_fields, self.limits);
        todo!()
    }
}
