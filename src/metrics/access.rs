//! Who is let through.

use prometheus::{Error, IntCounter, IntGauge};

use super::families::Maker;

/// Who is let through.
#[derive(Clone, Debug)]
pub struct AccessMetrics {
    /// Tokens in force.
    pub tokens: IntGauge,
    denied: [IntCounter; Denied::ALL.len()],
}

/// Why a request wasn't let through: the values of the label `reason`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// It had no token.
    Missing,
    /// What it had isn't of the form of a token.
    Malformed,
    /// Nobody knows its token.
    Unknown,
    /// Its token lacks the scope.
    Scope,
    /// Its token isn't for the stream.
    Stream,
    /// It comes from a page that isn't allowed to send.
    Origin,
}

impl AccessMetrics {
    /// Makes and registers them.
    pub(super) fn new(maker: &Maker) -> Result<Self, Error> {
        let denied = maker.counters(
            "requests_denied_total",
            "Requests that weren't let through, for their token or for the page that they came from, by \
             reason.",
            &["reason"],
        )?;
        Ok(Self {
            tokens: maker.gauge("tokens", "Tokens in force; 0 where none are configured.")?,
            denied: Denied::ALL.map(|why| denied.with_label_values(&[why.reason()])),
        })
    }

    /// Counts a request that wasn't let through.
    pub fn denied(&self, why: Denied) {
        self.denied[why as usize].inc();
    }
}

impl Denied {
    /// Every one of them, in the order of their values.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::Malformed, Self::Unknown, Self::Scope, Self::Stream, Self::Origin];

    /// The label's value.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Scope => "scope",
            Self::Stream => "stream",
            Self::Origin => "origin",
        }
    }
}
