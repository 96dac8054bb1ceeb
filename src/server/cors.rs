//! Pages of other origins that may send and read: the key `cors` (the Fetch standard's CORS protocol).
//!
//! A browser asks first (a *preflight*, `OPTIONS`), without the token that the request itself will carry;
//! so that is answered in front of everything else. Answers to pages that aren't allowed are as if there
//! were no such protocol, and the browser keeps them to itself. There are no cookies here, so none are
//! allowed for: a page sends its token in `Authorization`.
//!
//! For what a form can send, a browser doesn't ask: it sends it, and only keeps the answer back. Whoever runs
//! windrow on their own machine, without tokens, would take events from every page that they look at. So what
//! a browser itself says to come from a page elsewhere ([`SITE`]) is refused ([`Pages`]).
//!
//! The owner of a name can have it lead to whatever machine looks at their page (DNS rebinding); then windrow
//! on that machine is the page's own origin, to the browser. So where only this machine can reach windrow,
//! and without tokens, a page that sends must be one of this machine by name. What only reads isn't told
//! from what a program reads by anything that such a page couldn't leave out: against that there are
//! tokens, and Unix sockets.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body::Body;
use memchr::memmem;

use super::problem::Problem;
use crate::config::Origins;
use crate::metrics::{AccessMetrics, Denied};

/// What a page may send besides what needs no leave.
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// The same of headers.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, ce-id, ce-source, ce-specversion, ce-subject, ce-time, ce-type, content-encoding, \
     content-type, idempotency-key, last-event-id, x-request-id",
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

/// Whose page a request comes from, seen from windrow: a browser says so, and no page can say otherwise
/// (Fetch Metadata). Programs don't send it.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Its values for pages of other origins.
const ELSEWHERE: [&[u8]; 2] = [b"cross-site", b"same-site"];

/// Whose pages may send.
#[derive(Debug)]
pub(super) struct Pages {
    origins: Origins,
    /// Only this machine can reach windrow, and everybody on it may do everything.
    is_private: bool,
    metrics: AccessMetrics,
}

impl Pages {
    /// Those of these origins, and of this machine if windrow `is_private` to it.
    pub(super) fn new(origins: Origins, is_private: bool, metrics: AccessMetrics) -> Self {
        Self { origins, is_private, metrics }
    }

    /// The answer to a request that isn't taken because of the page that it comes from.
    pub(super) fn refusal<B: Body>(&self, request: &Request<B>) -> Option<Response> {
        let mut response = unwelcome(&self.origins, self.is_private, request)?.into_response();
        self.metrics.denied(Denied::Origin);
        if !request.body().is_end_stream() && request.version() < Version::HTTP_2 {
            // Nobody reads the body.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Some(response)
    }
}

/// Why a request isn't taken, if it would change something and comes from a page that isn't allowed.
fn unwelcome<B>(origins: &Origins, is_private: bool, request: &Request<B>) -> Option<Problem> {
    let headers = request.headers();
    // Without it, as programs send requests, there is nothing more to look at.
    let origin = headers.get(header::ORIGIN)?;
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if !changes || allowed(origins, headers).is_some() {
        return None;
    }
    let is_elsewhere = match headers.get(&SITE) {
        Some(site) => ELSEWHERE.contains(&site.as_bytes()),
        // It isn't sent to names that a browser doesn't trust, as those of this machine are.
        None => is_private && is_of_host(origin, headers) && !names_this_machine(origin),
    };
    if !is_elsewhere {
        return None;
    }
    let origin: String = String::from_utf8_lossy(origin.as_bytes()).chars().take(200).collect();
    Some(Problem::forbidden(format!(
        "pages of `{origin}` may not send: its origin would have to be named in `cors`"
    )))
}

/// Whether a page of that origin comes from the host that it sends to, as its browser knows it.
fn is_of_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    host.is_some_and(|host| authority(origin.as_bytes()).eq_ignore_ascii_case(host))
}

/// Whether an origin is an address, or a name that no other machine can have (RFC 6761, 6.3).
fn names_this_machine(origin: &HeaderValue) -> bool {
    let authority = String::from_utf8_lossy(authority(origin.as_bytes())).to_ascii_lowercase();
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &authority,
    };
    let name = name.trim_end_matches('.');
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    is_address || name == "localhost" || name.ends_with(".localhost")
}

/// Host and port of an origin.
fn authority(origin: &[u8]) -> &[u8] {
    memmem::find(origin, b"://").map_or(origin, |at| &origin[at + 3..])
}

/// Answers preflights, and says on all other answers which page may read them.
pub(super) async fn allow(
    State(origins): State<Arc<Origins>>,
    request: axum::extract::Request,
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

fn is_preflight<B>(request: &Request<B>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_elsewhere_sends_unasked_is_unwelcome_and_what_programs_send_never_is() {
        const PAGE: &str = "https://app.example.org";
        let some = Origins::These(vec![PAGE.to_owned()]);
        let other = "https://evil.example";
        for (origins, method, origin, site, welcome) in [
            (&Origins::None, "POST", None, None, true),
            (&Origins::None, "POST", Some(PAGE), None, true),
            (&Origins::None, "POST", Some(PAGE), Some("same-origin"), true),
            (&Origins::None, "POST", Some(PAGE), Some("cross-site"), false),
            (&Origins::None, "POST", Some("null"), Some("cross-site"), false),
            (&Origins::None, "POST", Some("http://127.0.0.1:3000"), Some("same-site"), false),
            (&Origins::None, "GET", Some(PAGE), Some("cross-site"), true),
            (&Origins::None, "POST", None, Some("none"), true),
            (&some, "POST", Some(PAGE), Some("cross-site"), true),
            (&some, "POST", Some(other), Some("cross-site"), false),
            (&Origins::All, "POST", Some(other), Some("cross-site"), true),
        ] {
            let mut request = Request::builder().method(method);
            for (name, value) in [(header::ORIGIN, origin), (SITE, site)] {
                request = value.into_iter().fold(request, |it, value| it.header(&name, value));
            }
            let refusal = unwelcome(origins, true, &request.body(()).unwrap());
            assert_eq!(refusal.is_none(), welcome, "{origins:?} {method} {origin:?} {site:?}");
        }
    }

    #[test]
    fn a_page_whose_name_was_led_here_is_unwelcome_where_only_this_machine_is_expected() {
        let refused = |is_private, origin: &str, host: &str| {
            let request = Request::post("/").header(header::ORIGIN, origin);
            let request = request.header(header::HOST, host).body(()).unwrap();
            unwelcome(&Origins::None, is_private, &request).is_some()
        };
        assert!(refused(true, "http://evil.example:8080", "evil.example:8080"));
        assert!(refused(true, "http://Evil.example", "evil.example"));
        assert!(refused(true, "http://notlocalhost:80", "notlocalhost:80"));
        assert!(!refused(false, "http://evil.example:8080", "evil.example:8080"));
        for own in
            ["localhost:8080", "windrow.localhost", "127.0.0.1:8080", "[::1]:8080", "10.0.0.9"]
        {
            assert!(!refused(true, &format!("http://{own}"), own), "{own}");
        }
        // No browser says that.
        assert!(!refused(true, "http://evil.example", "w"));
    }
}
