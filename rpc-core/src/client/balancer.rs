//! Sends each attempt over a connection of its choice.

use crate::{
    Body, Delivery, Observers, Request, Response, Service, Status, Tasks,
    client::{
        diagnosis::Diagnosis,
        fleet::Fleet,
        journey::{Attempt, Journey, Nth, Start},
        live::{InFlight, Live, Paced, Picked},
        stack::Stack,
    },
    ending::Ending,
    observer::{AttemptEnded, Hedged},
};
use std::sync::Arc;
use tokio::time::Instant;

/// Sends each attempt over a connection of its choice, waiting for one if there is none: nobody else picks endpoints.
///
/// The attempt counts as in flight until its body ends. It waits without a limit of its own, since the deadline of the
/// call ends it.
#[derive(Debug)]
pub(crate) struct Balancer {
    fleet: Arc<Fleet>,
    observers: Observers,
    start: Start,
    /// Everything that works for the channel ends with it; a stream that is still read keeps it.
    owner: Arc<Tasks>,
}

/// What an attempt holds for as long as it lasts.
struct Held {
    in_flight: InFlight,
    paced: Paced,
    _owner: Arc<Tasks>,
}

impl Balancer {
    pub(crate) fn new(fleet: Arc<Fleet>, stack: &Stack, owner: Arc<Tasks>) -> Self {
        let start = if stack.has_layers() { Start::ByClock } else { Start::WithCall };
        Self { fleet, observers: stack.observers.clone(), start, owner }
    }

    /// An attempt at the server that was picked, from `begun` on.
    fn held(&self, picked: Picked, request: &Request, journey: &Journey, begun: Instant) -> Held {
        journey.sent(&picked.0);
        let in_flight = InFlight::new(picked, begun, request.context.deadline());
        Held { in_flight, paced: Paced::of(request.method), _owner: self.owner.clone() }
    }

    /// An attempt while somebody watches.
    #[cold]
    async fn observed(&self, request: Request, held: Held) -> Result<Response, Status> {
        let (observers, live) = (self.observers.clone(), held.in_flight.live().clone());
        let (method, begun) = (request.method, Instant::now());
        if let Some(journey) = request.hints.journey.as_ref().filter(|journey| journey.is_hedge()) {
            let (endpoint, transport) = (&live.address, live.transport);
            let after = begun.saturating_duration_since(journey.started());
            let hedged = Hedged { method, endpoint, transport, attempt: request.context.attempt(), after };
            observers.tell(|observer| observer.hedged(&hedged));
        }
        observers.tell(|observer| observer.picked(method, &live.address, live.transport));
        let ending = Ending::new(move |outcome| {
            let (endpoint, transport) = (&live.address, live.transport);
            let ended = AttemptEnded { method, endpoint, transport, outcome, took: begun.elapsed() };
            observers.tell(|observer| observer.attempt_ended(&ended));
        });
        let result = held.in_flight.live().service.call(request).await;
        ending.watch(held.ended(result, &self.fleet))
    }

    /// The same when there is no connection yet.
    #[cold]
    async fn late(&self, request: Request, journey: &Journey) -> Result<Response, Status> {
        let picked = self.fleet.wait(&request, journey).await.map_err(refused)?;
        let held = self.held(picked, &request, journey, Instant::now());
        if self.observers.is_some() {
            return self.observed(request, held).await;
        }
        let result = held.in_flight.live().service.call(request).await;
        held.ended(result, &self.fleet)
    }
}

impl Service for Balancer {
    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let journey = Journey::of(&mut request);
        if let Body::Stream(requests) = &mut request.body {
            requests.sent_by_caller();
        }
        async move {
            let attempt = Attempt::begin(&journey, self.start);
            let result = match self.fleet.pick(&request, &journey, attempt) {
                Some(picked) if !self.observers.is_some() => {
                    let held = self.held(picked, &request, &journey, attempt.begun);
                    let result = held.in_flight.live().service.call(request).await;
                    held.ended(result, &self.fleet)
                }
                // Boxed: most calls find a connection at once, and are not watched.
                Some(picked) => {
                    let held = self.held(picked, &request, &journey, attempt.begun);
                    Box::pin(self.observed(request, held)).await
                }
                None if attempt.nth == Nth::Beside => Err(nobody_else()),
                None => Box::pin(self.late(request, &journey)).await,
            };
            match result {
                Err(status) if status.delivery() == Delivery::NeverSent => Box::pin(after_a_turn(status)).await,
                result => result,
            }
        }
    }
}

/// A connection that has broken refuses calls without waiting for anything, until the news of it have been heard. Who
/// calls in a loop would never let them be.
#[cold]
async fn after_a_turn(status: Status) -> Result<Response, Status> {
    tokio::task::yield_now().await;
    Err(status)
}

impl Held {
    /// An attempt has been answered: what it held goes on with the body of the answer.
    fn ended(mut self, result: Result<Response, Status>, fleet: &Fleet) -> Result<Response, Status> {
        self.in_flight.answered(&result, self.paced);
        match result {
            Ok(response) => Ok(Response { body: response.body.guarded(self), ..response }),
            Err(status) => Err(placed(status, self.in_flight.live(), fleet)),
        }
    }
}

/// The error of an attempt beside another, when no other server can be called now.
#[cold]
fn nobody_else() -> Status {
    Status::unavailable("there is no other server").with_delivery(Delivery::NeverSent)
}

/// The error of a call that does not wait.
#[cold]
fn refused(why: Diagnosis) -> Status {
    Status::new(why.code(), why.summary()).with_delivery(Delivery::NeverSent).with_source(why)
}

/// Adds where it happened, for the log: the message may travel on to a caller who should not see addresses.
#[cold]
fn placed(status: Status, live: &Live, fleet: &Fleet) -> Status {
    if status.is_callers_own() || std::error::Error::source(&status).is_some() {
        return status;
    }
    match fleet.ejected() {
        None => status.with_source(format!("from {live}")),
        Some(ejected) => status.with_source(format!("from {live}; {ejected}")),
    }
}
