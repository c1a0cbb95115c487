//! Which of the ready connections takes a call.

use crate::client::latency::{Clock, Stamp};
use tokio::time::Instant;

/// What a choice needs to know of a connection.
pub(crate) trait Candidate {
    /// Which endpoint it leads to.
    fn endpoint(&self) -> u32;

    /// How many calls are in flight there.
    fn in_flight(&self) -> u32;

    /// How long it takes to answer, in microseconds; 0 when that is not known.
    fn latency(&self, now: Stamp) -> f32;

    /// What part of its calls fails, from 0 to below 1.
    fn failing(&self, now: Stamp) -> f32;

    /// Its share of the traffic relative to the others; not 0.
    fn weight(&self) -> u32;
}

/// What a choice takes from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) random: u64,
    pub(crate) now: Instant,
    pub(crate) clock: Clock,
}

/// The power of two choices (Mitzenmacher 2001): draws two candidates by weight, and takes the one that is likely to
/// answer sooner. A pure choice: randomness and the time come in as numbers, and there is no I/O in it.
///
/// Two are enough to keep the load even, and, unlike "the least loaded of all", a herd of clients with the same old
/// knowledge does not descend on one server. The one that answers sooner is that of the lesser
///
/// ```text
/// latency * (in flight * mean weight / weight + 1) / (1 - failing)^2
/// ```
///
/// which is Finagle's peak EWMA with weights (as in brpc) and failures: at a server that fails half of its calls a
/// success takes twice as many calls, and the calls in flight, which end early when they fail, tell of half of its
/// load. So its share falls as its failures rise, however fast it fails. Latencies that differ by less than a half are
/// noise, and one that is not known could be anything: there the calls in flight decide. Of two that are equal the
/// first drawn wins, so that idle servers get calls in proportion to their weights, too.
#[derive(Debug)]
pub(crate) struct Picker {
    mean: f32,
    // Sums of the weights, where they differ.
    sums: Option<Vec<u64>>,
}

impl Picker {
    /// How far apart latencies of equal servers may be.
    const ALIKE: f32 = 1.5;

    /// A picker for these candidates, which are to be given to [`pick`](Self::pick) in the same order.
    pub(crate) fn new<C: Candidate>(candidates: &[C]) -> Self {
        let mut weights = candidates.iter().map(Candidate::weight);
        let first = weights.next();
        if weights.all(|weight| Some(weight) == first) {
            return Self { mean: first.unwrap_or(1) as f32, sums: None };
        }
        let mut sum = 0;
        let sums = candidates.iter().map(|candidate| {
            sum += u64::from(candidate.weight());
            sum
        });
        let sums = Some(sums.collect());
        Self { mean: sum as f32 / candidates.len() as f32, sums }
    }

    /// The index of the choice, if there is a candidate. Endpoints in `tried` are avoided while there are others.
    pub(crate) fn pick<C: Candidate>(&self, candidates: &[C], draw: Draw, tried: &[u32]) -> Option<usize> {
        if tried.is_empty() {
            return self.pick_any(candidates, draw);
        }
        let untried = Self::pick_where(candidates, draw, |candidate| !tried.contains(&candidate.endpoint()));
        // Whoever was tried may do better now; the retry layer waits before it comes back to one.
        untried.or_else(|| self.pick_any(candidates, draw))
    }

    /// The same among those only that are `wanted`.
    #[cold]
    pub(crate) fn pick_where<C: Candidate>(candidates: &[C], draw: Draw, wanted: impl Fn(&C) -> bool) -> Option<usize> {
        let (indices, wanted): (Vec<usize>, Vec<&C>) =
            candidates.iter().enumerate().filter(|(_, candidate)| wanted(candidate)).unzip();
        Picker::new(&wanted).pick_any(&wanted, draw).map(|index| indices[index])
    }

    fn pick_any<C: Candidate>(&self, candidates: &[C], draw: Draw) -> Option<usize> {
        match candidates {
            [] => return None,
            [_] => return Some(0),
            _ => {}
        }
        let first = self.draw(candidates.len(), draw.random >> 32);
        let mut second = self.draw(candidates.len(), draw.random & u64::from(u32::MAX));
        if second == first {
            second = (first + 1) % candidates.len();
        }
        Some(self.better(candidates, first, second, draw.clock.stamp(draw.now)))
    }

    /// The index that a random 32-bit number falls on.
    fn draw(&self, count: usize, random: u64) -> usize {
        match &self.sums {
            // Multiplying and shifting maps 32 random bits evenly onto `0..count` without a division.
            None => ((random * count as u64) >> 32) as usize,
            Some(sums) => {
                let total = sums.last().copied().unwrap_or(1);
                let point = ((u128::from(random) * u128::from(total)) >> 32) as u64;
                sums.partition_point(|&sum| sum <= point).min(count - 1)
            }
        }
    }

    fn better<C: Candidate>(&self, candidates: &[C], first: usize, second: usize, now: Stamp) -> usize {
        let (a, b) = (&candidates[first], &candidates[second]);
        let (mut slow_a, mut slow_b) = (a.latency(now), b.latency(now));
        let unknown = slow_a <= 0.0 || slow_b <= 0.0;
        if unknown || (slow_a < slow_b * Self::ALIKE && slow_b < slow_a * Self::ALIKE) {
            (slow_a, slow_b) = (1.0, 1.0);
        }
        if self.cost(a, slow_a, now) > self.cost(b, slow_b, now) { second } else { first }
    }

    fn cost<C: Candidate>(&self, candidate: &C, latency: f32, now: Stamp) -> f32 {
        let calls = candidate.in_flight() as f32 * (self.mean / candidate.weight() as f32) + 1.0;
        let working = 1.0 - candidate.failing(now);
        latency * calls / (working * working)
    }
}

impl<C: Candidate> Candidate for &C {
    fn endpoint(&self) -> u32 {
        (**self).endpoint()
    }

    fn in_flight(&self) -> u32 {
        (**self).in_flight()
    }

    fn latency(&self, now: Stamp) -> f32 {
        (**self).latency(now)
    }

    fn failing(&self, now: Stamp) -> f32 {
        (**self).failing(now)
    }

    fn weight(&self) -> u32 {
        (**self).weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Fake {
        endpoint: u32,
        in_flight: u32,
        weight: u32,
    }

    impl Candidate for Fake {
        fn endpoint(&self) -> u32 {
            self.endpoint
        }
        fn in_flight(&self) -> u32 {
            self.in_flight
        }
        fn latency(&self, _: Stamp) -> f32 {
            0.0
        }
        fn failing(&self, _: Stamp) -> f32 {
            0.0
        }
        fn weight(&self) -> u32 {
            self.weight
        }
    }

    fn draw(random: u64) -> Draw {
        Draw { random, now: Instant::now(), clock: Clock::new() }
    }

    fn fakes(weights: &[u32]) -> Vec<Fake> {
        (0..).zip(weights).map(|(endpoint, &weight)| Fake { endpoint, in_flight: 0, weight }).collect()
    }

    /// How many of 60,000 calls each gets, when every call ends after `depth` later ones have begun.
    fn shares(weights: &[u32], depth: usize) -> Vec<usize> {
        let mut candidates = fakes(weights);
        let picker = Picker::new(&candidates);
        let mut random = fastrand::Rng::with_seed(7);
        let mut open = std::collections::VecDeque::new();
        let mut counts = vec![0; weights.len()];
        for _ in 0..60_000 {
            let index = picker.pick(&candidates, draw(random.u64(..)), &[]).unwrap();
            counts[index] += 1;
            candidates[index].in_flight += 1;
            open.push_back(index);
            if open.len() > depth {
                candidates[open.pop_front().unwrap()].in_flight -= 1;
            }
        }
        counts
    }

    #[test]
    fn shares_follow_weights_idle_and_under_load() {
        for depth in [0, 64] {
            for count in shares(&[100, 100, 100], depth) {
                assert!((19_000..21_000).contains(&count), "{count} at depth {depth}");
            }
            let counts = shares(&[200, 100], depth);
            assert!((38_500..41_500).contains(&counts[0]), "{counts:?} at depth {depth}");
        }
    }

    #[test]
    fn a_stuck_endpoint_gets_next_to_nothing() {
        let mut candidates = fakes(&[100, 100, 100]);
        candidates[1].in_flight = 50;
        let picker = Picker::new(&candidates);
        let mut random = fastrand::Rng::with_seed(7);
        assert!((0..10_000).all(|_| picker.pick(&candidates, draw(random.u64(..)), &[]) != Some(1)));
    }

    proptest! {
        #[test]
        fn a_choice_is_there_and_untried_whenever_there_is_one(
            given in prop::collection::vec((0..100_u32, 1..1000_u32), 0..20),
            tried in prop::collection::vec(0..20_u32, 0..6),
            random: u64,
        ) {
            let candidates: Vec<_> =
                (0..).zip(given).map(|(endpoint, (in_flight, weight))| Fake { endpoint, in_flight, weight }).collect();
            let choice = Picker::new(&candidates).pick(&candidates, draw(random), &tried);
            prop_assert_eq!(choice.is_some(), !candidates.is_empty());
            if let Some(index) = choice {
                let all_tried = candidates.iter().all(|candidate| tried.contains(&candidate.endpoint));
                prop_assert!(all_tried || !tried.contains(&candidates[index].endpoint));
            }
        }
    }
}
