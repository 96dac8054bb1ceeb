//! CloudEvents as lines of `usage`: the items of a document, each of them rewritten.

use std::fmt::Display;

use bytes::Bytes;
use http_body::Body;

use super::body::BodyReader;
use super::intake::Intake;
use super::items::{Form, Items};
use super::rewritten::{Rewrite, Rewritten};
use super::source::Shape;
use crate::log::rejected::LineForm;
use crate::stream::{LineError, cloud_events};

/// Reads a body that is a `CloudEvent`, or a batch of them.
pub type CloudEvents<B> = Rewritten<Items<B>, Renamed>;

/// Attributes become columns.
#[derive(Debug)]
pub struct Renamed;

impl<B> CloudEvents<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    /// The events of `body`, for a stream.
    pub fn of(body: BodyReader<B>, form: Form, intake: &Intake) -> Self {
        let events = Items::new(body, form);
        Self::new(events, Renamed, intake.limits.line_bytes_max, &intake.long_lines)
    }
}

impl Rewrite for Renamed {
    fn rewrite(&mut self, line: &[u8], number: u64, out: &mut Vec<u8>) -> Result<(), LineError> {
        cloud_events::line(line, number, out)
    }

    fn form(&self) -> LineForm {
        LineForm::CloudEvent
    }

    fn named(&self, error: LineError) -> LineError {
        cloud_events::named(error)
    }

    fn shape(&self, _: Shape) -> Shape {
        Shape::CloudEvents
    }
}
