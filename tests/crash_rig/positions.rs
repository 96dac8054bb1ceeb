//! What a checkpoint says is applied must be in the files that it belongs to, at any moment, also
//! just after a crash, before anybody has mended anything.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use windrow::disk::{Disk, SimDisk};
use windrow::sinks::windows::position_at_rest;

use super::Stream;
use super::client::{Answer, Client};
use super::daemon::quarantine;
use super::outputs::csv_files;
use super::rejected::is_in_quarantine;

/// Checks the position of each pair against what clients were told.
pub fn check_positions(disk: &SimDisk, client: &Client) {
    for stream in Stream::ALL {
        if stream.windows().keep.is_none() {
            check_windows(disk, stream, client);
        }
        if stream.keeps_bad_lines() {
            check_quarantine(disk, stream, client);
        }
    }
}

fn check_windows(disk: &SimDisk, stream: Stream, client: &Client) {
    let Ok(position) = position_at_rest(disk, Path::new(&stream.dir())) else {
        panic!("the position of {stream:?}'s windows can't be read")
    };
    let Some(position) = position else { return };
    let ids = ids(disk, stream);
    for (number, sent) in client.sent.iter().enumerate().filter(|(_, it)| it.stream == stream) {
        if matches!(sent.answer, Answer::Acknowledged(commit) if commit <= position.commit) {
            let missing =
                (0..sent.events()).find(|event| !ids.contains(&format!("{number}-{event}")));
            assert_eq!(
                missing, None,
                "of request {number}, which is before {position:?}: {sent:?}"
            );
        }
    }
}

fn check_quarantine(disk: &SimDisk, stream: Stream, client: &Client) {
    let any: Arc<dyn Disk> = Arc::new(disk.clone());
    let (_, start) = quarantine(&any, stream);
    let Some(mark) = start.load().unwrap() else { return };
    for sent in client.sent.iter().filter(|it| it.stream == stream) {
        if matches!(sent.answer, Answer::Acknowledged(commit) if commit <= mark.position.commit) {
            for (_, raw) in &sent.body.bad {
                assert!(is_in_quarantine(disk, stream, raw), "{raw} is before {mark:?}: {sent:?}");
            }
        }
    }
}

/// The ids of all rows that can be read. What a crash tore stands in the way of none but itself.
fn ids(disk: &SimDisk, stream: Stream) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for contents in csv_files(disk, stream).values() {
        for row in contents.split(|byte| *byte == b'\n') {
            let cell = row.split(|byte| *byte == b',').nth(1);
            ids.extend(cell.map(|cell| String::from_utf8_lossy(cell).into_owned()));
        }
    }
    ids
}
