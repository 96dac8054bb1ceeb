//! JSON as people and programs write it, and as they shouldn't; and what `serde_json` reads of it.

use std::collections::HashSet;
use std::fmt;

use arbitrary::{Result, Unstructured};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::timestamps;

/// An object's members in their order, names unescaped, values as they stand: what a map forgets.
pub struct Members(pub Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder).map(Self)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// Whether a document has a name twice in one of its objects: which of the two counts, nobody says.
pub fn has_a_name_twice(document: &[u8]) -> bool {
    let Ok(Members(members)) = serde_json::from_slice(document) else { return false };
    let names: HashSet<_> = members.iter().map(|(name, _)| name).collect();
    names.len() < members.len()
        || members.iter().any(|(_, value)| has_a_name_twice(value.get().as_bytes()))
}

/// How deep a well-formed value nests, and whether each of its strings can be unescaped.
pub fn depth_and_strings(value: &str) -> (usize, bool) {
    let (mut depth, mut deepest, mut whole) = (0_usize, 0, true);
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        match first {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '"' => {
                let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                whole &= strings.next().is_some_and(|string| string.is_ok());
                rest = &rest[string_bytes(rest)..];
                continue;
            }
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = &rest[first.len_utf8()..];
    }
    (deepest, whole)
}

/// Length of the string that `text` begins with, quotes included.
fn string_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return at + 1,
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    text.len()
}

/// A value of any kind, or nearly one.
pub fn value(u: &mut Unstructured<'_>, depth: usize) -> Result<String> {
    Ok(match u.int_in_range(0..=9)? {
        0 => (*u.choose(&["null", "true", "false", "nul", "True", "truefalse", "NaN"])?).to_owned(),
        1 => (*u.choose(&[
            "0",
            "-0",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1.50",
            "1e5",
            "1E+5",
            "1e",
            "1e309",
            "-1e-400",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "12345678901234567890",
        ])?)
        .to_owned(),
        2 => u.arbitrary::<i64>()?.to_string(),
        3 => u.arbitrary::<f64>()?.to_string(),
        4 | 5 => string(u)?,
        6 => format!("\"{}\"", String::from_utf8_lossy(&timestamps::generate(u)?)),
        7 if depth > 0 => {
            let items: Result<Vec<_>> =
                (0..u.int_in_range(0..=3)?).map(|_| value(u, depth - 1)).collect();
            format!("[{}]", items?.join(separator(u)?))
        }
        8 if depth > 0 => object(u, depth - 1, &["a", "b", "events", ""])?,
        9 => {
            let deep = u.int_in_range(1..=140)?;
            let (open, close) = u.choose(&[("[", "]"), ("{\"a\":", "}")])?;
            format!("{}0{}", open.repeat(deep), close.repeat(deep))
        }
        _ => "{}".to_owned(),
    })
}

/// An object with some of these names, and others.
pub fn object(u: &mut Unstructured<'_>, depth: usize, names: &[&str]) -> Result<String> {
    let mut members = Vec::new();
    for _ in 0..u.int_in_range(0..=names.len() + 1)? {
        let name = match u.int_in_range(0..=9)? {
            0 => string(u)?,
            1 => format!("\"\\u00{:02x}\"", u.int_in_range(0x20..=0x7e)?),
            _ => quoted(u.choose(names)?),
        };
        let space = *u.choose(&["", "", "", " ", "\t", "\r", "\n"])?;
        members.push(format!("{name}{space}:{space}{}", value(u, depth)?));
    }
    Ok(format!("{{{}}}", members.join(separator(u)?)))
}

fn separator(u: &mut Unstructured<'_>) -> Result<&'static str> {
    Ok(*u.choose(&[",", ",", ",", ",", ", ", " ,\t", ",,", ""])?)
}

/// A text as a string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A string, with what may stand in one and what may not.
pub fn string(u: &mut Unstructured<'_>) -> Result<String> {
    const PARTS: [&str; 24] = [
        "a",
        "b",
        "web",
        "é",
        "🦀",
        "\u{7f}",
        "plain text, longer",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\ud83e\\udd80",
        "\\ud83e",
        "\\udd80",
        "\\u12",
        "\\q",
        ",",
        "\t",
        "\u{0}",
        "12.5",
        "{",
        "]",
        "\u{feff}",
    ];
    let mut string = String::from("\"");
    for _ in 0..u.int_in_range(0..=5)? {
        string += u.choose(&PARTS)?;
    }
    Ok(string + "\"")
}
