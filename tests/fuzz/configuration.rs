//! `windrow.toml` and the environment: settings, or one sentence that says where; and the texts of sizes,
//! durations and columns.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use windrow::config::{
    Config, ConfigError, DurationText, Effective, FromText, KEYS, STREAM_KEYS, Settings, Size,
    Sources,
};
use windrow::stream::{ColumnType, Schema};

use crate::memory;
use crate::subject::Subject;

/// What reading may take besides a multiple of the text, which the parser keeps as a tree.
const BESIDE_BYTES: usize = 1 << 20;
/// A nested empty array is two bytes of text.
const BYTES_A_BYTE: usize = 1000;

#[test]
fn configuration() {
    Subject { name: "configuration", generate, check, entropy_bytes_max: 1024, cases: 1000 }.run();
}

fn check(text: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let Ok(text) = std::str::from_utf8(text) else {
        // What can't stand in a file can stand in a variable.
        let _ = read(Sources { variables: variables(text), ..Sources::default() });
        return Ok(());
    };
    for line in text.lines() {
        values(line);
    }
    if u.ratio(1, 4)? {
        let _ = read(Sources { variables: variables(text.as_bytes()), ..Sources::default() });
        return Ok(());
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.toml");
    std::fs::write(&path, text).unwrap();
    let file = Some(path.clone());
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * text.len();
    let settings = memory::within(bytes_max, || read(Sources { file, ..Sources::default() }));
    let is_toml = text.parse::<toml::Table>().is_ok();
    match settings {
        Ok(_) => assert!(is_toml, "settings were read of what is no TOML"),
        Err(error) => {
            told(&error, &path, text);
            assert!(!is_toml || !matches!(error, ConfigError::Syntax { .. }), "{error}");
        }
    }
    Ok(())
}

/// Reads and understands settings. What is understood is understood again as it is printed.
fn read(sources: Sources) -> std::result::Result<Settings, ConfigError> {
    let settings = sources.read()?;
    let config = Config::from_settings(&settings)?;
    let printed = Effective::of(&settings, &config).entries.into_iter().filter_map(|entry| {
        let hides = entry.value.as_ref().is_some_and(|value| value.contains("***"));
        entry.value.filter(|_| !hides).map(|value| format!("{} = {value}\n", entry.key))
    });
    let printed: String = printed.collect();
    let _: toml::Table = printed.parse().unwrap_or_else(|error| panic!("{error}\n{printed}"));
    Ok(settings)
}

/// One sentence, which says where: the line, the variable, or the stream or key that something is wrong
/// with.
fn told(error: &ConfigError, path: &Path, text: &str) {
    let told = error.to_string();
    assert!(!told.is_empty() && !told.contains('\n'), "{told:?}");
    let line = match error {
        ConfigError::Syntax { line, .. } => *line,
        ConfigError::UnknownKey { .. } | ConfigError::BadValue { .. } => {
            let behind = told.strip_prefix(&format!("{}:", path.display()));
            let line = behind.and_then(|rest| rest.split(':').next()?.parse().ok());
            line.unwrap_or_else(|| panic!("it names no line: {told}"))
        }
        _ => {
            assert!(told.contains('`'), "it names nothing: {told}");
            return;
        }
    };
    assert!((1..=text.lines().count().max(1) + 1).contains(&line), "{told}");
}

/// A variable a line.
fn variables(text: &[u8]) -> Vec<(OsString, OsString)> {
    let lines = text.split(|byte| *byte == b'\n');
    let pair = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
        let name = [b"WINDROW_", line[..at].trim_ascii()].concat().to_ascii_uppercase();
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii().to_vec();
        (OsString::from_vec(name), OsString::from_vec(value))
    };
    lines.map(pair).collect()
}

/// The texts that values have, one by one.
fn values(text: &str) {
    assert_eq!(Size::from_text(text).map(|size| u128::from(size.0)), bytes(text), "size {text:?}");
    let duration = Duration::from_text(text);
    assert_eq!(duration.map(|it| it.as_nanos()), nanos(text), "duration {text:?}");
    if let Some(duration) = duration {
        assert_eq!(Duration::from_text(&DurationText(duration).to_string()), Some(duration));
    }
    if let Ok(kind) = text.parse::<ColumnType>() {
        assert_eq!(kind.to_string().parse(), Ok(kind.clone()), "type {text:?}");
        let columns =
            [("at".to_owned(), "timestamp".to_owned()), ("x".to_owned(), text.to_owned())];
        let schema = Schema::new("at", columns).unwrap();
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
    }
}

/// A number and a unit, in bytes.
fn bytes(text: &str) -> Option<u128> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let steps = ["b", "k", "m", "g", "t"];
    let factor: u128 = match unit.as_str() {
        "" | "b" => 1,
        unit => {
            let (step, base) = match unit.strip_suffix("ib") {
                Some(step) => (step, 1024_u128),
                None => (unit.strip_suffix('b')?, 1000),
            };
            let power = steps.iter().position(|known| *known == step).filter(|power| *power > 0)?;
            base.pow(power as u32)
        }
    };
    let bytes = u128::from(number) * factor;
    (bytes <= u64::MAX.into()).then_some(bytes)
}

/// Numbers and units, in nanoseconds.
fn nanos(text: &str) -> Option<u128> {
    let text = text.trim();
    let (mut sum, mut rest) = (0_u128, text);
    if text == "0" {
        return Some(0);
    }
    while !rest.is_empty() {
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: u64 = rest[..rest.len() - behind.len()].parse().ok()?;
        let next = behind.trim_start_matches(|c: char| !c.is_ascii_digit());
        let factor = match behind[..behind.len() - next.len()].trim() {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        sum += u128::from(number) * factor;
        rest = next;
    }
    (!text.is_empty() && sum <= u64::MAX.into()).then_some(sum)
}

/// Keys with values that some of them take.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const VALUES: [&str; 34] = [
        "\"64MiB\"",
        "\"1h30m\"",
        "\"0\"",
        "0",
        "1",
        "20_000",
        "-1",
        "true",
        "false",
        "\"\"",
        "\"none\"",
        "\"reject\"",
        "\"quarantine\"",
        "\"grid\"",
        "\"epoch\"",
        "\"text\"",
        "\"debug\"",
        "\"windows\"",
        "[\"windows\"]",
        "[\"table\", \"usage\"]",
        "[]",
        "\"/orders\"",
        "\"at\"",
        "1.5",
        "2024-07-01",
        "\"127.0.0.1:0\"",
        "\"unix:/w\"",
        "\"mysql://u:secret@h/d\"",
        "{}",
        "[[1]]",
        "\"\\u0000\"",
        "{ at = \"timestamp\", total = \"decimal\" }",
        "{ at = \"timestamp\", n = \"i64?\", k = \"a|b\" }",
        "{ at = \"string\" }",
    ];
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=6)? {
        let value = match u.int_in_range(0..=5)? {
            0 => format!(
                "\"{}{}\"",
                u.arbitrary::<u32>()?,
                u.choose(&["s", "d", "KiB", "TiB", " mb", "x"])?
            ),
            _ => (*u.choose(&VALUES)?).to_owned(),
        };
        let key = match u.int_in_range(0..=9)? {
            0 => (*u.choose(&[
                "listne",
                "wal",
                "streams",
                "streams.o",
                "a.b",
                "[limits]\nline",
                "\"\"",
            ])?)
            .to_owned(),
            1..=4 => u.choose(KEYS)?.name.to_owned(),
            _ => {
                let stream =
                    u.choose(&["o", "events", "user-events", "usage", "Bad", "\"a b\""])?;
                format!("streams.{stream}.{}", u.choose(STREAM_KEYS)?.name)
            }
        };
        text += &[&key, " = ", &value, "\n"].concat();
    }
    if u.ratio(1, 3)? {
        text += "streams.o.time = \"at\"\nstreams.o.columns = { at = \"timestamp\", total = \"decimal\" }\n";
    }
    Ok(text.into_bytes())
}
