//! One HTTP body into one all-or-nothing request of the log.
//!
//! ```text
//!  body ─▶ BodyReader ─▶ Cutter ─▶ decode and checksum ─▶ Request::write … ─▶ Request::commit
//!          limits, stall,  whole lines,  small: here              log            waits for
//!          gzip, zstd      ~256 KiB      large: on the pool,                     the disk
//!                                        a few ahead, in order
//! ```
//!
//! The log knows one format, lines of NDJSON. Where the body is another, something stands between the
//! reader and the cutter that makes lines of it: [`Items`] of a JSON document, [`Json`] of one that
//! may be an array, [`Csv`] of records, [`CloudEvents`] of those, [`CloudEventData`] of one whose
//! attributes come apart. All of them are a [`LineSource`].
//!
//! What it promises:
//!
//! I1. All or nothing: a request of which anything fails (a bad line, a limit, the connection, the
//!     log) is dropped before its commit frame is queued, and the log aborts it.
//! I2. An answer of success is given only after [`Request::commit`](crate::log::Request::commit).
//! I3. Memory doesn't grow with the body: a frame is admitted by the log
//!     ([`Log::admit`](crate::log::Log::admit)) before its buffer is made, and at most
//!     [`pipeline::FRAMES_AHEAD`] of a request wait for being decoded. A line that is gathered before it
//!     becomes another, and is no short one, has its part of [`Intake::long_lines`].
//! I4. The bytes of NDJSON are copied once, into the frame that the log writes; other formats are
//!     written as lines first.
//! I5. The first bad line in the order of the body is the one that is reported.
//! I6. Where bad lines are kept, the others are ingested, and every line of the body is in one of the two:
//!     good lines in the request's events, bad ones in its rejected lines, byte for byte as they were
//!     sent. It is one request all the same (I1, I2).
//! I7. A request with an idempotency key carries the key and the fingerprint of the body as it was sent in
//!     its commit frame, also if it has no events; and whoever keeps the key is told what became of it,
//!     whether the client still waits or not.

mod binary_mode;
mod body;
mod cloud_events;
mod compression;
mod csv;
mod cutter;
mod decompressed;
mod delivery;
mod error;
mod feed;
mod intake;
mod items;
mod job;
mod json;
mod keyed;
mod memory;
mod pipeline;
mod recent;
mod rejects;
mod repeat;
mod rewritten;
#[cfg(test)]
mod rig;
mod sift;
mod source;

pub use binary_mode::CloudEventData;
pub use body::{BodyLimits, BodyReader};
pub use cloud_events::CloudEvents;
pub use compression::Encoding;
pub use csv::Csv;
pub use decompressed::DecompressionRoom;
pub use error::{IngestError, NotKept};
pub use intake::Intake;
pub use items::{DocumentError, Form, Items};
pub use json::Json;
pub use keyed::{Claim, Fingerprint};
pub use memory::{Held, Memory, SHORT_BYTES};
pub use pipeline::{FRAMES_AHEAD, Ingested, ingest};
pub use recent::{Recent, RecentLine};
pub use rejects::{Rejects, TOLD_MAX};
pub use repeat::{Repeat, repeat};
pub use rewritten::{Rewrite, Rewritten};
pub use source::{LineSource, Shape};
