//! What happens until the power goes.

use windrow::disk::SimDisk;
use windrow::log::{CloseReason, CloseRecord};

use super::Stream::{self, Clicks, Orders, Visits};
use super::client::Client;
use super::daemon::Daemon;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Requests that come at the same time: one batch.
    Send(Vec<(Stream, Vec<i64>, usize)>),
    /// An upload begins; its frames have a batch each.
    BeginUpload(Stream, Vec<i64>, usize),
    /// It goes on.
    GoOn(Vec<i64>, usize),
    /// It ends.
    EndUpload(Vec<i64>, usize),
    /// Its connection breaks.
    BreakOff,
    /// The sinks catch up, and the log is trimmed.
    CatchUp,
    /// A window is closed by hand.
    Close(Stream),
    /// The daemon ends in order and starts again.
    Restart,
    /// The daemon is killed, the machine goes on, the daemon starts again.
    Kill,
}

use Step::{BeginUpload, BreakOff, CatchUp, Close, EndUpload, GoOn, Kill, Restart, Send};

fn seconds(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

/// One request of each kind of window, several of them in one step, late ones, two in the same second,
/// uploads over several segments beside other requests, restarts, and a log that is trimmed meanwhile.
pub fn everything() -> Vec<Step> {
    vec![
        Send(vec![(Orders, seconds(0..4), 10), (Clicks, seconds(0..3), 10)]),
        CatchUp,
        Send(vec![(Orders, seconds(4..13), 10), (Visits, vec![0, 1, 11, 5, 25], 50)]),
        BeginUpload(Orders, seconds(13..18), 3000),
        Send(vec![(Clicks, vec![7, 26, 12], 10), (Orders, vec![14, 2, 15], 10)]),
        CatchUp,
        GoOn(seconds(18..27), 3000),
        Send(vec![(Visits, vec![26, 40, 41, 60, 61], 50)]),
        Send(vec![(Clicks, seconds(27..31), 5000)]),
        EndUpload(vec![27, 1, 28], 100),
        CatchUp,
        Close(Orders),
        Send(vec![(Orders, vec![28], 0)]),
        Close(Orders),
        Send(vec![(Orders, vec![28], 0)]),
        CatchUp,
        Kill,
        BeginUpload(Clicks, seconds(31..33), 2000),
        Send(vec![(Orders, vec![29, 30, 55, 3, 80, 81], 20)]),
        BreakOff,
        Send(vec![(Clicks, seconds(33..40), 4000), (Clicks, vec![90, 31], 4000)]),
        CatchUp,
        Restart,
        Send(vec![(Orders, seconds(81..84), 9000), (Visits, vec![62, 3, 80], 10)]),
        BeginUpload(Orders, seconds(84..87), 100),
        Kill,
        Send(vec![(Clicks, seconds(91..94), 9000), (Orders, vec![87, 99], 0)]),
        CatchUp,
        Restart,
        // More than the sink holds in memory, so that it is written behind the last checkpoint.
        Send(vec![(Orders, vec![100; 30], 9000)]),
        CatchUp,
        Kill,
        CatchUp,
        Send(vec![(Orders, vec![100, 50], 0)]),
    ]
}

/// Plays a script until it is over, the power goes or the log fails. The daemon, if it still runs.
pub fn play(disk: &SimDisk, script: &[Step], client: &mut Client) -> Option<Daemon> {
    let mut daemon = start(disk)?;
    for step in script {
        match step {
            Send(requests) => {
                for (stream, seconds, pad) in requests {
                    client.send(&daemon, *stream, seconds, *pad);
                }
            }
            BeginUpload(stream, seconds, pad) => {
                client.begin_upload(&daemon, *stream, seconds, *pad);
            }
            GoOn(seconds, pad) => client.go_on_with_upload(&daemon, seconds, *pad),
            EndUpload(seconds, pad) => client.end_upload(&daemon, seconds, *pad),
            BreakOff => client.break_off_upload(),
            CatchUp => {
                let caught_up = daemon.catch_up();
                client.watch(disk);
                assert!(ended(disk, &daemon) || caught_up.is_ok(), "{caught_up:?}");
            }
            Close(stream) => {
                let record = CloseRecord { reason: CloseReason::Request, window: None };
                let _ = daemon.log.request_close(daemon.stream(*stream), &record);
            }
            Restart => {
                daemon.stop();
                daemon = start(disk)?;
            }
            Kill => {
                client.break_off_upload();
                drop(daemon);
                daemon = start(disk)?;
            }
        }
        daemon.settle();
        client.take_answers();
        client.watch(disk);
        if ended(disk, &daemon) {
            return None;
        }
    }
    Some(daemon)
}

/// Starts it, twice if need be: a fault that the test asked for hits once.
fn start(disk: &SimDisk) -> Option<Daemon> {
    match Daemon::start(disk).or_else(|_| Daemon::start(disk)) {
        Ok(daemon) => Some(daemon),
        Err(_) if disk.is_off() => None,
        Err(error) => panic!("it doesn't start: {error}"),
    }
}

fn ended(disk: &SimDisk, daemon: &Daemon) -> bool {
    disk.is_off() || daemon.log.failed().is_some()
}
