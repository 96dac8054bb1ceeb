//! Whether the log holds committed events of streams that nobody will apply any more: a stream that
//! was removed from the configuration while data waited is refused, unless told `--discard`.

use std::collections::HashMap;

use super::frame::{FrameHeader, FrameKind};
use super::reader::ReadError;
use super::scan::{LogDir, Scan, Scanned};
use super::{Lsn, Position, SchemaRecord};
use crate::stream::StreamId;

/// Committed events of one stream that a sink hasn't applied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unapplied {
    /// The stream's name.
    pub stream: String,
    /// Requests, those that are applied in part included.
    pub requests: u64,
    /// Their events that aren't applied.
    pub events: u64,
}

/// What the log holds of each of these streams behind the position that its sink has durably reached
/// (`None`: it has none). Streams of which nothing waits are not in the answer.
///
/// Reads the log from the oldest of these positions to its end.
pub fn unapplied(
    dir: &LogDir,
    streams: &[(String, Option<Position>)],
) -> Result<Vec<Unapplied>, ReadError> {
    let Some(from) = streams.iter().map(|(_, at)| at.map_or(Lsn::ZERO, |at| at.restart)).min()
    else {
        return Ok(Vec::new());
    };
    // From the segment's beginning, where the streams' names are.
    let segment = dir.open_at(from)?.map_or(Lsn::ZERO, |segment| segment.header().first_lsn);
    let mut scan = Scan::from(dir.clone(), segment)?;
    let mut waiting: Vec<Unapplied> = streams
        .iter()
        .map(|(name, _)| Unapplied { stream: name.clone(), ..Unapplied::default() })
        .collect();
    let mut numbers: HashMap<StreamId, usize> = HashMap::new();
    loop {
        let batch = match scan.step()? {
            Scanned::Batch(batch) => batch,
            Scanned::End { .. } => break,
            Scanned::Segment(_) | Scanned::Gap { .. } => continue,
        };
        for frame in batch.frames() {
            let frame = frame.map_err(|error| ReadError::Contradiction {
                lsn: batch.header.lsn,
                reason: error.to_string(),
            })?;
            if frame.header.kind == FrameKind::Schema {
                let record: SchemaRecord =
                    serde_json::from_slice(&batch.payload(&frame)).map_err(|error| {
                        ReadError::Contradiction { lsn: frame.lsn, reason: error.to_string() }
                    })?;
                if let Some(index) = streams.iter().position(|(name, _)| *name == record.name) {
                    numbers.insert(record.stream, index);
                }
            } else if let Some(&index) = numbers.get(&frame.header.stream) {
                let events = unapplied_events(&frame.header, frame.lsn, streams[index].1.as_ref());
                waiting[index].requests += u64::from(events > 0);
                waiting[index].events += events;
            }
        }
    }
    waiting.retain(|unapplied| unapplied.events > 0);
    Ok(waiting)
}

/// Events that a commit frame stands for and that a sink at `position` hasn't applied.
fn unapplied_events(header: &FrameHeader, lsn: Lsn, position: Option<&Position>) -> u64 {
    if header.kind != FrameKind::Lines || !header.commit {
        return 0;
    }
    let Some(position) = position else { return header.request_events };
    if lsn <= position.commit {
        return 0;
    }
    let under_way = position.under_way.filter(|under_way| under_way.request == header.request);
    header.request_events - under_way.map_or(0, |done| done.events).min(header.request_events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::UnderWay;
    use crate::log::reader::Item;
    use crate::log::rig::Rig;

    fn waiting(rig: &Rig, position: Option<Position>) -> Option<(u64, u64)> {
        let streams = [("a".to_owned(), position), ("c".to_owned(), None)];
        let waiting = unapplied(&rig.dir(), &streams).unwrap();
        assert!(waiting.len() <= 1 && waiting.iter().all(|waiting| waiting.stream == "a"));
        waiting.first().map(|waiting| (waiting.requests, waiting.events))
    }

    #[test]
    fn what_no_sink_has_applied_is_counted() {
        let mut rig = Rig::new();
        assert_eq!(waiting(&rig, None), None, "a new log holds nothing");
        let mut upload = rig.begin("a");
        rig.write(&mut upload, 0, 5);
        rig.append("b", 0, 7);
        assert_eq!(waiting(&rig, None), None, "what isn't committed waits for nobody (L2)");
        drop(rig.commit(upload, 5, 5));
        rig.append("a", 10, 3);
        assert_eq!(waiting(&rig, None), Some((2, 13)));
        let mut reader =
            rig.log.reader(rig.stream("a"), Position::at(rig.log.id(), Lsn::ZERO)).unwrap();
        let mut left = 13;
        while let Some(item) = reader.next().unwrap() {
            if let Item::Events(events) = item {
                left -= events.rows.len() as u64;
                let under_way = Some(UnderWay {
                    request: events.request,
                    commit: events.commit,
                    events: events.first_event + events.rows.len() as u64,
                });
                let position = Position { under_way, ..events.before };
                let (_, events) = waiting(&rig, Some(position)).unwrap_or_default();
                assert_eq!(events, left);
            }
        }
        assert_eq!(waiting(&rig, Some(reader.position())), None);
    }
}
