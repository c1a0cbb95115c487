//! Two attempts at once.

use super::{Plan, Retry, RetryLimits, spare::Spare};
use crate::{
    Code, Request, Response, Service, Status,
    client::{Hedge, Journey, verdict::Verdict},
    context::deadline_in,
    observer::target,
};
use std::{
    pin::{Pin, pin},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// A shorter percentile says that answers come fast, and not that one is late.
const SHORTEST: Duration = Duration::from_millis(1);

type Outcome = Result<Response, Status>;

impl<S: Service> Retry<S> {
    /// The first attempt, with another one beside it when it takes long; and all that follow when both have failed.
    #[cold]
    pub(super) async fn hedged(
        &self,
        mut request: Request,
        limits: &RetryLimits,
        spare: Spare,
        hedge: Hedge,
    ) -> Outcome {
        let (method, mut plan) = (spare.method(), Plan::new(spare.attempt(), limits.attempts));
        let journey = Journey::of(&mut request);
        // And not when the call did: layers of the user's may have taken their time.
        let began = Instant::now();
        let deadline = request.context.deadline();
        let alarm = self.delay(hedge, method.path, began).map(|delay| deadline_in(began, delay));
        let alarm = alarm.filter(|alarm| deadline.is_none_or(|deadline| *alarm < deadline));
        let mut first = pin!(self.inner.call(request));
        let early = match alarm {
            None => Some(first.as_mut().await),
            Some(alarm) => timeout_at(alarm, first.as_mut()).await.ok(),
        };
        let outcome = match early {
            Some(outcome) => outcome,
            None if self.may_hedge(limits) => self.race(first, &spare, &journey, &mut plan).await,
            None => first.await,
        };
        match outcome {
            Err(status) if !is_answer(&status) => self.again(spare, limits, plan, status).await,
            answer => {
                if let Hedge::Percentile(_) = hedge {
                    // Of one that a hedge has overtaken it is known that it would have taken longer.
                    let now = Instant::now();
                    let took = now.saturating_duration_since(began);
                    self.history.latencies.of(method.path).observe(self.history.second(now), took);
                }
                answer
            }
        }
    }

    /// Makes the call elsewhere as well. The first answer counts, and the other attempt is dropped, which cancels it.
    /// Where both fail it is as if the first had been alone, but that there is one attempt less.
    async fn race(
        &self,
        mut first: Pin<&mut impl Future<Output = Outcome>>,
        spare: &Spare,
        journey: &Journey,
        plan: &mut Plan,
    ) -> Outcome {
        let hedge = journey.beside();
        let Some(request) = spare.beside(plan.number + 1, hedge.clone()) else { return first.await };
        tracing::debug!(target: target::CLIENT, method = request.method.path, "no answer yet, so calling elsewhere as well");
        let mut second = pin!(self.inner.call(request));
        let (mut failure, mut refusal) = (None, None);
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut first, if failure.is_none() => match outcome {
                    Err(status) if !is_answer(&status) => {
                        self.note(&status);
                        failure = Some(status);
                    }
                    answer => break answer,
                },
                outcome = &mut second, if refusal.is_none() => match outcome {
                    Err(status) if !is_answer(&status) => refusal = Some(status),
                    answer => {
                        journey.overtaken();
                        self.observers.tell(|observer| observer.hedge_won(spare.method()));
                        break answer;
                    }
                },
                else => break Err(failure.take().unwrap_or_else(|| Status::internal("both attempts are over"))),
            }
        };
        if let Some(status) = refusal {
            self.note(&status);
            plan.failed(&status);
            hedge.failed(status);
        }
        if hedge.attempts() == 0 {
            // It had nowhere to go.
            self.history.budget.give_back(self.history.second(Instant::now()));
        } else {
            plan.made += 1;
            plan.number += 1;
        }
        if outcome.as_ref().is_err_and(|status| !is_answer(status)) {
            journey.rejoined();
        }
        outcome
    }

    /// After what time without an answer a call is made elsewhere as well.
    fn delay(&self, hedge: Hedge, path: &'static str, now: Instant) -> Option<Duration> {
        match hedge {
            Hedge::Off => None,
            Hedge::After(delay) => Some(delay),
            Hedge::Percentile(percentile) => {
                let history = &*self.history;
                let usual = history.latencies.of(path).percentile(percentile, history.second(now))?;
                Some(usual.max(SHORTEST))
            }
        }
    }

    /// Whether the servers have room for one more attempt, as far as is known, and the budget has.
    fn may_hedge(&self, limits: &RetryLimits) -> bool {
        let history = &*self.history;
        let second = history.second(Instant::now());
        // Said in this second or in the one before.
        let flooded = second < history.flooded.load(Relaxed);
        !flooded && history.budget.withdraw(limits, second)
    }

    /// A server may have said that it has too much to do.
    pub(super) fn note(&self, status: &Status) {
        if status.code() == Code::ResourceExhausted && Verdict::of(status) == Verdict::Refused {
            self.history.flooded.store(self.history.second(Instant::now()) + 2, Relaxed);
        }
    }
}

/// Whether the handler has answered, be it with an error.
fn is_answer(status: &Status) -> bool {
    Verdict::of(status) == Verdict::Answered
}
