//! A body that comes again under its key: read and compared, and never logged.
//!
//! A repeated body is the first one to the byte, so that nothing of an answer had to be kept that is made
//! of the lines: decoding them with the first request's arrival and seed gives the same ids, and the same
//! errors, once more.

use std::sync::Arc;

use super::error::IngestError;
use super::intake::Intake;
use super::pipeline::{Ingested, decode_again};
use super::source::LineSource;
use crate::log::{Log, Receipt};
use crate::stream::Rows;

/// What a body that came again is.
#[derive(Debug)]
pub struct Repeat {
    /// What became of it the first time.
    pub ingested: Ingested,
    /// Its lines were decoded, and gave what they gave the first time.
    pub is_seen: bool,
}

/// Reads a body whose key is known, and shows `seen` its events where they are asked for.
///
/// # Errors
/// [`IngestError::KeyReused`] if it is another body than the receipt's, and what keeps it from being read.
pub async fn repeat(
    intake: &Arc<Intake>,
    log: &Log,
    source: &mut impl LineSource,
    receipt: &Receipt,
    seen: Option<impl FnMut(&Rows) + Send>,
) -> Result<Repeat, IngestError> {
    let keeps = receipt.rejected > 0;
    let is_current = log.stream(&intake.name).is_some_and(|(_, it)| it == receipt.version);
    let mut told = None;
    if is_current && (keeps || seen.is_some()) {
        let mut seen = seen;
        let see = |rows: &Rows| {
            if let Some(seen) = &mut seen {
                seen(rows);
            }
        };
        told = match decode_again(intake, log, source, receipt, keeps, see).await {
            Ok(ingested) => Some(ingested.told),
            // Another body, or the same one on another route: the rest of it tells.
            Err(error) if error.is_of_content() => None,
            Err(error) => return Err(error),
        };
    }
    if source.drain().await? != Some(receipt.fingerprint) {
        return Err(IngestError::KeyReused);
    }
    let is_seen = told.is_some();
    let ingested = Ingested {
        accepted: receipt.events,
        rejected: receipt.rejected,
        told: told.unwrap_or_default(),
        position: receipt.commit,
        reserved: None,
    };
    Ok(Repeat { ingested, is_seen })
}
