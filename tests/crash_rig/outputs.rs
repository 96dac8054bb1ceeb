//! What the files say, read as any program would, and what must be true of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use windrow::disk::SimDisk;
use windrow::log::scan::LogDir;
use windrow::log::verify::verify as verify_log;
use windrow::sinks::windows;
use windrow::time::Timestamp;

use super::client::{Answer, Client, Sent};
use super::rejected::check_quarantine;
use super::undisturbed::{self, Files};
use super::{Stream, WAL};

/// The events of a file: number of the request and of the event in it, in order of the rows.
type Rows = Vec<(Timestamp, usize, u64)>;

/// Checks everything that must be true once the sinks have applied everything and made a checkpoint.
pub fn check(disk: &SimDisk, client: &mut Client) {
    let removed = Stream::ALL.iter().flat_map(|stream| removed(disk, *stream)).collect();
    client.assert_seen_files_are_there(disk, &removed);
    for stream in Stream::ALL {
        check_committed_files_are_listed(disk, stream);
        let rows = check_files(disk, stream, client);
        let events = check_requests(&rows, stream, client);
        let bad = check_quarantine(disk, stream, client);
        check_none_is_there_in_part(&events, &bad, stream, client);
        check_against_undisturbed(disk, stream, client, &events);
        check_verify(disk, stream);
    }
    let dir = LogDir::new(Arc::new(disk.clone()), Path::new(WAL));
    let mut findings = Vec::new();
    verify_log(&dir, &mut |finding| findings.push(finding)).unwrap();
    findings.retain(windrow::log::verify::Finding::is_damage);
    assert!(findings.is_empty(), "verify is not content with the log: {findings:?}");
}

/// A file that has its final name is in the manifest, complete; at any moment, also just after a
/// crash.
pub fn check_committed_files_are_listed(disk: &SimDisk, stream: Stream) {
    let records = records(disk, stream);
    for (name, contents) in csv_files(disk, stream) {
        if is_open(&name) {
            continue;
        }
        let record = records.iter().find(|record| record["file"] == name.as_str());
        let record = record.unwrap_or_else(|| panic!("{name} is not in the manifest"));
        assert_eq!(record["bytes"], contents.len(), "{name}");
        let crc = format!("{:08x}", crc32fast::hash(&contents));
        assert_eq!(record["crc32"], crc.as_str(), "{name}");
    }
}

/// Every record has its file, read-only, with its rows in its interval. All rows of the stream.
fn check_files(disk: &SimDisk, stream: Stream, client: &Client) -> Rows {
    let files = csv_files(disk, stream);
    let removed = removed(disk, stream);
    let mut last_end = Timestamp::MIN;
    let mut total = 0;
    for record in records(disk, stream) {
        let file = record["file"].as_str().unwrap();
        total += record["rows"].as_u64().unwrap();
        if removed.contains(&Path::new(&stream.dir()).join(file)) {
            assert!(!files.contains_key(file), "{file} was removed and is there");
            continue;
        }
        let contents =
            files.get(file).unwrap_or_else(|| panic!("{file} is listed and isn't there"));
        let mode = disk.is_read_only(format!("{}/{file}", stream.dir()));
        assert!(mode, "{file} is committed and can be written");
        let rows = rows(stream, contents);
        assert_eq!(record["rows"], rows.len(), "{file}");
        let bound = |key: &str| Timestamp::parse(record[key].as_str().unwrap()).unwrap();
        let (start, end) = (bound("window_start"), bound("window_end"));
        assert!(rows.iter().all(|(time, ..)| start <= *time && *time < end), "{file}");
        if record["late"] == false {
            assert!(last_end <= start, "{file} begins before the window before it ends");
            last_end = end;
        }
    }
    let mut all = Rows::new();
    for (name, contents) in &files {
        let rows = rows(stream, contents);
        let order: Vec<_> = rows.iter().map(|(_, r, e)| (client.sent[*r].order, *e)).collect();
        assert!(order.is_sorted(), "{name}: not in the order of commits: {order:?}");
        if is_open(name) {
            total += rows.len() as u64;
        }
        all.extend(rows);
    }
    let listing = windows::listing(
        disk,
        Path::new(&stream.dir()),
        stream.name(),
        &windows::Page::newest(1000),
    );
    assert_eq!(listing.unwrap().rows, total, "rows of {stream:?}");
    if !removed.is_empty() {
        let events = |is_meant: fn(Answer) -> bool| -> u64 {
            let meant = client.sent.iter().filter(|s| s.stream == stream && is_meant(s.answer));
            meant.map(Sent::events).sum()
        };
        let least = events(|answer| matches!(answer, Answer::Acknowledged(_)));
        let most = events(|answer| answer != Answer::BrokenOff);
        assert!((least..=most).contains(&total), "{total} rows of {stream:?} instead of {least}");
    }
    all
}

/// Acknowledged requests are there once, all others once or not at all, each as a whole. How many
/// events of each are there.
fn check_requests(rows: &Rows, stream: Stream, client: &Client) -> BTreeMap<usize, u64> {
    let mut found: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for (time, request, event) in rows {
        let is_new = found.entry(*request).or_default().insert(*event);
        assert!(is_new, "event {event} of request {request} ({time}) is there twice");
    }
    for (number, sent) in client.sent.iter().enumerate() {
        let events = found.get(&number).map_or(0, |events| events.len() as u64);
        if sent.stream != stream {
            assert_eq!(events, 0, "request {number} is in {stream:?}: {sent:?}");
            continue;
        }
        let is_right = match sent.answer {
            // Some of it may have been removed.
            Answer::Acknowledged(_) | Answer::Unknown if stream.windows().keep.is_some() => true,
            Answer::Acknowledged(_) => events == sent.events(),
            Answer::Unknown => events == sent.events() || events == 0,
            Answer::BrokenOff => events == 0,
        };
        assert!(is_right, "{events} events of request {number} are there: {sent:?}");
    }
    found.into_iter().map(|(number, events)| (number, events.len() as u64)).collect()
}

/// A request that nobody acknowledged is in the windows and in quarantine, or in neither.
fn check_none_is_there_in_part(
    events: &BTreeMap<usize, u64>,
    bad: &BTreeMap<usize, usize>,
    stream: Stream,
    client: &Client,
) {
    for (number, sent) in client.sent.iter().enumerate().filter(|(_, it)| it.stream == stream) {
        if sent.events() > 0 && !sent.body.bad.is_empty() {
            let is_there = (events.contains_key(&number), bad.contains_key(&number));
            assert_eq!(
                is_there.0, is_there.1,
                "only a part of request {number} is there: {sent:?}"
            );
        }
    }
}

/// Crashes have cut no window off and mixed nothing up: the files are those of an undisturbed run.
fn check_against_undisturbed(
    disk: &SimDisk,
    stream: Stream,
    client: &Client,
    found: &BTreeMap<usize, u64>,
) {
    if !undisturbed::are_known(stream, client) {
        return;
    }
    let files = csv_files(disk, stream);
    let ids = |contents: &[u8]| rows(stream, contents).iter().map(|(_, r, e)| (*r, *e)).collect();
    let mut is = Files::default();
    for record in records(disk, stream) {
        let contents = &files[record["file"].as_str().unwrap()];
        is.committed.push((record["late"] == true, ids(contents)));
    }
    for (name, contents) in files.iter().filter(|(name, _)| is_open(name)) {
        let place = if name.contains(".late.") { &mut is.late } else { &mut is.open };
        *place = ids(contents);
    }
    assert_eq!(is, undisturbed::files(stream, client, |request| found.contains_key(&request)));
}

fn check_verify(disk: &SimDisk, stream: Stream) {
    let mut findings = Vec::new();
    let dir = stream.dir();
    windows::verify(disk, Path::new(&dir), stream.name(), &mut |finding| findings.push(finding))
        .unwrap();
    assert!(findings.is_empty(), "verify is not content with {stream:?}: {findings:?}");
}

/// The records of the manifest, up to a torn end.
fn records(disk: &SimDisk, stream: Stream) -> Vec<Value> {
    let mut lines = manifest(disk, stream);
    lines.retain(|line| line.get("file").is_some());
    lines
}

/// The files that the manifest says were removed.
fn removed(disk: &SimDisk, stream: Stream) -> BTreeSet<PathBuf> {
    let dir = PathBuf::from(stream.dir());
    let lines = manifest(disk, stream);
    lines.iter().filter_map(|line| Some(dir.join(line.get("removed")?.as_str()?))).collect()
}

/// The lines of the manifest, up to a torn end.
fn manifest(disk: &SimDisk, stream: Stream) -> Vec<Value> {
    let manifest = disk.contents(format!("{}/manifest.ndjson", stream.dir())).unwrap_or_default();
    sealed_lines(&manifest)
}

/// Lines that carry their own checksum, up to a torn end.
pub fn sealed_lines(contents: &[u8]) -> Vec<Value> {
    let mut lines = Vec::new();
    for line in contents.split_inclusive(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { break };
        let Some((covered, crc)) = line.rsplit_once(",\"line_crc32\":") else { break };
        if crc != format!("\"{:08x}\"}}\n", crc32fast::hash(covered.as_bytes())) {
            break;
        }
        lines.push(serde_json::from_str(line).unwrap());
    }
    lines
}

fn is_committed(name: &str) -> bool {
    name.strip_suffix(".csv").is_some()
}

fn is_open(name: &str) -> bool {
    name.strip_suffix(".csv.open").is_some()
}

/// Committed and open files of a stream.
pub fn csv_files(disk: &SimDisk, stream: Stream) -> BTreeMap<String, Vec<u8>> {
    let dir = stream.dir();
    let mut files = BTreeMap::new();
    for path in disk.files() {
        let Ok(name) = path.strip_prefix(&dir) else { continue };
        let name = name.to_str().unwrap();
        if is_committed(name) || is_open(name) {
            files.insert(name.to_owned(), disk.contents(&path).unwrap());
        }
    }
    files
}

fn rows(stream: Stream, contents: &[u8]) -> Rows {
    let header = stream.windows().header;
    let mut reader = csv::ReaderBuilder::new().has_headers(header).from_reader(contents);
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.unwrap();
        let (request, event) = record[1].split_once('-').unwrap();
        let time = Timestamp::parse(&record[0]).unwrap();
        (time, request.parse().unwrap(), event.parse().unwrap())
    };
    reader.records().map(row).collect()
}
