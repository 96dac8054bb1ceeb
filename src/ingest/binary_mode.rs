//! A `CloudEvent` in the binary mode of HTTP
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>, section
//! 3.1) as the same event in structured mode: its attributes were headers, and the body is its data.

use std::fmt::Display;
use std::ops::Range;

use bytes::Bytes;
use http_body::Body;

use super::body::BodyReader;
use super::cloud_events::Renamed;
use super::error::IngestError;
use super::intake::Intake;
use super::items::{Form, Items};
use super::keyed::Fingerprint;
use super::memory::{Held, SHORT_BYTES};
use super::rewritten::Rewritten;
use super::source::{LineSource, Shape};
use crate::stream::cloud_events::{self, Attributes};

/// Reads a body that is a `CloudEvent`'s data.
pub type CloudEventData<B> = Rewritten<Structured<B>, Renamed>;

/// The one event in structured mode, as a line.
pub struct Structured<B> {
    data: Items<B>,
    line: Vec<u8>,
    ready: Range<usize>,
    /// Where the data begins in the line: behind the attributes, and behind the data's own name.
    data_begin: usize,
    line_bytes_max: usize,
    /// Memory for a long line, and for what becomes of it.
    held: Held,
    is_made: bool,
}

impl<B> CloudEventData<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    /// The event of these attributes whose data `body` is, for a stream. An empty body is none.
    pub fn of(mut body: BodyReader<B>, attributes: &Attributes, intake: &Intake) -> Self {
        let line_bytes_max = intake.limits.line_bytes_max;
        // The same data under other attributes is another event.
        body.fingerprint(attributes.json());
        let event = Structured::new(body, attributes, intake);
        Self::new(event, Renamed, line_bytes_max, &intake.long_lines)
    }
}

impl<B> Structured<B> {
    fn new(body: BodyReader<B>, attributes: &Attributes, intake: &Intake) -> Self {
        let line = [b"{", attributes.json(), b",\"data\":"].concat();
        let data_begin = line.len();
        let data = Items::new(body, Form::Data);
        let line_bytes_max = intake.limits.line_bytes_max;
        let held = Held::none_of(&intake.long_lines);
        Self { data, line, ready: 0..0, data_begin, line_bytes_max, held, is_made: false }
    }
}

impl<B> Structured<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    /// Reads all of the data.
    async fn make(&mut self) -> Result<(), IngestError> {
        loop {
            let there = self.data.fill().await?;
            if there.is_empty() {
                break;
            }
            let bytes = self.line.len() + there.len();
            if bytes > self.line_bytes_max {
                let (line, bytes_max) = (1, self.line_bytes_max);
                return Err(IngestError::LineTooLong { line, bytes_max });
            }
            if bytes > SHORT_BYTES {
                self.held.wait_for(2 * self.line_bytes_max).await?;
            }
            self.line.extend_from_slice(there);
            let count = there.len();
            self.data.consume(count);
        }
        // A number or a word has no line end.
        self.line.pop_if(|last| *last == b'\n');
        match &self.line[self.data_begin..] {
            [] => self.line.extend_from_slice(b"null"),
            data => cloud_events::check_data(data).map_err(IngestError::Line)?,
        }
        self.line.extend_from_slice(b"}\n");
        self.ready = 0..self.line.len();
        Ok(())
    }
}

impl<B> LineSource for Structured<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    async fn fill(&mut self) -> Result<&[u8], IngestError> {
        if !self.is_made {
            self.make().await?;
            self.is_made = true;
        }
        Ok(&self.line[self.ready.clone()])
    }

    fn consume(&mut self, count: usize) {
        self.ready.start += count;
    }

    fn bytes_left(&self) -> Option<u64> {
        None
    }

    async fn drain(&mut self) -> Result<Option<Fingerprint>, IngestError> {
        self.data.drain().await
    }

    fn body_bytes(&self) -> u64 {
        self.data.body_bytes()
    }

    fn is_finished(&self) -> bool {
        self.data.is_finished()
    }

    fn shape(&self) -> Shape {
        Shape::Events
    }
}
