//! What one token lets its holder do, and what a route asks for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::denial::Denial;
use super::scope::{Scope, Scopes};
use super::streams::Streams;
use super::token::{TokenDigest, TokenId};

/// A token as the file holds it: one line of JSON. A key that this build doesn't know may be a restriction,
/// so it is an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What it is called.
    pub id: TokenId,
    /// Who has it, or what for, in its maker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it lets its holder do.
    pub scopes: Scopes,
    /// The streams that it is for.
    #[serde(default, skip_serializing_if = "Streams::are_all")]
    pub streams: Streams,
    /// When it was made, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What its text is recognised by.
    pub(super) sha256: TokenDigest,
}

/// What a route asks of a token.
#[derive(Clone, Debug)]
pub(in crate::server) struct Need {
    scope: Scope,
    of: Of,
}

/// Whose data a route is about.
#[derive(Clone, Debug)]
enum Of {
    /// Nobody's, or it shows each what is theirs.
    Nobody,
    /// This stream's.
    Stream(Arc<str>),
    /// That of the stream that stands in the path as `{stream}`.
    InPath,
    /// All of it at once.
    All,
}

impl Need {
    /// A scope, for whichever stream. The route must keep from a token what isn't for it
    /// ([`super::Access`]).
    pub(in crate::server) const fn any(scope: Scope) -> Self {
        Self { scope, of: Of::Nobody }
    }

    /// A scope for this stream.
    pub(in crate::server) fn stream(scope: Scope, stream: &str) -> Self {
        Self { scope, of: Of::Stream(stream.into()) }
    }

    /// A scope for the stream that stands in the path as `{stream}`.
    pub(in crate::server) const fn stream_in_path(scope: Scope) -> Self {
        Self { scope, of: Of::InPath }
    }

    /// A scope, of a token for all streams.
    pub(in crate::server) const fn all_streams(scope: Scope) -> Self {
        Self { scope, of: Of::All }
    }

    /// Whether `grant` has it. `in_path` is the stream that stands in the path, if one does.
    pub(super) fn check(&self, grant: &Grant, in_path: Option<&str>) -> Result<(), Denial> {
        if !grant.scopes.contains(self.scope) {
            return Err(Denial::Scope { needed: self.scope, has: grant.scopes.clone() });
        }
        let stream = match &self.of {
            Of::Nobody => return Ok(()),
            Of::Stream(stream) => stream,
            // A route whose path has no stream in it would be wrongly registered: nobody passes.
            Of::InPath => in_path.unwrap_or_default(),
            Of::All if grant.streams.are_all() => return Ok(()),
            Of::All => {
                let (scope, has) = (self.scope, grant.streams.clone());
                return Err(Denial::NotAllStreams { scope, has });
            }
        };
        if grant.streams.contain(stream) && !stream.is_empty() {
            return Ok(());
        }
        let (stream, has) = (stream.to_owned(), grant.streams.clone());
        Err(Denial::Stream { scope: self.scope, stream, has })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(scopes: &str, streams: &str) -> Grant {
        Grant {
            id: "0123456789ab".to_owned().try_into().unwrap(),
            name: None,
            scopes: scopes.parse().unwrap(),
            streams: streams.parse().unwrap(),
            created: None,
            sha256: TokenDigest::OF_NOBODY,
        }
    }

    #[test]
    fn a_grant_must_have_the_scope_and_the_stream() {
        let some = grant("ingest,read", "a,b");
        let all = grant("read", "*");
        for (need, in_path, some_may, all_may) in [
            (Need::any(Scope::Read), None, true, true),
            (Need::any(Scope::Admin), None, false, false),
            (Need::stream(Scope::Ingest, "a"), None, true, false),
            (Need::stream(Scope::Ingest, "c"), None, false, false),
            (Need::stream(Scope::Read, "c"), None, false, true),
            (Need::stream(Scope::Read, "a"), Some("c"), true, true),
            (Need::stream_in_path(Scope::Read), Some("b"), true, true),
            (Need::stream_in_path(Scope::Read), Some("c"), false, true),
            (Need::stream_in_path(Scope::Read), None, false, false),
            (Need::all_streams(Scope::Read), Some("a"), false, true),
        ] {
            assert_eq!(need.check(&some, in_path).is_ok(), some_may, "{need:?} {in_path:?}");
            assert_eq!(need.check(&all, in_path).is_ok(), all_may, "{need:?} {in_path:?}");
        }
    }

    #[test]
    fn a_restriction_that_is_not_understood_is_not_passed_over() {
        let mut line = serde_json::to_value(grant("read", "a")).unwrap();
        assert!(serde_json::from_value::<Grant>(line.clone()).is_ok());
        line["stream"] = "a".into();
        assert!(serde_json::from_value::<Grant>(line).is_err());
    }
}
