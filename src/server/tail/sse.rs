//! Server-sent events (WHATWG HTML, section 9.2), as far as a tail needs them.
//!
//! ```text
//! retry: 1000                 how soon a browser comes back
//! id: 12288-8192-9f3a01c2     where it would go on, in front of the first event
//!
//! id: 12304-8192-9f3a01c2     an event: the position behind it,
//! data: {"time":…}            and its line
//!
//! : still here                a heartbeat: a comment, and how far the tail has read
//! id: 90112-90112-9f3a01c2
//!
//! id: 90112-90112-9f3a01c2
//! event: end                  the last one
//! data: {"reason":"slow",…}
//! ```
//!
//! An `id` without `data` dispatches nothing, and is remembered all the same.

use std::io::Write as _;

use bytes::Bytes;
use serde::Serialize;

use crate::follow::{FollowPosition, Followed};
use crate::log::Lsn;
use crate::time::Timestamp;

/// How soon a browser comes back after the connection broke, milliseconds.
const RETRY_MS: u32 = 1000;

/// What stands behind `data:`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// The line as it came.
    Lines,
    /// A JSON object with the line in it, and what it doesn't say itself.
    Json,
}

/// The object of [`Form::Json`], in front of the line, which is JSON already.
#[derive(Serialize)]
struct Envelope<'a> {
    position: String,
    stream: &'a str,
    time: Timestamp,
    arrived: Timestamp,
}

/// Why a tail ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reason {
    /// The client didn't take what there was.
    Slow,
    /// The daemon is about to end.
    ShuttingDown,
    /// What comes next isn't in the log any more.
    Trimmed,
    /// The log can't be read.
    Failed,
    /// The token isn't good any more.
    Token,
}

/// The last word.
#[derive(Serialize)]
struct End<'a> {
    reason: Reason,
    detail: &'a str,
    position: String,
}

/// What was left out.
#[derive(Serialize)]
struct PassedOver {
    detail: &'static str,
    commit: String,
}

/// The beginning of a tail.
pub(super) fn begin(position: FollowPosition) -> Bytes {
    format!("retry: {RETRY_MS}\nid: {position}\n\n").into()
}

/// A sign of life.
pub(super) fn heartbeat(position: FollowPosition) -> Bytes {
    format!(": still here\nid: {position}\n\n").into()
}

/// The last event of a tail: why it ends, in one sentence, and where to go on.
pub(super) fn end(reason: Reason, detail: &str, position: FollowPosition) -> Bytes {
    let end = End { reason, detail, position: position.to_string() };
    format!("id: {position}\n{}", named("end", &end)).into()
}

/// Appends an event.
pub(super) fn event(chunk: &mut Vec<u8>, stream: &str, event: &Followed<'_>, form: Form) {
    // Writing to memory can't fail, here and below.
    let _ = write!(chunk, "id: {}\ndata: ", event.position);
    match form {
        Form::Lines => line(chunk, event.line),
        Form::Json => {
            let envelope = Envelope {
                position: event.position.to_string(),
                stream,
                time: event.time,
                arrived: event.arrival,
            };
            let _ = serde_json::to_writer(&mut *chunk, &envelope);
            // Its brace closes behind the line.
            chunk.pop();
            chunk.extend_from_slice(b",\"event\":");
            line(chunk, event.line);
            chunk.push(b'}');
        }
    }
    chunk.extend_from_slice(b"\n\n");
}

/// Appends word of a request that is left out.
pub(super) fn passed_over(chunk: &mut Vec<u8>, commit: Lsn) {
    let detail = "a request is left out: the log doesn't hold all of it any more";
    let passed_over = PassedOver { detail, commit: commit.to_string() };
    chunk.extend_from_slice(named("passed-over", &passed_over).as_bytes());
}

/// A line of JSON. A carriage return inside one is a space between its parts, and would end the line here.
fn line(chunk: &mut Vec<u8>, line: &[u8]) {
    let begin = chunk.len();
    chunk.extend_from_slice(line);
    for byte in &mut chunk[begin..] {
        if *byte == b'\r' {
            *byte = b' ';
        }
    }
}

fn named(name: &str, data: &impl Serialize) -> String {
    // Strings always encode.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str, form: Form) -> String {
        let event = Followed {
            line: text.as_bytes(),
            time: Timestamp::from_nanos(1_500_000_000),
            arrival: Timestamp::from_nanos(0),
            position: "12288-8192-9f3a01c2".parse().unwrap(),
        };
        let mut chunk = Vec::new();
        super::event(&mut chunk, "orders", &event, form);
        String::from_utf8(chunk).unwrap()
    }

    #[test]
    fn an_event_is_its_position_and_its_line() {
        assert_eq!(
            sent(r#"{"a": 1}"#, Form::Lines),
            "id: 12288-8192-9f3a01c2\ndata: {\"a\": 1}\n\n"
        );
        assert_eq!(
            sent(r#"{"a": 1}"#, Form::Json),
            "id: 12288-8192-9f3a01c2\ndata: {\"position\":\"12288-8192-9f3a01c2\",\"stream\":\"orders\",\
             \"time\":\"1970-01-01T00:00:01.5Z\",\"arrived\":\"1970-01-01T00:00:00Z\",\"event\":{\"a\": 1}}\n\n"
        );
    }

    #[test]
    fn a_line_with_a_carriage_return_inside_stays_one_line() {
        let sent = sent("{\"a\":\r1}", Form::Lines);
        assert!(sent.contains("data: {\"a\": 1}\n\n") && !sent.contains('\r'), "{sent}");
    }

    #[test]
    fn the_last_word_says_why_and_where_to_go_on() {
        let position = "12288-8192-9f3a01c2".parse().unwrap();
        assert_eq!(
            end(Reason::ShuttingDown, "windrow is shutting down", position),
            "id: 12288-8192-9f3a01c2\nevent: end\ndata: {\"reason\":\"shutting-down\",\"detail\":\"windrow is shutting down\",\
             \"position\":\"12288-8192-9f3a01c2\"}\n\n"
        );
    }
}
