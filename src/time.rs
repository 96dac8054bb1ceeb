//! Timestamps: one 64-bit count of nanoseconds since 1970-01-01T00:00:00Z, parsed from every form
//! that users send and printed as RFC 3339 without losing a digit.
//!
//! | taken | for example |
//! |---|---|
//! | RFC 3339, up to nine fraction digits, any offset | `2024-07-01T04:03:04.055+02:00` |
//! | a space, or a small letter, for `T`; a small `z` | `2024-07-01 02:03:04z` |
//! | offsets as Postgres prints them | `2021-03-01 00:01:11.055+00`, `+0000` |
//! | no offset: UTC | `2024-07-01T02:03:04` |
//! | a date alone: midnight UTC | `2024-07-01` |
//! | a number below 10¹¹ in size: seconds since the epoch | `1719799384.5` |
//! | any other number: milliseconds since the epoch | `1719799384500` |
//!
//! Fractions are decimal and exact, in numbers too: what is finer than a nanosecond is refused, not
//! rounded. So is everything else, each with its reason ([`TimestampError`]).
//!
//! Range: 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z, which is what 64 bits hold.
//!
//! Second 60 is taken where RFC 3339 (section 5.7) knows leap seconds: 23:59:60 UTC on 30 June and on
//! 31 December, in whatever offset it is written. This count of nanoseconds has no place for it, as
//! Unix time hasn't: it is the first second of the next day, fraction kept.

mod civil;
mod error;
mod format;
mod number;
mod parse;
mod scan;

pub use error::TimestampError;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point that 64 bits hold.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest point that 64 bits hold.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// What the system's clock says, or the nearest end of the range.
    pub fn now() -> Self {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Self(0).saturating_add(since),
            Err(before) => Self(0).saturating_sub(before.duration()),
        }
    }

    /// From text in any of the forms that the [module](self) lists.
    ///
    /// ```
    /// use windrow::time::Timestamp;
    /// let a = Timestamp::parse("2021-03-01 00:01:11.055+00")?;
    /// let b = Timestamp::parse("2021-03-01T01:01:11.055+01:00")?;
    /// assert_eq!(a, b);
    /// # Ok::<(), windrow::time::TimestampError>(())
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, TimestampError> {
        parse::parse(text.as_ref(), parse::Plus::Sign)
    }

    /// As [`Timestamp::parse`], from a decoded query string, in which an unescaped `+` has become a
    /// space: `2021-03-01T00:00:00 01:00`.
    pub fn parse_query(text: impl AsRef<[u8]>) -> Result<Self, TimestampError> {
        parse::parse(text.as_ref(), parse::Plus::SignOrSpace)
    }

    /// From the text of a JSON number: seconds below 10¹¹ in size, otherwise milliseconds.
    ///
    /// ```
    /// use windrow::time::Timestamp;
    /// assert_eq!(
    ///     Timestamp::from_json_number("1.7197993845e9"),
    ///     Timestamp::from_json_number("1719799384500"),
    /// );
    /// ```
    pub fn from_json_number(text: impl AsRef<[u8]>) -> Result<Self, TimestampError> {
        number::parse(text.as_ref())
    }

    /// The timestamp that `text` begins with and its length in bytes, if it has a form that almost
    /// everybody sends: `2024-07-01T02:03:04Z` with up to nine fraction digits, and a space for the
    /// `T` and `+00` or `+00:00` for the `Z`, as Postgres prints it. Where the text goes on behind that
    /// length, it may be another timestamp: `+00` can be the beginning of `+00:30`. `None` says only
    /// that [`Timestamp::parse`] must look. Made for decoders: several times faster.
    #[inline]
    pub fn scan(text: &[u8]) -> Option<(Self, usize)> {
        scan::scan(text)
    }

    /// `duration` later, or the end of the range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }

    /// `duration` earlier, or the beginning of the range.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(Self::MIN)
    }

    /// `duration` later, if 64 bits hold it.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = i128::from(self.0).checked_add_unsigned(duration.as_nanos())?;
        i64::try_from(nanos).ok().map(Self)
    }

    /// `duration` earlier, if 64 bits hold it.
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        let nanos = i128::from(self.0).checked_sub_unsigned(duration.as_nanos())?;
        i64::try_from(nanos).ok().map(Self)
    }

    /// How much later this is than `earlier`; zero if it isn't.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        if self <= earlier {
            Duration::ZERO
        } else {
            Duration::from_nanos(self.0.abs_diff(earlier.0))
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse(text)
    }
}

/// As the RFC 3339 text that `Display` prints.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From a string in any of the forms that the [module](self) lists.
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(text.as_ref())
            .map_err(|error| serde::de::Error::custom(format_args!("{text:?}: {error}")))
    }
}

#[cfg(test)]
mod tests;
