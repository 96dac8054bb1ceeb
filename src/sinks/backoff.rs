//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double from one failure to the next, each shortened at random by up to a quarter so
/// that what failed together isn't tried again together.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits from `first` to `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempts: 0 }
    }

    /// Failures since the last success.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// It worked: the next wait is the shortest again.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// It failed: how long to wait.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.attempts.min(20));
        self.attempts = self.attempts.saturating_add(1);
        let wait = doubled.min(self.max);
        wait.mul_f64(1.0 - rand::random::<f64>() / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for expected_ms in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next_wait().as_millis();
            assert!((expected_ms * 3 / 4..=expected_ms).contains(&wait), "{wait} of {expected_ms}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
