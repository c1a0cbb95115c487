//! How many retries may be made.

use crate::client::RetryLimits;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// A share of the calls of the last ten seconds, and a few more for where there are few calls: retries must not
/// multiply the load of servers that fail because of load.
///
/// It remembers what was done and not what is left, so that with other limits what was done before still counts.
///
/// Time comes in as the number of whole seconds since any beginning. Counting a call is one addition; only the first
/// call of a second takes a lock.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    second: AtomicU64,
    slices: [Slice; Self::SECONDS],
    turning: Mutex<()>,
}

/// What was done in one second.
#[derive(Debug, Default)]
struct Slice {
    calls: AtomicI64,
    /// Without those that were given back, perhaps of another second.
    retries: AtomicI64,
}

impl Budget {
    /// For how long a call and a retry count.
    pub(crate) const SECONDS: usize = 10;
    /// What one retry costs; a call gives `percent` hundredths of it.
    const COST: i64 = 100;

    /// Counts a call.
    pub(crate) fn deposit(&self, second: u64) {
        self.turn(second);
        self.slice(second).calls.fetch_add(1, Relaxed);
    }

    /// Takes a retry, if these limits leave one.
    pub(crate) fn withdraw(&self, limits: &RetryLimits, second: u64) -> bool {
        self.turn(second);
        let _alone = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |count: fn(&Slice) -> &AtomicI64| self.slices.iter().map(|slice| count(slice).load(Relaxed)).sum();
        let (calls, retries): (i64, i64) = (sum(|slice| &slice.calls), sum(|slice| &slice.retries));
        let reserve = i64::from(limits.per_second) * Self::SECONDS as i64 * Self::COST;
        let enough = calls * i64::from(limits.percent) + reserve >= (retries + 1) * Self::COST;
        if enough {
            self.slice(second).retries.fetch_add(1, Relaxed);
        }
        enough
    }

    /// A retry that was taken was not made.
    pub(crate) fn give_back(&self, second: u64) {
        self.turn(second);
        self.slice(second).retries.fetch_sub(1, Relaxed);
    }

    fn slice(&self, second: u64) -> &Slice {
        &self.slices[(second % Self::SECONDS as u64) as usize]
    }

    /// Forgets what is older than the window.
    fn turn(&self, second: u64) {
        if second > self.second.load(Relaxed) {
            self.turn_to(second);
        }
    }

    #[cold]
    fn turn_to(&self, second: u64) {
        let _alone = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.second.load(Relaxed);
        for passed in (last + 1..=second).take(Self::SECONDS) {
            let slice = self.slice(passed);
            slice.calls.store(0, Relaxed);
            slice.retries.store(0, Relaxed);
        }
        self.second.store(second.max(last), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn limits(percent: u32, per_second: u32) -> RetryLimits {
        RetryLimits { percent, per_second, ..RetryLimits::default() }
    }

    /// How many retries are left.
    fn left(budget: &Budget, limits: RetryLimits, second: u64) -> usize {
        (0..1000).filter(|_| budget.withdraw(&limits, second)).count()
    }

    #[test]
    fn a_quiet_channel_has_its_reserve_and_a_busy_one_its_share() {
        let budget = Budget::default();
        assert_eq!(left(&budget, limits(20, 10), 3), 100);
        for _ in 0..1000 {
            budget.deposit(4);
        }
        assert_eq!(left(&budget, limits(20, 10), 4), 200);
        // Both the calls and the retries are forgotten after ten seconds.
        assert_eq!(left(&budget, limits(20, 10), 14), 100);
    }

    #[test]
    fn what_was_done_counts_under_other_limits_as_well() {
        let budget = Budget::default();
        for _ in 0..1000 {
            budget.deposit(3);
        }
        assert_eq!(left(&budget, limits(20, 0), 3), 200);
        assert_eq!(left(&budget, limits(10, 0), 3), 0, "more was done than these allow");
        assert_eq!(left(&budget, limits(25, 1), 3), 60, "50 of a larger share, and the reserve");
        assert_eq!(left(&budget, limits(10, 1), 13), 10, "and all of it is forgotten in time");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::default();
        assert_eq!(left(&budget, limits(0, 1), 3), 10);
        budget.give_back(4);
        assert_eq!(left(&budget, limits(0, 1), 4), 1);
    }

    #[test]
    fn nothing_is_nothing() {
        let budget = Budget::default();
        budget.deposit(1);
        assert!(!budget.withdraw(&limits(0, 0), 1));
    }

    proptest! {
        /// In any ten seconds: retries of at most the share of the calls of those ten seconds and the ten before
        /// (deposits live that long), and the reserve; compared with a model that keeps every event.
        #[test]
        fn retries_stay_within_their_share(events in prop::collection::vec((0..4_u64, 0..3_u8), 1..800)) {
            let (budget, limits) = (Budget::default(), limits(20, 1));
            let mut model: VecDeque<(u64, i64)> = VecDeque::new();
            let mut now = 0;
            for (step, kind) in events {
                // Mostly the same second, or the model would always be empty.
                now += if kind == 2 { step } else { 0 };
                model.retain(|(second, _)| second + Budget::SECONDS as u64 > now);
                if kind == 0 {
                    budget.deposit(now);
                    model.push_back((now, 20));
                } else {
                    let balance: i64 = model.iter().map(|(_, amount)| amount).sum();
                    let expected = balance + 10 * 100 >= 100;
                    prop_assert_eq!(budget.withdraw(&limits, now), expected);
                    if expected {
                        model.push_back((now, -100));
                    }
                }
            }
        }
    }
}
