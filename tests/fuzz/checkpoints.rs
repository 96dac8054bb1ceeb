//! Small files that say how far a sink has got: what was written, or an error that says which file and
//! why; never another position.

use std::path::Path;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use serde_json::Value;
use windrow::disk::SimDisk;
use windrow::log::{LogId, Lsn, Position, RequestId, UnderWay};
use windrow::sinks::windows::position_at_rest;
use windrow::sinks::{Mark, SinkError, StartFile, Tally};

use crate::subject::Subject;
use crate::{json, memory, sealed};

/// What reading takes besides a multiple of the file.
const BESIDE_BYTES: usize = 64 << 10;
const BYTES_A_BYTE: usize = 100;

#[test]
fn checkpoints() {
    Subject { name: "checkpoints", generate, check, entropy_bytes_max: 512, cases: 4000 }.run();
}

fn check(file: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let file = if u.arbitrary()? { sealed::resealed(file) } else { file.to_vec() };
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * file.len();
    let line = match sealed::lines(&file)[..] {
        [line] if line.checks => Some(line.text),
        _ => None,
    };
    let content = line.and_then(|line| serde_json::from_slice(line).ok());
    memory::within(bytes_max, || {
        let found = start_file(&file, StartFile::load).map(Option::unwrap);
        agree(
            found.map(|mark| (mark.position, mark.epoch, mark.tally)),
            content.as_ref().and_then(mark),
            line,
        );
        let disk = SimDisk::new(1);
        disk.install("/w/checkpoint.json", &file);
        let found = position_at_rest(&disk, Path::new("/w")).map(Option::unwrap);
        agree(found, content.as_ref().and_then(checkpoint), line);
    });
    stored(u)
}

/// The start file of a pair, with this in it.
fn start_file<T>(file: &[u8], with: impl FnOnce(&StartFile) -> T) -> T {
    let disk = SimDisk::new(1);
    disk.install("/data/sinks/table-events.json", file);
    with(&StartFile::new(Arc::new(disk), Path::new("/data"), "table", "events"))
}

/// What is read is what stands there. Keys that stand there twice, and those that nobody knows, aren't
/// judged here.
fn agree<T: PartialEq + std::fmt::Debug>(
    found: std::result::Result<T, SinkError>,
    expected: Option<T>,
    line: Option<&[u8]>,
) {
    match (found, expected) {
        (Ok(found), Some(expected)) => assert_eq!(found, expected),
        (Ok(found), None) => panic!("it says nothing of the kind, and gives {found:?}"),
        (Err(error), expected) => {
            let told = error.to_string();
            assert!(matches!(error, SinkError::Damaged { .. }) && !told.contains('\n'), "{told}");
            let is_odd = line.is_some_and(json::has_a_name_twice);
            assert!(expected.is_none() || is_odd, "it is {expected:?}, but: {told}");
        }
    }
}

fn mark(content: &Value) -> Option<(Position, u32, Tally)> {
    content["sink"].as_str()?;
    content["stream"].as_str()?;
    is_version_1(content)?;
    let epoch = match content.get("epoch") {
        None => 0,
        Some(epoch) => u32::try_from(epoch.as_u64()?).ok()?,
    };
    let tally = match content.get("tally") {
        None => Tally::default(),
        Some(tally) => {
            let number = |name| tally.as_object()?.get(name)?.as_u64();
            Tally { failed: number("failed")?, duplicates: number("duplicates")? }
        }
    };
    Some((position(&content["position"])?, epoch, tally))
}

fn is_version_1(content: &Value) -> Option<()> {
    (content["v"].as_u64()? == 1).then_some(())
}

/// The position of a checkpoint of the windows, if the whole of it can be one.
fn checkpoint(content: &Value) -> Option<Position> {
    is_version_1(content)?;
    // Without a manifest there can't have been one.
    let manifest_bytes = content["manifest_bytes"].as_u64()?;
    let checkpoint = &content["checkpoint"];
    checkpoint["sequence"].as_u64()?;
    checkpoint["rows"].as_u64()?;
    let clock = checkpoint["clock"].as_object()?;
    for name in ["first", "latest", "floor"] {
        match clock.get(name) {
            None | Some(Value::Null) => {}
            Some(time) => drop(time.as_str().filter(|text| is_time(text))?),
        }
    }
    checkpoint["open"].as_array()?.is_empty().then_some(())?;
    let position = position(&checkpoint["position"])?;
    (manifest_bytes == 0).then_some(position)
}

fn is_time(text: &str) -> bool {
    crate::timestamps::meant(text.as_bytes(), false).is_some()
}

fn position(value: &Value) -> Option<Position> {
    let text = value["log"].as_str().filter(|text| text.len() == 32)?;
    let mut log = [0; 16];
    for (byte, digits) in log.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(digits[0])? * 16 + digit(digits[1])?) as u8;
    }
    let under_way = match &value["under_way"] {
        Value::Null => None,
        it => Some(UnderWay {
            request: RequestId(it["request"].as_u64()?),
            commit: Lsn(it["commit"].as_u64()?),
            events: it["events"].as_u64()?,
        }),
    };
    Some(Position {
        log: LogId(log),
        commit: Lsn(value["commit"].as_u64()?),
        under_way,
        restart: Lsn(value["restart"].as_u64()?),
        events: or_zero(value, "events")?,
    })
}

fn or_zero(value: &Value, name: &str) -> Option<u64> {
    match value.as_object()?.get(name) {
        None => Some(0),
        Some(number) => number.as_u64(),
    }
}

/// What is stored is what is read.
fn stored(u: &mut Unstructured<'_>) -> Result<()> {
    let under_way = if u.arbitrary()? {
        let request = RequestId(u.arbitrary()?);
        Some(UnderWay { request, commit: Lsn(u.arbitrary()?), events: u.arbitrary()? })
    } else {
        None
    };
    let position = Position {
        log: LogId(u.arbitrary()?),
        commit: Lsn(u.arbitrary()?),
        under_way,
        restart: Lsn(u.arbitrary()?),
        events: u.arbitrary()?,
    };
    let tally = Tally { failed: u.arbitrary()?, duplicates: u.arbitrary()? };
    let mark = Mark { position, epoch: u.arbitrary()?, tally };
    start_file(b"", |start| {
        start.store(mark).unwrap();
        assert_eq!(start.load().unwrap(), Some(mark));
    });
    Ok(())
}

/// A start file or a checkpoint of the windows, with numbers that mean something.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const NUMBERS: [&str; 9] = [
        "0",
        "1",
        "4096",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1.5",
        "null",
        "\"1\"",
    ];
    let mut number = || -> Result<&str> {
        Ok(if u.ratio(4, 5)? { *u.choose(&NUMBERS[..4])? } else { *u.choose(&NUMBERS)? })
    };
    let (commit, restart, events, sequence) = (number()?, number()?, number()?, number()?);
    let log = *u.choose(&[
        "07070707070707070707070707070707",
        "0Aff0707070707070707070707070707",
        "0x070707070707070707070707070707",
        "+7070707070707070707070707070707",
        "07",
    ])?;
    let log = if u.ratio(2, 3)? { "07070707070707070707070707070707" } else { log };
    let under_way = u.choose(&["", ",\"under_way\":{\"request\":1,\"commit\":2,\"events\":3}"])?;
    let position = format!(
        "{{\"log\":\"{log}\",\"commit\":{commit}{under_way},\"restart\":{restart},\"events\":{events}}}"
    );
    let open = if u.arbitrary()? {
        let more = u.choose(&[
            "",
            ",\"epoch\":1",
            ",\"epoch\":4294967296",
            ",\"tally\":{\"failed\":1,\"duplicates\":2}",
        ])?;
        format!("{{\"v\":1,\"sink\":\"table\",\"stream\":\"events\",\"position\":{position}{more}")
    } else {
        let manifest_bytes = u.choose(&["0", "0", "0", "1"])?;
        let clock =
            u.choose(&["{}", "{\"first\":\"2024-07-01T02:03:04Z\"}", "{\"floor\":\"noon\"}"])?;
        format!(
            "{{\"v\":1,\"manifest_bytes\":{manifest_bytes},\"checkpoint\":{{\"sequence\":{sequence},\
             \"position\":{position},\"rows\":0,\"clock\":{clock},\"open\":[]}}"
        )
    };
    Ok(sealed::sealed(&open).into_bytes())
}
