//! Which window an event belongs to: event time alone decides, no file and no clock of the wall.
//!
//! * An event before `floor`, the end of the newest window that is committed, is late.
//! * An event in an open window's span belongs there.
//! * Any other opens a window, and it is late if that window would be over already.
//!
//! With `lateness`, several windows may be open, and with the first-event anchor an event may fall
//! between two of them. It opens a window of its own if a whole one fits there; otherwise the window
//! behind it reaches down to it, so that a little disorder around a border makes no crumbs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::options::{Anchor, WindowsOptions};
use crate::time::Timestamp;

/// A half-open interval of event time. One that ends at [`Timestamp::MAX`] holds that, too: there is
/// no later point to end at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first point in it.
    pub start: Timestamp,
    /// The first point behind it.
    pub end: Timestamp,
}

impl Span {
    /// Whether `time` is in it.
    #[inline]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start <= time && (time < self.end || self.end == Timestamp::MAX)
    }
}

/// What windowing remembers of a stream besides the open windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Clock {
    /// The stream's very first event: the origin of its grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The latest event time seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
    /// The end of the newest committed window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Timestamp>,
}

/// Where an event goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Into the open window of this index.
    Into(usize),
    /// Into a new window, to be inserted at this index.
    Open(usize, Span),
    /// Into the open window of this index, whose start moves to the event.
    Extend(usize),
    /// Into the late file.
    Late,
}

/// The part of the options that says where windows lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    length: Duration,
    lateness: Duration,
    anchor: Anchor,
}

impl Rule {
    /// The rule that `options` give.
    pub const fn new(options: &WindowsOptions) -> Self {
        Self { length: options.length, lateness: options.lateness, anchor: options.anchor }
    }

    /// The first event time that ends a window ending at `end`. [`Timestamp::MAX`] ends none.
    pub fn due_at(&self, end: Timestamp) -> Timestamp {
        end.saturating_add(self.lateness)
    }

    /// Where an event at `time` goes. `open` ascends and doesn't overlap, and none of it is due:
    /// `clock.latest` already counts this event.
    pub fn route(&self, time: Timestamp, clock: &Clock, open: &[Span]) -> Route {
        if clock.floor.is_some_and(|floor| time < floor) {
            return Route::Late;
        }
        let index = open.partition_point(|span| span.start <= time);
        if index > 0 && open[index - 1].contains(time) {
            return Route::Into(index - 1);
        }
        let latest = clock.latest.unwrap_or(time).max(time);
        let lowest = match index.checked_sub(1) {
            Some(before) => open[before].end,
            None => clock.floor.unwrap_or(Timestamp::MIN),
        };
        let span = self.span_of(time, clock);
        let span = Span { start: span.start.max(lowest), end: span.end };
        match (open.get(index), self.anchor) {
            (None, Anchor::FirstEvent) => Route::Open(index, span),
            (Some(next), Anchor::FirstEvent) => {
                if self.due_at(time) < latest {
                    Route::Late
                } else if span.end <= next.start {
                    Route::Open(index, span)
                } else {
                    Route::Extend(index)
                }
            }
            (next, Anchor::Grid | Anchor::Epoch) => {
                if span.end != Timestamp::MAX && self.due_at(span.end) <= latest {
                    return Route::Late;
                }
                // Windows opened under other options may reach into this one's cell.
                let end = next.map_or(span.end, |next| span.end.min(next.start));
                Route::Open(index, Span { start: span.start, end })
            }
        }
    }

    /// The span of the window that `time` opens where no other is.
    fn span_of(&self, time: Timestamp, clock: &Clock) -> Span {
        let origin = match self.anchor {
            Anchor::FirstEvent => time,
            Anchor::Grid => clock.first.unwrap_or(time),
            Anchor::Epoch => Timestamp::from_nanos(0),
        };
        // Differences of two 64-bit times, and what lies a length beyond them, need 128 bits.
        let length = self.length.as_nanos() as i128;
        let origin = i128::from(origin.as_nanos());
        let cell = (i128::from(time.as_nanos()) - origin).div_euclid(length);
        let start = origin + cell * length;
        Span { start: clamped(start), end: clamped(start + length) }
    }
}

fn clamped(nanos: i128) -> Timestamp {
    let nanos = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Timestamp::from_nanos(nanos as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(anchor: Anchor, length: u64, lateness: u64) -> Rule {
        let length = Duration::from_nanos(length);
        Rule { anchor, length, lateness: Duration::from_nanos(lateness) }
    }

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn span(start: i64, end: i64) -> Span {
        Span { start: at(start), end: at(end) }
    }

    fn clock(first: i64, latest: i64, floor: Option<i64>) -> Clock {
        Clock { first: Some(at(first)), latest: Some(at(latest)), floor: floor.map(at) }
    }

    #[test]
    fn the_first_event_anchors_its_window() {
        let rule = rule(Anchor::FirstEvent, 5, 0);
        assert_eq!(rule.route(at(7), &Clock::default(), &[]), Route::Open(0, span(7, 12)));
        assert_eq!(rule.route(at(11), &clock(7, 11, None), &[span(7, 12)]), Route::Into(0));
        assert_eq!(rule.route(at(6), &clock(7, 11, None), &[span(7, 12)]), Route::Late);
        assert_eq!(rule.route(at(14), &clock(7, 14, Some(12)), &[]), Route::Open(0, span(14, 19)));
        assert_eq!(rule.route(at(11), &clock(7, 14, Some(12)), &[]), Route::Late);
    }

    #[test]
    fn the_grid_goes_on_from_the_first_event() {
        let rule = rule(Anchor::Grid, 5, 0);
        assert_eq!(rule.route(at(7), &Clock::default(), &[]), Route::Open(0, span(7, 12)));
        assert_eq!(rule.route(at(25), &clock(7, 25, Some(12)), &[]), Route::Open(0, span(22, 27)));
        // A window that was closed by hand ended inside its cell; the rest of the cell is another.
        assert_eq!(rule.route(at(25), &clock(7, 25, Some(24)), &[]), Route::Open(0, span(24, 27)));
    }

    #[test]
    fn the_epoch_grid_holds_before_1970_too() {
        let rule = rule(Anchor::Epoch, 5, 0);
        assert_eq!(rule.route(at(-1), &Clock::default(), &[]), Route::Open(0, span(-5, 0)));
        assert_eq!(rule.route(at(0), &clock(-1, 0, Some(0)), &[]), Route::Open(0, span(0, 5)));
    }

    #[test]
    fn between_two_open_windows_there_is_room_or_the_later_one_reaches_down() {
        let rule = rule(Anchor::FirstEvent, 5, 10);
        let open = [span(0, 5), span(11, 16)];
        assert_eq!(rule.route(at(6), &clock(0, 12, None), &open), Route::Open(1, span(6, 11)));
        assert_eq!(rule.route(at(7), &clock(0, 12, None), &open), Route::Extend(1));
        assert_eq!(rule.route(at(1), &clock(0, 12, None), &[span(11, 16)]), Route::Late);
    }

    #[test]
    fn a_cell_that_is_over_takes_nothing_more() {
        let rule = rule(Anchor::Epoch, 5, 3);
        let open = [span(10, 15)];
        assert_eq!(rule.route(at(9), &clock(0, 12, Some(5)), &open), Route::Open(0, span(5, 10)));
        assert_eq!(rule.route(at(9), &clock(0, 13, Some(5)), &open), Route::Late);
    }

    #[test]
    fn the_end_of_time_has_a_window() {
        for anchor in [Anchor::FirstEvent, Anchor::Grid, Anchor::Epoch] {
            let rule = rule(anchor, 5, 0);
            let Route::Open(0, last) = rule.route(Timestamp::MAX, &Clock::default(), &[]) else {
                panic!("the last point in time opens no window");
            };
            assert!(last.contains(Timestamp::MAX));
            let Route::Open(0, first) = rule.route(Timestamp::MIN, &Clock::default(), &[]) else {
                panic!("the first point in time opens no window");
            };
            assert!(first.contains(Timestamp::MIN));
        }
    }
}
