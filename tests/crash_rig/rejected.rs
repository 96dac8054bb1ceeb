//! What stands in quarantine, read as any program would, and what must be true of it.

use std::collections::BTreeMap;

use windrow::disk::SimDisk;

use super::client::{Answer, Client, Sent};
use super::outputs::sealed_lines;
use super::{DATA, Stream};

/// How many bad lines of each request are there, once everything is applied. Each is there once, as it
/// was sent, with its number, in the order of commits.
pub fn check_quarantine(disk: &SimDisk, stream: Stream, client: &Client) -> BTreeMap<usize, usize> {
    let path = format!("{DATA}/quarantine/{}/ingest.ndjson", stream.name());
    let contents = disk.contents(&path).unwrap_or_default();
    let lines = sealed_lines(&contents);
    let ends = memchr::memchr_iter(b'\n', &contents).count();
    assert_eq!((ends, contents.last().unwrap_or(&b'\n')), (lines.len(), &b'\n'), "{path} is torn");
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let mut last = None;
    for record in &lines {
        let raw = record["raw"].as_str().unwrap();
        let request = number_of_request(raw);
        let sent = &client.sent[request];
        assert_eq!(sent.stream, stream, "{path}: {record}");
        let count = found.entry(request).or_default();
        let expected = sent.body.bad.get(*count);
        let line = record["line"].as_u64().unwrap();
        assert_eq!(expected, Some(&(line, raw.to_owned())), "{path}: {record}");
        *count += 1;
        assert!(last <= Some(sent.order), "{path}: {record} is not in the order of commits");
        last = Some(sent.order);
    }
    for (number, sent) in client.sent.iter().enumerate().filter(|(_, it)| it.stream == stream) {
        check_request(found.get(&number).copied().unwrap_or(0), number, sent);
    }
    found
}

/// Whether a bad line of this request is in quarantine at this moment, whatever a crash has left behind it.
pub fn is_in_quarantine(disk: &SimDisk, stream: Stream, raw: &str) -> bool {
    let path = format!("{DATA}/quarantine/{}/ingest.ndjson", stream.name());
    let contents = disk.contents(path).unwrap_or_default();
    sealed_lines(&contents).iter().any(|record| record["raw"] == raw)
}

fn check_request(found: usize, number: usize, sent: &Sent) {
    let all = sent.body.bad.len();
    let is_right = match sent.answer {
        Answer::Acknowledged(_) => found == all,
        Answer::Unknown => found == all || found == 0,
        Answer::BrokenOff => found == 0,
    };
    assert!(is_right, "{found} bad lines of request {number} are there: {sent:?}");
}

fn number_of_request(raw: &str) -> usize {
    let (_, id) = raw.rsplit_once(":\"").unwrap();
    id.split_once('!').unwrap().0.parse().unwrap()
}
