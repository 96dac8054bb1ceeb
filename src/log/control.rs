//! Control frames: what changes an output besides lines.

use serde::{Deserialize, Serialize};

use super::frame::{FrameHeader, FrameKind};
use crate::stream::{Schema, SchemaVersion, StreamId};
use crate::time::Timestamp;

/// A version of a stream's schema. The payload of a schema frame is this as JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SchemaRecord {
    /// The stream's number in this log.
    pub stream: StreamId,
    /// The stream's name.
    pub name: String,
    /// Counts from 1 for each stream.
    pub version: SchemaVersion,
    /// The schema.
    pub schema: Schema,
}

/// A version of a stream whose schema `windrow wal repair` couldn't save: lines under it can't be read by
/// anybody, and are passed over. A frame that says so has no payload; its header names the two.
///
/// It also reserves both: no stream that is new gets such a number or a lower one, and no stream a version
/// that isn't higher. What is lost can't be mistaken for what comes, in the log or in anybody's checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LostSchema {
    /// The stream's number.
    pub stream: StreamId,
    /// The version.
    pub version: SchemaVersion,
}

impl LostSchema {
    /// What a frame with this header says.
    pub fn of(header: &FrameHeader) -> Self {
        Self { stream: header.stream, version: header.schema }
    }

    /// The header of the frame that says so.
    pub(super) fn header(self, arrival: Timestamp) -> FrameHeader {
        let new = FrameHeader::new(FrameKind::LostSchema, self.stream, arrival);
        FrameHeader { schema: self.version, ..new }
    }
}

/// Ends a stream's open window behind its last event. The payload of a close frame is this as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CloseRecord {
    /// Who asked for it.
    pub reason: CloseReason,
    /// The file name of the window that was meant; a window that has ended since is left alone.
    /// `None` closes whatever is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
}

/// Who ended a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// A person or a program, over HTTP.
    Request,
    /// `idle_close` passed without an event.
    Idle,
}

/// A control frame, decoded.
#[derive(Clone, PartialEq, Debug)]
pub enum Control {
    /// The stream's lines are under this version from here on. Every segment repeats the versions
    /// in force, so a sink sees most of them many times.
    Schema(SchemaRecord),
    /// Close the window.
    CloseWindow(StreamId, CloseRecord),
}
