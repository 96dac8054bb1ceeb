//! What a log's files hold, by the page that specifies them and nothing else.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::page::{Batch, Fields, Frame, Page};

/// The only stream there is.
const STREAM: u64 = 1;

/// What a log says.
pub struct Read {
    /// The numbers of the events that it holds, in order; or why it must not be read without a word.
    pub numbers: Result<Vec<u64>, String>,
    /// The numbers of each request that stands in one batch which is valid by itself.
    pub whole: Vec<Vec<u64>>,
    /// Whether any valid batch says what the stream's lines are.
    pub has_schemas: bool,
}

/// Reads a log's files.
pub struct Reader {
    page: &'static Page,
    segments: Vec<Segment>,
}

struct Segment {
    /// `None` if it isn't valid.
    header: Option<Fields>,
    len: u64,
    /// Batches that are valid by themselves, and where they stand in the file.
    valid: Vec<(u64, Batch)>,
}

/// Where the log is read, between two batches.
struct Place {
    /// Where the batches so far end, and the checksum of the last.
    end: u64,
    crc: u64,
}

impl Reader {
    /// Of the files in the log's directory.
    pub fn of(files: &[(PathBuf, Vec<u8>)]) -> Self {
        static PAGE: OnceLock<Page> = OnceLock::new();
        let page = PAGE.get_or_init(Page::read);
        let named = files.iter().filter_map(|(path, bytes)| {
            let name = path.file_name()?.to_str()?;
            page.lsn_of(name).map(|_| Segment::of(page, name, bytes))
        });
        Self { page, segments: named.collect() }
    }

    pub fn read(&self) -> Read {
        let batches = || self.segments.iter().flat_map(|segment| &segment.valid);
        let whole = batches().flat_map(|(_, batch)| self.whole(batch)).collect();
        let schema = self.page.value("Frame kinds", "schema");
        let has_schemas = batches()
            .flat_map(|(_, batch)| &batch.frames)
            .any(|frame| frame.header.int("kind") == schema);
        Read { numbers: self.numbers(), whole, has_schemas }
    }

    /// The requests of one frame in a batch.
    fn whole(&self, batch: &Batch) -> Vec<Vec<u64>> {
        let both = |frame: &&Frame| {
            self.is_lines(frame) && self.flag(frame, "first") && self.flag(frame, "commit")
        };
        batch.frames.iter().filter(both).map(numbers).collect()
    }

    fn numbers(&self) -> Result<Vec<u64>, String> {
        let mut history = Vec::new();
        let mut pending: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut place: Option<Place> = None;
        // In front of the oldest file there may have been more.
        let mut may_have_begun_before = true;
        for segment in &self.segments {
            let header = segment.header.as_ref().ok_or("a header is not valid")?;
            let begin = Place { end: header.int("previous end"), crc: header.int("previous crc") };
            if place.is_some_and(|place| (place.end, place.crc) != (begin.end, begin.crc)) {
                return Err("the chain of segments is broken".to_owned());
            }
            if self.page.has("Segment flags", header.int("flags"), "opened") {
                pending.clear();
                may_have_begun_before &=
                    self.page.has("Segment flags", header.int("flags"), "gap accepted");
            }
            let (batches, end) = self.walk(segment, header, begin)?;
            for frame in batches.iter().flat_map(|batch| &batch.frames) {
                let committed = self.frame(frame, &mut pending);
                if !may_have_begun_before && committed.is_none() {
                    return Err("a request is committed that never began".to_owned());
                }
                history.extend(committed.unwrap_or_default());
            }
            place = Some(end);
        }
        Ok(history)
    }

    /// The batches of a segment, none of which may be passed over, and the place behind them.
    fn walk<'s>(
        &self,
        segment: &'s Segment,
        header: &Fields,
        mut place: Place,
    ) -> Result<(Vec<&'s Batch>, Place), String> {
        let mut batches = Vec::new();
        let mut at = self.page.number("SEGMENT_HEADER_BYTES");
        for (offset, batch) in &segment.valid {
            if *offset != at || batch.header.int("previous crc") != place.crc {
                return Err(format!("a valid batch at {offset} is not reached from {at}"));
            }
            batches.push(batch);
            at +=
                batch.header.int("length").next_multiple_of(self.page.number("BATCH_ALIGN_BYTES"));
            place = Place { end: header.int("first lsn") + at, crc: batch.header.int("crc") };
        }
        if at > segment.len.next_multiple_of(self.page.number("BATCH_ALIGN_BYTES")) {
            return Err("a batch goes beyond its file".to_owned());
        }
        Ok((batches, place))
    }

    /// What a frame commits; `None` where it commits a request of which no frame was seen.
    fn frame(&self, frame: &Frame, pending: &mut HashMap<u64, Vec<u64>>) -> Option<Vec<u64>> {
        let request = frame.header.int("request");
        if frame.header.int("stream") != STREAM {
            return Some(Vec::new());
        }
        if frame.header.int("kind") == self.page.value("Frame kinds", "abort") {
            pending.remove(&request);
        }
        if !self.is_lines(frame) {
            return Some(Vec::new());
        }
        if self.flag(frame, "first") {
            pending.insert(request, Vec::new());
        }
        if let Some(begun) = pending.get_mut(&request) {
            begun.extend(numbers(frame));
        }
        if self.flag(frame, "commit") { pending.remove(&request) } else { Some(Vec::new()) }
    }

    fn is_lines(&self, frame: &Frame) -> bool {
        frame.header.int("kind") == self.page.value("Frame kinds", "lines")
    }

    fn flag(&self, frame: &Frame, name: &str) -> bool {
        self.page.has("Frame flags", frame.header.int("flags"), name)
    }
}

impl Segment {
    fn of(page: &Page, name: &str, file: &[u8]) -> Self {
        let header = page.header(name, file);
        let align = page.number("BATCH_ALIGN_BYTES") as usize;
        let mut valid = Vec::new();
        if let Some(header) = &header {
            let begin = page.number("SEGMENT_HEADER_BYTES") as usize;
            for offset in (begin..file.len()).step_by(align) {
                valid.extend(page.batch(file, offset, header).map(|batch| (offset as u64, batch)));
            }
        }
        Self { header, len: file.len() as u64, valid }
    }
}

/// The numbers in a frame's lines.
fn numbers(frame: &Frame) -> Vec<u64> {
    let lines: Result<Vec<serde_json::Value>, _> =
        serde_json::Deserializer::from_slice(&frame.payload).into_iter().collect();
    lines.unwrap().iter().map(|line| line["n"].as_u64().unwrap()).collect()
}
