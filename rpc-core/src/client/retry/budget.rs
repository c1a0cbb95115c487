//! How many retries a channel may make.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// A share of the calls of the last ten seconds, and a few more for a channel with few calls: retries must not
/// multiply the load of servers that fail because of load.
///
/// Time comes in as the number of whole seconds since any beginning. Depositing is one addition, for it happens on
/// every call; only the first call of a second takes a lock.
#[derive(Debug)]
pub(crate) struct Budget {
    deposit: i64,
    reserve: i64,
    second: AtomicU64,
    slices: [AtomicI64; Self::SECONDS],
    turning: Mutex<()>,
}

impl Budget {
    /// For how long a deposit counts.
    pub(crate) const SECONDS: usize = 10;
    /// What one retry costs; a deposit is `percent` times a hundredth of it.
    const COST: i64 = 100;

    /// At most `percent` retries for a hundred calls, and `per_second` a second on top.
    pub(crate) fn new(percent: u32, per_second: u32) -> Self {
        Self {
            deposit: i64::from(percent),
            reserve: i64::from(per_second) * Self::SECONDS as i64 * Self::COST,
            second: AtomicU64::new(0),
            slices: [const { AtomicI64::new(0) }; Self::SECONDS],
            turning: Mutex::new(()),
        }
    }

    /// Counts a call.
    pub(crate) fn deposit(&self, second: u64) {
        self.turn(second);
        self.slice(second).fetch_add(self.deposit, Relaxed);
    }

    /// Takes a retry, if there is one left.
    pub(crate) fn withdraw(&self, second: u64) -> bool {
        self.turn(second);
        let _alone = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let balance: i64 = self.slices.iter().map(|slice| slice.load(Relaxed)).sum();
        let enough = balance + self.reserve >= Self::COST;
        if enough {
            self.slice(second).fetch_sub(Self::COST, Relaxed);
        }
        enough
    }

    /// A retry that was taken was not made.
    pub(crate) fn give_back(&self, second: u64) {
        self.turn(second);
        self.slice(second).fetch_add(Self::COST, Relaxed);
    }

    fn slice(&self, second: u64) -> &AtomicI64 {
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
            self.slice(passed).store(0, Relaxed);
        }
        self.second.store(second.max(last), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn a_quiet_channel_has_its_reserve_and_a_busy_one_its_share() {
        let budget = Budget::new(20, 10);
        assert_eq!((0..1000).filter(|_| budget.withdraw(3)).count(), 100);
        for _ in 0..1000 {
            budget.deposit(4);
        }
        assert_eq!((0..1000).filter(|_| budget.withdraw(4)).count(), 200);
        // Both the calls and the retries are forgotten after ten seconds.
        assert_eq!((0..1000).filter(|_| budget.withdraw(14)).count(), 100);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(0, 1);
        assert_eq!((0..100).filter(|_| budget.withdraw(3)).count(), 10);
        budget.give_back(4);
        assert_eq!((0..100).filter(|_| budget.withdraw(4)).count(), 1);
    }

    #[test]
    fn nothing_is_nothing() {
        let budget = Budget::new(0, 0);
        budget.deposit(1);
        assert!(!budget.withdraw(1));
    }

    proptest! {
        /// In any ten seconds: retries of at most the share of the calls of those ten seconds and the ten before
        /// (deposits live that long), and the reserve; compared with a model that keeps every event.
        #[test]
        fn retries_stay_within_their_share(events in prop::collection::vec((0..4_u64, 0..3_u8), 1..800)) {
            let budget = Budget::new(20, 1);
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
                    prop_assert_eq!(budget.withdraw(now), expected);
                    if expected {
                        model.push_back((now, -100));
                    }
                }
            }
        }
    }
}
