//! Lists in the values of headers (RFC 9110, section 5.6): parts, between which a comma or a semicolon stands
//! that isn't in a quoted string.

/// The parts of a list, without the spaces around them. What stands in quotes stays together; so does all
/// behind a quote that is never closed.
pub(super) fn parts(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value
        .split(move |&byte| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                b'"' if !was_escaped => is_quoted = !is_quoted,
                b'\\' if is_quoted => is_escaped = !was_escaped,
                _ => {}
            }
            byte == separator && !is_quoted
        })
        .map(<[u8]>::trim_ascii)
}

/// What the value of a parameter stands for: a quoted string without its quotes, or the text itself.
pub(super) fn unquoted(value: &[u8]) -> Vec<u8> {
    let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inner) = inner else { return value.to_vec() };
    let mut is_escaped = false;
    let keeps = |byte: &&u8| {
        is_escaped = **byte == b'\\' && !is_escaped;
        !is_escaped
    };
    inner.iter().filter(keeps).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_quotes_is_no_part_of_its_own() {
        for (value, expected) in [
            ("a; b ;c", &["a", "b", "c"][..]),
            ("a; b=\"c; d\"; e", &["a", "b=\"c; d\"", "e"]),
            (r#"a; b="\";c"; d"#, &["a", r#"b="\";c""#, "d"]),
            (r#"a; b="\\"; d"#, &["a", r#"b="\\""#, "d"]),
            (r"a\; b; c", &["a\\", "b", "c"]),
            ("a; \"b; c", &["a", "\"b; c"]),
            ("", &[""]),
        ] {
            let found: Vec<_> = parts(value.as_bytes(), b';')
                .map(|part| std::str::from_utf8(part).unwrap())
                .collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn a_quoted_string_is_what_it_stands_for() {
        for (value, text) in
            [("a", "a"), ("\"a b\"", "a b"), (r#""a\"\\b""#, r#"a"\b"#), ("\"", "\""), ("\"\"", "")]
        {
            assert_eq!(unquoted(value.as_bytes()), text.as_bytes(), "{value}");
        }
    }
}
