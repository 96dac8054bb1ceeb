//! Pages of other origins that may send and read: the key `cors` (the Fetch standard's CORS protocol).
//!
//! A browser asks first (a *preflight*, `OPTIONS`), without the token that the request itself will carry;
//! so that is answered in front of everything else. Answers to pages that aren't allowed are as if there
//! were no such protocol, and the browser keeps them to itself. There are no cookies here, so none are
//! allowed for: a page sends its token in `Authorization`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::config::Origins;

/// What a page may send besides what needs no leave.
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// The same of headers.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-encoding, content-type, idempotency-key, x-request-id",
);
/// What a page may read of an answer besides what needs no leave.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "idempotency-replayed, link, retry-after, www-authenticate, x-request-id",
);
/// Seconds for which a browser needn't ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// What a page asks before it asks a server that isn't as public as itself.
const PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
/// The answer to that.
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Answers preflights, and says on all other answers which page may read them.
pub(super) async fn allow(
    State(origins): State<Arc<Origins>>,
    request: Request,
    next: Next,
) -> Response {
    let allowed = allowed(&origins, request.headers());
    let mut response = match &allowed {
        Some(_) if is_preflight(&request) => preflight(request.headers()),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    // One page's answer isn't another's, also in a cache.
    headers.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    response
}

/// The origin of the page that asks, if it may.
fn allowed(origins: &Origins, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let is_allowed = origin.to_str().is_ok_and(|origin| origins.contain(origin));
    is_allowed.then(|| match origins {
        Origins::All => HeaderValue::from_static("*"),
        Origins::None | Origins::These(_) => origin.clone(),
    })
}

fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if asked.contains_key(PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}
