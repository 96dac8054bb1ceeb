//! `X-Request-Id`: the client's own, or one made here, on every answer.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::Response;
use http::{HeaderName, HeaderValue, Request};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// A longer one is replaced: it would be sent back and written to logs.
const BYTES_MAX: usize = 128;

/// Makes ids.
#[derive(Debug)]
pub(super) struct RequestIds {
    next: AtomicU64,
}

/// The id of one request.
#[derive(Debug)]
pub(super) enum RequestId {
    Given(HeaderValue),
    Made(u64),
}

impl RequestIds {
    /// Ids that begin somewhere at random, so that those of two processes don't meet.
    pub(super) fn new() -> Self {
        Self { next: AtomicU64::new(rand::random()) }
    }

    /// The id of this request.
    pub(super) fn of<B>(&self, request: &Request<B>) -> RequestId {
        match request.headers().get(&HEADER) {
            Some(given) if given.len() <= BYTES_MAX => RequestId::Given(given.clone()),
            _ => RequestId::Made(self.next.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl RequestId {
    /// Puts it on the answer.
    pub(super) fn put(self, response: &mut Response) {
        let value = match self {
            Self::Given(value) => value,
            Self::Made(number) => hexadecimal(number),
        };
        response.headers_mut().insert(HEADER, value);
    }
}

fn hexadecimal(number: u64) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let text: [u8; 16] =
        std::array::from_fn(|index| DIGITS[(number >> (60 - 4 * index)) as usize & 15]);
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_hexadecimal() {
        assert_eq!(hexadecimal(0x0123_4567_89ab_cdef), "0123456789abcdef");
    }
}
