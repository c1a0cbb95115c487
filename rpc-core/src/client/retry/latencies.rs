//! How long answers take, in percentiles.

use crate::client::Percentile;
use arc_swap::ArcSwap;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// How long the answers of each method took that somebody wants to know about.
#[derive(Debug, Default)]
pub(super) struct ByMethod(ArcSwap<Vec<(&'static str, Arc<Latencies>)>>);

impl ByMethod {
    /// Those of the method with this path.
    pub(super) fn of(&self, path: &'static str) -> Arc<Latencies> {
        let find = |all: &[(&'static str, Arc<Latencies>)]| {
            all.iter().find(|(known, _)| *known == path).map(|(_, latencies)| latencies.clone())
        };
        if let Some(known) = find(&self.0.load()) {
            return known;
        }
        let new = Arc::new(Latencies::new());
        // Another call may be the first as well.
        self.0.rcu(|all| match find(all) {
            Some(_) => all.clone(),
            None => Arc::new(all.iter().cloned().chain([(path, new.clone())]).collect()),
        });
        find(&self.0.load()).unwrap_or(new)
    }
}

/// How long the answers of one method took in the last 20 to 30 s: a histogram for each ten seconds, with buckets that
/// are an eighth of their lower bound wide, so that a percentile is at most that much too long.
///
/// Counting an answer is one addition. A percentile is worked out once a second, by the call that asks first.
///
/// Time comes in as the number of whole seconds since any beginning, as for the budget.
#[derive(Debug)]
pub(super) struct Latencies {
    windows: [[AtomicU32; Self::BUCKETS]; Self::WINDOWS],
    window: AtomicU64,
    turning: Mutex<()>,
    /// Which percentile in which second, and what it was in microseconds: one word, so that it is read at once.
    known: AtomicU64,
}

impl Latencies {
    const WINDOWS: usize = 3;
    const SECONDS: u64 = 10;
    /// Up to 134 s.
    const BUCKETS: usize = 200;
    /// A percentile of fewer answers would be chance.
    const FEWEST: u64 = 100;

    pub(super) fn new() -> Self {
        Self {
            windows: [const { [const { AtomicU32::new(0) }; Self::BUCKETS] }; Self::WINDOWS],
            window: AtomicU64::new(0),
            turning: Mutex::new(()),
            known: AtomicU64::new(0),
        }
    }

    /// An answer took this long.
    pub(super) fn observe(&self, second: u64, took: Duration) {
        let window = self.turn(second);
        self.windows[window][bucket(took.as_micros())].fetch_add(1, Relaxed);
    }

    /// In what time so many percent of the answers came; `None` while there were too few to tell.
    pub(super) fn percentile(&self, percentile: Percentile, second: u64) -> Option<Duration> {
        // The top bit says that it was worked out at all.
        let question = 1 << 31 | (second as u32 & 0xff_ffff) << 7 | u32::from(percentile.percent());
        let known = self.known.load(Relaxed);
        let micros = if (known >> 32) as u32 == question {
            known as u32
        } else {
            self.turn(second);
            let micros = self.work_out(percentile);
            self.known.store(u64::from(question) << 32 | u64::from(micros), Relaxed);
            micros
        };
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }

    /// 0 when there were too few.
    #[cold]
    fn work_out(&self, percentile: Percentile) -> u32 {
        let count =
            |bucket: usize| self.windows.iter().map(|window| u64::from(window[bucket].load(Relaxed))).sum::<u64>();
        let total: u64 = (0..Self::BUCKETS).map(count).sum();
        if total < Self::FEWEST {
            return 0;
        }
        let wanted = (total * u64::from(percentile.percent())).div_ceil(100);
        let mut sum = 0;
        let found = (0..Self::BUCKETS).find(|&bucket| {
            sum += count(bucket);
            sum >= wanted
        });
        end(found.unwrap_or(Self::BUCKETS - 1))
    }

    /// The window of a second; forgets what is older than all of them.
    fn turn(&self, second: u64) -> usize {
        let window = second / Self::SECONDS;
        if window > self.window.load(Relaxed) {
            self.turn_to(window);
        }
        (window % Self::WINDOWS as u64) as usize
    }

    #[cold]
    fn turn_to(&self, window: u64) {
        let _alone = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.window.load(Relaxed);
        for passed in (last + 1..=window).take(Self::WINDOWS) {
            let passed = &self.windows[(passed % Self::WINDOWS as u64) as usize];
            passed.iter().for_each(|count| count.store(0, Relaxed));
        }
        self.window.store(window.max(last), Relaxed);
    }
}

/// Eight buckets for each power of two.
fn bucket(micros: u128) -> usize {
    let micros = micros.min((1 << 27) - 1) as u32;
    let power = micros.max(1).ilog2();
    if power < 3 { micros as usize } else { (power as usize - 2) * 8 + (micros >> (power - 3)) as usize % 8 }
}

/// Where a bucket ends, in microseconds.
fn end(bucket: usize) -> u32 {
    let bucket = bucket as u32;
    if bucket < 8 { bucket + 1 } else { (bucket % 8 + 9) << (bucket / 8 - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percentile(percent: u8) -> Percentile {
        Percentile::new(percent).unwrap()
    }

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn percentiles_are_of_the_last_half_minute() {
        let latencies = Latencies::new();
        for sample in 1..=99 {
            latencies.observe(1, micros(sample * 1000));
        }
        assert_eq!(latencies.percentile(percentile(95), 1), None, "too few");
        latencies.observe(1, micros(100_000));
        assert_eq!(latencies.percentile(percentile(95), 1), None, "once a second");
        let p95 = latencies.percentile(percentile(95), 2).unwrap();
        assert!((micros(95_000)..micros(107_000)).contains(&p95), "{p95:?}");
        let p50 = latencies.percentile(percentile(50), 2).unwrap();
        assert!((micros(50_000)..micros(57_000)).contains(&p50), "{p50:?}");

        for _ in 0..1000 {
            latencies.observe(20, micros(2000));
        }
        assert!(latencies.percentile(percentile(95), 20).unwrap() > micros(2000), "the slow ones still count");
        let p95 = latencies.percentile(percentile(95), 30).unwrap();
        assert!((micros(2000)..micros(2251)).contains(&p95), "{p95:?}");
        assert_eq!(latencies.percentile(percentile(95), 50), None, "all of it is long ago");
    }

    #[test]
    fn nothing_is_too_fast_or_too_slow_to_be_counted() {
        let latencies = Latencies::new();
        for took in [Duration::ZERO, Duration::MAX] {
            for _ in 0..200 {
                latencies.observe(1, took);
            }
        }
        assert_eq!(latencies.percentile(percentile(50), 1), Some(micros(1)));
        assert_eq!(latencies.percentile(percentile(99), 1), Some(micros(1 << 27)));
    }

    proptest! {
        #[test]
        fn a_bucket_is_an_eighth_wide(sample in 0..1_u32 << 27) {
            let end = end(bucket(sample.into()));
            prop_assert!(bucket(sample.into()) < Latencies::BUCKETS);
            prop_assert!(sample < end && u64::from(end) <= u64::from(sample) + u64::from(sample) / 8 + 1, "{} {}", sample, end);
        }
    }
}
