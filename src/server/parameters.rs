//! The parameters of a query: each checked, none taken that isn't known.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use super::problem::Problem;
use crate::time::{Timestamp, TimestampError};

/// Characters of a parameter's name that an error repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// The parameters of a query, each at most once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Refuses parameters that aren't among `known`, and those that are there twice.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), Problem> {
        self.check_with(known, &[])
    }

    /// The same, but that those may be there twice that may be there `often`.
    pub(super) fn check_with(&self, known: &[&str], often: &[&str]) -> Result<(), Problem> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
            if !known.contains(&name.as_str()) {
                return Err(unknown(&shown, known));
            }
            let is_repeated = self.0[..at].iter().any(|(other, _)| other == name);
            if is_repeated && !often.contains(&name.as_str()) {
                return Err(Problem::parameter(name, format!("`{name}` is there twice")));
            }
        }
        Ok(())
    }

    /// The text of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be there often.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The position that the client wants to have seen.
    pub(super) fn position(&self) -> Option<&str> {
        self.get("position")
    }

    /// A point in time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let time = self.get(name).map(Timestamp::parse_query).transpose();
        time.map_err(|error| no_time(name, &error))
    }

    /// The interval between two parameters, `from` and `to`; what is left out is open.
    pub(super) fn interval(
        &self,
        from: &str,
        to: &str,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
        let interval = (self.time(from)?, self.time(to)?);
        match interval {
            (Some(begin), Some(end)) if end < begin => Err(backwards(from, begin, to, end)),
            _ => Ok(interval),
        }
    }

    /// How many things one answer may hold: `limit`, or else `default`.
    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        match self.get("limit").map(str::parse::<usize>) {
            None => Ok(default),
            Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(no_limit(max)),
        }
    }
}

/// A route doesn't take the parameter; which ones it takes.
pub(super) fn unknown(shown: &str, known: &[&str]) -> Problem {
    let known = known.join("`, `");
    let detail = format!("there is no parameter `{shown}`; there are `{known}`");
    Problem::parameter(shown, detail)
}

/// The text isn't a point in time.
pub(super) fn no_time(name: &str, error: &TimestampError) -> Problem {
    let detail = format!("`{name}` must be a timestamp such as 2024-07-01T02:03:04Z: {error}");
    Problem::parameter(name, detail)
}

/// The interval ends before it begins.
pub(super) fn backwards(from: &str, begin: Timestamp, to: &str, end: Timestamp) -> Problem {
    let detail = format!("`{to}` must not be before `{from}`: {end} is before {begin}");
    Problem::parameter(to, detail)
}

/// An answer can't hold so many things.
pub(super) fn no_limit(max: usize) -> Problem {
    Problem::parameter("limit", format!("`limit` must be a number from 1 to {max}"))
}

/// No page begins there.
pub(super) fn no_cursor() -> Problem {
    Problem::parameter("cursor", "`cursor` must be what an earlier answer had as `next`")
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(error) => Err(Problem::query(error.body_text())),
        }
    }
}

#[cfg(test)]
impl Parameters {
    /// Those of a query's text.
    pub(super) fn of(query: &str) -> Self {
        let uri = format!("/?{query}").parse().unwrap();
        let Query(parameters) = Query::try_from_uri(&uri).unwrap();
        Self(parameters)
    }
}
