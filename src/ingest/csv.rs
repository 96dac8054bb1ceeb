//! CSV as lines: each record becomes one line of NDJSON before the log, a header and a blank line a
//! blank one. So numbers of lines stay what they are, and everything behind the log knows one format.

use std::fmt::Display;

use bytes::Bytes;
use http_body::Body;

use super::body::BodyReader;
use super::intake::Intake;
use super::rewritten::{Rewrite, Rewritten};
use crate::log::rejected::LineForm;
use crate::stream::LineError;
use crate::stream::csv::{Header, ToNdjson};

/// Reads a body of CSV.
pub type Csv<B> = Rewritten<BodyReader<B>, ToNdjson>;

impl<B> Csv<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    /// The records of `body`, for a stream.
    pub fn of(body: BodyReader<B>, header: Header, intake: &Intake) -> Self {
        let records = ToNdjson::new(&intake.name, intake.decoder.schema().clone(), header);
        Self::new(body, records, intake.limits.line_bytes_max, &intake.long_lines)
    }
}

impl Rewrite for ToNdjson {
    #[inline]
    fn rewrite(&mut self, line: &[u8], number: u64, out: &mut Vec<u8>) -> Result<(), LineError> {
        self.line(line, number, out)
    }

    fn form(&self) -> LineForm {
        LineForm::Csv
    }

    fn header(&self) -> &[u8] {
        self.header_line()
    }

    fn is_oriented(&self) -> bool {
        self.has_begun()
    }
}
