//! Why a request isn't let through, as its sender is told.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::scope::{Scope, Scopes};
use super::streams::Streams;
use crate::metrics::Denied;
use crate::server::problem::Problem;

/// Characters of a stream's name that an answer repeats: whoever asks may have made it up.
const SHOWN_CHARS_MAX: usize = 100;

/// Why a request isn't let through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::server) enum Denial {
    /// It has no token.
    Missing,
    /// What it has isn't of the form of a token; why not.
    Malformed(&'static str),
    /// Nobody knows its token: it was made up, or revoked.
    Unknown,
    /// Its token lacks a scope.
    Scope {
        /// That one.
        needed: Scope,
        /// What it has.
        has: Scopes,
    },
    /// Its token isn't for the stream.
    Stream {
        /// What was to be done.
        scope: Scope,
        /// With that one.
        stream: String,
        /// What the token is for.
        has: Streams,
    },
    /// Its token is for some streams only.
    NotAllStreams {
        /// What was to be done with all of them.
        scope: Scope,
        /// What the token is for.
        has: Streams,
    },
    /// There were too many with that token.
    TooMany {
        /// How many a second there may be.
        per_second: u32,
        /// When there may be another one.
        again_in: Duration,
    },
}

impl Denial {
    /// What its token is counted as; `None` if nothing is wrong with that.
    pub(super) fn counted_as(&self) -> Option<Denied> {
        Some(match self {
            Self::Missing => Denied::Missing,
            Self::Malformed(_) => Denied::Malformed,
            Self::Unknown => Denied::Unknown,
            Self::Scope { .. } => Denied::Scope,
            Self::Stream { .. } | Self::NotAllStreams { .. } => Denied::Stream,
            Self::TooMany { .. } => return None,
        })
    }

    /// Whether somebody may be trying tokens.
    pub(super) fn is_suspicious(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Unknown)
    }

    /// What `WWW-Authenticate` says (RFC 6750, section 3), where a token could help.
    fn challenge(&self) -> Option<HeaderValue> {
        let challenge = match self {
            Self::Missing => r#"Bearer realm="windrow""#.to_owned(),
            Self::Malformed(_) | Self::Unknown => {
                r#"Bearer realm="windrow", error="invalid_token""#.to_owned()
            }
            Self::Scope { needed: scope, .. }
            | Self::Stream { scope, .. }
            | Self::NotAllStreams { scope, .. } => {
                format!(r#"Bearer realm="windrow", error="insufficient_scope", scope="{scope}""#)
            }
            Self::TooMany { .. } => return None,
        };
        HeaderValue::try_from(challenge).ok()
    }

    /// What its sender is told.
    pub(in crate::server) fn problem(self) -> Problem {
        match self {
            Self::Missing => Problem::unauthorized(
                "this needs a token: `Authorization: Bearer …`; `windrow token new` makes one",
            ),
            Self::Malformed(reason) => Problem::unauthorized(reason),
            Self::Unknown => Problem::unauthorized(
                "the token isn't one of this daemon's: it was mistyped, revoked, or made after the \
                 daemon last read its file of tokens (SIGHUP makes it read again)",
            ),
            Self::Scope { needed, has } => Problem::forbidden(format!(
                "this needs the scope `{needed}`, and the token has `{has}`"
            )),
            Self::Stream { stream, has, .. } => {
                let stream: String = stream.chars().take(SHOWN_CHARS_MAX).collect();
                Problem::forbidden(format!(
                    "the token isn't for the stream `{stream}`: it is for {}",
                    listed(&has)
                ))
            }
            Self::NotAllStreams { has, .. } => Problem::forbidden(format!(
                "this is about all streams, and the token is for {}",
                listed(&has)
            )),
            Self::TooMany { per_second, again_in } => {
                let seconds = again_in.as_secs_f64().ceil() as u32;
                Problem::too_fast(
                    format!(
                        "a token may send {per_second} requests a second, which is `limits.rate`"
                    ),
                    seconds.max(1),
                )
            }
        }
    }
}

fn listed(streams: &Streams) -> String {
    let names: Vec<_> = streams.names().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let challenge = self.challenge();
        let mut response = self.problem().into_response();
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
