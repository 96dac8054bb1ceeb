//! Where a page of `POST /v1/usage` begins.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

/// A customer's window of a metric: the first that isn't told yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    /// The customer's number or, where customers were named, which of them, from 0.
    pub(super) customer: u64,
    /// Which metric, from 0.
    pub(super) metric: usize,
    /// Where the window begins; nothing for the first.
    pub(super) start: Option<Timestamp>,
}

impl Cursor {
    /// The very first.
    pub(super) const FIRST: Self = Self { customer: 0, metric: 0, start: None };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.", self.customer, self.metric)?;
        self.start.map_or(Ok(()), |start| write!(f, "{}", start.as_nanos()))
    }
}

/// Nobody but this daemon makes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(NoCursor);
        let (customer, metric, start) = (part()?, part()?, part()?);
        Ok(Self {
            customer: customer.parse().map_err(|_| NoCursor)?,
            metric: metric.parse().map_err(|_| NoCursor)?,
            start: match start {
                "" => None,
                nanos => Some(Timestamp::from_nanos(nanos.parse().map_err(|_| NoCursor)?)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for start in [None, Some(Timestamp::MIN), Some(Timestamp::from_nanos(0))] {
            let cursor = Cursor { customer: u64::MAX, metric: 7, start };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "1", "1.2", "a.2.", "1.2.x", "1.2.3.4", "-1.0."] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
