//! How loaded a server is, as its client sees it.

use crate::client::{
    gate::Gate,
    latency::{self, Latency, Stamp},
    trouble::{Blame, Trouble},
};
use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How loaded a server is, as its client sees it: the calls in flight there, how long it takes to answer, and how much
/// of what it does fails. It outlives the connections to the server.
///
/// It is read and written on every call, by any thread and without locks: when two change it at once, one sample may
/// be lost.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Answers so far, which come round (the upper half), and calls in flight (the lower): one addition changes both.
    calls: AtomicU64,
    latency: AtomicU64,
    trouble: AtomicU64,
    /// Failures so far; it comes round.
    failures: AtomicU32,
    /// Until when it wants to be left alone, if it has said so: a stamp, and 0 for never said.
    away: AtomicU32,
    /// For the probe while the server is ejected.
    gate: Gate,
}

/// What was there when a call began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// Answers so far.
    answers: u32,
    /// Calls in flight.
    in_flight: u32,
}

impl Before {
    /// Whether the call should be timed: where calls overlap, one in eight, for there the calls in flight tell of a
    /// slow server as well, and reading the clock would be the dearest part of it all.
    pub(crate) fn is_sample(self) -> bool {
        self.in_flight == 0 || self.answers.is_multiple_of(8)
    }
}

const ANSWER: u64 = 1 << 32;

impl Load {
    /// No word of a peer keeps calls away from it for longer: it may be wrong, and is asked again.
    const LONGEST: Duration = Duration::from_secs(10);
    /// Anything is better than one that wants to be left alone.
    const AWAY: f32 = 0.999;

    /// A call begins.
    pub(crate) fn begin(&self) -> Before {
        let before = self.calls.fetch_add(1, Relaxed);
        Before { answers: (before >> 32) as u32, in_flight: before as u32 }
    }

    /// A call is not in flight any more.
    pub(crate) fn end(&self) {
        self.calls.fetch_sub(1, Relaxed);
    }

    /// How many calls are in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.calls.load(Relaxed) as u32
    }

    /// How many answers there have been; it comes round.
    pub(crate) fn answers(&self) -> u32 {
        (self.calls.load(Relaxed) >> 32) as u32
    }

    /// How long it takes to answer.
    pub(crate) fn latency(&self) -> Latency {
        Latency::from_bits(self.latency.load(Relaxed))
    }

    /// It wants to be left alone for so long.
    #[cold]
    pub(crate) fn pushed_back(&self, now: Stamp, time: Duration) {
        let until = now.0.wrapping_add(u32::try_from(time.min(Self::LONGEST).as_millis()).unwrap_or_default());
        self.away.store(until.max(1), Relaxed);
    }

    /// What part of its answers fail, as far as is known: nearly all while it wants to be left alone.
    pub(crate) fn failing(&self, now: Stamp) -> f32 {
        let away = self.away.load(Relaxed);
        // A stamp of long ago comes round.
        if away != 0 && (1..=Self::LONGEST.as_millis()).contains(&Stamp(away).since(now).into()) {
            return Self::AWAY;
        }
        self.trouble().failing(now)
    }

    /// What part of its answers were failures lately.
    pub(crate) fn trouble(&self) -> Trouble {
        Trouble::from_bits(self.trouble.load(Relaxed))
    }

    /// It has answered.
    pub(crate) fn answered(&self) {
        self.calls.fetch_add(ANSWER, Relaxed);
        // Nearly always there is none, and this is one read.
        let trouble = self.trouble.load(Relaxed);
        if trouble != 0 {
            self.forgive(trouble);
        }
    }

    /// An answer took this long.
    pub(crate) fn took(&self, now: Stamp, took: Duration) {
        self.observe(|latency| latency.observed(now, took));
    }

    #[cold]
    fn forgive(&self, trouble: u64) {
        let forgiven = Trouble::from_bits(trouble).answered().to_bits();
        let _lost = self.trouble.compare_exchange(trouble, forgiven, Relaxed, Relaxed);
    }

    /// It has not answered, or badly. A failure that comes fast says nothing of how fast answers are.
    #[cold]
    pub(crate) fn failed(&self, now: Stamp, blame: Blame) -> Trouble {
        if blame == Blame::Run {
            self.failures.fetch_add(1, Relaxed);
        }
        let change = |trouble| Some(Trouble::from_bits(trouble).failed(now, blame).to_bits());
        // With a loop: no later failure makes up for a lost one.
        let before = self.trouble.fetch_update(Relaxed, Relaxed, change).unwrap_or_default();
        Trouble::from_bits(before).failed(now, blame)
    }

    /// Nobody waits for an answer any more. Gives whether the server was silent: whether it had as long as it usually
    /// takes, and answered no other call in the meantime either. An overloaded one answers some, and a deadline of
    /// nothing says nothing.
    #[cold]
    pub(crate) fn unanswered(&self, before: Before, now: Stamp, waited: Duration) -> bool {
        let usual = self.latency().micros(now);
        self.observe(|latency| latency.at_least(now, waited));
        latency::micros(waited) >= usual && self.answers() == before.answers
    }

    /// How many failures there have been; it comes round.
    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    /// What lets the probe through while the server is ejected.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Forgets what it did before it was ejected.
    pub(crate) fn pardon(&self) {
        self.gate.shut();
        self.trouble.store(0, Relaxed);
        self.latency.store(0, Relaxed);
    }

    fn observe(&self, change: impl FnOnce(Latency) -> Latency) {
        let before = self.latency.load(Relaxed);
        let after = change(Latency::from_bits(before)).to_bits();
        if after != before {
            let _lost = self.latency.compare_exchange(before, after, Relaxed, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_wants_to_be_left_alone_is_the_last_choice_for_so_long_and_no_longer() {
        let load = Load::default();
        for now in [1_000_u32, u32::MAX - 100] {
            let after = |millis: u32| load.failing(Stamp(now.wrapping_add(millis)));
            load.pushed_back(Stamp(now), Duration::from_millis(300));
            assert_eq!((after(0), after(299), after(300), after(9_000_000)), (Load::AWAY, Load::AWAY, 0.0, 0.0));
            load.pushed_back(Stamp(now), Duration::MAX);
            assert_eq!((after(9_999), after(10_000)), (Load::AWAY, 0.0), "whatever it says");
        }
    }
}
