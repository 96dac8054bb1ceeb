//! A stream as requests are ingested into it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::IngestError;
use super::memory::Memory;
use super::recent::Recent;
use crate::log::frame::FRAME_TARGET_BYTES;
use crate::metrics::StreamMetrics;
use crate::quarantine::Room;
use crate::stream::{DecodeLimits, Decoder, LineError, Rows, Schema, StreamId};

/// Cells of one frame, about: 8 bytes each once decoded.
const FRAME_CELLS_MAX: usize = 128 << 10;
/// No stream has shorter frames.
const FRAME_BYTES_MIN: usize = 1 << 10;
/// Names of unknown fields that are remembered as said: they come from clients.
const UNKNOWN_NAMES_MAX: usize = 100;

/// What may be in flight of a stream that shares no memory with others.
const IN_FLIGHT_BYTES: u64 = 64 << 20;

/// A stream as requests are ingested into it.
#[derive(Debug)]
pub struct Intake {
    /// The stream's name.
    pub name: String,
    /// Its number in the log.
    pub id: StreamId,
    /// Decodes its lines, by the schema that is configured now.
    pub decoder: Decoder,
    /// The bounds that it decodes within.
    pub limits: DecodeLimits,
    /// Its metrics.
    pub metrics: StreamMetrics,
    /// Where its bad lines are kept; without one, they have their request refused.
    pub quarantine: Option<Arc<Room>>,
    /// The last of its bad lines.
    pub recent: Recent,
    /// For lines that are gathered before they become others.
    pub long_lines: Memory,
    /// A frame is cut here.
    frame_bytes: usize,
    unknown_names: Mutex<BTreeSet<String>>,
}

impl Intake {
    /// Takes requests for the stream `name`, which has the number `id` in the log.
    pub fn new(
        name: String,
        id: StreamId,
        decoder: Decoder,
        limits: DecodeLimits,
        metrics: StreamMetrics,
    ) -> Self {
        let frame_bytes = frame_bytes(decoder.schema());
        let unknown_names = Mutex::default();
        Self {
            name,
            id,
            decoder,
            limits,
            metrics,
            quarantine: None,
            recent: Recent::default(),
            long_lines: Memory::for_long_lines(IN_FLIGHT_BYTES),
            frame_bytes,
            unknown_names,
        }
    }

    /// The same, with memory for long lines that it shares with others.
    #[must_use]
    pub fn gathering_in(self, long_lines: Memory) -> Self {
        Self { long_lines, ..self }
    }

    /// The same, with bad lines kept where `room` has room for them.
    #[must_use]
    pub fn keeping_in(self, room: Option<Arc<Room>>) -> Self {
        Self { quarantine: room, ..self }
    }

    /// The length at which a frame of the stream's lines is cut, in bytes.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// What is wrong with a line of `payload`, whose first one has the number `first_line`.
    pub(super) fn line_error(
        &self,
        error: LineError,
        payload: &[u8],
        first_line: u64,
    ) -> IngestError {
        let index = error.line.saturating_sub(first_line) as usize;
        let line = payload.split(|byte| *byte == b'\n').nth(index).unwrap_or_default();
        let bytes_max = self.limits.line_bytes_max;
        if line.strip_suffix(b"\r").unwrap_or(line).len() > bytes_max {
            IngestError::LineTooLong { line: error.line, bytes_max }
        } else {
            IngestError::Line(error)
        }
    }

    /// Counts fields that no column has, and names each of them once in the log.
    pub(super) fn note_unknown_fields(&self, rows: &Rows) {
        if rows.unknown_fields() == 0 {
            return;
        }
        self.metrics.unknown_fields.inc_by(rows.unknown_fields());
        let mut said = self.unknown_names.lock().unwrap_or_else(PoisonError::into_inner);
        for name in rows.unknown_names() {
            if said.len() < UNKNOWN_NAMES_MAX && said.insert(name.clone()) {
                tracing::warn!(
                    stream = self.name,
                    field = name,
                    "the stream has no such field: it is ignored and counted in \
                     windrow_unknown_fields_total"
                );
            }
        }
    }
}

/// Frames are shorter for schemas with many optional columns: lines could be so short that a full
/// frame of them would take hundreds of megabytes decoded.
fn frame_bytes(schema: &Schema) -> usize {
    let required = schema.columns().iter().filter(|column| column.is_required());
    // `"name":1,` and the braces.
    let line_bytes_min = 2 + required.map(|column| column.name.len() + 5).sum::<usize>();
    (FRAME_CELLS_MAX * line_bytes_min / schema.columns().len().max(1))
        .clamp(FRAME_BYTES_MIN, FRAME_TARGET_BYTES)
}
