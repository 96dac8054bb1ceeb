//! What a line means: schemas, columns, decoders, and the error that names a bad line.
//!
//! A stream is a named schema with a time column. A line arrives raw, is decoded and validated
//! here, and stays raw in the log; whoever needs its cells later decodes it again by the schema
//! version it was accepted under, and gets the same, byte for byte.

mod builtin;
mod cell;
mod cells;
pub mod cloud_events;
mod column_type;
pub mod csv;
mod json_text;
mod line_error;
mod made;
mod ndjson;
mod rows;
mod schema;
mod string_length;
pub(crate) mod word;

pub use cell::PAYLOAD_BYTES_MAX;
pub use column_type::ColumnType;
pub use line_error::{BadLine, Found, LineError};
pub use made::uuid7;
pub use ndjson::{DEPTH_MAX, DecodeLimits, Decoder, FrameContext};
pub use rows::{CellText, Rows};
pub use schema::{Column, Made, Schema, SchemaError, UnknownFields};
pub use string_length::StringLength;

use serde::{Deserialize, Serialize};

/// A stream's number in one log. Zero belongs to no stream.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StreamId(pub u32);

/// A version of a stream's schema; counts from 1.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SchemaVersion(pub u32);
