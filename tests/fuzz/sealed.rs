//! Lines with their checksum, as `migrations-free-wal-spec.md` (section 11) has them, by an implementation
//! that knows only that.

const KEY: &str = ",\"line_crc32\":\"";

/// A line of a file.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Where it begins in the file.
    pub at: u64,
    /// Where the line behind it begins.
    pub end: u64,
    /// Without its end.
    pub text: &'a [u8],
    /// Whether it has an end, and is what was written.
    pub checks: bool,
    /// Whether it has an end.
    pub is_ended: bool,
}

impl Line<'_> {
    /// A member of it.
    pub fn member(&self, name: &str) -> Option<serde_json::Value> {
        serde_json::from_slice::<serde_json::Value>(self.text).ok()?.get(name).cloned()
    }
}

/// The lines of a file.
pub fn lines<'a>(file: &'a [u8]) -> Vec<Line<'a>> {
    let mut end = 0;
    let line = |whole: &'a [u8]| {
        let at = end;
        end += whole.len() as u64;
        let ended = whole.strip_suffix(b"\n");
        Line {
            at,
            end,
            text: ended.unwrap_or(whole),
            checks: ended.is_some_and(checks),
            is_ended: ended.is_some(),
        }
    };
    file.split_inclusive(|byte| *byte == b'\n').map(line).collect()
}

/// CRC-32 (IEEE 802.3), bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// An object that lacks its closing brace, as a line.
pub fn sealed(open: &str) -> String {
    format!("{open}{}\n", suffix(open.as_bytes()))
}

fn checks(line: &[u8]) -> bool {
    covered(line).is_some_and(|open| line.strip_prefix(open) == Some(suffix(open).as_bytes()))
}

fn suffix(open: &[u8]) -> String {
    format!("{KEY}{:08x}\"}}", crc32(open))
}

/// What the checksum covers.
fn covered(line: &[u8]) -> Option<&[u8]> {
    let at = line.windows(KEY.len()).rposition(|part| part == KEY.as_bytes())?;
    Some(&line[..at])
}

/// The same file, each line that has a checksum with the one of what it says now: as if it had been
/// written like that.
pub fn resealed(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines(file) {
        match covered(line.text).filter(|_| line.is_ended) {
            Some(open) => {
                out.extend_from_slice(open);
                out.extend_from_slice(suffix(open).as_bytes());
                out.push(b'\n');
            }
            None => out.extend_from_slice(&file[line.at as usize..line.end as usize]),
        }
    }
    out
}

#[test]
fn a_line_of_the_page_checks() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let file = [sealed("{\"v\":1").as_bytes(), b"{\"v\":1}\n", b"{"].concat();
    let checked: Vec<_> = lines(&file).iter().map(|line| (line.checks, line.is_ended)).collect();
    assert_eq!(checked, [(true, true), (false, true), (false, false)]);
    let other: Vec<u8> = file.iter().map(|byte| if *byte == b'1' { b'2' } else { *byte }).collect();
    assert!(!lines(&other)[0].checks && lines(&resealed(&other))[0].checks);
}
