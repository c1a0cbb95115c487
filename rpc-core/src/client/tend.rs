//! Keeps an eye on servers: ejects those that fail, probes them, takes them back, and warms up those that come.

use crate::{
    Address,
    client::{
        alarm::{self, Alarm},
        endpoint::Endpoint,
        gate::Probe,
        outliers,
        roster::Roster,
        standing::{Effect, Reason, Sign},
        warmth::Warmth,
    },
};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Something to tell.
pub(crate) struct StandingChange {
    pub(crate) address: Address,
    pub(crate) effect: Effect,
    pub(crate) reason: Reason,
}

/// Tends servers for as long as it is polled. `tend` does what is to be done, and gives when it is to be called next.
pub(crate) async fn run(alarm: Arc<Alarm>, tend: impl Fn(Instant) -> Option<Instant>) {
    loop {
        let due = tend(Instant::now());
        let ring = alarm.rung();
        match due {
            Some(due) => _ = timeout_at(due, ring).await,
            None => ring.await,
        }
    }
}

impl Roster {
    /// When something is to be done next, without an alarm.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let endpoints = self.endpoints().filter_map(|endpoint| endpoint.due(now));
        let departures = self.endpoints().filter_map(|endpoint| endpoint.listing.until()).filter(|until| *until > now);
        endpoints.chain(departures).chain(self.compare_at).min()
    }

    /// Does what is to be done at `now`; `random` makes the times of ejection differ.
    pub(crate) fn tend(&mut self, now: Instant, alarm: &Alarm, mut random: impl FnMut() -> u64) -> Vec<StandingChange> {
        let mut signs: Vec<_> = self.endpoints().filter_map(|endpoint| Some((endpoint.id, sign(endpoint)?))).collect();
        match self.compare_at {
            Some(compare) if compare <= now => {
                signs.extend(self.outliers());
                self.compare_at = None;
                alarm.forget_failures();
            }
            None if alarm.has_failures() => {
                self.compare_at = Some(now + alarm::INTERVAL);
                self.endpoints_mut().for_each(Endpoint::count_anew);
            }
            _ => {}
        }
        signs.into_iter().filter_map(|(id, sign)| self.step(id, now, sign, random())).collect()
    }

    fn outliers(&self) -> Vec<(u32, Sign)> {
        let used: Vec<_> = self.endpoints().filter(|endpoint| endpoint.is_used()).collect();
        let records: Vec<_> = used.iter().map(|endpoint| endpoint.record()).collect();
        let outliers = used.iter().zip(outliers::outliers(&records));
        let sign = |(good, mean)| Sign::Fails(Reason::Outlier { good, mean });
        outliers.filter_map(|(endpoint, outlier)| Some((endpoint.id, sign(outlier?)))).collect()
    }

    /// Whether a server that fails may be ejected: never more than half, and only while somebody else does better,
    /// for where all fail alike it is not the server.
    fn may_eject(&self, id: u32) -> bool {
        let used = || self.endpoints().filter(|endpoint| !endpoint.listing.is_gone() && endpoint.is_used());
        let ejected = used().filter(|endpoint| !endpoint.standing.is_admitted()).count();
        let does_better = |endpoint: &Endpoint| {
            endpoint.id != id && endpoint.load.trouble().run() == 0 && endpoint.load.answers() > 0
        };
        (ejected + 1) * 2 <= used().count() && used().any(does_better)
    }

    fn step(&mut self, id: u32, now: Instant, sign: Sign, random: u64) -> Option<StandingChange> {
        if matches!(sign, Sign::Fails(_)) && !self.may_eject(id) {
            return None;
        }
        let endpoint = self.endpoint_mut(id)?;
        let before = endpoint.standing;
        let (after, effect) = before.step(now, sign, random);
        endpoint.standing = after;
        let effect = effect?;
        match effect {
            Effect::Probe => endpoint.load.gate().open(),
            Effect::Readmit => {
                endpoint.load.pardon();
                endpoint.warmth = Some(Warmth::new(now));
            }
            Effect::Eject(_) => {
                endpoint.load.gate().shut();
                // The way to it may be dead, and not the server.
                endpoint.renew();
            }
        }
        let reason = after.reason().or(before.reason())?;
        Some(StandingChange { address: endpoint.links.first()?.address.clone(), effect, reason })
    }
}

/// What has happened to a server.
fn sign(endpoint: &Endpoint) -> Option<Sign> {
    if endpoint.standing.is_admitted() {
        let run = endpoint.load.trouble().run();
        return (run >= alarm::RUN).then_some(Sign::Fails(Reason::Run(run)));
    }
    Some(match endpoint.load.gate().outcome() {
        Some(Probe::Well) => Sign::Well,
        Some(Probe::Unwell) => Sign::Unwell,
        Some(Probe::Refused) => Sign::Refused,
        _ => Sign::Time,
    })
}
