//! A manifest that a disk, or a person, has had its way with: every window that it lists is still
//! listed, or the error says where one is missing; only what never happened is cut off.
//!
//! What it says is read here by its page alone (`migrations-free-wal-spec.md`, section 11).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use serde_json::Value;
use windrow::disk::SimDisk;
use windrow::log::{LogId, Lsn, Position};
use windrow::metrics::Metrics;
use windrow::sinks::windows::{Page, Windows, WindowsOptions, listing, position_at_rest, verify};
use windrow::sinks::{OpenSink as _, SinkError};

use crate::memory;
use crate::sealed::{self, Line};
use crate::subject::Subject;

/// Files are read 256 KiB at a time, some of them twice at once, and those that `verify` reads by a mebibyte.
const BESIDE_BYTES: usize = 4 << 20;
/// What a byte of the manifest may become in a record that is understood, and a listing of all.
const BYTES_A_BYTE: usize = 100;
/// The log that everything belongs to.
const LOG: LogId = LogId([7; 16]);
const STREAM: &str = "user-events";

#[test]
fn manifest() {
    Subject { name: "manifest", generate, check, entropy_bytes_max: 1024, cases: 1500 }.run();
}

fn check(manifest: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    // As if somebody had written such lines. What they mean then is nobody's word but the reader's.
    let is_resealed = u.ratio(1, 4)?;
    let manifest = if is_resealed { sealed::resealed(manifest) } else { manifest.to_vec() };
    let lines = sealed::lines(&manifest);
    let ends: Vec<u64> = lines.iter().map(|line| line.end).collect();
    let durable_bytes = if u.ratio(1, 3)? && !ends.is_empty() { *u.choose(&ends)? } else { 0 };
    let sequence = u.int_in_range(0..=8)?;
    let disk = SimDisk::new(1);
    disk.install(path("manifest.ndjson"), &manifest);
    if durable_bytes > 0 {
        let file = format!(
            "{{\"v\":1,\"manifest_bytes\":{durable_bytes},\"checkpoint\":{}",
            checkpoint(sequence, 4096)
        );
        disk.install(path("checkpoint.json"), sealed::sealed(&file).as_bytes());
    }
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * manifest.len();
    memory::within(bytes_max, || {
        if is_resealed {
            let _ = listed(&disk).map_err(|error| told(&error));
            let _ = open(&disk).map_err(|error| told(&error));
            return;
        }
        let expected = counting(&lines, durable_bytes);
        read_at_rest(&disk, expected.as_deref(), (durable_bytes > 0).then_some(sequence));
        opened(&disk, &manifest, expected.as_deref());
    });
    Ok(())
}

fn path(name: &str) -> PathBuf {
    Path::new("/data/windows").join(STREAM).join(name)
}

/// The lines that count, if nothing says that others did.
fn counting<'a>(lines: &[Line<'a>], durable_bytes: u64) -> Option<Vec<Line<'a>>> {
    let count = lines.iter().position(|line| !line.checks).unwrap_or(lines.len());
    let (counting, behind) = lines.split_at(count);
    let end = counting.last().map_or(0, |line| line.end);
    let after = |line: &Line<'_>| line.member("after").and_then(|after| after.as_u64());
    let vouches = |line: &&Line<'_>| line.checks && after(line).is_none_or(|after| after > end);
    if end < durable_bytes || behind.iter().any(|line| vouches(&line)) {
        return None;
    }
    // A line was appended behind those before its group.
    let mut group = 0;
    for line in counting {
        match after(line)? {
            after if after == line.at => group = after,
            after if after == group => {}
            _ => return None,
        }
    }
    Some(counting.to_vec())
}

/// What is listed: names, newest first.
fn listed(disk: &SimDisk) -> std::result::Result<Vec<String>, SinkError> {
    let listing = listing(disk, path("").as_path(), STREAM, &Page::newest(usize::MAX))?;
    let name = |record: &serde_json::value::RawValue| {
        let record: Value = serde_json::from_str(record.get()).unwrap();
        record["file"].as_str().map(str::to_owned).unwrap_or_default()
    };
    Ok(listing.committed.iter().map(|record| name(record)).collect())
}

/// Read without a daemon, and by `windrow verify`.
fn read_at_rest(disk: &SimDisk, expected: Option<&[Line<'_>]>, file_sequence: Option<u64>) {
    let position = position_at_rest(disk, &path(""));
    let listed = listed(disk);
    let mut findings = Vec::new();
    verify(disk, &path(""), STREAM, &mut |finding| findings.push(finding)).unwrap();
    let Some(expected) = expected else {
        let error = position.expect_err("it is damaged, and was read");
        told(&error);
        listed.expect_err("it is damaged, and was listed");
        assert!(findings.iter().any(windrow::sinks::windows::Finding::is_damage));
        return;
    };
    let position = position.unwrap_or_else(|error| panic!("it is sound, but: {error}"));
    let records: Vec<Value> = expected
        .iter()
        .map(|line| serde_json::from_slice(line.text).unwrap())
        .filter(|record: &Value| record.get("file").is_some())
        .collect();
    let last = records.last().map(|record| &record["checkpoint"]);
    let newest = match (last, file_sequence) {
        (Some(last), Some(file)) if last["sequence"].as_u64() < Some(file) => Some(4096),
        (Some(last), _) => last["position"]["commit"].as_u64(),
        (None, file) => file.map(|_| 4096),
    };
    assert_eq!(position.map(|position| position.commit.0), newest);
    let mut names = Vec::new();
    for line in expected {
        if let Some(name) = line.member("file") {
            names.push(name);
        } else if names.first() == line.member("removed").as_ref() {
            names.remove(0);
        }
    }
    names.reverse();
    assert_eq!(listed.unwrap(), names);
    assert!(!findings.iter().any(windrow::sinks::windows::Finding::is_damage), "{findings:?}");
}

/// Opened as the daemon does: what counts is kept, to the byte, and what is damaged isn't touched.
fn opened(disk: &SimDisk, manifest: &[u8], expected: Option<&[Line<'_>]>) {
    let found = || disk.contents(path("manifest.ndjson")).unwrap();
    match (open(disk), expected) {
        (Err(error), None) => {
            told(&error);
            assert_eq!(found(), manifest, "something was touched: {error}");
        }
        (Ok(()), Some(expected)) => {
            let end = expected.last().map_or(0, |line| line.end) as usize;
            assert_eq!(found(), manifest[..end]);
            open(disk).unwrap();
            assert_eq!(found(), manifest[..end]);
        }
        (Err(error), Some(_)) => panic!("it is sound, but: {error}"),
        (Ok(()), None) => panic!("it is damaged, and was opened"),
    }
}

fn open(disk: &SimDisk) -> std::result::Result<(), SinkError> {
    thread_local! {
        static METRICS: Metrics = Metrics::new().unwrap();
    }
    let metrics = METRICS.with(|metrics| metrics.stream(STREAM));
    let shared = Arc::new(disk.clone());
    let options = WindowsOptions::default();
    let windows = Windows::new(shared, Path::new("/data"), STREAM, options, metrics);
    windows.open(Position::at(LOG, Lsn::ZERO), Lsn::ZERO).map(drop)
}

/// One sentence, with the file that it speaks of.
fn told(error: &SinkError) {
    let told = error.to_string();
    assert!(matches!(error, SinkError::Damaged { .. }), "{told}");
    assert!(told.contains("/data/windows/user-events") && !told.contains('\n'), "{told}");
}

fn checkpoint(sequence: u64, commit: u64) -> String {
    let position = format!("{{\"log\":\"{LOG}\",\"commit\":{commit},\"restart\":{commit}}}");
    format!(
        "{{\"sequence\":{sequence},\"position\":{position},\"rows\":{sequence},\
         \"clock\":{{\"first\":\"2024-07-01T02:03:04Z\"}},\"open\":[]}}"
    )
}

/// Groups of records and tombstones as they are written, and what may happen to them.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut manifest = Vec::new();
    let (mut committed, mut removed) = (0, 0);
    for _ in 0..u.int_in_range(0..=5)? {
        let after = manifest.len();
        for _ in 0..u.int_in_range(1..=3)? {
            let open = if removed < committed && u.ratio(1, 4)? {
                removed += 1;
                format!(
                    "{{\"v\":1,\"removed\":\"{}\",\"removed_at\":\"2024-07-02T00:00:00Z\",\
                     \"after\":{after}",
                    name(removed)
                )
            } else {
                committed += 1;
                record(committed, after)
            };
            manifest.extend_from_slice(sealed::sealed(&open).as_bytes());
        }
    }
    for _ in 0..u.int_in_range(0..=2)? {
        damage(&mut manifest, u)?;
    }
    Ok(manifest)
}

fn name(number: u64) -> String {
    format!("user-events-20240701-{number:06}.csv")
}

fn record(number: u64, after: usize) -> String {
    let times: String = ["window_start", "window_end", "first_event", "last_event", "committed_at"]
        .map(|name| format!("\"{name}\":\"2024-07-01T02:03:{number:02}Z\","))
        .concat();
    format!(
        "{{\"v\":1,\"file\":\"{}\",{times}\"rows\":1,\"bytes\":10,\"crc32\":\"{number:08}\",\
         \"late\":false,\"from_lsn\":{number},\"to_lsn\":{number},\"schema\":1,\"after\":{after},\
         \"checkpoint\":{}",
        name(number),
        checkpoint(number, 4096 * number)
    )
}

fn damage(manifest: &mut Vec<u8>, u: &mut Unstructured<'_>) -> Result<()> {
    if manifest.is_empty() {
        return Ok(());
    }
    let at = u.int_in_range(0..=manifest.len() - 1)?;
    let spans: Vec<(usize, usize)> =
        sealed::lines(manifest).iter().map(|line| (line.at as usize, line.end as usize)).collect();
    let (begin, end) = *u.choose(&spans)?;
    match u.int_in_range(0..=6)? {
        0 => manifest.truncate(at),
        1 => manifest[at] ^= 1 << u.int_in_range(0..=7)?,
        2 => manifest[at..].fill(0),
        3 => drop(manifest.drain(begin..end)),
        4 => {
            let line = manifest[begin..end].to_vec();
            let (to, _) = *u.choose(&spans)?;
            manifest.splice(to..to, line);
        }
        5 => manifest[begin..end].fill(*u.choose(b"\0x\n")?),
        _ => {
            let to = (at + u.int_in_range(1..=4096)?).min(manifest.len());
            manifest[at..to].fill(0);
        }
    }
    Ok(())
}
