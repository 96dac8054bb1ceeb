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
    let lsn: Lsn = position.parse().map_err(|_| {
        Problem::parameter(
            "position",
            "`position` must be what an ingest request was answered with, such as `4096`",
        )
    })?;
    let end = ready.log.durable_end();
    if lsn > end {
        return Err(Problem::parameter(
            "position",
            format!(
                "`position` {lsn} is behind the end of this log, {end}: it is from another one"
            ),
        ));
    }
    let Some(pair) = ready.sinks.pair(sink, stream) else { return Ok(()) };
    if pair.wait_for(lsn, WAIT_MAX).await {
        return Ok(());
    }
    Err(Problem::unavailable(format!(
        "the sink `{sink}` of `{stream}` has applied everything up to {}, not yet up to {lsn}; \
         `/health` says whether something keeps it",
        pair.applied()
    )))
}
