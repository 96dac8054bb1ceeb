//! `?position=…`: an answer that holds what the client has written.

use std::time::Duration;

use super::app::Ready;
use super::problem::Problem;
use crate::log::Lsn;

/// How long a request waits for a sink to get there.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Waits until the sink of the stream has applied everything up to `position`, which is the text that
/// a successful ingest request was answered with.
pub(super) async fn wait_for(
    ready: &Ready,
    sink: &str,
    stream: &str,
    position: Option<&str>,
) -> Result<(), Problem> {
    let Some(position) = position else { return Ok(()) };
    let lsn: Lsn = position.parse().map_err(|_| no_position())?;
    let end = ready.log.durable_end();
    if lsn > end {
        return Err(of_another_log(lsn, end));
    }
    let Some(pair) = ready.sinks.pair(sink, stream) else { return Ok(()) };
    if pair.wait_for(lsn, WAIT_MAX).await {
        return Ok(());
    }
    Err(not_there_yet(sink, stream, pair.applied(), lsn))
}

/// The text isn't a position.
pub(super) fn no_position() -> Problem {
    Problem::parameter(
        "position",
        "`position` must be what an ingest request was answered with, such as `4096`",
    )
}

/// The log ends before the position.
pub(super) fn of_another_log(position: Lsn, end: Lsn) -> Problem {
    let detail = format!(
        "`position` {position} is behind the end of this log, {end}: it is from another one"
    );
    Problem::parameter("position", detail)
}

/// The sink takes longer than a request waits.
pub(super) fn not_there_yet(sink: &str, stream: &str, applied: Lsn, position: Lsn) -> Problem {
    Problem::unavailable(format!(
        "the sink `{sink}` of `{stream}` has applied everything up to {applied}, not yet up to \
         {position}; `/health` says whether something keeps it"
    ))
}
