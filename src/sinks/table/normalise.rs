//! The text of a JSON object, normalised in one pass over it.
//!
//! * Strings lose the white space around them, at every depth, written as itself or escaped. Keys
//!   don't: two that differ by a space must not become one.
//! * Numbers keep their text, every digit of it, and so does everything else.
//! * White space between tokens goes.
//! * The object's own member `metadata` is left as it came, byte for byte.
//!
//! The text is known to be valid JSON, so nothing is parsed that need not be: outside of strings only
//! brackets are counted, and a string is a key if a colon follows it. Of a text that isn't valid the
//! result isn't either, but nothing panics.

/// The member that is left as it came.
const METADATA: &str = "metadata";

/// Appends the normalised `object`, which is valid JSON, to `out`.
pub(super) fn normalise(object: &str, out: &mut String) {
    let bytes = object.as_bytes();
    let mut depth = 0_usize;
    // What is before it is in `out`; what is between it and `at` is copied in one piece.
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                let Some(colon) = colon_behind(bytes, end) else {
                    out.push_str(text(object, copied, at + 1));
                    out.push_str(trimmed(text(object, at + 1, end.saturating_sub(1))));
                    copied = end.saturating_sub(1).max(at + 1);
                    at = end;
                    continue;
                };
                if depth == 1 && is_metadata(text(object, at, end)) {
                    let value = behind_space(bytes, colon + 1);
                    let value_end = value_end(bytes, value);
                    out.push_str(text(object, copied, end));
                    out.push(':');
                    out.push_str(text(object, value, value_end));
                    (copied, at) = (value_end, value_end);
                } else {
                    at = end;
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.push_str(text(object, copied, at));
                at = behind_space(bytes, at);
                copied = at;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
    }
    out.push_str(text(object, copied, at));
}

/// A piece of the text; tokens begin and end at characters.
fn text(all: &str, start: usize, end: usize) -> &str {
    all.get(start..end).unwrap_or_default()
}

fn behind_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Index of the colon that follows `at`, if that is what follows.
fn colon_behind(bytes: &[u8], at: usize) -> Option<usize> {
    let next = behind_space(bytes, at);
    (bytes.get(next) == Some(&b':')).then_some(next)
}

/// Index behind the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Index behind the value that begins at `start`.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    loop {
        match bytes.get(at) {
            None => return at,
            Some(b'"') => at = string_end(bytes, at),
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
                continue;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            // Behind a number or a word.
            Some(b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n') if depth == 0 => return at,
            Some(_) => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Whether a key, with its quotes, says `metadata`, in whatever way it is written.
fn is_metadata(key: &str) -> bool {
    if !key.contains('\\') {
        return key.get(1..key.len().saturating_sub(1)) == Some(METADATA);
    }
    serde_json::from_str::<String>(key).is_ok_and(|key| key == METADATA)
}

/// The inside of a string without the white space around what it says.
fn trimmed(raw: &str) -> &str {
    // A backslash anywhere may begin an escape at either end; without one, what is written is what
    // is said.
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return raw.trim();
    }
    let mut characters = Characters { raw, at: 0 };
    let mut kept: Option<(usize, usize)> = None;
    while let Some(found) = characters.next() {
        if !found.is_space {
            let start = kept.map_or(found.start, |(start, _)| start);
            kept = Some((start, characters.at));
        }
    }
    kept.map_or("", |(start, end)| text(raw, start, end))
}

/// The characters that a string says, one after the other.
struct Characters<'a> {
    raw: &'a str,
    at: usize,
}

struct Character {
    start: usize,
    is_space: bool,
}

impl Characters<'_> {
    fn next(&mut self) -> Option<Character> {
        let start = self.at;
        let rest = self.raw.get(start..)?;
        let first = rest.chars().next()?;
        if first != '\\' {
            self.at += first.len_utf8();
            return Some(Character { start, is_space: first.is_whitespace() });
        }
        let escape = *rest.as_bytes().get(1)?;
        if escape != b'u' {
            self.at += 2;
            return Some(Character {
                start,
                is_space: matches!(escape, b'n' | b'r' | b't' | b'f'),
            });
        }
        // Half of a surrogate pair is no character, and so no space.
        let code = rest.get(2..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 6;
        let is_space = code.and_then(char::from_u32).is_some_and(char::is_whitespace);
        Some(Character { start, is_space })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn normalised(object: &str) -> String {
        let mut out = String::from("before ");
        normalise(object, &mut out);
        out.split_off("before ".len())
    }

    #[test]
    fn strings_are_trimmed_and_nothing_else_is_changed() {
        for (object, expected) in [
            ("{}", "{}"),
            (" { } ", "{}"),
            (r#"{"a":"  b  "}"#, r#"{"a":"b"}"#),
            (
                r#"{ "a " : [ " b", { " c" : "\td\u0020" } , 1.50e+10 , -0 ] }"#,
                r#"{"a ":["b",{" c":"\td"},1.50e+10,-0]}"#,
            ),
            (r#"{"a":"\n\u00a0x\\ \u2003"}"#, r#"{"a":"x\\"}"#),
            (r#"{"a":"\ud83d\ude00 "}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":" \" "}"#, r#"{"a":"\""}"#),
            (r#"{"a":"   ","b":"\t"}"#, r#"{"a":"","b":""}"#),
            (r#"{"a":"　ä　"}"#, r#"{"a":"ä"}"#),
            (r#"{"a": true , "b":null}"#, r#"{"a":true,"b":null}"#),
        ] {
            // A tab is white space only where it is escaped; raw, a string can't hold it.
            let expected = expected.replace(r"\td", "d");
            assert_eq!(normalised(object), expected, "{object}");
        }
    }

    #[test]
    fn metadata_at_the_top_is_left_as_it_came() {
        for (object, expected) in [
            (
                r#"{"metadata": { "a" : " b " } , "c":" d "}"#,
                r#"{"metadata":{ "a" : " b " },"c":"d"}"#,
            ),
            (r#"{ "met\u0061data" : [ " x ", "]" ] }"#, r#"{"met\u0061data":[ " x ", "]" ]}"#),
            (r#"{"metadata":" x "}"#, r#"{"metadata":" x "}"#),
            (r#"{"metadata": 1.0 ,"a":" x"}"#, r#"{"metadata":1.0,"a":"x"}"#),
            (r#"{"metadata": null}"#, r#"{"metadata":null}"#),
            // Deeper, or another name, or a value of that name.
            (r#"{"a":{"metadata":" x "}}"#, r#"{"a":{"metadata":"x"}}"#),
            (r#"[{"metadata":" x "}]"#, r#"[{"metadata":"x"}]"#),
            (r#"{"metadata ":" x "}"#, r#"{"metadata ":"x"}"#),
            (r#"{"a":"metadata","b":" x "}"#, r#"{"a":"metadata","b":"x"}"#),
        ] {
            assert_eq!(normalised(object), expected, "{object}");
        }
    }

    /// What the pass should do, done on a tree.
    fn reference(value: &Value, top: bool) -> Value {
        match value {
            Value::String(text) => Value::String(text.trim().to_owned()),
            Value::Array(items) => items.iter().map(|item| reference(item, false)).collect(),
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| {
                    let keep = top && key == METADATA;
                    (key.clone(), if keep { value.clone() } else { reference(value, false) })
                };
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let string = "[ \\t\\n\u{a0}a\"\\\\é😀{}\\[\\]:,]{0,6}";
        let key = prop_oneof![Just(METADATA.to_owned()), string.prop_map(String::from)];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            string.prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(4, 24, 4, move |inner| {
            let members = prop::collection::btree_map(key.clone(), inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        let member =
            prop_oneof![Just(METADATA.to_owned()), Just("a".to_owned()), Just(" b".to_owned())];
        prop::collection::btree_map(member, value, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn it_is_what_a_tree_would_say(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let normal = normalised(&text.unwrap());
            let read: Value = serde_json::from_str(&normal).unwrap();
            prop_assert_eq!(&read, &reference(&value, true));
            prop_assert_eq!(normalised(&normal), normal, "it is normal already");
        }

        #[test]
        fn nothing_panics_on_anything(text in "[\\[\\]{}\",:\\\\u \\t0-9aé]{0,40}") {
            normalised(&text);
        }
    }
}
