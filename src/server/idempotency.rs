//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that may be sent again without
//! being ingested twice.
//!
//! | the key | the body | the answer |
//! |---|---|---|
//! | is new | any | as without a key |
//! | is that of a request that is committed | the same | the first answer, with `Idempotency-Replayed: true` |
//! | is that of a request that is committed | another | 409 |
//! | is that of a request under way | any | 409, with `Retry-After` |
//!
//! A key is one of its stream, whichever route the stream's requests take. It is the draft's string in
//! quotes, or the same text without them. A refused request leaves its key free.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::problem::Problem;
use crate::ingest;
use crate::log::{Key, Receipt};
use crate::metrics::{Limit, Refusal};
use crate::sinks::keys::{Claim, Unclaimed};

/// The header.
const NAME: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key that a request has, if it has one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<Bytes>, Problem> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::header("Idempotency-Key", "a request has one `Idempotency-Key`"));
    }
    let value = value.as_bytes().trim_ascii();
    let text = if value.starts_with(b"\"") { unquoted(value) } else { Some(value.to_vec()) };
    let is_key = |text: &Vec<u8>| {
        (1..=Key::BYTES_MAX).contains(&text.len())
            && text.iter().all(|byte| (b' '..=b'~').contains(byte))
    };
    match text.filter(is_key) {
        Some(text) => Ok(Some(text.into())),
        None => Err(no_key()),
    }
}

/// What the header holds isn't a key.
pub(super) fn no_key() -> Problem {
    let detail = format!(
        "`Idempotency-Key` must be 1 to {} printable ASCII characters, as they are or as a string in quotes",
        Key::BYTES_MAX
    );
    Problem::header("Idempotency-Key", detail)
}

/// What a string of RFC 8941 stands for, without its parameters. `None` if it isn't one.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut rest = value.get(1..)?.iter();
    loop {
        match rest.next()? {
            b'"' => break,
            b'\\' => text.push(*rest.next().filter(|byte| matches!(byte, b'"' | b'\\'))?),
            byte => text.push(*byte),
        }
    }
    let behind = rest.as_slice().trim_ascii();
    (behind.is_empty() || behind.starts_with(b";")).then_some(text)
}

/// Says that an answer was given before.
pub(super) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

impl ingest::Claim for Claim {
    fn key(&self) -> &Bytes {
        Self::key(self)
    }

    fn settle(self: Box<Self>, receipt: Receipt) {
        Self::settle(*self, receipt);
    }

    fn leave(self: Box<Self>) {
        Self::leave(*self);
    }
}

impl Unclaimed {
    /// What the metrics count it as.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::UnderWay => Refusal::KeyUnderWay,
            Self::TooMany { .. } => Refusal::Busy,
            Self::OutOfSpace(_) => Refusal::DiskFull,
            Self::CatchingUp | Self::Waiting | Self::Store(_) => Refusal::Unavailable,
        }
    }

    /// The limit that it met.
    pub(super) fn limit(&self) -> Option<Limit> {
        matches!(self, Self::TooMany { .. }).then_some(Limit::Keys)
    }
}

impl IntoResponse for Unclaimed {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<Bytes>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_the_same_with_quotes_and_without() {
        let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
        for value in [uuid.to_owned(), format!("\"{uuid}\""), format!(" \"{uuid}\";v=1 ")] {
            assert_eq!(of(&[value.as_bytes()]), Ok(Some(uuid.into())), "{value}");
        }
        assert_eq!(of(&[br#""a\"b\\c""#]), Ok(Some(r#"a"b\c"#.into())));
        assert_eq!(of(&[br#"a"b\c"#]), Ok(Some(r#"a"b\c"#.into())));
        assert_eq!(of(&[&[b'x'; 255]]), Ok(Some(vec![b'x'; 255].into())));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn what_is_no_key_is_refused_and_the_header_named() {
        let quoted = [&b"\""[..], &[b'x'; 256], b"\""].concat();
        for values in [
            &[&b""[..]][..],
            &[b"  "],
            &[b"\"\""],
            &[b"\"open"],
            &[br#""a\n""#],
            &[b"\"a\" b"],
            &["ü".as_bytes()],
            &[b"a\tb"],
            &[&[b'x'; 256]],
            &[&quoted],
            &[b"a", b"a"],
        ] {
            let problem = of(values).unwrap_err();
            assert_eq!(problem.status(), 400);
            assert!(problem.detail().contains("`Idempotency-Key`"), "{}", problem.detail());
        }
    }
}
