//! Headers that windrow reads itself, by the grammars of RFC 9110 (5.6), RFC 8941 (3.3.3) and RFC 7240.

use arbitrary::{Result, Unstructured};

use crate::daemon;
use crate::subject::Subject;

#[test]
fn headers() {
    let _daemon = daemon::start();
    Subject { name: "headers", generate, check, entropy_bytes_max: 512, cases: 2500 }.run();
}

fn check(value: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    // Nothing else comes through a connection as a value.
    let is_field = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let value: Vec<u8> = value.iter().copied().filter(is_field).take(4000).collect();
    match u.int_in_range(0..=4)? {
        0 => idempotency_key(&value),
        1 => content_type(&value),
        2 => content_encoding(&value),
        3 => prefer(&value),
        _ => accept(&value),
    }
    Ok(())
}

const STREAM: &str = "/v1/streams/user-events";

/// A request with a key is answered once, however the key is written.
fn idempotency_key(value: &[u8]) {
    let answer = daemon::ask("POST", STREAM, &[("idempotency-key", value)], b"");
    match key(value) {
        None => assert_eq!(answer.status, 400, "{}", answer.text()),
        Some(key) => {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
            let quoted = format!("\"{escaped}\"");
            let header = [("Idempotency-Key", quoted.as_bytes())];
            let again = daemon::ask("POST", STREAM, &header, b"");
            assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.text());
            assert_eq!(again.text(), answer.text());
        }
    }
}

/// The key that a value stands for: a string of RFC 8941, whose parameters say nothing, or a text.
fn key(value: &[u8]) -> Option<String> {
    // What isn't text is in no key, and parameters say nothing.
    let text = String::from_utf8_lossy(value);
    let text = text.trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => {
            let mut key = String::new();
            let mut chars = rest.chars();
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
                    other => key.push(other),
                }
            }
            let behind = chars.as_str().trim_matches([' ', '\t']);
            if !behind.is_empty() && !behind.starts_with(';') {
                return None;
            }
            key
        }
    };
    let is_key = (1..=255).contains(&key.len()) && key.chars().all(|c| (' '..='~').contains(&c));
    is_key.then_some(key)
}

fn content_type(value: &[u8]) {
    let answer = daemon::ask("POST", STREAM, &[("content-type", value)], b"");
    let Some((media, parameters)) = media_type(value) else { return };
    let known = [
        "",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/json-lines",
        "application/json",
        "application/x-www-form-urlencoded",
        "text/csv",
    ];
    let are_taken = parameters.iter().all(|(name, value)| match name.as_str() {
        "charset" => ["utf-8", "utf8", "us-ascii"].contains(&value.to_ascii_lowercase().as_str()),
        "header" if media == "text/csv" => {
            ["present", "absent"].contains(&value.to_ascii_lowercase().as_str())
        }
        _ => true,
    });
    let is_taken = known.contains(&media.as_str()) && are_taken;
    assert_eq!(answer.status, if is_taken { 200 } else { 415 }, "{}", answer.text());
}

/// A media type in small letters and its parameters; `None` if it isn't what the grammar says.
fn media_type(value: &[u8]) -> Option<(String, Vec<(String, String)>)> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
    let (media, mut rest) = text.split_at(end);
    let is_media =
        media.is_empty() || media.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b));
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(behind) = rest.strip_prefix(';') else { break };
        rest = behind.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, behind) = rest.split_once('=').filter(|(name, _)| is_token(name))?;
        let (value, behind) = token_or_string(behind)?;
        parameters.push((name.to_ascii_lowercase(), value));
        rest = behind;
    }
    (is_media && rest.is_empty()).then(|| (media.to_ascii_lowercase(), parameters))
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// A token, or what a quoted string stands for; and what is behind it.
fn token_or_string(text: &str) -> Option<(String, &str)> {
    let Some(rest) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (token, behind) = text.split_at(end);
        return is_token(token).then(|| (token.to_owned(), behind));
    };
    let mut string = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some((string, chars.as_str())),
            '\\' => string.push(chars.next()?),
            other => string.push(other),
        }
    }
}

fn content_encoding(value: &[u8]) {
    let answer = daemon::ask("POST", STREAM, &[("content-encoding", value)], b"");
    let name = String::from_utf8_lossy(value).trim_matches([' ', '\t']).to_ascii_lowercase();
    let is_taken = ["", "identity", "gzip", "x-gzip", "zstd"].contains(&name.as_str());
    assert_eq!(answer.status, if is_taken { 200 } else { 415 }, "{}", answer.text());
}

fn prefer(value: &[u8]) {
    let answer = daemon::ask("POST", STREAM, &[("prefer", value)], b"");
    assert_eq!(answer.status, 200);
    if let Some(is_strict) = is_strict(value) {
        let applied = answer.header("preference-applied");
        assert_eq!(applied, is_strict.then_some("handling=strict"));
    }
}

/// Whether the first preference called `handling` that has a value has the value `strict`; `None` if the
/// list isn't what the grammar says.
fn is_strict(value: &[u8]) -> Option<bool> {
    let mut rest = std::str::from_utf8(value).ok()?;
    let mut handling = None;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(handling.as_deref() == Some("strict"));
        }
        let (name, value, behind) = preference(rest)?;
        if name.eq_ignore_ascii_case("handling") {
            handling = handling.or(value);
        }
        rest = behind;
        // Its parameters say nothing.
        while let Some(behind) = rest.strip_prefix(';') {
            rest = behind.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with([';', ',']) {
                (_, _, rest) = preference(rest)?;
            }
        }
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

/// A name, its value if it has one, and what is behind them and spaces.
fn preference(text: &str) -> Option<(&str, Option<String>, &str)> {
    let end = text.find(['=', ';', ',', ' ', '\t']).unwrap_or(text.len());
    let (name, behind) = text.split_at(end);
    let behind = behind.trim_start_matches([' ', '\t']);
    let (value, behind) = match behind.strip_prefix('=') {
        None => (None, behind),
        Some(behind) => {
            let (value, behind) = token_or_string(behind.trim_start_matches([' ', '\t']))?;
            (Some(value), behind)
        }
    };
    is_token(name).then(|| (name, value, behind.trim_start_matches([' ', '\t'])))
}

/// The first media type of the two that is named.
fn accept(value: &[u8]) {
    let target = "/v1/customers/nobody/total_events";
    let answer = daemon::ask("GET", target, &[("accept", value)], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let Ok(text) = std::str::from_utf8(value) else { return };
    if text.contains('"') {
        return;
    }
    let ranges = text.split(',').map(|range| range.split(';').next().unwrap_or_default());
    let mut names = ranges.map(|name| name.trim_matches([' ', '\t']).to_ascii_lowercase());
    let first = names.find(|name| name == "application/json" || name == "text/csv");
    let media = if first.as_deref() == Some("text/csv") {
        "text/csv; charset=utf-8"
    } else {
        "application/json"
    };
    assert_eq!(answer.header("content-type"), Some(media));
}

/// Parts that mean something to one of them.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const PARTS: [&str; 34] = [
        "application/x-ndjson",
        "Application/JSON",
        "text/csv",
        "TEXT/csv",
        "text/plain",
        "*/*",
        "application/x-www-form-urlencoded",
        "charset=utf-8",
        "Charset=\"UTF-8\"",
        "charset=latin1",
        "charset=us-ascii",
        "header=present",
        "header=\"absent\"",
        "header=\"ab\\sent\"",
        "header=maybe",
        "note=\"a; header=present, handling=strict\"",
        "note=\"\\\"\"",
        "handling=strict",
        "Handling = \"strict\"",
        "handling=lenient",
        "handling",
        "respond-async",
        "wait=10",
        "gzip",
        "zstd",
        "identity",
        "q=0.5",
        "8e03978e-40d5-43dd-bc93-6894a57f9324",
        "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
        "\"a\\\"b\\\\c\"",
        "\"open",
        "é",
        "a b",
        "\t",
    ];
    let mut value = String::new();
    for _ in 0..u.int_in_range(0..=4)? {
        value += u.choose(&PARTS)?;
        value += u.choose(&["", "", ";", "; ", ",", ", ", " ", ";;"])?;
    }
    if u.ratio(1, 20)? {
        value += &"x".repeat(u.int_in_range(200..=260)?);
    }
    Ok(value.into_bytes())
}
