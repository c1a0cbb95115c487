//! Which of the ready connections takes a call.

/// What a choice needs to know of a connection.
pub(crate) trait Candidate {
    /// Which endpoint it leads to.
    fn endpoint(&self) -> u32;

    /// How many calls are in flight on it.
    fn load(&self) -> u32;

    /// Its share of the traffic relative to the others; not 0.
    fn weight(&self) -> u32;
}

/// The power of two choices: draws two candidates by weight, and takes the one with fewer calls in flight for its
/// weight. A pure choice: randomness comes in as a number, and there is neither a clock nor I/O in it.
///
/// Two are enough to keep the load even, and, unlike "the least loaded of all", a herd of clients with the same old
/// knowledge does not descend on one server. Of two that are equally loaded the first drawn wins, so that idle servers
/// get calls in proportion to their weights, too.
#[derive(Debug)]
pub(crate) struct Picker {
    // Sums of the weights, where they differ.
    sums: Option<Vec<u64>>,
}

impl Picker {
    /// A picker for these candidates, which are to be given to [`pick`](Self::pick) in the same order.
    pub(crate) fn new<C: Candidate>(candidates: &[C]) -> Self {
        let mut weights = candidates.iter().map(Candidate::weight);
        let first = weights.next();
        if weights.all(|weight| Some(weight) == first) {
            return Self { sums: None };
        }
        let mut sum = 0;
        let sums = candidates.iter().map(|candidate| {
            sum += u64::from(candidate.weight());
            sum
        });
        Self { sums: Some(sums.collect()) }
    }

    /// The index of the choice, if there is a candidate. Endpoints in `tried` are avoided while there are others.
    pub(crate) fn pick<C: Candidate>(&self, candidates: &[C], random: u64, tried: &[u32]) -> Option<usize> {
        if tried.is_empty() { self.pick_any(candidates, random) } else { self.pick_untried(candidates, random, tried) }
    }

    fn pick_any<C: Candidate>(&self, candidates: &[C], random: u64) -> Option<usize> {
        match candidates {
            [] => return None,
            [_] => return Some(0),
            _ => {}
        }
        let first = self.draw(candidates.len(), random >> 32);
        let mut second = self.draw(candidates.len(), random & u64::from(u32::MAX));
        if second == first {
            second = (first + 1) % candidates.len();
        }
        Some(better(candidates, first, second))
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

    #[cold]
    fn pick_untried<C: Candidate>(&self, candidates: &[C], random: u64, tried: &[u32]) -> Option<usize> {
        let fresh: Vec<&C> = candidates.iter().filter(|candidate| !tried.contains(&candidate.endpoint())).collect();
        let Some(index) = Picker::new(&fresh).pick_any(&fresh, random) else {
            // Whoever was tried may do better now; the retry layer waits before it comes back to one.
            return self.pick_any(candidates, random);
        };
        let endpoint = fresh[index].endpoint();
        candidates.iter().position(|candidate| candidate.endpoint() == endpoint)
    }
}

impl<C: Candidate> Candidate for &C {
    fn endpoint(&self) -> u32 {
        (**self).endpoint()
    }

    fn load(&self) -> u32 {
        (**self).load()
    }

    fn weight(&self) -> u32 {
        (**self).weight()
    }
}

/// Of two, the one with fewer calls for its weight; the first when they are equal.
fn better<C: Candidate>(candidates: &[C], first: usize, second: usize) -> usize {
    let (a, b) = (&candidates[first], &candidates[second]);
    // a.load / a.weight > b.load / b.weight, without a division.
    let worse = u64::from(a.load()) * u64::from(b.weight()) > u64::from(b.load()) * u64::from(a.weight());
    if worse { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Fake {
        endpoint: u32,
        load: u32,
        weight: u32,
    }

    impl Candidate for Fake {
        fn endpoint(&self) -> u32 {
            self.endpoint
        }
        fn load(&self) -> u32 {
            self.load
        }
        fn weight(&self) -> u32 {
            self.weight
        }
    }

    fn fakes(weights: &[u32]) -> Vec<Fake> {
        (0..).zip(weights).map(|(endpoint, &weight)| Fake { endpoint, load: 0, weight }).collect()
    }

    /// How many of 60,000 calls each gets, when every call ends after `depth` later ones have begun.
    fn shares(weights: &[u32], depth: usize) -> Vec<usize> {
        let mut candidates = fakes(weights);
        let picker = Picker::new(&candidates);
        let mut random = fastrand::Rng::with_seed(7);
        let mut open = std::collections::VecDeque::new();
        let mut counts = vec![0; weights.len()];
        for _ in 0..60_000 {
            let index = picker.pick(&candidates, random.u64(..), &[]).unwrap();
            counts[index] += 1;
            candidates[index].load += 1;
            open.push_back(index);
            if open.len() > depth {
                candidates[open.pop_front().unwrap()].load -= 1;
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
        candidates[1].load = 50;
        let picker = Picker::new(&candidates);
        let mut random = fastrand::Rng::with_seed(7);
        assert!((0..10_000).all(|_| picker.pick(&candidates, random.u64(..), &[]) != Some(1)));
    }

    proptest! {
        #[test]
        fn a_choice_is_there_and_untried_whenever_there_is_one(
            given in prop::collection::vec((0..100_u32, 1..1000_u32), 0..20),
            tried in prop::collection::vec(0..20_u32, 0..6),
            random: u64,
        ) {
            let candidates: Vec<_> =
                (0..).zip(given).map(|(endpoint, (load, weight))| Fake { endpoint, load, weight }).collect();
            let choice = Picker::new(&candidates).pick(&candidates, random, &tried);
            prop_assert_eq!(choice.is_some(), !candidates.is_empty());
            if let Some(index) = choice {
                let all_tried = candidates.iter().all(|candidate| tried.contains(&candidate.endpoint));
                prop_assert!(all_tried || !tried.contains(&candidates[index].endpoint));
            }
        }
    }
}
