//! Memory that requests share: so much of it for all of them together.
//!
//! What is gathered of a body and is longer than [`SHORT_BYTES`] takes its part first: as much as it may ever
//! need, for itself and for what is made of it, so that nobody waits for more with some in hand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::IngestError;
use crate::log::AppendError;

/// What is gathered of a body is short up to this, and takes nothing.
pub const SHORT_BYTES: usize = 8 << 10;
/// What comes free comes soon. Whoever has waited for so long is told to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Lines that are gathered before they become others have this part of `limits.in_flight`.
const LONG_LINES_PART: u64 = 4;
/// Questions that are asked with a document have this one.
const QUESTIONS_PART: u64 = 8;

/// Memory for one purpose: a permit for each byte.
#[derive(Clone, Debug)]
pub struct Memory {
    free: Arc<Semaphore>,
    bytes: u32,
}

/// What one request has of it, until it is dropped.
#[derive(Debug)]
pub struct Held {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// So many bytes, up to 4 GiB.
    pub fn new(bytes: u64) -> Self {
        let bytes_max = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let bytes = u32::try_from(bytes).unwrap_or(bytes_max).min(bytes_max);
        Self { free: Arc::new(Semaphore::new(bytes as usize)), bytes }
    }

    /// For long lines, where so many bytes may be in flight.
    pub fn for_long_lines(in_flight_bytes: u64) -> Self {
        Self::new(in_flight_bytes / LONG_LINES_PART)
    }

    /// For questions with a long document, where so many bytes may be in flight.
    pub fn for_questions(in_flight_bytes: u64) -> Self {
        Self::new(in_flight_bytes / QUESTIONS_PART)
    }

    /// What nobody has.
    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> usize {
        self.free.available_permits()
    }
}

impl Held {
    /// Nothing of it.
    pub fn none_of(memory: &Memory) -> Self {
        Self { memory: memory.clone(), permit: None }
    }

    fn bytes(&self) -> u32 {
        self.permit.as_ref().map_or(0, |permit| permit.num_permits() as u32)
    }

    /// Waits until it is so many bytes, where it is less; or all that there is, for who needs more than that.
    /// Meanwhile it is nothing.
    ///
    /// # Errors
    /// [`AppendError::Busy`], where that doesn't come free in time.
    pub async fn wait_for(&mut self, bytes: usize) -> Result<(), IngestError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.memory.bytes);
        if bytes <= self.bytes() {
            return Ok(());
        }
        self.permit = None;
        let whole = Arc::clone(&self.memory.free).acquire_many_owned(bytes);
        // Boxed, since most never wait. The semaphore is never closed.
        let Ok(Ok(permit)) = Box::pin(timeout(WAIT_MAX, whole)).await else {
            return Err(AppendError::Busy.into());
        };
        self.permit = Some(permit);
        Ok(())
    }

    /// Gives all of it back.
    pub(super) fn release(&mut self) {
        self.permit = None;
    }

    /// Makes it so many bytes more, if they are free and nobody waits for them.
    pub(super) fn try_grow(&mut self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.memory.free).try_acquire_many_owned(bytes) else {
            return false;
        };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        true
    }
}
