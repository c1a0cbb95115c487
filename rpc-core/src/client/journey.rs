//! What one call has been through.

use crate::{
    Address, Delivery, Request, Status,
    client::{diagnosis::Diagnosis, live::Live},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What one call has been through so far: which endpoints it was sent to, so that the next attempt goes elsewhere, and
/// what it waits for, so that an error can say where the time went.
///
/// It belongs to one call, so nobody contends for its lock.
#[derive(Debug)]
pub(crate) struct Journey {
    role: Role,
    started: Instant,
    attempts: AtomicU32,
    notes: Mutex<Notes>,
}

/// Whose journey it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Call,
    /// That of a second attempt beside the first.
    Hedge,
}

#[derive(Debug)]
struct Notes {
    stage: Stage,
    waited: Duration,
    /// The endpoints it went to, the last ones when they are many.
    tried: [u32; Self::TRIED],
    count: usize,
    /// How many attempts came back with the word that they were not begun.
    unprocessed: u32,
    failure: Option<Status>,
    hedge: HedgeState,
}

/// What became of the attempt beside the first.
#[derive(Debug)]
enum HedgeState {
    /// There is none.
    Not,
    /// It is under way, or the first attempt was faster.
    Out(Arc<Journey>),
    /// It was faster.
    Won(Arc<Journey>),
    /// Both have failed, and its journey is a part of this one.
    Failed,
}

impl Notes {
    const TRIED: usize = 8;

    /// Those of a call that has just begun, and of an attempt beside one that went to these endpoints.
    fn new(tried: [u32; Self::TRIED], count: usize) -> Mutex<Self> {
        let (stage, waited, hedge) = (Stage::Here, Duration::ZERO, HedgeState::Not);
        Mutex::new(Self { stage, waited, tried, count, unprocessed: 0, failure: None, hedge })
    }

    /// How long it has waited for servers and for places.
    fn waited(&self) -> Duration {
        match &self.stage {
            Stage::Waiting { since, .. } | Stage::Queued { since, .. } => self.waited + since.elapsed(),
            Stage::Here | Stage::Sent(_) | Stage::Pausing => self.waited,
        }
    }

    /// What it is at, in words, and what to look into for that.
    fn last(&self) -> (Option<String>, Option<Cause>) {
        match &self.stage {
            Stage::Waiting { why, .. } => (Some(why.summary()), Some(why.clone().into())),
            Stage::Queued { live, .. } => (
                Some("as many calls were open as the connection takes".to_owned()),
                Some(format!("no place on the connection to {live}").into()),
            ),
            Stage::Sent(live) => {
                (Some(format!("no answer over {}", live.transport)), Some(format!("no answer from {live}").into()))
            }
            Stage::Pausing | Stage::Here => match &self.failure {
                Some(failure) => (Some(format!("the last failed: {failure}")), Some(failure.clone().into())),
                None => (None, None),
            },
        }
    }
}

/// The source of a status.
type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
enum Stage {
    /// On its way through the layers.
    Here,
    /// For a server that takes calls.
    Waiting { since: Instant, why: Diagnosis },
    /// For a place on the connection to a server, where as many calls are open as it takes.
    Queued { since: Instant, live: Arc<Live> },
    /// For the answer.
    Sent(Arc<Live>),
    /// Before the next attempt.
    Pausing,
}

/// What sends the attempts, as far as is known where a call's time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Within {
    #[default]
    Unknown,
    /// A balancer, which notes each.
    Balancer,
}

/// One attempt, as it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) begun: Instant,
    pub(crate) nth: Nth,
}

/// Whether there are endpoints that an attempt should avoid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nth {
    First,
    Later,
    /// It is made beside another, and must not go where that went.
    Beside,
}

/// When the first attempt at a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the call, or as good as: reading a clock takes the time of a hundred instructions.
    WithCall,
    /// Later: layers of the user's are in between, which may take any time. It is not the server's.
    ByClock,
}

impl Attempt {
    /// The next attempt.
    pub(crate) fn begin(journey: &Journey, start: Start) -> Self {
        if journey.role == Role::Hedge {
            return Self { begun: Instant::now(), nth: Nth::Beside };
        }
        let notes = journey.notes();
        // Nobody was tried, so there is nobody to avoid; nor was it made to wait, if it is still on its way.
        let nth = if notes.count == 0 && journey.attempts.load(Relaxed) == 0 { Nth::First } else { Nth::Later };
        let just_begun = start == Start::WithCall && matches!(notes.stage, Stage::Here);
        Self { begun: if just_begun { journey.started } else { Instant::now() }, nth }
    }
}

impl Journey {
    pub(crate) fn new() -> Self {
        Self {
            role: Role::Call,
            started: Instant::now(),
            attempts: AtomicU32::new(0),
            notes: Notes::new([0; Notes::TRIED], 0),
        }
    }

    /// The journey of a second attempt at the call, which avoids where the first went.
    #[cold]
    pub(crate) fn beside(&self) -> Arc<Self> {
        let mut notes = self.notes();
        let hedge = Arc::new(Self {
            role: Role::Hedge,
            started: self.started,
            attempts: AtomicU32::new(0),
            notes: Notes::new(notes.tried, notes.count),
        });
        notes.hedge = HedgeState::Out(hedge.clone());
        hedge
    }

    /// The attempt beside the first has answered.
    pub(crate) fn overtaken(&self) {
        let mut notes = self.notes();
        if let HedgeState::Out(hedge) = &notes.hedge {
            notes.hedge = HedgeState::Won(hedge.clone());
        }
    }

    /// Both attempts have failed. What comes next avoids where either went.
    pub(crate) fn rejoined(&self) {
        let mut notes = self.notes();
        let HedgeState::Out(hedge) = std::mem::replace(&mut notes.hedge, HedgeState::Failed) else { return };
        let other = hedge.notes();
        (notes.tried, notes.count) = (other.tried, other.count);
        notes.unprocessed += other.unprocessed;
        self.attempts.store(self.attempts.load(Relaxed) + hedge.attempts.load(Relaxed), Relaxed);
    }

    /// How it went with the attempt beside the first; `None` when there was none.
    pub(crate) fn hedge(&self) -> Option<&'static str> {
        match &self.notes().hedge {
            HedgeState::Not => None,
            HedgeState::Out(hedge) => (hedge.attempts() > 0).then_some("lost"),
            HedgeState::Won(_) => Some("won"),
            HedgeState::Failed => Some("failed"),
        }
    }

    /// Whether it is that of an attempt beside the first.
    pub(crate) fn is_hedge(&self) -> bool {
        self.role == Role::Hedge
    }

    /// The journey of a call, begun here if no layer has yet.
    pub(crate) fn of(request: &mut Request) -> Arc<Self> {
        request.hints.journey.get_or_insert_with(|| Arc::new(Self::new())).clone()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// How many attempts may have left this process.
    pub(crate) fn attempts(&self) -> u32 {
        let beside = match &self.notes().hedge {
            HedgeState::Out(hedge) | HedgeState::Won(hedge) => hedge.attempts.load(Relaxed),
            HedgeState::Not | HedgeState::Failed => 0,
        };
        self.attempts.load(Relaxed) + beside
    }

    /// It waits for a server. Said again whenever the reason changes.
    pub(crate) fn waits(&self, why: Diagnosis) {
        let mut notes = self.notes();
        let since = match notes.stage {
            Stage::Waiting { since, .. } => since,
            _ => Instant::now(),
        };
        notes.stage = Stage::Waiting { since, why };
    }

    /// Whether it waits for a server, so that nothing has left on this attempt.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.notes().stage, Stage::Waiting { .. } | Stage::Queued { .. } | Stage::Pausing)
    }

    /// The connection that it was given to has no place for it yet, so that it has not left.
    pub(crate) fn queues(&self) {
        let mut notes = self.notes();
        if let Stage::Sent(live) = &notes.stage {
            notes.stage = Stage::Queued { since: Instant::now(), live: live.clone() };
            self.attempts.store(self.attempts.load(Relaxed).saturating_sub(1), Relaxed);
        }
    }

    /// It waits for that no longer.
    pub(crate) fn leaves(&self) {
        let mut notes = self.notes();
        if let Stage::Queued { since, live } = &notes.stage {
            let (waited, live) = (since.elapsed(), live.clone());
            notes.waited += waited;
            notes.stage = Stage::Sent(live);
            self.attempts.store(self.attempts.load(Relaxed) + 1, Relaxed);
        }
    }

    /// It goes to an endpoint.
    pub(crate) fn sent(&self, live: &Arc<Live>) {
        self.attempts.store(self.attempts.load(Relaxed) + 1, Relaxed);
        let mut notes = self.notes();
        if let Stage::Waiting { since, .. } = notes.stage {
            notes.waited += since.elapsed();
        }
        let slot = notes.count % Notes::TRIED;
        notes.tried[slot] = live.endpoint;
        notes.count += 1;
        notes.stage = Stage::Sent(live.clone());
    }

    /// Where the last attempt went, or the one that was answered, and over which wire.
    pub(crate) fn destination(&self) -> Option<(Address, &'static str)> {
        let notes = self.notes();
        if let HedgeState::Won(hedge) = &notes.hedge {
            return hedge.destination();
        }
        match &notes.stage {
            Stage::Sent(live) | Stage::Queued { live, .. } => Some((live.address.clone(), live.transport)),
            _ => None,
        }
    }

    /// The attempt failed, and another is to come.
    pub(crate) fn failed(&self, because: Status) {
        if because.delivery() == Delivery::NeverSent {
            self.attempts.store(self.attempts.load(Relaxed).saturating_sub(1), Relaxed);
        }
        let mut notes = self.notes();
        notes.unprocessed += u32::from(because.delivery() == Delivery::Unprocessed);
        notes.stage = Stage::Pausing;
        notes.failure = Some(because);
    }

    /// Forgets where it went: everybody has been tried, and time has passed.
    pub(crate) fn forget_tried(&self) {
        self.notes().count = 0;
    }

    /// Whether it has not been sent to this endpoint.
    pub(crate) fn is_elsewhere(&self, endpoint: u32) -> bool {
        self.with_tried(|tried| !tried.contains(&endpoint))
    }

    /// Gives the endpoints it went to.
    pub(crate) fn with_tried<R>(&self, choose: impl FnOnce(&[u32]) -> R) -> R {
        let notes = self.notes();
        choose(&notes.tried[..notes.count.min(Notes::TRIED)])
    }

    /// The error of a call whose time is up: where the time went.
    #[cold]
    pub(crate) fn expired(&self, limit: Instant, what: &str, within: Within) -> Status {
        let attempts = self.attempts();
        let notes = self.notes();
        let allowed = round(limit.saturating_duration_since(self.started));
        let what = format!("{what} of {allowed:?} exceeded");
        if let (Stage::Here, None, 0) = (&notes.stage, &notes.failure, attempts) {
            return match within {
                // Nothing is known of attempts.
                Within::Unknown => Status::deadline_exceeded(what),
                Within::Balancer => {
                    Status::deadline_exceeded(format!("{what}: in a layer of this client's, 0 attempts sent"))
                        .with_delivery(Delivery::NeverSent)
                }
            };
        }
        let mut story = Vec::new();
        let waited = round(notes.waited());
        if !waited.is_zero() {
            story.push(format!("{waited:?} waiting for a server"));
        }
        story.push(match attempts {
            0 => "0 attempts sent".to_owned(),
            1 => "1 attempt sent".to_owned(),
            attempts => format!("{attempts} attempts sent"),
        });
        let (last, source) = notes.last();
        story.extend(last);
        let status = Status::deadline_exceeded(format!("{what}: {}", story.join(", ")));
        let status = match attempts {
            0 => status.with_delivery(Delivery::NeverSent),
            // Every one came back: a server that drains had them, and did nothing.
            sent if sent == notes.unprocessed => status.with_delivery(Delivery::Unprocessed),
            _ => status,
        };
        match source {
            Some(source) => status.with_source(source),
            None => status,
        }
    }
}

/// To the millisecond: people read this.
fn round(duration: Duration) -> Duration {
    Duration::from_millis(duration.as_micros().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}
