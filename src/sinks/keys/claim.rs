//! What somebody who comes with a key is told.

use std::sync::Arc;

use bytes::Bytes;

use super::book::ClaimNumber;
use super::stream::StreamKeys;
use crate::log::Receipt;

/// What a key is.
#[derive(Debug)]
pub enum Claimed {
    /// New: the request is to be ingested.
    New(Claim),
    /// That of a committed request, whose answer is to be given again if the body is the same.
    Known(Receipt),
}

/// A key that is under way. Dropped before [`Claim::settle`], it is free again.
#[derive(Debug)]
pub struct Claim {
    keys: Arc<StreamKeys>,
    key: Bytes,
    number: ClaimNumber,
    is_over: bool,
}

/// Why a request with a key can't be taken.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum Unclaimed {
    /// Another request with the key is under way: 409.
    #[error("a request with this `Idempotency-Key` is still under way")]
    UnderWay,
    /// It isn't known yet which keys there are: 503.
    #[error(
        "which idempotency keys were used before isn't read from the log yet: try again shortly, or \
         send without a key"
    )]
    CatchingUp,
    /// The store takes nothing, so that memory for keys is used up: 503.
    #[error(
        "too many idempotency keys wait to be stored; `/health` says whether something keeps the sink \
         `keys`"
    )]
    Waiting,
    /// As many keys are kept as may be: 429.
    #[error(
        "{keys_max} idempotency keys are kept, which is `limits.keys`; each is kept for \
         `idempotency.keep`"
    )]
    TooMany {
        /// The limit.
        keys_max: u64,
    },
    /// The store can't be used: 503.
    #[error("idempotency keys can't be looked up now: {0}")]
    Store(String),
    /// There is no room for it: 507.
    #[error("idempotency keys can't be stored now: {0}")]
    OutOfSpace(String),
}

impl Claim {
    pub(super) fn new(keys: Arc<StreamKeys>, key: Bytes, number: ClaimNumber) -> Self {
        Self { keys, key, number, is_over: false }
    }

    /// The key.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// Its request is committed.
    pub fn settle(mut self, receipt: Receipt) {
        self.is_over = true;
        self.keys.book().settle(&self.key, self.number, receipt);
    }

    /// Nobody knows what became of its request: it stays under way until the next start, which finds
    /// out.
    pub fn leave(mut self) {
        self.is_over = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_over {
            self.keys.book().release(&self.key, self.number);
        }
    }
}
