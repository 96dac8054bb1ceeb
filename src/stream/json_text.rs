//! Text as JSON: what is JSON as it stands, and what becomes a string.

use serde_json::value::RawValue;

use super::ndjson;
use super::word;

/// Whether `text` is one number, as JSON writes them.
#[inline]
pub(super) fn is_number(text: &str) -> bool {
    ndjson::number_end(text) == Some(text.len())
}

/// Whether `text` is one object, with nothing around it.
pub(super) fn is_object(text: &str) -> bool {
    text.starts_with('{')
        && (ndjson::tree_end(text) == Some(text.len())
            || serde_json::from_str::<&RawValue>(text).is_ok_and(|value| value.get() == text))
}

/// Appends `text` as a JSON string.
#[inline]
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut at = 0;
    let mut copied = 0;
    while at < bytes.len() {
        let stops = word::string_stops(word::load(bytes, at));
        at += word::first(stops);
        if stops == 0 || at >= bytes.len() {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        write_escape(bytes[at], out);
        at += 1;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// What stands for a byte that a JSON string can't hold as it is (RFC 8259, section 7).
#[cold]
fn write_escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\n' => out.extend_from_slice(b"\\n"),
        _ => {
            let digits = [byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]);
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

/// Makes an object, and a line, of the members that stand behind `begin`.
#[inline]
pub(super) fn finish_object(begin: usize, out: &mut Vec<u8>) {
    match out.get_mut(begin) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_where_they_have_to_be() {
        assert_eq!(string(""), r#""""#);
        assert_eq!(string("a \"b\" \\ \t\r\n\u{1}\u{1f}"), r#""a \"b\" \\ \t\r\n\u0001\u001f""#);
        assert_eq!(string("zażółć 😀 \u{7f}\u{0}"), "\"zażółć 😀 \u{7f}\\u0000\"");
    }

    #[test]
    fn numbers_and_objects_are_told_from_what_looks_like_them() {
        for text in ["0", "-1.5e+3", "12345678901234567890.1"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "01", "+1", "1.", ".5", "1e", "1 ", "NaN", "1,2", "0x1"] {
            assert!(!is_number(text), "{text}");
        }
        for text in ["{}", r#"{"a":[1,{"b":"\u00e9}"}]}"#, r#"{ "a" : null }"#] {
            assert!(is_object(text), "{text}");
        }
        for text in ["", "[]", "1", "{} ", " {}", "{}{}", r#"{},"b":{}"#, r#"{"a"}"#, "{"] {
            assert!(!is_object(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_string_is_read_back_as_it_was(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }

        #[test]
        fn what_counts_as_json_serde_json_reads(text in r#"[-+0-9.eE{}":a, \\]{0,10}"#) {
            if is_number(&text) || is_object(&text) {
                prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
            }
        }
    }
}
