//! A call into a server in this process.

use crate::{
    Body, Delivery, Kind, Layers, Observers, Payload, Peer, Request, Response, Service, Status, Tasks,
    client::Channel,
    server::{Admission, NamedService, Router, deadline, expiry::expiring},
    transport::{Drain, DrainPhase, DrainTrigger, Limits, Routes},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How much of a wire a local call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// The value is handed over; nothing is serialised. Limits and layers are those of a wire.
    Value,
    /// The value goes through its bytes, as on a wire. For tests: what passes here passes when the service is moved
    /// out of the process.
    Wire,
}

impl Channel {
    /// A channel into a service in this process, through the layers that every server has. Nobody is refused: what
    /// calls from here has been let in before, or is this program's own. A write that has begun goes on to its end,
    /// also when the last clone of the channel is gone.
    pub fn local(service: impl NamedService, fidelity: Fidelity) -> Self {
        Self::new(Local::new(service, fidelity, Admission::Off, Layers::default(), Observers::default()))
    }
}

/// A service in this process, behind the layers that every server has. Clones share it.
#[derive(Clone, Debug)]
pub struct Local {
    routes: Routes,
    limits: Limits,
    fidelity: Fidelity,
    /// They end with the last clone, and with the last write that goes on without its caller.
    tasks: Tasks,
    drain: Arc<DrainTrigger>,
}

impl Local {
    /// A service, how many calls are let in, the user's layers around it, and who watches.
    pub fn new(
        service: impl NamedService,
        fidelity: Fidelity,
        admission: Admission,
        layers: Layers,
        observers: Observers,
    ) -> Self {
        let mut router = Router::new();
        if let Err(error) = router.add(service) {
            // A router that is empty takes any one service.
            debug_assert!(false, "{error}");
        }
        router.wrap(layers);
        router.admit(admission);
        let (tasks, drain) = (Tasks::owner(), Arc::new(Drain::new().0));
        // Calls keep it: that nobody can make new ones is no reason for those to end.
        router.ends_with(drain.clone().kept());
        let routes = router.into_routes(tasks.clone(), observers);
        Self { routes, limits: Limits::default(), fidelity, tasks, drain }
    }

    /// With other limits. What concerns connections means nothing here.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells its handlers, by [`Context::draining`](crate::Context::draining), whether the process is about to leave.
    /// That it is not after all is heard by those that ask then. Calls are taken in either case.
    pub fn turn(&self, phase: DrainPhase) {
        self.drain.turn(phase);
    }

    /// Waits until no handler goes on without its caller. Calls are taken meanwhile.
    pub async fn finished(&self) {
        self.tasks.finished().await;
    }

    /// Ends the handlers that go on without their callers.
    pub fn abort(&self) {
        self.tasks.abort();
    }
}

impl Service for Local {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        // What a wire does: the server knows a method by its path, and only what travels arrives.
        let method = self.routes.method(request.method.path)?;
        let body = self.carry(request.body).map_err(|status| status.with_delivery(Delivery::NeverSent))?;
        let body = match &body {
            Body::Stream(_) => {
                expiring(body, request.context.deadline().map(|deadline| deadline + PATIENCE), incomplete)
            }
            Body::Message(_) => body,
        };
        let context = request.context.with_peer(Peer::new("local", None));
        let call = self.routes.service.call(Request::new(method, context, body));
        let response = match request.hints.opening {
            // Boxed: a unary call should not carry what this needs.
            Some(opening) if method.kind == Kind::ServerStream => Box::pin(opened(call, opening)).await,
            _ => call.await,
        };
        let response = response.map_err(Status::received)?;
        let deadline = match &response.body {
            Body::Stream(stream) => stream.deadline(),
            Body::Message(_) => None,
        };
        let body = expiring(self.carry(response.body)?, deadline, deadline::expired);
        Ok(Response { metadata: response.metadata, body })
    }
}

/// A handler that waits for requests is dropped at the deadline, and should not hear of it first: what it makes of that
/// would be what the call ends with. Who sits on requests, or goes on without the caller, loses them then.
const PATIENCE: Duration = Duration::from_millis(100);

#[cold]
fn incomplete() -> Status {
    Status::deadline_exceeded("the caller's deadline passed before its stream was complete")
}

/// Keeps the limit for a stream to begin. Where the client streams it is for finding a server, and here is one.
async fn opened(call: impl Future<Output = Result<Response, Status>>, opening: Instant) -> Result<Response, Status> {
    let limit = opening.saturating_duration_since(Instant::now());
    tokio::time::timeout_at(opening, call).await.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!("the limit for a stream to begin of {limit:.0?} exceeded")))
    })
}

impl Local {
    fn carry(&self, body: Body) -> Result<Body, Status> {
        let (limit, fidelity) = (self.limits.max_message, self.fidelity);
        match body {
            Body::Message(payload) => Ok(Body::Message(carry(payload, limit, fidelity)?)),
            stream => Ok(stream.map_stream(move |stream| {
                futures_util::StreamExt::map(stream, move |item| {
                    item.map_err(Status::received).and_then(|payload| carry(payload, limit, fidelity))
                })
            })),
        }
    }
}

fn carry(payload: Payload, limit: usize, fidelity: Fidelity) -> Result<Payload, Status> {
    payload.within(limit)?;
    Ok(match fidelity {
        Fidelity::Value => payload,
        Fidelity::Wire => Payload::Encoded(payload.into_bytes()),
    })
}
