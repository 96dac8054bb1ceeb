//! Decoding one frame's lines, on whichever core is free.
//!
//! A job is started on the shared pool, and taken in order by the reader. If the reader gets there
//! before the pool does, it decodes the frame itself: so it goes on at its own pace when the pool is
//! busy with somebody's upload, and needs no pool at all for frames that are too small to send.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::ReadError;
use super::versions::Version;
use crate::log::Lsn;
use crate::stream::{FrameContext, Rows};

/// Payloads below this are decoded by the reader: waking another core costs more.
const POOL_BYTES_MIN: usize = 16 << 10;

/// What is wrong where a frame's checksum isn't what it was.
pub(super) const NOT_THE_SAME: &str =
    "its lines are not those that were read with its batch before";

/// Lines to decode.
#[derive(Debug)]
pub(super) struct Lines {
    pub version: Arc<Version>,
    pub payload: Bytes,
    /// What the payload's checksum must be, where its batch's wasn't just checked.
    pub crc: Option<u32>,
    pub context: FrameContext,
    /// Events that its header says it has.
    pub events: u32,
    /// The frame they are of.
    pub lsn: Lsn,
}

/// A frame that is being decoded.
#[derive(Debug)]
pub(super) struct Job {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug)]
enum State {
    Waiting(Lines),
    Running,
    Done(Result<Arc<Rows>, ReadError>),
    Taken,
}

impl Lines {
    fn decode(self) -> Result<Arc<Rows>, ReadError> {
        let contradiction = |reason| ReadError::Contradiction { lsn: self.lsn, reason };
        if self.crc.is_some_and(|crc| crc != crc32fast::hash(&self.payload)) {
            return Err(contradiction(NOT_THE_SAME.to_owned()));
        }
        let decoded = self.version.decoder.decode(self.payload.clone(), &self.context);
        let rows = decoded.map_err(|source| ReadError::Undecodable { lsn: self.lsn, source })?;
        if rows.len() as u64 != u64::from(self.events) {
            return Err(contradiction(format!(
                "it holds {} events, and its header says {}",
                rows.len(),
                self.events
            )));
        }
        Ok(Arc::new(rows))
    }
}

impl Job {
    /// Starts decoding: on the pool where that pays, else when the rows are asked for.
    pub fn start(lines: Lines) -> Arc<Self> {
        let on_pool = lines.payload.len() >= POOL_BYTES_MIN;
        let job = Arc::new(Self { state: Mutex::new(State::Waiting(lines)), done: Condvar::new() });
        if on_pool {
            let started = Arc::clone(&job);
            rayon::spawn(move || started.run());
        }
        job
    }

    /// The rows, decoded here and now if nobody has begun.
    pub fn rows(&self) -> Result<Arc<Rows>, ReadError> {
        self.run();
        let mut state = self.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(rows) => return rows,
                other => *state = other,
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody will ask for the rows.
    pub fn abandon(&self) {
        let mut state = self.lock();
        if matches!(*state, State::Waiting(_)) {
            *state = State::Taken;
        }
    }

    fn run(&self) {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Running) {
            State::Waiting(lines) => {
                drop(state);
                let rows = lines.decode();
                *self.lock() = State::Done(rows);
                self.done.notify_one();
            }
            other => *state = other,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
