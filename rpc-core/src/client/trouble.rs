//! How much of what a server does fails.

use crate::client::latency::Stamp;

/// How much of what a server does fails: a run of failures, and a moving average over about eight calls.
///
/// The average makes a server that fails unattractive long before it is ejected. It fades within seconds while the
/// server is not called, or nobody would find out that it is well again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trouble {
    /// Failures since the last answer.
    run: u16,
    /// In parts of [`Self::WHOLE`].
    failing: u16,
    at: Stamp,
}

/// How much is held against a server that did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It is given less. One that is overloaded and says so must not be taken away, or the others would be next.
    Less,
    /// The run of failures that it is ejected for grows as well.
    Run,
}

impl Trouble {
    const WHOLE: u16 = u16::MAX;
    /// Below this it is noise, and none.
    const LEAST: u16 = Self::WHOLE / 32;
    /// The time in which the average loses all but 1/e, in milliseconds.
    const FADE: f32 = 2_000.0;
    /// No server is thought to fail always: it may be the only one.
    const MOST: f32 = 15.0 / 16.0;

    /// After an answer.
    pub(crate) fn answered(self) -> Self {
        let failing = self.failing - self.failing.div_ceil(8);
        if failing < Self::LEAST { Self::default() } else { Self { run: 0, failing, ..self } }
    }

    /// After anything else.
    pub(crate) fn failed(self, now: Stamp, blame: Blame) -> Self {
        let failing = (self.failing(now) * f32::from(Self::WHOLE)) as u16;
        let failing = failing + (Self::WHOLE - failing) / 8;
        let run = self.run.saturating_add(u16::from(blame == Blame::Run));
        Self { run, failing, at: now }
    }

    /// Failures since the last answer.
    pub(crate) fn run(self) -> u16 {
        self.run
    }

    /// What part of the calls fails, from 0 to below 1.
    pub(crate) fn failing(self, now: Stamp) -> f32 {
        if self.failing < Self::LEAST {
            return 0.0;
        }
        let part = f32::from(self.failing) / f32::from(Self::WHOLE);
        let faded = part * (-(now.since(self.at) as f32) / Self::FADE).exp();
        if faded < f32::from(Self::LEAST) / f32::from(Self::WHOLE) { 0.0 } else { faded.min(Self::MOST) }
    }

    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.run) << 48 | u64::from(self.failing) << 32 | u64::from(self.at.0)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { run: (bits >> 48) as u16, failing: (bits >> 32) as u16, at: Stamp(bits as u32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_failures_and_goes_with_answers_and_time() {
        let mut trouble = Trouble::default();
        for _ in 0..5 {
            trouble = Trouble::from_bits(trouble.failed(Stamp(7), Blame::Run).to_bits());
        }
        assert_eq!(trouble.run(), 5);
        assert!((0.45..0.5).contains(&trouble.failing(Stamp(7))), "{trouble:?}");
        assert_eq!(trouble.failing(Stamp(7_000)), 0.0);

        let answered = trouble.answered();
        assert_eq!(answered.run(), 0);
        assert!(answered.failing(Stamp(7)) > 0.3);
        let well = (0..30).fold(trouble, |trouble, _| trouble.answered());
        assert_eq!(well.to_bits(), 0);

        let refusing = (0..500).fold(Trouble::default(), |trouble, _| trouble.failed(Stamp(7), Blame::Less));
        assert_eq!(refusing.run(), 0);
        assert_eq!(refusing.failing(Stamp(7)), 15.0 / 16.0);
    }
}
