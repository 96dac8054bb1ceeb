//! Why something is not a timestamp.

/// Why a text or number is not taken as a timestamp; reads as a clause behind it:
/// `"2024-13-01": there is no month 13`.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampError {
    /// None of the forms.
    #[error(
        "it is none of the forms taken: 2024-07-01T02:03:04.5Z, a space for the T, any offset or none \
         (UTC), a date alone, seconds or milliseconds since 1970 as a number"
    )]
    Form,
    /// A month that isn't 1 to 12.
    #[error("there is no month {0}")]
    Month(u32),
    /// A day that the month doesn't have.
    #[error("{year:04}-{month:02} has no day {day}")]
    Day {
        /// The year.
        year: u32,
        /// The month, 1 to 12.
        month: u32,
        /// The day that it lacks.
        day: u32,
    },
    /// An hour, minute or second beyond its range; `24:00:00` is one.
    #[error("there is no time {hour:02}:{minute:02}:{second:02} on a day")]
    Clock {
        /// The hour as written.
        hour: u32,
        /// The minute as written.
        minute: u32,
        /// The second as written.
        second: u32,
    },
    /// An offset of 24 hours or more, or of 60 minutes or more beside the hours.
    #[error("there is no offset of {hours:02}:{minutes:02}")]
    Offset {
        /// The hours as written.
        hours: u32,
        /// The minutes as written.
        minutes: u32,
    },
    /// Second 60 anywhere else than at the end of June or December.
    #[error(
        "second 60 exists only in 23:59:60 UTC on 30 June and on 31 December, as a leap second"
    )]
    LeapSecond,
    /// Finer than a nanosecond.
    #[error("it is finer than a nanosecond: at most 9 digits of a second are kept")]
    TooFine,
    /// Beyond what 64 bits of nanoseconds hold.
    #[error(
        "it lies outside the years 1677 to 2262, which 64-bit nanoseconds hold \
         (1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z)"
    )]
    OutOfRange,
    /// As [`TimestampError::OutOfRange`], for a number.
    #[error(
        "as {unit} since 1970 it lies outside the years 1677 to 2262, which 64-bit nanoseconds hold; \
         numbers below 100000000000 in size are seconds, others milliseconds"
    )]
    NumberOutOfRange {
        /// What it was taken for.
        unit: &'static str,
    },
}
