//! What usage is read by: how many events a customer has sent, and the calls of Metronome's API that
//! ask the same.
//!
//! | route | answers with |
//! |---|---|
//! | `GET /v1/customers/{id}/total_events` | one customer's counts ([`one`]) |
//! | `GET /v1/usage/totals` | those of all customers, page by page ([`all`]) |
//! | `POST /v1/usage` | the same as Metronome tells it ([`batch`]) |
//! | `POST /v1/events/search` | events by their transaction ids ([`search`]) |
//!
//! `POST /v1/ingest` is [`super::ingest`]'s.

mod all;
mod batch;
mod cursor;
mod customer;
mod document;
mod form;
mod line;
mod one;
mod page;
mod pieces;
mod question;
mod search;

use std::sync::Arc;

pub(super) use self::all::{LIMIT_DEFAULT, LIMIT_MAX, all};
pub(super) use self::batch::{LIKE as BATCH_LIKE, batch};
pub(super) use self::document::{too_long, unlike};
pub(super) use self::one::{of_empty_id, one};
pub(super) use self::search::{LIKE as SEARCH_LIKE, search};
use super::app::{App, Ready};
use super::problem::Problem;
use super::read_your_writes;
use crate::sinks::usage::{self, STREAM, UsageError, UsageReader};

/// The store once it holds what the client wants to have seen.
async fn reader_at(
    app: &App,
    ready: &Ready,
    position: Option<&str>,
) -> Result<Arc<UsageReader>, Problem> {
    let Some(reader) = &ready.usage else {
        return Err(not_counted(&app.stream(STREAM)?.sinks));
    };
    read_your_writes::wait_for(ready, usage::NAME, STREAM, position).await?;
    Ok(Arc::clone(reader))
}

/// The stream's events go elsewhere.
pub(super) fn not_counted(sinks: &[String]) -> Problem {
    let sinks = sinks.join(", ");
    Problem::not_found(format!("the usage of `{STREAM}` isn't counted: its sinks are {sinks}"))
}

/// The store on a thread that may block.
async fn look<T: Send + 'static>(
    reader: Arc<UsageReader>,
    look: impl FnOnce(&UsageReader) -> Result<T, UsageError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(move || look(&reader)).await {
        Ok(found) => Ok(found?),
        Err(error) => Err(Problem::internal(format!("reading the usage store: {error}"))),
    }
}

impl From<UsageError> for Problem {
    /// A store that can't be read now is opened again, or made anew from the log.
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Backwards { .. } => Self::parameter("ending_before", error.to_string()),
            _ => Self::unavailable(format!("usage can't be read now: {error}")),
        }
    }
}
