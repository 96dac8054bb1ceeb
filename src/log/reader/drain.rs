//! A committed request whose frames are being read again, from the first to the one that committed
//! it.

use std::sync::Arc;

use super::ReadError;
use super::fetch::Fetch;
use super::pending::{FrameRef, PendingRequest};
use super::source::{Content, Frame, Source};
use crate::log::TailBatch;

/// How far the frames of one request are read.
#[derive(Debug)]
pub(super) struct Drain {
    pub request: PendingRequest,
    /// The commit frame, whose lines are the last.
    pub last: Frame,
    next: usize,
    /// The batch of the tail that was looked at last.
    batch: Option<Arc<TailBatch>>,
}

impl Drain {
    pub fn new(request: PendingRequest, last: Frame) -> Self {
        Self { request, last, next: 0, batch: None }
    }

    /// The next frame and its content, `None` when only the commit frame is left. Asked again after
    /// an error, it is the same frame.
    pub fn next(
        &mut self,
        source: &Source,
        fetch: &mut Fetch,
    ) -> Result<Option<(FrameRef, Content)>, ReadError> {
        let Some(&frame) = self.request.frames.get(self.next) else { return Ok(None) };
        let content = match self.decoded_in_tail(&frame, source) {
            Some(content) => content,
            None => Content::Unverified {
                payload: fetch.payload(&self.request.frames[self.next..])?,
                crc: frame.payload_crc,
            },
        };
        self.next += 1;
        Ok(Some((frame, content)))
    }

    /// A short request is decoded in the tail still, most times.
    fn decoded_in_tail(&mut self, frame: &FrameRef, source: &Source) -> Option<Content> {
        if self.batch.as_ref().is_none_or(|batch| batch.lsn != frame.batch) {
            self.batch = source.tail_batch(frame.batch);
        }
        let frames = &self.batch.as_ref()?.frames;
        let index = frames.binary_search_by_key(&frame.lsn(), |frame| frame.lsn).ok()?;
        frames[index].rows.clone().map(Content::Decoded)
    }
}
