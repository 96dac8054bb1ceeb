//! Which lines the daemon won't take, judged here: it names one for each request that it refuses.
//!
//! Lines are decoded by the code that the daemon decodes them with. Where it is stricter all the same
//! (a shorter `limits.line`, `unknown_fields = "reject"`), it names what isn't found here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk::Chunk;
use super::format::Format;
use super::target::Target;
use crate::stream::csv::{self, Header, ToNdjson};
use crate::stream::{DecodeLimits, Decoder, FrameContext, LineError, UnknownFields};
use crate::time::Timestamp;

/// Judges lines of a stream.
pub struct Judge<'a> {
    target: &'a Target,
    decoder: Decoder,
}

impl<'a> Judge<'a> {
    /// A judge of lines for this stream.
    pub fn new(target: &'a Target) -> Self {
        let schema = Arc::clone(&target.schema);
        let decoder = Decoder::new(schema, UnknownFields::Ignore, DecodeLimits::OPEN);
        Self { target, decoder }
    }

    /// The bad lines of a chunk, by their numbers in its body, each with the reason.
    pub fn bad_lines(&self, chunk: &Chunk) -> BTreeMap<u64, String> {
        let mut bad = BTreeMap::new();
        let lines = match chunk.format {
            Format::Ndjson => chunk.body.clone(),
            Format::Csv { header } => self.records(&chunk.body, header, &mut bad),
        };
        self.decode(lines, &mut bad);
        bad
    }

    /// Records as the lines that they become in the daemon, bad ones as blank lines.
    fn records(&self, body: &[u8], header: bool, bad: &mut BTreeMap<u64, String>) -> Bytes {
        let header = if header { Header::Present } else { Header::Absent };
        let Target { stream, schema, .. } = self.target;
        let mut csv = ToNdjson::new(stream, Arc::clone(schema), header);
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(body.split_inclusive(|byte| *byte == b'\n')) {
            if let Err(error) = csv.line(csv::without_line_end(line), number, &mut lines) {
                bad.insert(number, reason(&error));
                lines.push(b'\n');
            }
        }
        lines.into()
    }

    fn decode(&self, mut lines: Bytes, bad: &mut BTreeMap<u64, String>) {
        let mut context = FrameContext { arrival: Timestamp::now(), seed: 0, first_line: 1 };
        while let Err(error) = self.decoder.decode(lines.clone(), &context) {
            // The decoder stops at the first: go on behind it.
            let behind = error.line - context.first_line + 1;
            lines = lines.slice(end_of_line(&lines, behind)..);
            context.first_line = error.line + 1;
            bad.insert(error.line, reason(&error));
        }
    }
}

/// Where the line of this number ends, from 1, its line end included.
fn end_of_line(body: &[u8], number: u64) -> usize {
    let mut ends = memchr::memchr_iter(b'\n', body);
    ends.nth((number - 1) as usize).map_or(body.len(), |end| end + 1)
}

/// What is wrong, without the line's number.
fn reason(error: &LineError) -> String {
    let LineError { field, expected, found, .. } = error;
    let field = field.as_ref().map(|field| format!("field `{field}`: ")).unwrap_or_default();
    format!("{field}expected {expected}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Schema;

    fn bad_lines(format: Format, body: &str) -> Vec<u64> {
        let schema = Arc::new(Schema::builtin("usage").unwrap());
        let target = Target { stream: "usage".to_owned(), schema, knows_repeats: true };
        let body = Bytes::copy_from_slice(body.as_bytes());
        let chunk = Chunk { file: "file".into(), format, body, first_line: 1, read_bytes: 0 };
        Judge::new(&target).bad_lines(&chunk).into_keys().collect()
    }

    #[test]
    fn all_bad_lines_are_found_at_once() {
        let good = r#"{"transaction_id":"t","customer_id":"c","event_type":"e","timestamp":0}"#;
        let none = format!("{good}\n\n{good}");
        assert!(bad_lines(Format::Ndjson, &none).is_empty());
        let some = format!("{good}\nno\n\n{{}}\n{good}\nno");
        assert_eq!(bad_lines(Format::Ndjson, &some), [2, 4, 6]);
    }

    #[test]
    fn records_are_judged_as_what_they_become() {
        let absent = Format::Csv { header: false };
        assert!(bad_lines(absent, "c,e,t,2024-07-01\n\n\"c,\",e,t,0\r\n").is_empty());
        let some = "c,e,t,2024-07-01\nc,e,t,noon\nc,e,t\n\"c,e,t,0\nc,e,,0\n";
        assert_eq!(bad_lines(absent, some), [2, 3, 4, 5]);
        let present = Format::Csv { header: true };
        let text = "timestamp,customer_id,event_type,transaction_id\n0,c,e,t\nc,e,t,0\n";
        assert_eq!(bad_lines(present, text), [3]);
    }
}
