//! Requests with an idempotency key: bodies that are told by their fingerprint, and the fate of a key.

use bytes::Bytes;

use crate::log::{AppendError, Committed, Key, Lines, Lsn, Outcome, Permit, Receipt, Request};

/// The BLAKE3 of a body as it was sent, before it is decompressed.
pub type Fingerprint = [u8; 32];

/// A key that is somebody's, and what is told to who keeps it. Dropped before [`Claim::settle`], nothing
/// was ingested, and the key is free again.
pub trait Claim: Send {
    /// The key: 1 to 255 bytes.
    fn key(&self) -> &Bytes;

    /// The request is committed.
    fn settle(self: Box<Self>, receipt: Receipt);

    /// Nobody knows whether it is, until the log is opened again.
    fn leave(self: Box<Self>);
}

/// A request with a key, once its body is read.
pub(super) struct Keyed {
    claim: Box<dyn Claim>,
    fingerprint: Fingerprint,
}

impl Keyed {
    pub(super) fn of(
        claim: Option<Box<dyn Claim>>,
        fingerprint: Option<Fingerprint>,
    ) -> Option<Self> {
        claim.zip(fingerprint).map(|(claim, fingerprint)| Self { claim, fingerprint })
    }

    /// Commits the request with its key, and tells the claim.
    ///
    /// Runs on a task of its own: a client that goes away in the middle must not free a key whose
    /// request commits all the same.
    pub(super) async fn commit(
        self,
        request: Request,
        lines: Lines,
        permit: Permit,
        outcome: Outcome,
    ) -> Result<Committed, AppendError> {
        let Self { claim, fingerprint } = self;
        let outcome = Outcome { key: Key::new(claim.key().clone(), fingerprint), ..outcome };
        let receipt = Receipt {
            fingerprint,
            arrival: request.arrival(),
            seed: request.seed(),
            version: request.version(),
            events: outcome.events,
            rejected: outcome.rejected,
            commit: Lsn::ZERO,
        };
        let committing = tokio::spawn(async move {
            let committed = request.commit(lines, permit, outcome).await;
            match &committed {
                Ok(committed) => claim.settle(Receipt { commit: committed.lsn, ..receipt }),
                // What was queued may have reached the disk.
                Err(AppendError::Failed(_) | AppendError::ShuttingDown) => claim.leave(),
                Err(_) => drop(claim),
            }
            committed
        });
        let ended = committing.await;
        ended.unwrap_or_else(|error| Err(AppendError::Failed(format!("committing: {error}"))))
    }
}
