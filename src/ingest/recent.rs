//! The last lines that weren't ingested, for whoever looks: in memory, since the start.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::IngestError;
use crate::stream::LineError;
use crate::time::Timestamp;

/// So many of a stream are remembered.
const KEPT_MAX: usize = 20;

/// The last bad lines of a stream.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<RecentLine>>);

/// A bad line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RecentLine {
    /// When its request was answered.
    pub at: Timestamp,
    /// Its number in the request's body, from 1.
    pub line: u64,
    /// The field, where it is one field's fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was expected, and what was found.
    pub detail: String,
    /// Whether it is in quarantine; if not, its request was refused.
    pub quarantined: bool,
}

impl Recent {
    /// Takes note of a request that was refused for one of its lines.
    pub fn note_refused(&self, at: Timestamp, error: &IngestError) {
        match error {
            IngestError::Line(error) => self.push(RecentLine::new(at, error, false)),
            IngestError::NotKept(error) => self.push(RecentLine::new(at, &error.line, false)),
            IngestError::LineTooLong { line, bytes_max } => {
                let detail = format!("longer than {bytes_max} bytes, which is `limits.line`");
                let (line, field, quarantined) = (*line, None, false);
                self.push(RecentLine { at, line, field, detail, quarantined });
            }
            _ => {}
        }
    }

    /// Takes note of bad lines of one request that went to quarantine, in its order.
    pub fn note_quarantined(&self, at: Timestamp, errors: &[LineError]) {
        for error in errors {
            self.push(RecentLine::new(at, error, true));
        }
    }

    fn push(&self, line: RecentLine) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// All that are remembered, the newest first.
    pub fn newest_first(&self) -> Vec<RecentLine> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().rev().cloned().collect()
    }
}

impl RecentLine {
    fn new(at: Timestamp, error: &LineError, quarantined: bool) -> Self {
        let (line, field, detail) = (error.line, error.field.clone(), error.fault());
        Self { at, line, field, detail, quarantined }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::BadLine;

    fn error(line: u64) -> LineError {
        let (expected, found) = ("a number".into(), "nothing".into());
        LineError { line, reason: BadLine::NotJson, field: Some("id".into()), expected, found }
    }

    #[test]
    fn the_newest_are_kept_and_come_first() {
        let recent = Recent::default();
        for request in 0..3 {
            let errors: Vec<_> = (1..=10).map(|line| error(request * 10 + line)).collect();
            recent.note_quarantined(Timestamp::from_nanos(request as i64), &errors);
        }
        let lines = recent.newest_first();
        let numbers: Vec<_> = lines.iter().map(|line| line.line).collect();
        assert_eq!(numbers, (11..=30).rev().collect::<Vec<_>>());
        assert!(lines.iter().all(|line| line.quarantined));
    }

    #[test]
    fn of_a_refused_request_its_line_is_told_if_one_is_to_blame() {
        let (recent, at) = (Recent::default(), Timestamp::from_nanos(7));
        recent.note_refused(at, &IngestError::Line(error(3)));
        recent.note_refused(at, &IngestError::BodyTooLarge { bytes_max: 9 });
        recent.note_refused(at, &IngestError::LineTooLong { line: 5, bytes_max: 9 });
        let told: Vec<_> = recent
            .newest_first()
            .into_iter()
            .map(|line| (line.line, line.field, line.detail))
            .collect();
        let too_long = "longer than 9 bytes, which is `limits.line`".to_owned();
        let bad = "expected a number, found nothing".to_owned();
        assert_eq!(told, [(5, None, too_long), (3, Some("id".to_owned()), bad)]);
    }
}
