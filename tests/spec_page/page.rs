//! The tables of `migrations-free-wal-spec.md`, and a parser of segments that knows nothing else.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// The page's tables.
pub struct Page {
    text: String,
    /// Rows of the table behind each heading.
    tables: HashMap<String, Vec<Vec<String>>>,
    /// The checksum's step for each byte, once one was computed.
    crc_steps: OnceLock<[u32; 256]>,
}

/// A structure's fields by their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields(HashMap<String, Vec<u8>>);

/// A segment, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    pub header: Fields,
    pub len: u64,
    pub batches: Vec<Batch>,
    /// LSN at which its valid batches end.
    pub end: u64,
}

/// A batch, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    pub header: Fields,
    pub frames: Vec<Frame>,
}

/// A frame, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub lsn: u64,
    pub header: Fields,
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Fields {
    /// An unsigned integer.
    pub fn int(&self, name: &str) -> u64 {
        let bytes = self.bytes(name);
        assert!(bytes.len() <= 8, "`{name}` is no integer");
        bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    /// Once its checksum is known to be right.
    fn zero_is_zero(&self) {
        assert!(self.bytes("zero").iter().all(|&byte| byte == 0));
    }

    pub fn bytes(&self, name: &str) -> &[u8] {
        self.0.get(name).unwrap_or_else(|| panic!("the page has no field `{name}`"))
    }
}

impl Page {
    pub fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations-free-wal-spec.md");
        let text = std::fs::read_to_string(path).expect("the page");
        let mut tables: HashMap<String, Vec<Vec<String>>> = HashMap::new();
        let mut heading = String::new();
        for line in text.lines() {
            if line.starts_with('#') {
                line.trim_start_matches('#').trim().clone_into(&mut heading);
            } else if let Some(row) = line.strip_prefix('|') {
                let cells = row.trim_end_matches('|').split('|');
                let cells = cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
                tables.entry(heading.clone()).or_default().push(cells);
            }
        }
        Self { text, tables, crc_steps: OnceLock::new() }
    }

    fn rows(&self, table: &str) -> &[Vec<String>] {
        self.tables.get(table).unwrap_or_else(|| panic!("the page has no table `{table}`"))
    }

    /// A constant as it is written.
    pub fn constant(&self, name: &str) -> &str {
        let rows = self.tables.values().flatten();
        let row = rows.filter(|row| row[0] == name && row.len() > 1).collect::<Vec<_>>();
        assert_eq!(row.len(), 1, "the page must define {name} once");
        &row[0][1]
    }

    /// A constant number.
    pub fn number(&self, name: &str) -> u64 {
        let text = self.constant(name);
        let parsed = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        parsed.unwrap_or_else(|_| panic!("{name} is no number"))
    }

    /// Constant bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.constant(name).split_ascii_whitespace();
        digits.map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect()
    }

    /// The number in front of `name` in a table of values or bits.
    pub fn value(&self, table: &str, name: &str) -> u64 {
        let row = self.rows(table).iter().find(|row| row[1] == name);
        let row = row.unwrap_or_else(|| panic!("the page's `{table}` has no `{name}`"));
        row[0].parse().expect("a number")
    }

    /// Whether a flag is set.
    pub fn has(&self, table: &str, flags: u64, name: &str) -> bool {
        flags >> self.value(table, name) & 1 == 1
    }

    /// Offset, size, name and type of each field of a structure.
    fn fields(&self, table: &str) -> impl Iterator<Item = (usize, usize, &str, &str)> {
        self.rows(table).iter().filter_map(|row| {
            let (offset, size) = (row[0].parse().ok()?, row[1].parse().ok()?);
            Some((offset, size, row[2].as_str(), row[3].as_str()))
        })
    }

    fn decode(&self, table: &str, bytes: &[u8]) -> Fields {
        let field = |(offset, size, name, _): (usize, usize, &str, &str)| {
            (name.to_owned(), bytes[offset..offset + size].to_vec())
        };
        Fields(self.fields(table).map(field).collect())
    }

    fn end_of(&self, table: &str) -> usize {
        self.fields(table).map(|(offset, size, ..)| offset + size).max().expect("fields")
    }

    fn offset_of(&self, table: &str, name: &str) -> usize {
        self.fields(table).find(|field| field.2 == name).expect("a field").0
    }

    /// The checksum that the page's constants define.
    pub fn crc<'a>(&self, ranges: impl IntoIterator<Item = &'a [u8]>) -> u32 {
        let steps = self.crc_steps.get_or_init(|| self.crc_steps());
        let mut crc = self.number("CRC_INITIAL") as u32;
        for &byte in ranges.into_iter().flatten() {
            crc = crc >> 8 ^ steps[usize::from(crc as u8 ^ byte)];
        }
        crc ^ self.number("CRC_FINAL_XOR") as u32
    }

    /// What becomes of each byte, bit by bit.
    fn crc_steps(&self) -> [u32; 256] {
        assert_eq!(self.constant("CRC_REFLECTED"), "true");
        let polynomial = (self.number("CRC_POLYNOMIAL") as u32).reverse_bits();
        std::array::from_fn(|byte| {
            (0..8).fold(
                byte as u32,
                |crc, _| {
                    if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 }
                },
            )
        })
    }

    /// The LSN in a segment's name.
    pub fn lsn_of(&self, name: &str) -> Option<u64> {
        let digits = name.strip_suffix(self.constant("SEGMENT_SUFFIX"))?;
        (digits.len() as u64 == self.number("SEGMENT_NAME_DIGITS")).then_some(digits.parse().ok()?)
    }

    /// The header of a segment, if it is valid.
    pub fn header(&self, name: &str, file: &[u8]) -> Option<Fields> {
        file.get(..self.end_of("Segment header"))?;
        let header = self.decode("Segment header", file);
        let crc_at = self.offset_of("Segment header", "crc");
        let is_valid = header.bytes("magic") == self.bytes("SEGMENT_MAGIC")
            && header.int("version") == self.number("FORMAT_VERSION")
            && Some(header.int("first lsn")) == self.lsn_of(name)
            && header.int("crc") == u64::from(self.crc([&file[..crc_at]]));
        is_valid.then_some(header)
    }

    /// Parses a segment up to where its valid batches end.
    pub fn segment(&self, name: &str, file: &[u8]) -> Segment {
        let header = self.header(name, file).expect("a valid header");
        header.zero_is_zero();
        let behind_header = self.number("SEGMENT_HEADER_BYTES") as usize;
        let rest = &file[self.end_of("Segment header")..behind_header];
        assert!(rest.iter().all(|&byte| byte == 0));
        let first_lsn = header.int("first lsn");
        let mut segment = Segment { header, len: file.len() as u64, batches: Vec::new(), end: 0 };
        let mut offset = behind_header;
        let mut previous_crc = segment.header.int("previous crc");
        while let Some(batch) = self.batch(file, offset, &segment.header)
            && batch.header.int("previous crc") == previous_crc
        {
            previous_crc = batch.header.int("crc");
            let align = self.number("BATCH_ALIGN_BYTES");
            offset += batch.header.int("length").next_multiple_of(align) as usize;
            segment.batches.push(batch);
        }
        segment.end = first_lsn + offset as u64;
        segment
    }

    /// The batch at `offset`, if it is valid by itself.
    pub fn batch(&self, file: &[u8], offset: usize, segment: &Fields) -> Option<Batch> {
        let header_bytes = self.number("BATCH_HEADER_BYTES") as usize;
        assert_eq!(self.end_of("Batch header"), header_bytes);
        let head = file.get(offset..offset + header_bytes)?;
        if !head.starts_with(&self.bytes("BATCH_MAGIC")) {
            return None;
        }
        let header = self.decode("Batch header", head);
        let length = header.int("length") as usize;
        let lsn = segment.int("first lsn") + offset as u64;
        if header.int("lsn") != lsn
            || header.int("salt") != segment.int("salt")
            || length < header_bytes
        {
            return None;
        }
        let bytes = file.get(offset..offset + length)?;
        let crc_at = self.offset_of("Batch header", "crc");
        let crc = self.crc([&bytes[..crc_at], &bytes[header_bytes..]]);
        if header.int("crc") != u64::from(crc) {
            return None;
        }
        header.zero_is_zero();
        let mut at = header_bytes;
        let frames = (0..header.int("frames"))
            .map(|_| {
                let frame = self.frame(bytes, at, lsn);
                at += self.frame_bytes(&frame);
                frame
            })
            .collect();
        assert_eq!(at, length, "frames fill their batch");
        Some(Batch { header, frames })
    }

    /// The rejected lines of a frame: the fields of each, and its field's name, reason, header and line.
    pub fn rejected(&self, payload: &[u8]) -> Vec<(Fields, [Vec<u8>; 4])> {
        let mut rest = payload;
        let mut lines = Vec::new();
        while !rest.is_empty() {
            let fields = self.decode("Rejected line", rest);
            let mut at = self.end_of("Rejected line");
            let lengths = ["field length", "reason length", "header length", "line length"];
            let texts = lengths.map(|name| {
                let length = fields.int(name) as usize;
                at += length;
                rest[at - length..at].to_vec()
            });
            rest = &rest[at..];
            lines.push((fields, texts));
        }
        lines
    }

    fn frame_bytes(&self, frame: &Frame) -> usize {
        let header = self.number("FRAME_HEADER_BYTES") as usize;
        let align = self.number("FRAME_ALIGN_BYTES") as usize;
        (header + frame.key.len() + frame.payload.len()).next_multiple_of(align)
    }

    fn frame(&self, batch: &[u8], at: usize, batch_lsn: u64) -> Frame {
        let header_bytes = self.number("FRAME_HEADER_BYTES") as usize;
        assert_eq!(self.end_of("Frame header"), header_bytes);
        let header = self.decode("Frame header", &batch[at..]);
        header.zero_is_zero();
        let key_at = at + header_bytes;
        let payload_at = key_at + header.int("key length") as usize;
        let payload_end = payload_at + header.int("payload length") as usize;
        Frame {
            lsn: batch_lsn + at as u64,
            key: batch[key_at..payload_at].to_vec(),
            payload: batch[payload_at..payload_end].to_vec(),
            header,
        }
    }

    /// What a reader makes of the segments of a log, by section 9: the payloads of each committed
    /// request of `stream`, in commit order.
    pub fn history(&self, segments: &[Segment], stream: u64) -> Vec<Vec<Vec<u8>>> {
        let mut history = Vec::new();
        let mut pending: HashMap<u64, (u64, Vec<Vec<u8>>)> = HashMap::new();
        let mut end: Option<(u64, u64)> = None;
        for segment in segments {
            let previous = (segment.header.int("previous end"), segment.header.int("previous crc"));
            assert!(end.is_none_or(|end| end == previous), "the chain is broken: {end:?}");
            let last = segment.batches.last().expect("a batch");
            end = Some((segment.end, last.header.int("crc")));
            if self.has("Segment flags", segment.header.int("flags"), "opened") {
                pending.clear();
            }
            for frame in segment.batches.iter().flat_map(|batch| &batch.frames) {
                let request = frame.header.int("request");
                let kind = frame.header.int("kind");
                if frame.header.int("stream") != stream {
                    continue;
                }
                if kind == self.value("Frame kinds", "abort") {
                    pending.remove(&request);
                }
                if kind != self.value("Frame kinds", "lines") {
                    continue;
                }
                let flags = frame.header.int("flags");
                if self.has("Frame flags", flags, "first") {
                    pending.insert(request, (0, Vec::new()));
                }
                let (events, payloads) = pending.get_mut(&request).expect("its first frame");
                assert_eq!(*events, frame.header.int("first event"));
                *events += frame.header.int("events");
                payloads.push(frame.payload.clone());
                if self.has("Frame flags", flags, "commit") {
                    let (events, payloads) = pending.remove(&request).expect("the request");
                    assert_eq!(events, frame.header.int("request events"));
                    history.push(payloads);
                }
            }
        }
        history
    }

    /// The worked example as it stands in the page.
    pub fn example(&self) -> &str {
        let (_, behind) = self.text.split_once("```hexdump\n").expect("the dump");
        behind.split_once("```").expect("its end").0
    }

    /// The bytes of the worked example.
    pub fn example_bytes(&self) -> Vec<u8> {
        let mut file = vec![0; self.number("EXAMPLE_BYTES") as usize];
        for line in self.example().lines().filter(|line| !line.is_empty()) {
            let mut columns = line.splitn(3, "  ");
            let offset = columns.next().and_then(|text| usize::from_str_radix(text, 16).ok());
            let offset = offset.expect("an offset");
            for (index, byte) in columns.next().expect("bytes").split(' ').enumerate() {
                file[offset + index] = u8::from_str_radix(byte, 16).expect("hexadecimal");
            }
        }
        file
    }

    /// A segment as the worked example shows it.
    pub fn annotated(&self, name: &str, file: &[u8]) -> String {
        let mut dump = String::new();
        let segment = self.segment(name, file);
        let base = segment.header.int("first lsn");
        self.annotate_fields(&mut dump, "Segment header", file, 0);
        for batch in &segment.batches {
            dump.push('\n');
            let offset = (batch.header.int("lsn") - base) as usize;
            self.annotate_fields(&mut dump, "Batch header", file, offset);
            for frame in &batch.frames {
                dump.push('\n');
                let offset = (frame.lsn - base) as usize;
                self.annotate_fields(&mut dump, "Frame header", file, offset);
                let key_at = offset + self.number("FRAME_HEADER_BYTES") as usize;
                annotate_text(&mut dump, "key", &frame.key, key_at);
                annotate_text(&mut dump, "payload", &frame.payload, key_at + frame.key.len());
            }
        }
        dump
    }

    fn annotate_fields(&self, dump: &mut String, table: &str, file: &[u8], at: usize) {
        let structure = table.split(' ').next().expect("a word").to_lowercase();
        for (offset, size, name, kind) in self.fields(table) {
            let bytes = &file[at + offset..at + offset + size];
            if name == "zero" || (name == "fingerprint" && bytes.iter().all(|&byte| byte == 0)) {
                continue;
            }
            let number = bytes.iter().rev().take(8).fold(0, |n, &b| n << 8 | u64::from(b));
            let value = match kind {
                "bytes" => String::new(),
                "i64" => format!(" {}", number.cast_signed()),
                _ => format!(" {number}"),
            };
            for (index, row) in bytes.chunks(16).enumerate() {
                let note = if index == 0 {
                    format!("{structure}: {name}{value}")
                } else {
                    "…".to_owned()
                };
                line(dump, at + offset + 16 * index, row, &note);
            }
        }
    }
}

fn annotate_text(dump: &mut String, what: &str, bytes: &[u8], at: usize) {
    for (index, row) in bytes.chunks(16).enumerate() {
        let printable = |&byte: &u8| if byte.is_ascii_graphic() { byte as char } else { '.' };
        let text: String = row.iter().map(printable).collect();
        line(dump, at + 16 * index, row, &format!("{what}: {text}"));
    }
}

fn line(dump: &mut String, offset: usize, bytes: &[u8], note: &str) {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(dump, "{offset:08x}  {:<47}  {note}", hex.join(" ")).expect("strings grow");
}
