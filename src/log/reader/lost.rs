//! What a reader passes over: committed requests that can't be read any more.
//!
//! A request is all or nothing, so one that lacks a part isn't yielded at all, unless some of its events were
//! before the part was lost. Only what a person gave up by `windrow wal repair` is passed over, and what is
//! trimmed where the reader may begin anywhere. Everything else is an error, and nothing behind it is yielded.

use super::source::Frame;
use super::{Item, ReadError, Reader, Reads};
use crate::log::Lsn;

impl Reader {
    /// A committed request of which not all frames were seen. What is not whole is not yielded.
    pub(super) fn headless(&mut self, frame: &Frame) -> Result<(), ReadError> {
        if !self.gap && !self.begins_anywhere {
            return Err(ReadError::Headless {
                request: frame.header.request,
                commit: frame.lsn,
                from: self.begin,
            });
        }
        let lines = match self.reads {
            Reads::Rejected => frame.header.request_rejected,
            Reads::Events | Reads::KeyedCommits => frame.header.request_events,
        };
        self.pass_over(frame, lines, "the log doesn't hold its beginning any more");
        Ok(())
    }

    /// Is done with a request, as far as can be, of which so many lines are lost: it must neither wait for
    /// ever nor be passed over twice.
    pub(super) fn pass_over(&mut self, frame: &Frame, lines: u64, why: &str) {
        tracing::error!(
            stream = self.stream.0,
            request = frame.header.request.0,
            commit = %frame.lsn,
            lines,
            why,
            "a request is passed over, and its lines are lost"
        );
        self.tip.commit = frame.lsn;
        self.tip.events = self.tip.events.saturating_add(frame.header.request_events);
        self.tip.under_way = None;
        self.tip.restart = self.restart(frame.next);
        self.told = frame.lsn;
        self.ahead.push(Item::Lost { lines, position: self.tip }, self.tip);
    }

    /// The request under way is over where its commit frame would have been: it was given up.
    pub(super) fn past_under_way(&mut self, lsn: Lsn) -> Result<(), ReadError> {
        let Some(under_way) = self.tip.under_way.filter(|under_way| under_way.commit < lsn) else {
            return Ok(());
        };
        if !self.gap {
            return Err(ReadError::Contradiction {
                lsn: under_way.commit,
                reason: format!(
                    "a position says that request {} is committed there",
                    under_way.request.0
                ),
            });
        }
        tracing::error!(
            request = under_way.request.0,
            "a request stays cut short: the log lost its end"
        );
        self.tip.commit = under_way.commit;
        self.tip.events = self.tip.events.saturating_add(under_way.events);
        self.tip.under_way = None;
        Ok(())
    }

    /// Whether a repair has said of a frame's lines that nobody can read them.
    pub(super) fn is_given_up(&mut self, frame: &Frame) -> Result<bool, ReadError> {
        let version = frame.header.schema;
        self.look_for(version, frame.lsn)?;
        Ok(self.versions.get(version).is_none() && self.versions.is_lost(version))
    }
}
