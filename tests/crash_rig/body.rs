//! Bodies of requests: events, lines that are none, and the frames that both travel in.

use std::sync::Arc;

use bytes::Bytes;
use windrow::log::rejected::{LineForm, RejectedLines};
use windrow::log::{Lines, Request};
use windrow::stream::{BadLine, DecodeLimits, Decoder, FrameContext, LineError, UnknownFields};
use windrow::time::Timestamp;

use super::schema;

/// Midnight of 1 July 2024.
const BASE_SECONDS: i64 = 1_719_792_000;
/// Long lines come as from a body that was decoded elsewhere, so that sinks decode them themselves.
const DECODED_PAD_MAX: usize = 100;
/// Bad lines in a frame.
const BAD_LINES_MAX: usize = 2;

/// A line of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// An event, so many seconds after midnight.
    Event(i64),
    /// One that is no event.
    Bad,
}

/// Events at these seconds.
pub fn at(seconds: impl IntoIterator<Item = i64>) -> Vec<Line> {
    seconds.into_iter().map(Line::Event).collect()
}

/// The same, with a bad line behind the first of them and behind each second one from there.
pub fn spoilt(seconds: impl IntoIterator<Item = i64>) -> Vec<Line> {
    let mut lines = at(seconds);
    for index in (0..lines.len()).step_by(2).rev() {
        lines.insert(index + 1, Line::Bad);
    }
    lines
}

/// What was written of a body.
#[derive(Clone, Default, Debug)]
pub struct Body {
    /// The times of its events.
    pub events: Vec<Timestamp>,
    /// Its bad lines, each with its number.
    pub bad: Vec<(u64, String)>,
}

/// Some lines of a body as the daemon writes them: what is bad first.
pub struct Frames {
    pub rejected: Vec<Lines>,
    pub good: Lines,
}

impl Body {
    /// Adds lines, which belong to request `number`.
    pub fn add(&mut self, sender: &Request, number: usize, lines: &[Line], pad: usize) -> Frames {
        let (first_event, first_bad) = (self.events.len(), self.bad.len());
        let first_line = (first_event + first_bad) as u64 + 1;
        let mut text = String::new();
        let filling = "p".repeat(pad);
        for (line, number_of_line) in lines.iter().zip(first_line..) {
            let id = format!("{number}-{}", self.events.len());
            match line {
                Line::Event(seconds) => {
                    let time = time(*seconds, number);
                    let event = format!(r#"{{"time":"{time}","id":"{id}","pad":"{filling}"}}"#);
                    text.push_str(&event);
                    self.events.push(time);
                }
                // A blank line in its place lets all others keep their numbers.
                Line::Bad => {
                    let raw = format!(r#"{{"time":"{number}!{}""#, self.bad.len());
                    self.bad.push((number_of_line, raw));
                }
            }
            text.push('\n');
        }
        let events = (self.events.len() - first_event) as u32;
        let mut good = Lines::undecoded(Bytes::from(text), events, first_line, first_event as u64);
        if pad <= DECODED_PAD_MAX {
            good = decoded(sender, good.payload().clone(), first_line, first_event as u64);
        }
        Frames { rejected: rejected(&self.bad[first_bad..], first_event as u64), good }
    }
}

/// A later request is a little later in the same second, so that windows can begin in the second in
/// which the one before was closed.
fn time(seconds: i64, request: usize) -> Timestamp {
    Timestamp::from_nanos((BASE_SECONDS + seconds) * 1_000_000_000 + request as i64)
}

fn decoded(sender: &Request, payload: Bytes, first_line: u64, first_event: u64) -> Lines {
    let decoder = Decoder::new(Arc::new(schema()), UnknownFields::Ignore, DecodeLimits::OPEN);
    let context = FrameContext { arrival: sender.arrival(), seed: sender.seed(), first_line };
    let rows = decoder.decode(payload.clone(), &context).unwrap();
    Lines::new(payload, Arc::new(rows), first_line, first_event)
}

fn rejected(bad: &[(u64, String)], first_event: u64) -> Vec<Lines> {
    let frame = |lines: &[(u64, String)]| {
        let mut records = RejectedLines::default();
        for (line, raw) in lines {
            let error = LineError {
                line: *line,
                reason: BadLine::NotJson,
                field: None,
                expected: "a JSON object".to_owned(),
                found: "the end of the line".to_owned(),
            };
            records.push(&error, LineForm::Line, b"", raw.as_bytes()).unwrap();
        }
        Lines::rejected(records, first_event)
    };
    bad.chunks(BAD_LINES_MAX).map(frame).collect()
}
