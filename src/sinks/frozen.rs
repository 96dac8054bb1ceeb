//! What a sink holds at one moment, for backups: taken by the sink between two passes, written by
//! somebody else while the sink goes on.
//!
//! ```text
//!  backup ──▶ desk ──▶ runner: checkpoint, freeze ──▶ Frozen ──▶ backup: write
//!                      (milliseconds)                            (as long as it takes)
//! ```
//!
//! F1. What is written is the sink's state at one of its durable positions, whole: what a crash right
//!     after that checkpoint would have left, and recovery would have made of it.
//! F2. That position is in the log by the time it is written. So a log that is copied afterwards holds
//!     it, and everything from its `restart` on if the log was pinned before the sink was frozen.
//! F3. Nothing of what is frozen goes until it is written or let go.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use super::SinkError;
use crate::disk::{Copier, CopyError};

/// A sink's state at one moment.
pub trait Frozen: Send + fmt::Debug {
    /// Writes it below the copier's target, where it stands in a data directory. What is not there for
    /// a reason that people should know is told in a sentence.
    fn write(self: Box<Self>, copier: &mut Copier) -> Result<Option<String>, CopyError>;
}

/// Of a sink that keeps nothing but its start file.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Frozen for Nothing {
    fn write(self: Box<Self>, _copier: &mut Copier) -> Result<Option<String>, CopyError> {
        Ok(None)
    }
}

/// What a runner answers: the frozen sink, or why there is none now.
pub type FreezeAnswer = Result<Box<dyn Frozen>, SinkError>;

/// Where a pair's runner is asked to freeze its sink.
#[derive(Debug, Default)]
pub struct FreezeDesk {
    is_asked: AtomicBool,
    asker: Mutex<Option<Sender<FreezeAnswer>>>,
}

impl FreezeDesk {
    /// Asks. The runner looks between two passes, and must be woken if it rests. Who asked before and
    /// wasn't answered is forgotten.
    pub fn ask(&self) -> Receiver<FreezeAnswer> {
        let (answer, answered) = mpsc::channel();
        *self.asker.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.is_asked.store(true, Ordering::Release);
        answered
    }

    /// Who wants to be answered, if somebody does.
    pub(super) fn take(&self) -> Option<Sender<FreezeAnswer>> {
        if !self.is_asked.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.asker.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
