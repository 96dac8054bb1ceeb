//! What happens until the power goes.

use windrow::disk::SimDisk;
use windrow::log::{CloseReason, CloseRecord};

use super::Stream::{self, Clicks, Orders, Visits};
use super::body::{Line, at, spoilt};
use super::client::Client;
use super::daemon::Daemon;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Requests that come at the same time: one batch.
    Send(Vec<(Stream, Vec<Line>, usize)>),
    /// An upload begins; its frames have a batch each.
    BeginUpload(Stream, Vec<Line>, usize),
    /// It goes on.
    GoOn(Vec<Line>, usize),
    /// It ends.
    EndUpload(Vec<Line>, usize),
    /// Its connection breaks.
    BreakOff,
    /// The sinks catch up, and the log is trimmed.
    CatchUp,
    /// One of the sinks makes a pass while the others stand still, and a checkpoint behind it or not.
    Pass(usize, bool),
    /// The log is trimmed.
    Trim,
    /// A window is closed by hand.
    Close(Stream),
    /// The daemon ends in order and starts again.
    Restart,
    /// The daemon is killed, the machine goes on, the daemon starts again.
    Kill,
}

use Step::{
    BeginUpload, BreakOff, CatchUp, Close, EndUpload, GoOn, Kill, Pass, Restart, Send, Trim,
};

/// One request of each kind of window, several of them in one step, late ones, two in the same second,
/// bad lines, uploads over several segments beside other requests, sinks that are ahead of others,
/// restarts, and a log that is trimmed meanwhile.
pub fn everything() -> Vec<Step> {
    vec![
        Send(vec![(Orders, at(0..4), 10), (Clicks, at(0..3), 10)]),
        CatchUp,
        Send(vec![(Orders, spoilt(4..13), 10), (Visits, at([0, 1, 11, 5, 25]), 50)]),
        BeginUpload(Orders, spoilt(13..18), 3000),
        Send(vec![(Clicks, at([7, 26, 12]), 10), (Orders, spoilt([14, 2, 15]), 10)]),
        CatchUp,
        GoOn(spoilt(18..27), 3000),
        Send(vec![(Visits, at([26, 40, 41, 60, 61]), 50)]),
        Send(vec![(Clicks, at(27..31), 5000)]),
        EndUpload(spoilt([27, 1, 28]), 100),
        // The quarantine of orders, before any windows have the request that it belongs to.
        Pass(1, true),
        CatchUp,
        Close(Clicks),
        Send(vec![(Clicks, at([30]), 0)]),
        Close(Clicks),
        Send(vec![(Clicks, at([30]), 0), (Orders, vec![Line::Bad, Line::Bad], 0)]),
        CatchUp,
        Kill,
        BeginUpload(Clicks, spoilt(31..33), 2000),
        Send(vec![(Orders, spoilt([29, 30, 55, 3, 80, 81]), 20)]),
        // And the windows of orders before their quarantine.
        Pass(0, true),
        Trim,
        BreakOff,
        Send(vec![(Clicks, spoilt(33..40), 4000), (Clicks, at([90, 31]), 4000)]),
        CatchUp,
        Restart,
        Send(vec![(Orders, at(81..84), 9000), (Visits, at([62, 3, 80]), 10)]),
        BeginUpload(Orders, at(84..87), 100),
        Kill,
        Send(vec![(Clicks, at(91..94), 9000), (Orders, at([87, 99]), 0)]),
        CatchUp,
        Restart,
        // More than the sink holds in memory, so that it is written behind the last checkpoint.
        Send(vec![(Orders, at([100; 30]), 9000)]),
        CatchUp,
        Kill,
        CatchUp,
        Send(vec![(Orders, spoilt([100, 50]), 0)]),
    ]
}

/// Plays a script until it is over, the power goes or the log fails. The daemon, if it still runs.
pub fn play(disk: &SimDisk, script: &[Step], client: &mut Client) -> Option<Daemon> {
    let mut daemon = start(disk)?;
    for step in script {
        match step {
            Send(requests) => {
                for (stream, lines, pad) in requests {
                    client.send(&daemon, *stream, lines, *pad);
                }
            }
            BeginUpload(stream, lines, pad) => {
                client.begin_upload(&daemon, *stream, lines, *pad);
            }
            GoOn(lines, pad) => client.go_on_with_upload(&daemon, lines, *pad),
            EndUpload(lines, pad) => client.end_upload(&daemon, lines, *pad),
            BreakOff => client.break_off_upload(),
            CatchUp => {
                let caught_up = daemon.catch_up();
                client.watch(disk);
                assert!(ended(disk, &daemon) || caught_up.is_ok(), "{caught_up:?}");
            }
            Pass(sink, has_checkpoint) => daemon.pass(*sink, *has_checkpoint),
            Trim => daemon.trim(),
            Close(stream) => {
                client.has_closed(*stream);
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
