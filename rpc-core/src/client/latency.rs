//! How long a server takes to answer.

use std::time::Duration;
use tokio::time::Instant;

/// A moment, in milliseconds since a [`Clock`] began. It comes round after 49 days, when a server that nobody has
/// called for as long may be thought to have answered just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u32);

impl Stamp {
    /// Milliseconds from `earlier` until this.
    pub(crate) fn since(self, earlier: Self) -> u32 {
        // A moment that another thread took a little later counts as the same one.
        (self.0.wrapping_sub(earlier.0) as i32).max(0) as u32
    }
}

/// Makes stamps of instants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn stamp(self, now: Instant) -> Stamp {
        let elapsed = now.saturating_duration_since(self.0);
        Stamp((elapsed.as_secs() as u32).wrapping_mul(1000).wrapping_add(elapsed.subsec_millis()))
    }
}

/// A moving average of how long answers take, which follows a slower one at once and a faster one slowly: the peak
/// EWMA of Finagle (`PeakEwma.scala`). With `w = exp(-age / 10 s)`, a sample above the average replaces it, and one
/// below becomes `average * w + sample * (1 - w)`; read, it is `average * w`, so that a server that was slow once is
/// tried again.
///
/// Other than there, reading changes nothing, and of the samples of one millisecond only the first and the slowest
/// count, so that few have to be written down. What was never observed is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latency {
    micros: f32,
    at: Stamp,
}

impl Latency {
    /// The time in which what is known loses all but 1/e of its weight; Finagle's and linkerd's.
    const DECAY_MILLIS: f32 = 10_000.0;

    /// After an answer that took this long.
    pub(crate) fn observed(self, now: Stamp, took: Duration) -> Self {
        let sample = micros(took);
        if sample >= self.micros {
            return Self { micros: sample, at: now };
        }
        let age = now.since(self.at);
        if age == 0 {
            return self;
        }
        let kept = kept(age);
        Self { micros: self.micros * kept + sample * (1.0 - kept), at: now }
    }

    /// After waiting this long for an answer in vain: it would have taken longer still.
    pub(crate) fn at_least(self, now: Stamp, waited: Duration) -> Self {
        if micros(waited) > self.micros { self.observed(now, waited) } else { self }
    }

    /// In microseconds; 0 when it is not known.
    pub(crate) fn micros(self, now: Stamp) -> f32 {
        match now.since(self.at) {
            0 => self.micros,
            age => self.micros * kept(age),
        }
    }

    /// In one word, so that it can be changed at once.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.micros.to_bits()) << 32 | u64::from(self.at.0)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { micros: f32::from_bits((bits >> 32) as u32), at: Stamp(bits as u32) }
    }
}

fn kept(age_millis: u32) -> f32 {
    (-(age_millis as f32) / Latency::DECAY_MILLIS).exp()
}

/// As the averages count.
pub(crate) fn micros(took: Duration) -> f32 {
    took.as_secs() as f32 * 1e6 + took.subsec_nanos() as f32 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_slower_answer_counts_at_once_and_faster_ones_slowly() {
        let mut latency = Latency::default().observed(Stamp(0), millis(1));
        assert_eq!(latency.micros(Stamp(0)), 1e3);
        latency = latency.observed(Stamp(1), millis(100));
        assert_eq!(latency.micros(Stamp(1)), 1e5);
        // Ten seconds of fast answers leave 1/e of it.
        for now in 2..10_002 {
            latency = latency.observed(Stamp(now), millis(1));
        }
        let expected = 1e5 / std::f32::consts::E + 1e3 * (1.0 - 1.0 / std::f32::consts::E);
        assert!((latency.micros(Stamp(10_001)) / expected - 1.0).abs() < 0.01, "{latency:?}");
    }

    #[test]
    fn what_nobody_asks_is_forgotten() {
        let latency = Latency::default().observed(Stamp(u32::MAX), millis(1000));
        assert_eq!(latency.micros(Stamp(u32::MAX)), 1e6);
        // The clock has come round.
        assert!((latency.micros(Stamp(9_999)) / 1e6 - 1.0 / std::f32::consts::E).abs() < 0.001);
        assert!(latency.micros(Stamp(120_000)) < 10.0);
        // Waiting in vain only ever makes it slower.
        assert_eq!(latency.at_least(Stamp(0), millis(10)), latency);
        assert_eq!(latency.at_least(Stamp(0), millis(2000)).micros(Stamp(0)), 2e6);
    }

    proptest! {
        #[test]
        fn it_stays_between_the_samples_and_survives_its_bits(
            samples in prop::collection::vec((0..20_000_u32, 1..5_000_u64), 1..100),
        ) {
            let mut now = Stamp::default();
            let mut latency = Latency::default();
            for &(passed, sample) in &samples {
                now = Stamp(now.0.wrapping_add(passed));
                latency = Latency::from_bits(latency.observed(now, millis(sample)).to_bits());
                prop_assert!(latency.micros(now) >= sample as f32 * 1e3 * 0.999);
            }
            let most = samples.iter().map(|(_, sample)| *sample).max().unwrap();
            prop_assert!(latency.micros(now) <= most as f32 * 1e3);
        }
    }
}
