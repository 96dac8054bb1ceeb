//! What `serde_json` doesn't look at in a value that nobody reads: how deep it nests, and whether
//! its surrogates come in pairs (RFC 8259, section 7; without a partner they are no character).

use crate::stream::BadLine;
use crate::stream::line_error::{Fault, readable};

/// Checks `raw`, one well-formed JSON value inside of a line's object, which counts for `depth_max`.
pub(super) fn check(raw: &str, depth_max: usize) -> Result<(), Fault> {
    let mut depth = 1;
    let mut rest = raw.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    let expected = format!("arrays and objects nested at most {depth_max} deep");
                    return Err(Fault::new(BadLine::TooDeep, expected, "more"));
                }
            }
            b'}' | b']' => depth -= 1,
            b'"' => rest = behind_string(rest).ok_or_else(|| half_a_pair(raw))?,
            _ => {}
        }
    }
    Ok(())
}

/// The fault of a value whose escapes don't make characters.
pub(super) fn half_a_pair(raw: &str) -> Fault {
    let expected = "surrogates in pairs, such as \\ud83d\\ude00";
    Fault::new(BadLine::BadValue, expected, format!("one without its partner in {}", readable(raw)))
}

/// What follows a well-formed string, of which `rest` begins behind the opening quote; `None` if
/// half a surrogate pair is in it.
fn behind_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'u', a, b, c, d, behind @ ..] => {
                rest = match unit([*a, *b, *c, *d])? {
                    0xd800..=0xdbff => behind_low_surrogate(behind)?,
                    0xdc00..=0xdfff => return None,
                    _ => behind,
                };
            }
            [b'\\', _, behind @ ..] | [_, behind @ ..] => rest = behind,
            [] => return None,
        }
    }
}

fn behind_low_surrogate(rest: &[u8]) -> Option<&[u8]> {
    let [b'\\', b'u', a, b, c, d, behind @ ..] = rest else { return None };
    (0xdc00..=0xdfff).contains(&unit([*a, *b, *c, *d])?).then_some(behind)
}

/// Four hexadecimal digits.
fn unit(digits: [u8; 4]) -> Option<u16> {
    u16::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
}
