//! One HTTP body into one all-or-nothing request of the log.
//!
//! ```text
//!  body ─▶ BodyReader ─▶ Cutter ─▶ decode and checksum ─▶ Request::write … ─▶ Request::commit
//!          limits, stall,  whole lines,  small: here              log            waits for
//!          gzip, zstd      ~256 KiB      large: on the pool,                     the disk
//!                                        a few ahead, in order
//! ```
//!
//! Where the body is a JSON document, [`Items`] stands between the reader and the cutter, and makes
//! lines of it.
//!
//! What it promises:
//!
//! I1. All or nothing: a request of which anything fails (a bad line, a limit, the connection, the
//!     log) is dropped before its commit frame is queued, and the log aborts it.
//! I2. An answer of success is given only after [`Request::commit`](crate::log::Request::commit).
//! I3. Memory doesn't grow with the body: a frame is admitted by the log
//!     ([`Log::admit`](crate::log::Log::admit)) before its buffer is made, and at most
//!     [`pipeline::FRAMES_AHEAD`] of a request wait for being decoded.
//! I4. The body's bytes are copied once, into the frame that the log writes; the items of a JSON
//!     document ([`Items`]) twice.
//! I5. The first bad line in the order of the body is the one that is reported.

mod body;
mod compression;
mod cutter;
mod error;
mod intake;
mod items;
mod json;
mod pipeline;
#[cfg(test)]
mod rig;
mod source;

pub use body::{BodyLimits, BodyReader};
pub use compression::Encoding;
pub use error::IngestError;
pub use intake::Intake;
pub use items::{DocumentError, Form, Items};
pub use json::Json;
pub use pipeline::{FRAMES_AHEAD, Ingested, ingest};
pub use source::{LineSource, Shape};
