//! One event that counts, as it is remembered by its transaction id.

use crate::time::Timestamp;

/// An event that counts, remembered for as long as its id makes duplicates (`usage.dedupe`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Its id.
    pub transaction_id: String,
    /// Who sent it.
    pub customer_id: String,
    /// What it is.
    pub event_type: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The text of the JSON object that came with it.
    pub properties: Option<String>,
}
