//! Makes a failed call again, where that is safe.

mod budget;
mod class;
mod latencies;
mod race;
mod spare;

use crate::{
    CallId, Delivery, Layer, Observers, Pushback, Request, Response, Service, Status,
    client::{Hedge, Journey, backoff::Backoff},
    observer::target,
};
use budget::Budget;
use class::Class;
use futures_util::future::Either;
use latencies::ByMethod;
use spare::Spare;
use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::time::Instant;

/// Whether failed calls are made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryPolicy {
    /// Never, not even those that have not left.
    Off,
    /// Where it is safe, within these limits.
    On(RetryLimits),
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::On(RetryLimits::default())
    }
}

/// How often calls are made again.
///
/// Calls that never left this process are not counted here: they go elsewhere until the deadline, waiting longer each
/// time that nobody takes them, and at most [`MOVES`](Self::MOVES) times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryLimits {
    /// Attempts at one call, the first among them: 3 by default.
    pub attempts: u32,
    /// Retries for a hundred calls of the last ten seconds: 20 by default.
    pub percent: u32,
    /// Retries a second on top of that, for channels with few calls: 10 by default.
    pub per_second: u32,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self { attempts: 3, percent: 20, per_second: 10 }
    }
}

impl RetryLimits {
    /// How often a call that has not left may be sent elsewhere.
    pub const MOVES: u32 = 64;
}

/// Makes a failed call again where that is safe; [`Class`] says where. Streams are made again only while they have not
/// begun: those of replies until the response is here, those of requests until the first item is taken from them. A
/// call that takes long is made elsewhere as well, where a [`Hedge`] says so. One budget for all calls to the same
/// servers.
#[derive(Clone, Debug)]
pub(crate) struct RetryLayer {
    pub(crate) policy: RetryPolicy,
    pub(crate) history: Arc<History>,
    pub(crate) observers: Observers,
}

/// What is remembered of the calls to some servers. It is theirs: a channel on other terms to the same servers goes on
/// with it, or each change of a rule would let everybody retry as if nothing had been.
#[derive(Debug)]
pub(crate) struct History {
    /// Seconds are counted from here.
    since: Instant,
    budget: Budget,
    /// Of the methods that are hedged by a percentile.
    latencies: ByMethod,
    /// The second from which on calls are hedged again, after a server had too much to do.
    flooded: AtomicU64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            budget: Budget::default(),
            latencies: ByMethod::default(),
            flooded: AtomicU64::new(0),
        }
    }
}

impl History {
    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_secs()
    }
}

impl<S: Service> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        let limits = match self.policy {
            RetryPolicy::Off => None,
            RetryPolicy::On(limits) => Some(limits),
        };
        Retry { inner, limits, history: self.history.clone(), observers: self.observers.clone() }
    }
}

/// See [`RetryLayer`].
#[derive(Debug)]
pub(crate) struct Retry<S> {
    inner: S,
    limits: Option<RetryLimits>,
    history: Arc<History>,
    observers: Observers,
}

impl<S: Service> Service for Retry<S> {
    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let armed = self.limits.as_ref().map(|limits| {
            let journey = Journey::of(&mut request);
            self.history.budget.deposit(self.history.second(journey.started()));
            (limits, Spare::of(&mut request))
        });
        match (armed, hedge(&request)) {
            // Boxed: a call that succeeds at once should not carry what this needs.
            (Some((limits, spare)), Some(hedge)) if limits.attempts > 1 => {
                Either::Right(Box::pin(self.hedged(request, limits, spare, hedge)))
            }
            (armed, _) => Either::Left(async move {
                match (self.inner.call(request).await, armed) {
                    (Err(status), Some((limits, spare))) if Class::of(&status, spare.method()) != Class::Final => {
                        let plan = Plan::new(spare.attempt(), limits.attempts);
                        // Boxed, for the same reason.
                        Box::pin(self.again(spare, limits, plan, status)).await
                    }
                    (result, _) => result,
                }
            }),
        }
    }
}

impl<S: Service> Retry<S> {
    /// All attempts but those that `plan` knows of.
    #[cold]
    async fn again(
        &self,
        mut spare: Spare,
        limits: &RetryLimits,
        mut plan: Plan,
        mut status: Status,
    ) -> Result<Response, Status> {
        loop {
            plan.failed(&status);
            let Some(mut request) = spare.request() else { return Err(plan.ended(status)) };
            self.note(&status);
            let class = Class::of(&status, request.method);
            let withdraw = || self.history.budget.withdraw(limits, self.history.second(Instant::now()));
            let Some(stay_away) = stay_away(&status, &request) else { return Err(plan.ended(status)) };
            let wait = match plan.next(class, fastrand::u64(..), withdraw) {
                Next::GiveUp => return Err(plan.ended(status)),
                Next::Elsewhere => None,
                Next::After(wait) => Some(wait),
            };
            if request.context.attempt() != plan.number {
                let id = request.context.call_id().unwrap_or_else(CallId::random);
                request.context = request.context.with_attempt(id, plan.number);
            }
            self.observers.tell(|observer| observer.retried(request.method, plan.number, &status));
            tracing::debug!(target: target::CLIENT, method = request.method.path, attempt = plan.number, because = %status, "calling again");
            let journey = Journey::of(&mut request);
            journey.failed(status.clone());
            // One that was asked to wait still goes elsewhere, if there is another.
            let pause = wait.unwrap_or_default().max(stay_away);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if wait.is_some() {
                journey.forget_tried();
            }
            spare = Spare::of(&mut request);
            match self.inner.call(request).await {
                Err(failure) => status = failure,
                response => return response,
            }
        }
    }
}

/// For how long the server asks not to be called, which may be no time; `None` when the call need not be made again,
/// since that is not what it asks for, or there is no time for it.
fn stay_away(status: &Status, request: &Request) -> Option<Duration> {
    match status.incoming_pushback() {
        None => Some(Duration::ZERO),
        Some(Pushback::Never) => None,
        Some(Pushback::After(wait)) => {
            Some(wait).filter(|_| request.context.remaining().is_none_or(|left| wait < left))
        }
    }
}

/// Whether this call is to be hedged, and when. Not what is a retry or a hedge upstream: they would multiply.
fn hedge(request: &Request) -> Option<Hedge> {
    let hedge = **request.hints.hedge.as_ref()?;
    let suits = Hedge::suits(request.method) && request.context.attempt() == 1;
    (hedge != Hedge::Off && suits).then_some(hedge)
}

/// What is left to one call. Pure: randomness and the budget come in.
#[derive(Debug)]
struct Plan {
    rights: Rights,
    /// How many attempts may be made, and how many have been.
    attempts: u32,
    made: u32,
    /// The number under which the attempt is sent that is being made. It counts those that may have done something.
    number: u32,
    moves: u32,
    free: bool,
    backoff: Backoff,
    /// How far the attempt got that got furthest.
    furthest: Delivery,
}

/// What becomes of a call after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It ends with the failure.
    GiveUp,
    /// It is made again at once, where it has not been yet.
    Elsewhere,
    /// It is made again after this time, anywhere.
    After(Duration),
}

/// What may be done for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    All,
    /// What costs nobody anything. The call is made while handling an attempt above the first, which is the retry of
    /// somebody upstream: were it made again at every step of the chain, retries would multiply.
    Free,
}

impl Plan {
    /// For a call that is attempt `number` at something.
    fn new(number: u32, attempts: u32) -> Self {
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let rights = if number == 1 { Rights::All } else { Rights::Free };
        Self { rights, attempts, made: 1, number, moves: 0, free: true, backoff, furthest: Delivery::NeverSent }
    }

    /// An attempt has failed.
    fn failed(&mut self, status: &Status) {
        self.furthest = self.furthest.max(status.delivery());
    }

    /// The call ends with the failure of its last attempt. That this one was not sent does not mean that none was.
    fn ended(&self, last: Status) -> Status {
        last.with_delivery(self.furthest)
    }

    /// Whether to call again after a failure of this class, and when.
    fn next(&mut self, class: Class, random: u64, withdraw: impl FnOnce() -> bool) -> Next {
        match class {
            Class::Final => Next::GiveUp,
            Class::NeverSent if self.moves >= RetryLimits::MOVES => Next::GiveUp,
            Class::NeverSent => {
                self.moves += 1;
                // The first few go elsewhere at once; when nobody takes it, spinning would not help.
                if self.moves > 2 { Next::After(self.backoff.next(random)) } else { Next::Elsewhere }
            }
            Class::Unprocessed | Class::Overloaded | Class::Lost if self.made >= self.attempts => Next::GiveUp,
            Class::Unprocessed | Class::Overloaded | Class::Lost => {
                let free = class == Class::Unprocessed && std::mem::take(&mut self.free);
                if !free && (self.rights == Rights::Free || !withdraw()) {
                    return Next::GiveUp;
                }
                self.made += 1;
                // One roll-out upstream would leave the whole chain below without retries, though nobody did anything.
                self.number += u32::from(!free);
                if self.made > 2 { Next::After(self.backoff.next(random)) } else { Next::Elsewhere }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the attempts that follow failures of these classes, with a budget of `budget` retries.
    fn attempts(classes: &[Class], budget: u32) -> Vec<u32> {
        attempts_of(1, classes, budget)
    }

    fn attempts_of(number: u32, classes: &[Class], mut budget: u32) -> Vec<u32> {
        let mut plan = Plan::new(number, 3);
        let withdraw = |budget: &mut u32| {
            let enough = *budget > 0;
            *budget = budget.saturating_sub(1);
            enough
        };
        let next = |class: &Class| {
            let next = plan.next(*class, 0, || withdraw(&mut budget));
            (next != Next::GiveUp).then_some(plan.number)
        };
        classes.iter().map_while(next).collect()
    }

    #[test]
    fn every_class_has_its_own_right_to_another_attempt() {
        use Class::{Final, Lost, NeverSent, Overloaded, Unprocessed};
        assert!(attempts(&[Final], 9).is_empty());
        assert_eq!(attempts(&[Lost, Lost, Lost], 9), [2, 3]);
        assert_eq!(attempts(&[Lost, Lost], 1), [2]);
        assert_eq!(attempts(&[Unprocessed, Unprocessed], 0), [1], "once for free, and nothing was done");
        assert_eq!(attempts(&[Unprocessed, Unprocessed, Unprocessed], 9), [1, 2]);
        assert_eq!(attempts(&[Unprocessed, Lost], 1), [1, 2], "what is free takes nothing from the budget");
        assert_eq!(attempts(&[Overloaded, Overloaded], 1), [2], "nothing is free in a flood");
        assert_eq!(attempts(&[NeverSent, Lost, NeverSent, Lost, NeverSent], 9), [1, 2, 2, 3, 3]);
        assert_eq!(attempts(&[NeverSent; 100], 0), [1; RetryLimits::MOVES as usize]);
    }

    #[test]
    fn a_retry_of_somebody_upstream_has_only_what_is_free() {
        use Class::{Final, Lost, NeverSent, Overloaded, Unprocessed};
        let attempts = |classes: &[Class]| attempts_of(2, classes, 9);
        assert!([Final, Lost, Overloaded].into_iter().all(|class| attempts(&[class]).is_empty()));
        assert_eq!(attempts(&[Unprocessed, Unprocessed]), [2]);
        assert_eq!(attempts(&[Unprocessed, Lost]), [2]);
        assert_eq!(attempts(&[NeverSent; 100]), [2; RetryLimits::MOVES as usize]);
    }

    #[test]
    fn waits_begin_when_elsewhere_has_not_helped() {
        let mut plan = Plan::new(1, 3);
        let mut next = |class| plan.next(class, u64::MAX, || true);
        let after = |least| move |next| matches!(next, Next::After(wait) if wait > Duration::from_millis(least));
        assert_eq!((next(Class::NeverSent), next(Class::NeverSent)), (Next::Elsewhere, Next::Elsewhere));
        assert!(after(19)(next(Class::NeverSent)));
        assert!(after(39)(next(Class::NeverSent)));
        assert_eq!(next(Class::Lost), Next::Elsewhere);
        assert!(after(79)(next(Class::Lost)));
    }
}
