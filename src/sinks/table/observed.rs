//! For how long an event has been seen in process.
//!
//! The time limit is for the processor, not for the machine: a process that was stopped, or a virtual
//! machine that was paused, finds afterwards that a clock has gone on. So what counts is what was
//! seen: between two looks never much more than the time that should lie between them.

use std::time::{Duration, Instant};

/// One worker's event, as it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Observed {
    /// When the event that was seen last was begun: what tells it from the next one.
    begun: Option<Instant>,
    seen_for: Duration,
}

impl Observed {
    /// Looks at a worker whose event was `begun` then. So much time has passed since the last look,
    /// and `pause` should have. For how long this event has been seen.
    pub(super) fn look(
        &mut self,
        begun: Option<Instant>,
        since_last_look: Duration,
        pause: Duration,
    ) -> Duration {
        if self.begun != begun || begun.is_none() {
            *self = Self { begun, seen_for: Duration::ZERO };
        } else {
            self.seen_for += since_last_look.min(2 * pause);
        }
        self.seen_for
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(100);

    #[test]
    fn an_event_is_seen_for_as_long_as_it_is_the_same() {
        let begun = Instant::now();
        let mut observed = Observed::default();
        assert_eq!(observed.look(Some(begun), PAUSE, PAUSE), Duration::ZERO);
        assert_eq!(observed.look(Some(begun), PAUSE, PAUSE), PAUSE);
        assert_eq!(observed.look(Some(begun), PAUSE / 2, PAUSE), PAUSE * 3 / 2);
        let next = begun + Duration::from_nanos(1);
        assert_eq!(observed.look(Some(next), PAUSE, PAUSE), Duration::ZERO);
        assert_eq!(observed.look(None, PAUSE, PAUSE), Duration::ZERO);
        assert_eq!(
            observed.look(None, PAUSE, PAUSE),
            Duration::ZERO,
            "nothing is seen for no time"
        );
    }

    #[test]
    fn a_process_that_was_stopped_has_seen_nothing_meanwhile() {
        let begun = Instant::now();
        let mut observed = Observed::default();
        observed.look(Some(begun), PAUSE, PAUSE);
        assert_eq!(observed.look(Some(begun), Duration::from_hours(8), PAUSE), 2 * PAUSE);
    }
}
