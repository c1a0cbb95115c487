//! Sends each attempt over a connection of its choice.

use crate::{
    Code, Delivery, Observers, Request, Response, Service, Status, Tasks,
    client::{
        Journey,
        diagnosis::Diagnosis,
        endpoint::{InFlight, Live},
        fleet::Fleet,
        observe::Ending,
    },
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
    /// Everything that works for the channel ends with it; a stream that is still read keeps it.
    owner: Arc<Tasks>,
}

/// What an attempt holds for as long as it lasts.
struct Held {
    in_flight: InFlight,
    _owner: Arc<Tasks>,
}

impl Balancer {
    pub(crate) fn new(fleet: Arc<Fleet>, observers: Observers, owner: Tasks) -> Self {
        Self { fleet, observers, owner: Arc::new(owner) }
    }

    async fn attempt(&self, request: Request, held: Held) -> Result<Response, Status> {
        let live = held.in_flight.live();
        match live.service.call(request).await {
            Ok(mut response) => {
                response.body = response.body.guarded(held);
                Ok(response)
            }
            Err(status) => Err(placed(status, live)),
        }
    }

    /// The same while somebody watches.
    #[cold]
    async fn observed(&self, request: Request, held: Held) -> Result<Response, Status> {
        let (observers, live) = (self.observers.clone(), held.in_flight.live().clone());
        let (method, begun) = (request.method, Instant::now());
        let ending = Ending::new(move |outcome| {
            observers.tell(|observer| {
                observer.attempt_ended(method, &live.address, live.transport, outcome, begun.elapsed());
            });
        });
        ending.watch(self.attempt(request, held).await)
    }
}

impl Service for Balancer {
    async fn call(&self, mut request: Request) -> Result<Response, Status> {
        let journey = Journey::of(&mut request);
        let in_flight = match self.fleet.pick(&request.hints, &journey) {
            Some(in_flight) => in_flight,
            // Boxed: most calls find one at once.
            None => Box::pin(self.fleet.wait(&request.hints, &journey)).await.map_err(refused)?,
        };
        journey.sent(in_flight.live());
        let held = Held { in_flight, _owner: self.owner.clone() };
        if self.observers.is_some() {
            return Box::pin(self.observed(request, held)).await;
        }
        self.attempt(request, held).await
    }
}

/// The error of a call that can never be made.
#[cold]
fn refused(why: Diagnosis) -> Status {
    Status::new(Code::FailedPrecondition, why.summary()).with_delivery(Delivery::NeverSent).with_source(why)
}

/// Adds where it happened, for the log: the message may travel on to a caller who should not see addresses.
#[cold]
fn placed(status: Status, live: &Live) -> Status {
    if std::error::Error::source(&status).is_some() {
        return status;
    }
    status.with_source(format!("from {live}"))
}
