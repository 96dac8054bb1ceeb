//! Which files a run that nothing disturbs makes of the same requests: those that must be there, however
//! often it was cut off and gone on with.

use std::collections::BTreeMap;
use std::time::Duration;

use windrow::sinks::windows::{Anchor, WindowsOptions};
use windrow::time::Timestamp;

use super::Stream;
use super::client::Client;

/// Rows of a file: the numbers of the request and of the event in it.
pub type Ids = Vec<(usize, u64)>;

/// The files of one stream.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Files {
    /// Whether it is a late one, and its rows; in the order of the manifest.
    pub committed: Vec<(bool, Ids)>,
    /// Its rows, if there is one.
    pub open: Ids,
    /// The rows of the late file that goes with the open window.
    pub late: Ids,
}

/// Windows that begin at their first event and are closed by the first event behind them.
struct Windows {
    files: Files,
    length: Duration,
    start: Timestamp,
    end: Timestamp,
}

/// Whether the rule below is the stream's, and nobody closed one of its windows by hand.
pub fn are_known(stream: Stream, client: &Client) -> bool {
    let WindowsOptions { anchor, lateness, keep, .. } = stream.windows();
    anchor == Anchor::FirstEvent && lateness.is_zero() && keep.is_none() && !client.closes(stream)
}

/// The files that hold the events of the requests for which `is_there` says so.
pub fn files(stream: Stream, client: &Client, is_there: impl Fn(usize) -> bool) -> Files {
    let numbers = (0..client.sent.len()).filter(|it| client.sent[*it].stream == stream);
    let in_order: BTreeMap<usize, usize> =
        numbers.filter(|it| is_there(*it)).map(|it| (client.sent[it].order, it)).collect();
    let length = stream.windows().length;
    let (start, end) = (Timestamp::MIN, Timestamp::MIN);
    let mut windows = Windows { files: Files::default(), length, start, end };
    for number in in_order.into_values() {
        for (time, event) in client.sent[number].body.events.iter().zip(0..) {
            windows.add(*time, (number, event));
        }
    }
    windows.files
}

impl Windows {
    fn add(&mut self, time: Timestamp, id: (usize, u64)) {
        let files = &mut self.files;
        if time < self.start {
            files.late.push(id);
            return;
        }
        if time >= self.end {
            if !files.late.is_empty() {
                files.committed.push((true, std::mem::take(&mut files.late)));
            }
            if !files.open.is_empty() {
                files.committed.push((false, std::mem::take(&mut files.open)));
            }
            (self.start, self.end) = (time, time.saturating_add(self.length));
        }
        files.open.push(id);
    }
}
