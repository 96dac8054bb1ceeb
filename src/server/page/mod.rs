//! `GET /`: a page for people, which shows what the routes for programs say.
//!
//! One document with its style and its script inside, which asks this daemon alone; the policy in its
//! head (`Content-Security-Policy`) lets it do nothing else. Where tokens are configured, a browser that
//! comes without one gets the same document beside its 401: it has no figures in it, and asks for a
//! token, which it keeps for as long as the tab is open and sends with each question.

use std::sync::LazyLock;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

/// Where it is.
pub(super) const PATH: &str = "/";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page as it is sent.
struct Page {
    html: Bytes,
    policy: HeaderValue,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let html = include_str!("page.html").replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT);
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        source(STYLE),
        source(SCRIPT),
    );
    // Base64 is ASCII.
    let policy = HeaderValue::try_from(policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    Page { html: html.into(), policy }
});

/// The page.
pub(super) async fn page() -> Response {
    answer(StatusCode::OK)
}

/// Answers a browser that lacks a token, or the right one, with the page that asks for it.
pub(super) async fn instead_of_denial(request: Request, next: Next) -> Response {
    let is_asked_for = request.uri().path() == PATH
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && accepts_html(request.headers());
    let denied = next.run(request).await;
    if !is_asked_for || !is_denial(denied.status()) {
        return denied;
    }
    let mut page = answer(denied.status());
    if let Some(challenge) = denied.headers().get(header::WWW_AUTHENTICATE) {
        page.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.clone());
    }
    page
}

fn is_denial(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Browsers name it; programs take anything, and get the problem.
fn accepts_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}

fn answer(status: StatusCode) -> Response {
    let Page { html, policy } = &*PAGE;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // The next version of windrow has another.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, html.clone()).into_response()
}

/// How a policy names what stands inside a page (CSP Level 3, section 2.3.1).
fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}
