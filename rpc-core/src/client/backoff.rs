//! How long to wait before trying again.

use std::time::Duration;

/// Full jitter (a random part of a limit that doubles), so that many who failed together do not return together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits of at most `first`, then twice as much each time, up to `most`.
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The next wait; `random` says which part of the limit it is.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let limit = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        limit.mul_f64(part(random))
    }

    /// Begins anew, since it worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// What part of all numbers is below this one, in [0, 1): 53 bits of it, which is what a double holds.
pub(crate) fn part(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_double_up_to_the_most() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let almost = |wait: Duration, limit: u64| {
            let limit = Duration::from_millis(limit);
            assert!(wait <= limit && limit - wait < Duration::from_millis(1), "{wait:?} {limit:?}");
        };
        for limit in [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            almost(backoff.next(u64::MAX), limit);
        }
        backoff.reset();
        almost(backoff.next(u64::MAX), 50);
        assert_eq!(backoff.next(0), Duration::ZERO);
        for _ in 0..100 {
            backoff.next(u64::MAX);
        }
    }
}
