//! When to try again, and when to give up.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait after a broken connection; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait after a broken connection.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// However long the daemon says that it wants to be left alone, it is asked again after this.
const TOLD_MAX: Duration = Duration::from_mins(2);

/// The pace of the tries of one request.
#[derive(Debug)]
pub struct Pace {
    patience: Duration,
    began: Option<Instant>,
    next: Duration,
}

impl Pace {
    /// Gives up once it has waited for `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { patience, began: None, next: FIRST_WAIT }
    }

    /// How long to wait after a try in vain; `told` is what the daemon said about that. `None` is the
    /// time to give up.
    pub fn wait(&mut self, told: Option<Duration>) -> Option<Duration> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let wait = told.map_or(self.next, |told| told.min(TOLD_MAX));
        if told.is_none() {
            self.next = (wait * 2).min(WAIT_MAX);
        }
        (began.elapsed() + wait <= self.patience).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_end_with_the_patience() {
        let mut pace = Pace::new(Duration::from_hours(1));
        let waits: Vec<_> = (0..9).filter_map(|_| pace.wait(None)).collect();
        assert_eq!(waits[..3], [100, 200, 400].map(Duration::from_millis));
        assert_eq!(waits[8], WAIT_MAX);
        assert_eq!(Pace::new(Duration::from_millis(99)).wait(None), None);
    }

    #[test]
    fn what_the_daemon_says_is_followed_within_a_bound() {
        let mut pace = Pace::new(Duration::from_hours(1));
        assert_eq!(pace.wait(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(pace.wait(Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(pace.wait(Some(Duration::from_hours(9))), Some(TOLD_MAX));
        assert_eq!(Pace::new(Duration::from_secs(1)).wait(Some(Duration::from_secs(2))), None);
    }
}
