//! How many committed events of the log a sink has not applied: what still waits for it after a start,
//! and what would be lost with a sink that was removed from the configuration.

use super::frame::{FrameHeader, FrameKind};
use super::reader::ReadError;
use super::scan::{LogDir, Scan, Scanned};
use super::{Log, Lsn, Position};
use crate::stream::StreamId;

/// For each of `pairs`, how many events that committed before `until` stand behind the position that
/// its sink has durably reached. `until` is not behind the durable end. `None` if `go_on` said no.
///
/// Reads the log once, from the oldest of these positions on. Nothing may be trimmed meanwhile that
/// these positions hold.
pub fn unapplied(
    log: &Log,
    pairs: &[(StreamId, Position)],
    until: Lsn,
    go_on: impl Fn() -> bool,
) -> Result<Option<Vec<u64>>, ReadError> {
    count(log, pairs, until, go_on, unapplied_events)
}

/// How many rejected lines of `stream` stand behind the position that its quarantine has durably reached.
pub fn unapplied_rejected(
    log: &Log,
    stream: StreamId,
    position: Position,
) -> Result<u64, ReadError> {
    let rejected = |header: &FrameHeader, lsn: Lsn, position: &Position| {
        let is_behind = is_commit(header) && lsn > position.commit;
        if is_behind { header.request_rejected } else { 0 }
    };
    let waiting = count(log, &[(stream, position)], log.durable_end(), || true, rejected)?;
    Ok(waiting.iter().flatten().sum())
}

fn count(
    log: &Log,
    pairs: &[(StreamId, Position)],
    until: Lsn,
    go_on: impl Fn() -> bool,
    of_commit: impl Fn(&FrameHeader, Lsn, &Position) -> u64,
) -> Result<Option<Vec<u64>>, ReadError> {
    let mut waiting = vec![0; pairs.len()];
    let Some(from) = pairs.iter().map(|(_, at)| at.restart).min().filter(|from| *from < until)
    else {
        return Ok(Some(waiting));
    };
    let dir = LogDir::new(log.disk().clone(), log.dir());
    // What a position needs and the log has lost waits for nobody any more: its sink says so.
    let is_lost = dir.segments()?.first().is_some_and(|oldest| from < *oldest);
    let scan = if is_lost { Scan::oldest(dir) } else { Scan::from(dir, from)? };
    let mut scan = scan.of_log(log.id())?.until(until);
    while go_on() {
        let batch = match scan.step()? {
            Scanned::Batch(batch) => batch,
            Scanned::End { .. } => return Ok(Some(waiting)),
            Scanned::Segment(_) | Scanned::Gap { .. } => continue,
        };
        for frame in batch.frames() {
            let frame = frame.map_err(|error| ReadError::Contradiction {
                lsn: batch.header.lsn,
                reason: error.to_string(),
            })?;
            for ((stream, position), waiting) in pairs.iter().zip(&mut waiting) {
                if frame.header.stream == *stream {
                    *waiting += of_commit(&frame.header, frame.lsn, position);
                }
            }
        }
    }
    Ok(None)
}

fn is_commit(header: &FrameHeader) -> bool {
    header.kind == FrameKind::Lines && header.commit
}

/// Events that a commit frame stands for and that a sink at `position` hasn't applied.
fn unapplied_events(header: &FrameHeader, lsn: Lsn, position: &Position) -> u64 {
    if !is_commit(header) || lsn <= position.commit {
        return 0;
    }
    let under_way = position.under_way.filter(|under_way| under_way.request == header.request);
    header.request_events.saturating_sub(under_way.map_or(0, |done| done.events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::UnderWay;
    use crate::log::reader::Item;
    use crate::log::rig::Rig;

    fn waiting(rig: &Rig, position: Position) -> u64 {
        let pairs =
            [(rig.stream("a"), position), (rig.stream("b"), Position::at(rig.log.id(), Lsn::ZERO))];
        let waiting = unapplied(&rig.log, &pairs, rig.log.durable_end(), || true).unwrap().unwrap();
        waiting[0]
    }

    #[test]
    fn what_no_sink_has_applied_is_counted() {
        let mut rig = Rig::new();
        let start = Position::at(rig.log.id(), Lsn::ZERO);
        assert_eq!(waiting(&rig, start), 0, "a new log holds nothing");
        let mut upload = rig.begin("a");
        rig.write(&mut upload, 0, 5);
        rig.append("b", 0, 7);
        assert_eq!(waiting(&rig, start), 0, "what isn't committed waits for nobody (L2)");
        let before = rig.log.durable_end();
        drop(rig.commit(upload, 5, 5));
        rig.append("a", 10, 3);
        assert_eq!(waiting(&rig, start), 13);
        let stream = rig.stream("a");
        let earlier = unapplied(&rig.log, &[(stream, start)], before, || true).unwrap();
        assert_eq!(earlier, Some(vec![0]), "what committed behind the end that was asked for");
        assert_eq!(unapplied(&rig.log, &[(stream, start)], before, || false).unwrap(), None);
        let mut reader = rig.log.reader(stream, start).unwrap();
        while let Some(item) = reader.next().unwrap() {
            if let Item::Events(events) = item {
                let under_way = Some(UnderWay {
                    request: events.request,
                    commit: events.commit,
                    events: events.first_event + events.rows.len() as u64,
                });
                let position = Position { under_way, ..events.before };
                assert_eq!(waiting(&rig, position) + position.events_applied(), 13);
            }
        }
        assert_eq!(waiting(&rig, reader.position()), 0);
    }

    #[test]
    fn the_log_counts_what_commits_while_it_is_open() {
        let mut rig = Rig::new();
        let count = rig.log.event_count(rig.stream("a"));
        let mut upload = rig.begin("a");
        rig.write(&mut upload, 0, 5);
        rig.append("b", 0, 7);
        assert_eq!(count.get(), 0);
        drop(rig.commit(upload, 5, 4));
        drop(rig.begin("a"));
        assert_eq!(count.get(), 0, "what isn't durable is not committed");
        rig.step();
        rig.append("a", 9, 1);
        assert_eq!(count.get(), 10);
    }
}
