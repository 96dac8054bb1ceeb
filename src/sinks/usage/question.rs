//! What is asked.

use std::str::FromStr;

use crate::time::Timestamp;

/// What is asked of the store: `[starting_at, ending_before)`, in buckets of which size.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    /// The first nanosecond that counts; if not given, that of the customer's first event.
    pub starting_at: Option<Timestamp>,
    /// The first nanosecond that doesn't count any more; if not given, the one behind the customer's
    /// last event.
    pub ending_before: Option<Timestamp>,
    /// Only events of this type.
    pub event_type: Option<String>,
    /// The buckets.
    pub window: WindowSize,
}

/// The size of the buckets. They begin at whole hours and days of UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WindowSize {
    /// An hour.
    #[default]
    Hour,
    /// A day of UTC.
    Day,
    /// One bucket for the whole interval.
    None,
}

impl WindowSize {
    /// Its name in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::None => "none",
        }
    }
}

/// In either case of letters: Metronome writes `HOUR`.
impl FromStr for WindowSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes = [Self::Hour, Self::Day, Self::None];
        let found = sizes.into_iter().find(|size| size.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| "`window_size` must be `hour`, `day` or `none`".to_owned())
    }
}
