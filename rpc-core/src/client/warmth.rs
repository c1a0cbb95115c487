//! How much of its share a server gets that has just come.

use std::time::Duration;
use tokio::time::Instant;

/// How much of its share a server gets that has just come, or come back: its caches are cold, its code is not compiled,
/// its pools are empty. In tenths, growing evenly over 20 s, as Armeria does it (ten steps of 2 s; Envoy's least share
/// is a tenth, too).
///
/// Servers of the first list have been there before this client; and where most servers are new, holding them back
/// would only overload the rest: see [`applies`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Warmth(Instant);

/// The share of a server that is warm.
pub(crate) const WARM: u32 = 10;

impl Warmth {
    const STEP: Duration = Duration::from_secs(2);

    /// It begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self(now)
    }

    pub(crate) fn tenths(self, now: Instant) -> u32 {
        let steps = now.saturating_duration_since(self.0).as_millis() / Self::STEP.as_millis();
        (1 + steps).min(u128::from(WARM)) as u32
    }

    /// Whether it has not been warm for more than a step.
    pub(crate) fn is_fresh(self, now: Instant) -> bool {
        now.saturating_duration_since(self.0) < Self::STEP * WARM
    }

    /// When the share grows next, if it does.
    pub(crate) fn next(self, now: Instant) -> Option<Instant> {
        let tenths = self.tenths(now);
        (tenths < WARM).then(|| self.0 + Self::STEP * tenths)
    }
}

/// Whether so many of so many servers can be held back: fewer than half.
pub(crate) fn applies(cold: usize, all: usize) -> bool {
    cold * 2 < all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_step_by_step() {
        let begun = Instant::now();
        let warmth = Warmth::new(begun);
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (seconds, tenths) in [(0, 1), (1, 1), (2, 2), (9, 5), (17, 9), (18, 10), (1000, 10)] {
            assert_eq!(warmth.tenths(at(seconds)), tenths, "{seconds} s");
        }
        let mut now = begun;
        let mut steps = 0;
        while let Some(next) = warmth.next(now) {
            assert!(next > now && warmth.tenths(next) == warmth.tenths(now) + 1);
            now = next;
            steps += 1;
        }
        assert_eq!((steps, now), (9, at(18)));
    }
}
