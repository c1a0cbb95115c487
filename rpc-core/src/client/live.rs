//! A connection that takes calls, and the calls on it.

use crate::{
    Address, BoxService, Method, Pushback, Response, Status,
    client::{
        alarm::Alarm,
        gate::Probe,
        latency::{Clock, Stamp},
        load::{Before, Load},
        picker::Candidate,
        trouble::Blame,
        verdict::Verdict,
    },
    transport::Places,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::time::Instant;

/// A connection that takes calls.
#[derive(Debug)]
pub(crate) struct Live {
    /// Which endpoint it leads to.
    pub(crate) endpoint: u32,
    pub(crate) address: Address,
    pub(crate) transport: &'static str,
    pub(crate) service: BoxService,
    places: Arc<Places>,
    load: Arc<Load>,
    clock: Clock,
    alarm: Arc<Alarm>,
    /// Whether a call has been lost with it.
    lost: AtomicBool,
}

impl Live {
    pub(crate) fn new(
        endpoint: u32,
        address: Address,
        transport: &'static str,
        (service, places): (BoxService, Arc<Places>),
        load: Arc<Load>,
        (clock, alarm): (Clock, Arc<Alarm>),
    ) -> Self {
        Self { endpoint, address, transport, service, places, load, clock, alarm, lost: AtomicBool::new(false) }
    }

    /// How many calls are in flight to the server.
    pub(crate) fn in_flight(&self) -> u32 {
        self.load.in_flight()
    }

    /// Whether a call would have to wait for a place on the connection.
    pub(crate) fn is_full(&self) -> bool {
        self.places.is_full()
    }

    /// Whether the server is to be probed, and by the caller.
    pub(crate) fn pass(&self) -> bool {
        self.load.gate().pass()
    }
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.address, self.transport)
    }
}

/// A connection that was picked, and what for.
pub(crate) type Picked = (Arc<Live>, Purpose);

/// An attempt at a call. Until it is dropped, it counts as in flight and holds its connection.
#[derive(Debug)]
pub(crate) struct InFlight {
    live: Arc<Live>,
    begun: Instant,
    deadline: Option<Instant>,
    before: Before,
    answer: Answer,
    purpose: Purpose,
}

/// What an attempt is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Call,
    /// For the call, and to see whether the server is well again.
    Probe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    /// It is here, or its stream has begun.
    Come,
}

impl InFlight {
    /// One that begins at `begun`, and that nobody waits for any more after `deadline`.
    pub(crate) fn new((live, purpose): Picked, begun: Instant, deadline: Option<Instant>) -> Self {
        let before = live.load.begin();
        Self { live, begun, deadline, before, answer: Answer::Awaited, purpose }
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The answer has come, or its stream begins. `paced` says who decided when.
    pub(crate) fn answered(&mut self, result: &Result<Response, Status>, paced: Paced) {
        self.answer = Answer::Come;
        match result {
            Ok(_) => self.well(paced),
            Err(status) => {
                if let Some(Pushback::After(time)) = status.incoming_pushback() {
                    self.live.load.pushed_back(self.live.clock.stamp(Instant::now()), time);
                }
                self.failed(Verdict::of(status));
            }
        }
    }

    fn well(&mut self, paced: Paced) {
        self.live.load.answered();
        if self.before.is_sample() && paced == Paced::ByServer {
            let now = Instant::now();
            self.live.load.took(self.live.clock.stamp(now), now.saturating_duration_since(self.begun));
        }
        self.reports(Probe::Well);
    }

    /// Says what has become of the probe, if this is one. It says so once: its body may go on for long after that, when
    /// another call is the probe.
    fn reports(&mut self, probe: Probe) {
        if self.purpose == Purpose::Probe {
            self.purpose = Purpose::Call;
            self.back(probe);
        }
    }

    #[cold]
    fn back(&self, probe: Probe) {
        self.live.load.gate().back(probe);
        self.live.alarm.ring();
    }

    #[cold]
    fn failed(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Answered => self.well(Paced::ByServer),
            Verdict::Silent => {}
            Verdict::Late => self.late(Instant::now()),
            Verdict::Refused => {
                self.blame(Blame::Less);
                self.reports(Probe::Refused);
            }
            Verdict::Failed => self.blame(Blame::Run),
            // However many calls were on it.
            Verdict::Lost if self.live.lost.swap(true, Relaxed) => self.blame(Blame::Less),
            Verdict::Lost => self.blame(Blame::Run),
        }
    }

    fn blame(&mut self, blame: Blame) {
        let trouble = self.live.load.failed(self.live.clock.stamp(Instant::now()), blame);
        if blame == Blame::Run {
            self.live.alarm.failure(trouble.run());
            self.reports(Probe::Unwell);
        }
    }

    /// The time is up.
    #[cold]
    fn late(&mut self, now: Instant) {
        if self.waited(now) {
            self.blame(Blame::Run);
        }
    }

    /// Its caller has left, perhaps since the time is up.
    #[cold]
    fn left(&mut self) {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.late(now);
            return;
        }
        let usual = self.live.load.latency().micros(self.live.clock.stamp(now));
        if self.waited(now) && usual > 0.0 {
            // Another has answered sooner, or its caller has had enough of it. Were it nothing, the next call would
            // have to wait for it as well, and all that follow.
            self.reports(Probe::Unwell);
        }
    }

    fn waited(&self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.begun);
        self.live.load.unanswered(self.before, self.live.clock.stamp(now), waited)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.live.load.end();
        if self.answer == Answer::Awaited {
            self.left();
        }
        // Unless it has said by now how the server is.
        self.reports(Probe::Again);
    }
}

/// Who decides when the answer to a call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paced {
    ByServer,
    /// The client streams, and the answer comes when that has ended, perhaps in hours. So it says nothing of how fast
    /// the server is, and such a call is no probe: the server would get no other for so long.
    ByClient,
}

impl Paced {
    pub(crate) fn of(method: &Method) -> Self {
        if method.kind.request_streams() { Self::ByClient } else { Self::ByServer }
    }
}

/// A connection that takes calls, and its share of them.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) live: Arc<Live>,
    weight: u32,
}

impl Choice {
    pub(crate) fn new(live: Arc<Live>, weight: u32) -> Self {
        Self { live, weight }
    }
}

impl Candidate for Choice {
    fn endpoint(&self) -> u32 {
        self.live.endpoint
    }

    fn in_flight(&self) -> u32 {
        self.live.load.in_flight()
    }

    fn latency(&self, now: Stamp) -> f32 {
        self.live.load.latency().micros(now)
    }

    fn failing(&self, now: Stamp) -> f32 {
        self.live.load.failing(now)
    }

    fn weight(&self) -> u32 {
        self.weight
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Body, PayloadStream, Service, service_fn};

    #[tokio::test]
    async fn a_probe_reports_once_however_long_its_answer_goes_on() {
        let live = Arc::new(to(1, service_fn(async |_| Err(Status::internal("not called"))).boxed()));
        let gate = live.load.gate();
        let probe = || {
            gate.open();
            assert!(live.pass());
            InFlight::new((live.clone(), Purpose::Probe), Instant::now(), None)
        };
        let stream = Ok(Response::new(Body::Stream(PayloadStream::new(futures_util::stream::pending()))));
        let mut first = probe();
        first.answered(&stream, Paced::ByServer);
        assert_eq!(gate.outcome(), Some(Probe::Well));

        // Ejected anew, and probed by another call, while the stream of the first goes on.
        gate.shut();
        let _second = probe();
        drop(first);
        assert!(!live.pass(), "there is a probe");
    }

    /// A connection to this endpoint.
    pub(crate) fn to(endpoint: u32, service: BoxService) -> Live {
        let address = "host:1".parse().unwrap();
        Live::new(endpoint, address, "fast", (service, Arc::default()), Arc::default(), (Clock::new(), Arc::default()))
    }

    impl Live {
        pub(crate) fn begin(&self) {
            self.load.begin();
        }

        pub(crate) fn end(&self) {
            self.load.end();
        }
    }
}
