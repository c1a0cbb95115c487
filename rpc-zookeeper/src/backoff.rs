//! How long to wait before the next try.

use std::time::Duration;

/// A random time (full jitter, so that a fleet does not come back in step) below a limit that doubles from 100 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { failures: 0, most: Self::MOST }
    }
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    /// Short enough for a server to be back on the list soon after the registry is; a thousand clients are 400 tries
    /// a second then.
    const MOST: Duration = Duration::from_secs(5);

    /// Never longer than this, either.
    pub(crate) fn at_most(most: Duration) -> Self {
        Self { failures: 0, most: most.min(Self::MOST) }
    }

    /// After one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let limit = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        limit.mul_f64(fastrand::f64())
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// How long to wait before what the whole fleet may be about to do because of the same event, such as the end of every
/// session: a random time below half a second. Once, and before the first try; later ones have the [`Backoff`].
pub(crate) fn apart() -> Duration {
    APART.mul_f64(fastrand::f64())
}

/// Less than discovery takes to believe that a list is empty, so that nobody is missed meanwhile.
pub(crate) const APART: Duration = Duration::from_millis(500);

/// About this long, a fifth more or less: what is done regularly is not done by all at once.
pub(crate) fn about(time: Duration) -> Duration {
    time.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_spread_over_the_whole_time() {
        let mut times: Vec<_> = (0..200).map(|_| apart()).collect();
        times.sort_unstable();
        // Each fifth of the time has its share, within what chance allows.
        for fifth in 0..5 {
            let within = (APART * fifth / 5)..(APART * (fifth + 1) / 5);
            let share = times.iter().filter(|time| within.contains(*time)).count();
            assert!((10..=90).contains(&share), "{share} of 200 in the fifth number {fifth}");
        }
    }

    #[test]
    fn the_limit_doubles_and_ends() {
        let mut backoff = Backoff::default();
        for limit in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert!(backoff.next() <= Duration::from_millis(limit));
        }
        backoff.failures = u32::MAX;
        assert!(backoff.next() <= Backoff::MOST);
        assert!(Backoff { failures: 10, most: Duration::from_millis(7) }.next() <= Duration::from_millis(7));
        backoff.reset();
        assert!(backoff.next() <= Backoff::FIRST);
    }
}
