//! The file of tokens: all of it or nothing, and nothing of it is ever repeated.

use std::collections::HashSet;

use arbitrary::{Result, Unstructured};
use serde_json::Value;
use windrow::server::auth;

use crate::json::{self, Members};
use crate::memory;
use crate::subject::Subject;

/// What a file takes besides its text and its lines.
const BESIDE_BYTES: usize = 64 << 10;

#[test]
fn tokens() {
    Subject { name: "tokens", generate, check, entropy_bytes_max: 512, cases: 1000 }.run();
}

fn check(text: &[u8], _: &mut Unstructured<'_>) -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    std::fs::write(&path, text).unwrap();
    let grants = memory::within(BESIDE_BYTES + 64 * text.len(), || auth::read(&path));
    match (grants, ids(text)) {
        (Ok(grants), Some(ids)) => {
            let found: Vec<String> = grants.iter().map(|grant| grant.id.to_string()).collect();
            assert_eq!(found, ids);
        }
        (Ok(grants), None) => panic!("it is no file of tokens, and gives {grants:?}"),
        (Err(error), Some(_)) => panic!("it is a file of tokens, but: {error}"),
        (Err(error), None) => {
            let told = error.to_string();
            assert!(!told.contains('\n'), "{told}");
            let text = String::from_utf8_lossy(text);
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let repeated = words.find(|word| word.len() > 16 && told.contains(word));
            assert_eq!(repeated, None, "{told}");
        }
    }
    Ok(())
}

/// The ids of the tokens in a file, if all of its lines are tokens, remarks or blank, and no id is there
/// twice.
fn ids(text: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let ids: Vec<String> = lines.map(id).collect::<Option<_>>()?;
    let distinct: HashSet<_> = ids.iter().collect();
    (distinct.len() == ids.len()).then_some(ids)
}

fn id(line: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(line).ok()?;
    let known = ["id", "name", "scopes", "streams", "created", "sha256"];
    let names: HashSet<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() != members.len() || names.iter().any(|name| !known.contains(name)) {
        return None;
    }
    let token: Value = serde_json::from_str(line).ok()?;
    let is_hexadecimal = |text: &&str, digits| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = token["id"].as_str().filter(|text| is_hexadecimal(text, 12))?;
    token["sha256"].as_str().filter(|text| is_hexadecimal(text, 64))?;
    let is_text = |value: &Value| value.is_null() || value.is_string();
    let scopes = texts(&token["scopes"])?;
    let are_scopes = scopes.iter().all(|scope| ["ingest", "read", "admin"].contains(scope));
    let streams = token.get("streams").map(texts);
    let are_streams = streams.is_none_or(|streams| {
        streams.is_some_and(|names| !names.is_empty() && names.iter().all(|name| is_name(name)))
    });
    let fits = !scopes.is_empty() && are_scopes && are_streams;
    (fits && is_text(&token["name"]) && is_text(&token["created"])).then(|| id.to_owned())
}

fn is_name(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=4)? {
        if u.ratio(1, 4)? {
            text +=
                u.choose(&["# a remark\n", "\n", "  \r\n", "windrow_0123456789ab_00\n", "{}\n"])?;
            continue;
        }
        let id = if u.ratio(1, 4)? { 7 } else { u.int_in_range(0..=1_u64 << 40)? };
        let sha256 = format!("{:064x}", u.arbitrary::<u128>()?);
        let scopes = u.choose(&[
            "[\"read\"]",
            "[\"ingest\",\"read\",\"admin\"]",
            "[]",
            "[\"write\"]",
            "\"read\"",
        ])?;
        let mut members = vec![
            format!("\"id\":\"{id:012x}\""),
            format!("\"scopes\":{scopes}"),
            format!("\"sha256\":\"{sha256}\""),
        ];
        if u.ratio(1, 2)? {
            let more =
                ["\"streams\":[\"usage\"]", "\"streams\":[]", "\"name\":null", "\"until\":1"];
            members.push((*u.choose(&more)?).to_owned());
        }
        if u.ratio(1, 4)? {
            members.push(format!("\"name\":{}", json::string(u)?));
        }
        text += &["{", &members.join(","), "}\n"].concat();
    }
    Ok(text.into_bytes())
}
