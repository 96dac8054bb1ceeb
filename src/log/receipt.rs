//! What is remembered of a request with an idempotency key.

use super::Lsn;
use crate::stream::SchemaVersion;
use crate::time::Timestamp;

/// What answers a repeat of a committed request: all that its first answer was made of, and what made
/// the values that its lines lacked, so that the repeated body gives the same again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The BLAKE3 of the body as it was sent.
    pub fingerprint: [u8; 32],
    /// When it arrived, which is what it expires by.
    pub arrival: Timestamp,
    /// Its seed.
    pub seed: u64,
    /// The version of the schema that its lines were accepted under.
    pub version: SchemaVersion,
    /// Its events.
    pub events: u64,
    /// Its lines that went to quarantine.
    pub rejected: u64,
    /// Where its commit frame stands.
    pub commit: Lsn,
}
