//! When a server has too much to do, and for whom.

use crate::Priority;
use std::time::Duration;
use tokio::time::Instant;

/// Decides whether calls are refused, by how long what is ready waits for a worker.
///
/// The sign is queueing time, as in WeChat's DAGOR ("Overload Control for Scaling WeChat Microservices", SoCC 2018),
/// and not the time that calls take, as in the gradients of Netflix's `concurrency-limits`: a dependency that has
/// become slow makes calls long, and costs this process nothing. The rule is CoDel's (Nichols and Jacobson, ACM Queue
/// 10(5), 2012): a wait over the target is a burst, and one that stays over it for an interval is a standing queue; who
/// was refusing lately refuses again at once. There is no limit that is learnt and none to be forgotten: what is over
/// the target now is the answer for the calls that begin now.
///
/// Each [`Priority`] has a target of its own, lower ones the shorter, so that those are refused while the line has no
/// chance to reach the others' (DAGOR moves one threshold over the priorities instead, which has to be learnt).
///
/// Pure: what was seen comes in.
#[derive(Debug)]
pub(super) struct CoDel {
    floor: usize,
    /// By priority, from the least urgent on.
    classes: [Class; 4],
}

#[derive(Debug, Default)]
struct Class {
    /// Since when the wait has been over the target.
    over: Option<Instant>,
    /// When calls were last refused.
    refused: Option<Instant>,
    refuses: bool,
}

/// What has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// It has had its turn.
    Back,
    /// It stands in line still: that it has not waited for long yet says nothing.
    InLine,
}

impl CoDel {
    /// How long what is ready may wait before ordinary calls are refused. DAGOR's 20 ms go with time limits of 500 ms
    /// for a call; here a call has 5 s unless it says otherwise, and what is refused too early is done by nobody.
    pub(super) const TARGET: Duration = Duration::from_millis(50);
    /// The targets of the priorities, as shares of that for ordinary calls.
    const SHARES: [f64; Priority::ALL.len()] = [0.25, 0.5, 1.0, 2.0];
    /// For how long the wait has to be over the target: as long as DAGOR looks, not CoDel's 100 ms. A thousand calls
    /// that come at once are a burst, and are done in less.
    const INTERVAL: Duration = Duration::from_secs(1);
    /// For how long it is remembered that calls were refused.
    const LATELY: Duration = Duration::from_secs(10);
    /// So many calls may stand before each worker whatever they wait, as many as ready tasks before a core in
    /// CockroachDB's admission control. With fewer there is no telling overload from a machine that others use as well.
    const FLOOR_PER_WORKER: usize = 32;
    const LEAST_FLOOR: usize = 64;

    /// For a server on so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self { floor: (workers * Self::FLOOR_PER_WORKER).max(Self::LEAST_FLOOR), classes: Default::default() }
    }

    /// A marker has waited for so long, and so many calls were at work or began meanwhile. Gives how many priorities
    /// are refused, from the least urgent on.
    pub(super) fn see(&mut self, now: Instant, wait: Duration, crowd: usize, marker: Marker) -> u8 {
        // Both have to be too much.
        let late = wait.as_secs_f64() / Self::TARGET.as_secs_f64();
        let pressure = late.min(crowd as f64 / self.floor as f64);
        let mut refused = 0;
        for (class, share) in self.classes.iter_mut().zip(Self::SHARES) {
            if pressure >= share {
                class.press(now);
            } else if marker == Marker::Back {
                (class.over, class.refuses) = (None, false);
            }
            refused += u8::from(class.refuses);
        }
        refused
    }

    /// Whether calls were refused lately.
    pub(super) fn is_alert(&self, now: Instant) -> bool {
        self.classes.iter().any(|class| class.lately(now))
    }
}

impl Class {
    fn lately(&self, now: Instant) -> bool {
        self.refused.is_some_and(|last| now.saturating_duration_since(last) < CoDel::LATELY)
    }

    /// The wait is over the target.
    fn press(&mut self, now: Instant) {
        let since = *self.over.get_or_insert(now);
        if self.lately(now) || now.saturating_duration_since(since) >= CoDel::INTERVAL {
            (self.refuses, self.refused) = (true, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cmp::Reverse,
        collections::{BinaryHeap, VecDeque},
    };

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_no_overload_and_neither_are_few_calls() {
        let (mut codel, start) = (CoDel::new(2), Instant::now());
        let mut see = |at, wait, crowd| codel.see(start + millis(at), millis(wait), crowd, Marker::Back);
        assert_eq!(see(0, 5000, 1000), 0);
        assert_eq!(see(999, 60, 64), 0);
        assert_eq!(see(1000, 12, 1000), 0, "the burst is over");
        assert_eq!(see(1100, 60, 1000), 0);
        assert_eq!(see(3000, 60, 15), 0);
        assert_eq!((see(4000, 60, 64), see(5000, 60, 64)), (0, 3));
        assert_eq!((see(5100, 10, 64), see(6000, 60, 64)), (0, 3), "as it did lately");
        assert_eq!((see(6100, 10, 64), see(16_000, 60, 64)), (0, 0));
    }

    #[test]
    fn the_least_urgent_are_refused_first_and_a_marker_in_line_says_only_that_it_waits() {
        let (mut codel, start) = (CoDel::new(2), Instant::now());
        let mut see = |at, wait, marker| codel.see(start + millis(at), millis(wait), 1000, marker);
        assert_eq!(see(0, 200, Marker::Back), 0);
        assert_eq!(see(1000, 200, Marker::Back), 4);
        let back = [60, 30, 20, 5].map(|wait| see(1001, wait, Marker::Back));
        assert_eq!(back, [3, 2, 1, 0]);
        assert_eq!((see(1100, 60, Marker::Back), see(1110, 20, Marker::InLine)), (3, 3));
        assert_eq!(see(1120, 100, Marker::InLine), 4);
    }

    /// A process with so many workers. Each call takes one for half of `work`, waits for somebody else, and takes one
    /// for the other half. Milliseconds all.
    #[derive(Clone, Copy, Debug)]
    struct Process {
        workers: usize,
        work: f64,
        wait: u64,
    }

    /// What stands in line for a worker.
    enum Ready {
        New { came: u64 },
        Back { came: u64 },
        Mark { sent: u64, ended: usize },
    }

    /// What became of the calls of some seconds.
    #[derive(Debug, Default)]
    struct Seen {
        done: usize,
        refused: usize,
        /// Of those, the ordinary ones.
        critical: usize,
        slowest: u64,
    }

    struct Simulation {
        codel: CoDel,
        start: Instant,
        refuses: u8,
        rng: fastrand::Rng,
        /// What part of the calls is sheddable.
        batches: f64,
        now: u64,
        line: VecDeque<Ready>,
        /// Calls that wait for somebody else: until when, and when they came.
        away: BinaryHeap<Reverse<(u64, u64)>>,
        time: f64,
        at_work: usize,
        began: usize,
        ended: usize,
        /// When the marker in line was sent, and how many calls had ended by then.
        marker: Option<(u64, usize)>,
        sent: u64,
    }

    impl Simulation {
        fn new(seed: u64, workers: usize) -> Self {
            Self {
                codel: CoDel::new(workers),
                start: Instant::now(),
                refuses: 0,
                rng: fastrand::Rng::with_seed(seed),
                batches: 0.0,
                now: 0,
                line: VecDeque::new(),
                away: BinaryHeap::new(),
                time: 0.0,
                at_work: 0,
                began: 0,
                ended: 0,
                marker: None,
                sent: 0,
            }
        }

        /// Offers so many calls a millisecond, for some seconds.
        fn offer(&mut self, process: Process, rate: f64, seconds: usize) -> Seen {
            let mut seen = Seen::default();
            for _ in 0..seconds * 1000 {
                self.now += 1;
                let coming = rate * (0.5 + self.rng.f64());
                let coming = coming as usize + usize::from(self.rng.f64() < coming.fract());
                self.line.extend((0..coming).map(|_| Ready::New { came: self.now }));
                while let Some(&Reverse((until, came))) = self.away.peek()
                    && until <= self.now
                {
                    self.away.pop();
                    self.line.push_back(Ready::Back { came });
                }
                self.time = (self.time + process.workers as f64).min(process.workers as f64 + process.work);
                while self.time > 0.0 {
                    let Some(ready) = self.line.pop_front() else { break };
                    self.run(process, ready, &mut seen);
                }
            }
            seen
        }

        fn run(&mut self, process: Process, ready: Ready, seen: &mut Seen) {
            match ready {
                Ready::New { came } => {
                    self.began += 1;
                    self.look();
                    let priority = if self.rng.f64() < self.batches { Priority::Sheddable } else { Priority::Critical };
                    if (priority as u8) < self.refuses {
                        self.time -= 0.02;
                        self.began -= 1;
                        seen.refused += 1;
                        seen.critical += usize::from(priority == Priority::Critical);
                        return;
                    }
                    self.at_work += 1;
                    self.time -= process.work / 2.0;
                    self.away.push(Reverse((self.now + process.wait, came)));
                }
                Ready::Back { came } => {
                    self.time -= process.work / 2.0;
                    self.at_work -= 1;
                    self.ended += 1;
                    seen.done += 1;
                    seen.slowest = seen.slowest.max(self.now - came);
                }
                Ready::Mark { sent, ended } => {
                    self.marker = None;
                    self.see(sent, ended, Marker::Back);
                }
            }
        }

        fn look(&mut self) {
            match self.marker {
                Some((sent, ended)) => self.see(sent, ended, Marker::InLine),
                None if self.now >= self.sent + 5 => {
                    let ended = self.ended;
                    (self.marker, self.sent) = (Some((self.now, ended)), self.now);
                    self.line.push_back(Ready::Mark { sent: self.now, ended });
                }
                None => {}
            }
        }

        fn see(&mut self, sent: u64, ended: usize, marker: Marker) {
            let now = self.start + millis(self.now);
            self.refuses = self.codel.see(now, millis(self.now - sent), self.began - ended, marker);
        }
    }

    #[test]
    fn ordinary_calls_are_not_refused_where_batches_can_be() {
        for seed in 0..3 {
            for (workers, work, wait) in [(2, 1.0, 0), (2, 1.0, 100), (8, 2.0, 20), (2, 10.0, 5)] {
                let process = Process { workers, work, wait };
                let mut world = Simulation::new(seed, workers);
                world.batches = 0.8;
                let rate = 3.0 * workers as f64 / work;
                world.offer(process, rate, 3);
                let flood = world.offer(process, rate, 10);
                let case = format!("seed {seed}: {process:?}: {flood:?}");
                assert!(flood.done as f64 > 0.75 * rate / 3.0 * 10_000.0, "{case}");
                assert!(flood.critical as f64 <= 0.02 * flood.refused as f64, "{case}");
            }
        }
    }

    #[test]
    fn a_flood_costs_hardly_any_of_what_can_be_done_and_is_over_when_it_ends() {
        for seed in 0..3 {
            for (workers, work, wait) in [(2, 1.0, 0), (2, 1.0, 100), (8, 2.0, 20), (2, 10.0, 5), (2, 4.0, 1000)] {
                let (process, capacity) = (Process { workers, work, wait }, workers as f64 / work);
                for times in [1.5, 3.0, 10.0] {
                    let case = format!("seed {seed}: {process:?}, {times} times what it can do");
                    let mut world = Simulation::new(seed, workers);
                    let second = capacity * 1000.0;
                    // From the first moment on: there was no time to learn anything.
                    let first = world.offer(process, capacity * times, 5);
                    assert!(first.refused > 0 && first.done as f64 > 0.7 * second * 5.0, "{case}: {first:?}");
                    let flood = world.offer(process, capacity * times, 10);
                    assert!(flood.done as f64 > 0.75 * second * 10.0, "{case}: {flood:?}");
                    // The target for each time in line, and what is let in before it is known to be passed; or the
                    // floor.
                    let floor = CoDel::FLOOR_PER_WORKER as f64 * work;
                    assert!(flood.slowest < wait + 350 + 3 * floor as u64, "{case}: {flood:?}");
                    world.offer(process, capacity * 0.7, 2);
                    let after = world.offer(process, capacity * 0.7, 5);
                    assert_eq!(after.refused, 0, "{case}");
                }
            }
        }
    }

    #[test]
    fn a_dependency_that_becomes_slow_is_no_overload() {
        for seed in 0..10 {
            let mut world = Simulation::new(seed, 2);
            let process = |wait| Process { workers: 2, work: 1.0, wait };
            for wait in [5, 2000, 5, 500] {
                let seen = world.offer(process(wait), 1.2, 10);
                assert_eq!(seen.refused, 0, "seed {seed}: {wait} ms");
            }
            // Also soon after there was an overload.
            world.offer(process(5), 6.0, 10);
            world.offer(process(5), 1.2, 1);
            assert_eq!(world.offer(process(2000), 1.2, 10).refused, 0, "seed {seed}");
        }
    }
}
