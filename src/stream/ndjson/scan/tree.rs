//! Where an array or object ends, in one pass that checks all of it.
//!
//! What this takes is valid JSON within [`DEPTH_MAX`]. It gives up on what is rare, `\u` escapes
//! above all, and on what is wrong; nothing is refused here.

use super::token;
use crate::stream::ndjson::DEPTH_MAX;
use crate::stream::word;

/// The arrays and objects that are open.
struct Open {
    /// Bit by bit, the innermost lowest: whether it is an object.
    objects: u128,
    depth: usize,
}

impl Open {
    /// Opens another one. `None` if that is too deep; the line's own object counts.
    #[inline]
    fn push(&mut self, object: bool) -> Option<()> {
        const { assert!(DEPTH_MAX <= u128::BITS as usize, "each of them has a bit") }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(object);
        (self.depth < DEPTH_MAX).then_some(())
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// Index behind the array or object at `at`, in text that is known to be UTF-8.
pub(super) fn end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut open = Open { objects: 0, depth: 0 };
    let mut at = at;
    loop {
        // At a value, with nothing in front.
        at = match bytes.get(at)? {
            b'"' => string_end(bytes, at)?,
            b'-' | b'0'..=b'9' => token::number(bytes, at)?.end,
            b't' => word_end(bytes, at, b"true")?,
            b'f' => word_end(bytes, at, b"false")?,
            b'n' => word_end(bytes, at, b"null")?,
            &bracket @ (b'{' | b'[') => {
                open.push(bracket == b'{')?;
                let inside = token::behind_space(bytes, at + 1);
                match (bracket, bytes.get(inside)?) {
                    (b'{', b'}') | (b'[', b']') => {
                        open.pop();
                        inside + 1
                    }
                    (b'{', _) => {
                        at = behind_name(bytes, inside)?;
                        continue;
                    }
                    _ => {
                        at = inside;
                        continue;
                    }
                }
            }
            _ => return None,
        };
        // Behind a value: whatever it ends, and then the next one.
        loop {
            if open.depth == 0 {
                return Some(at);
            }
            at = token::behind_space(bytes, at);
            match (bytes.get(at)?, open.in_object()) {
                (b'}', true) | (b']', false) => {
                    open.pop();
                    at += 1;
                }
                (b',', in_object) => {
                    at = token::behind_space(bytes, at + 1);
                    if in_object {
                        at = behind_name(bytes, at)?;
                    }
                    break;
                }
                _ => return None,
            }
        }
    }
}

/// Index of the value whose name is at `at`.
#[inline]
fn behind_name(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let colon = token::behind_space(bytes, string_end(bytes, at)?);
    (*bytes.get(colon)? == b':').then(|| token::behind_space(bytes, colon + 1))
}

/// Index behind the string at `at`, whose escapes are of two characters.
#[inline]
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let stops = word::string_stops(word::load(bytes, at));
        at += word::first(stops);
        if stops == 0 {
            continue;
        }
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[inline]
fn word_end(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::stream::ndjson::nested;

    /// The same by `serde_json`.
    fn by_reference(text: &str) -> Option<usize> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let value = values.next()?.ok()?.get();
        nested::check(value, DEPTH_MAX).ok()?;
        Some(value.len())
    }

    #[test]
    fn what_nearly_all_documents_look_like_is_taken() {
        for text in [
            "{}",
            "[]",
            "[ ]",
            r#"{"a":1,"b":[true,false,null,-1.5e3,"x"],"c":{"d":{}}}"#,
            r#"{ "a" : [ 1 , 2 ] , "b" : "line\n\"two\" \\ \/ \t" }"#,
            r#"[[[["ünïcode, in plain"]]]]"#,
        ] {
            assert_eq!(end(text.as_bytes(), 0), Some(text.len()), "{text}");
            assert_eq!(by_reference(text), Some(text.len()), "{text}");
            let longer = format!("..{text},\"next\":1}}");
            assert_eq!(end(longer.as_bytes(), 2), Some(text.len() + 2), "{longer}");
        }
    }

    #[test]
    fn depth_has_the_same_end_as_for_the_reference() {
        for depth in [1, DEPTH_MAX - 2, DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1, 1000] {
            for (begin, middle, behind) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
                let text = format!("{}{middle}{}", begin.repeat(depth), behind.repeat(depth));
                let taken = end(text.as_bytes(), 0);
                assert_eq!(taken, (depth < DEPTH_MAX).then_some(text.len()), "{depth}");
                assert_eq!(taken, by_reference(&text), "{depth}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_the_reference_takes_too(
            text in prop_oneof![
                "[\\[{][\\[\\]{}\",: 10.\\-eantrufls\\\\ó]{0,24}",
                r#"(\{("a":(1|\[\]|\{\}|"x"|true|-0|1e5|01|nul|\[1,2\]|\{"b":2\}),? ?){0,3}\}?){1,3}"#,
                r#"\["(a|\\n|\\u0041|\\ud83e|\\x|\\|"| |\t|,|\]){0,6}"\]?"#,
            ],
        ) {
            if let Some(end) = end(text.as_bytes(), 0) {
                prop_assert_eq!(by_reference(&text), Some(end), "{}", text);
            }
        }
    }
}
