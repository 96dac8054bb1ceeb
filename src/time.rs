//! Timestamps: one 64-bit count of nanoseconds since 1970-01-01T00:00:00Z, parsed from every form
//! that users send and printed as RFC 3339 without losing a digit.
//!
//! Range: 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z, which is what 64 bits hold.

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
}
