//! HTTP/2 within bounds.
//!
//! HTTP/2 lets a client send before anybody asks: as much as its windows allow, on each connection. What
//! has come and hasn't been read lies in memory, besides `limits.in_flight`. So windows that make a single
//! upload fast are given out of a room that is a part of it, and whoever comes when that is taken gets the
//! smallest that the protocol knows.

use std::sync::Arc;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests of one connection at a time. RFC 9113 (6.5.2) recommends no fewer than 100.
const STREAMS_MAX: u32 = 100;
/// Names and values of a request's head, together.
const HEAD_BYTES_MAX: u32 = 16 << 10;
/// Requests that a client has taken back before they were looked at: more end the connection
/// (CVE-2023-44487).
const RESETS_MAX: usize = 20;
/// Requests that were wrong, and had to be reset: more end the connection (RUSTSEC-2024-0003).
const ERRORS_MAX: usize = 256;
/// What is gathered of an answer before it is written.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// What a client may send on one connection before it is read, as long as there is room for that: enough
/// for 80 Mbit/s over 100 ms.
const WINDOW_BYTES: u32 = 1 << 20;
/// The same where there is no room: the smallest window that a connection can have (RFC 9113, 6.9.2).
const WINDOW_BYTES_MIN: u32 = (1 << 16) - 1;
/// The room for windows is this part of `limits.in_flight`.
const ROOM_PART: u64 = 4;

/// Room for what clients of HTTP/2 may send unasked.
#[derive(Debug)]
pub(super) struct Http2 {
    /// A permit for each of [`WINDOW_BYTES`].
    room: Arc<Semaphore>,
}

impl Http2 {
    pub(super) fn new(in_flight_bytes: u64) -> Self {
        let windows = in_flight_bytes / ROOM_PART / u64::from(WINDOW_BYTES);
        let windows = usize::try_from(windows).unwrap_or(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(windows.min(Semaphore::MAX_PERMITS))) }
    }

    /// How one connection is served, and what it takes of the room as long as it lives.
    pub(super) fn serve(&self) -> (Builder<TokioExecutor>, Option<OwnedSemaphorePermit>) {
        let taken = self.room.clone().try_acquire_owned().ok();
        let window_bytes = if taken.is_some() { WINDOW_BYTES } else { WINDOW_BYTES_MIN };
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(ERRORS_MAX)
            .max_send_buf_size(ANSWER_BYTES_MAX)
            .initial_connection_window_size(window_bytes)
            // A request that waits must not keep the others of its connection waiting.
            .initial_stream_window_size(window_bytes / 2);
        (builder, taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_windows_are_bounded_by_what_may_be_in_flight() {
        let http2 = Http2::new(8 << 20);
        let served: Vec<_> = (0..5).map(|_| http2.serve().1).collect();
        assert_eq!(served.iter().flatten().count(), 2);
        drop(served);
        assert!(http2.serve().1.is_some());
        assert!(Http2::new(1 << 20).serve().1.is_none());
    }
}
