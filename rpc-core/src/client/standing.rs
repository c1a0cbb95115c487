//! Whether a server is given calls.

use crate::client::backoff::part;
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// Whether a server is given calls: a circuit breaker that opens when the server fails, and closes after a single call
/// has gone well. A pure state machine; counting is done where calls end ([`Load`](crate::client::load::Load)), and who
/// may be ejected at all is decided over the whole list (`client/tend.rs`).
///
/// ```text
/// Admitted --fails--> Ejected --time passes--> Probing --its one call goes well--> Admitted
///                        ^------------------------+ its one call fails, or is refused
/// ```
///
/// A server that refuses its probe says nothing of whether it is well again, only that it wants no calls now. It is
/// asked again, but not at once: each time would cost a call an attempt. It is left alone for as long as the last time.
///
/// Times are Finagle's (`MarkDeadFor`): 5 s, twice as long each time up to 300 s, half of it random. Thirty seconds, as
/// in Envoy and gRFC A50, would be dear for a server that was only restarting, and a single probe costs little.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Standing {
    /// It takes calls like any other.
    Admitted {
        /// When it was taken back, if it was.
        since: Option<Instant>,
        /// How often it was ejected in succession.
        level: u32,
    },
    /// It takes none.
    Ejected { until: Instant, level: u32, reason: Reason },
    /// Half open: the next call is its probe.
    Probing { level: u32, reason: Reason },
}

/// Why a server was ejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reason {
    /// So many failures without an answer in between, while others answered.
    Run(u16),
    /// It answers well less often than the others, in percent.
    Outlier { good: f32, mean: f32 },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sign {
    /// It fails, and may be ejected.
    Fails(Reason),
    /// Its probe went well.
    Well,
    /// Its probe failed.
    Unwell,
    /// It would not take its probe.
    Refused,
    /// Time passed.
    Time,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    Eject(Duration),
    Probe,
    Readmit,
}

impl Default for Standing {
    fn default() -> Self {
        Self::Admitted { since: None, level: 0 }
    }
}

impl Standing {
    const FIRST: Duration = Duration::from_secs(5);
    const MOST: Duration = Duration::from_secs(300);
    /// A server that has behaved for so long begins anew.
    const FORGIVEN: Duration = Duration::from_secs(60);

    /// What becomes of it.
    pub(crate) fn step(self, now: Instant, sign: Sign, random: u64) -> (Self, Option<Effect>) {
        match (self, sign) {
            (Self::Admitted { since, level }, Sign::Fails(reason)) => {
                let lately = since.is_some_and(|since| now.saturating_duration_since(since) < Self::FORGIVEN);
                let level = if lately { level } else { 0 };
                Self::eject(now, level, reason, random)
            }
            (Self::Ejected { until, level, reason }, _) if until <= now => {
                (Self::Probing { level, reason }, Some(Effect::Probe))
            }
            (Self::Probing { level, .. }, Sign::Well) => {
                (Self::Admitted { since: Some(now), level }, Some(Effect::Readmit))
            }
            (Self::Probing { level, reason }, Sign::Unwell) => Self::eject(now, level, reason, random),
            (Self::Probing { level, reason }, Sign::Refused) => {
                Self::eject(now, level.saturating_sub(1), reason, random)
            }
            (same, _) => (same, None),
        }
    }

    fn eject(now: Instant, level: u32, reason: Reason, random: u64) -> (Self, Option<Effect>) {
        let most = Self::FIRST.saturating_mul(1 << level.min(16)).min(Self::MOST);
        let time = most.mul_f64(0.5 + part(random) / 2.0);
        (Self::Ejected { until: now + time, level: level + 1, reason }, Some(Effect::Eject(time)))
    }

    pub(crate) fn is_admitted(&self) -> bool {
        matches!(self, Self::Admitted { .. })
    }

    /// Why it takes no calls, if it does not.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Admitted { .. } => None,
            Self::Ejected { reason, .. } | Self::Probing { reason, .. } => Some(*reason),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(failures) => write!(f, "{failures} failures in a row"),
            Self::Outlier { good, mean } => {
                write!(f, "{good:.0} % of its answers were good where {mean:.0} % were elsewhere")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: Reason = Reason::Run(5);

    fn ejected(standing: Standing, now: Instant, sign: Sign, random: u64) -> (Standing, Duration) {
        match standing.step(now, sign, random) {
            (standing, Some(Effect::Eject(time))) => (standing, time),
            other => panic!("not ejected: {other:?}"),
        }
    }

    #[test]
    fn ejections_grow_until_it_has_behaved_for_a_minute() {
        let mut now = Instant::now();
        let mut standing = Standing::default();
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            let (next, time) = ejected(standing, now, Sign::Fails(RUN), u64::MAX);
            assert!((time.as_secs_f64() - f64::from(seconds)).abs() < 0.01, "{time:?}");
            assert_eq!(next.step(now + time / 2, Sign::Well, 0), (next, None), "not before its time");
            now += time;
            let (probing, effect) = next.step(now, Sign::Time, 0);
            assert_eq!(effect, Some(Effect::Probe));
            let (admitted, effect) = probing.step(now, Sign::Well, 0);
            assert_eq!(effect, Some(Effect::Readmit));
            standing = admitted;
        }
        let (_, time) = ejected(standing, now + Duration::from_secs(60), Sign::Fails(RUN), 0);
        assert_eq!(time, Duration::from_millis(2500), "half of it is random");
    }

    #[test]
    fn a_probe_that_fails_ejects_for_longer() {
        let now = Instant::now();
        let (standing, first) = ejected(Standing::default(), now, Sign::Fails(RUN), 0);
        let (probing, _) = standing.step(now + first, Sign::Time, 0);
        assert_eq!(probing.step(now + first, Sign::Time, 0), (probing, None), "it waits for its call");
        assert_eq!(probing.step(now + first, Sign::Fails(RUN), 0), (probing, None), "only its probe counts");
        assert_eq!(ejected(probing, now + first, Sign::Unwell, 0).1, first * 2);
        assert_eq!(ejected(probing, now + first, Sign::Refused, 0).1, first, "which says nothing of how it is");
    }

    proptest! {
        /// Whatever happens: it is taken back only by way of a probe, and kept away for 300 s at most.
        #[test]
        fn nobody_comes_back_unprobed(events in prop::collection::vec((0..5_u8, 0..100_u64, any::<u64>()), 1..100)) {
            let mut now = Instant::now();
            let mut standing = Standing::default();
            for (kind, passed, random) in events {
                now += Duration::from_secs(passed);
                let sign = [Sign::Fails(RUN), Sign::Well, Sign::Unwell, Sign::Refused, Sign::Time][usize::from(kind)];
                let (next, effect) = standing.step(now, sign, random);
                if let Standing::Ejected { until, .. } = next {
                    prop_assert!(until <= now + Standing::MOST);
                }
                prop_assert_eq!(effect == Some(Effect::Readmit), !standing.is_admitted() && next.is_admitted());
                if next.is_admitted() && !standing.is_admitted() {
                    let probing = matches!(standing, Standing::Probing { .. });
                    prop_assert!(probing && sign == Sign::Well);
                }
                standing = next;
            }
        }
    }
}
