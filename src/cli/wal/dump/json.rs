//! What stands in the log, an object each, for programs.

use serde_json::{Value, json};

use crate::log::Lsn;
use crate::log::frame::{FrameAt, FrameKind, LineFormat};
use crate::log::walk::{Batch, SegmentFile};

/// The beginning of a segment.
pub fn segment(segment: &SegmentFile) -> Value {
    let header = segment.header();
    json!({
        "kind": "segment",
        "first_lsn": header.first_lsn,
        "file": segment.path().display().to_string(),
        "log": header.log.to_string(),
        "salt": format!("{:016x}", header.salt),
        "previous_end": header.previous_end,
        "previous_crc32": format!("{:08x}", header.previous_crc),
        "opened": header.opened,
        "gap_accepted": header.gap_accepted,
    })
}

/// What `windrow wal repair` gave up.
pub fn gap(from: Lsn, to: Lsn) -> Value {
    json!({ "kind": "gap", "from_lsn": from, "to_lsn": to })
}

/// The end of what is valid.
pub fn end(at: Lsn, why: Option<&str>) -> Value {
    json!({ "kind": "end", "lsn": at, "reason": why })
}

/// A batch, without its frames.
pub fn batch(batch: &Batch) -> Value {
    let header = &batch.header;
    json!({
        "kind": "batch",
        "lsn": header.lsn,
        "bytes": header.length_bytes,
        "frames": header.frames,
        "crc32": format!("{:08x}", header.crc),
        "written": header.written,
    })
}

/// A frame; with `payload` also what it holds, in which bytes that are no UTF-8 are replaced.
pub fn frame(batch: &Batch, frame: &FrameAt, payload: bool) -> Value {
    let header = &frame.header;
    let kind = match header.kind {
        FrameKind::Lines if header.format == LineFormat::Rejected => "rejected",
        FrameKind::Lines => "lines",
        FrameKind::Schema => "schema",
        FrameKind::CloseWindow => "close_window",
        FrameKind::LostSchema => "lost_schema",
        FrameKind::Abort => "abort",
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let commit = json!({ "events": header.request_events, "rejected": header.request_rejected });
    let mut object = json!({
        "kind": "frame",
        "lsn": frame.lsn,
        "frame": kind,
        "request": header.request,
        "stream": header.stream.0,
        "schema": header.schema.0,
        "arrival": header.arrival,
        "seed": format!("{:016x}", header.seed),
        "events": header.events,
        "first_event": header.first_event,
        "first_line": header.first_line,
        "bytes": header.payload_bytes,
        "commit": header.commit.then_some(commit),
        "key": (header.key_bytes > 0).then(|| text(batch.key(frame))),
    });
    if payload {
        object["payload"] = json!(text(&batch.payload(frame)));
    }
    object
}
