//! Transports that are broken on purpose, one fault each. A suite that does not notice one of them proves nothing.

mod call;
mod context;
mod fault;
mod stream;

pub use fault::Fault;

use call::Broken;
use rpc_core::{
    BoxFuture, Io, Status, Tasks,
    transport::{ConnectTarget, ConnectionInfo, Drain, DrainPhase, Limits, Recognition, Routes, Transport},
};
use std::sync::Arc;

/// A transport with one fault, and correct apart from that.
#[derive(Clone)]
pub struct Saboteur {
    inner: Arc<dyn Transport>,
    fault: Fault,
}

impl Saboteur {
    /// Breaks `inner`. [`Fault::None`] breaks nothing: the wrapping itself must not be what is caught.
    pub fn new(inner: Arc<dyn Transport>, fault: Fault) -> Self {
        Self { inner, fault }
    }
}

impl Transport for Saboteur {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn protocol(&self) -> &'static str {
        self.inner.protocol()
    }

    fn preference(&self) -> u8 {
        self.inner.preference()
    }

    fn recognises(&self, first: &[u8]) -> Recognition {
        self.inner.recognises(first)
    }

    fn connect(
        &self,
        io: Io,
        mut target: ConnectTarget,
        tasks: Tasks,
    ) -> BoxFuture<'static, Result<rpc_core::transport::Connection, Status>> {
        let fault = self.fault;
        if fault == Fault::IgnoresLimits {
            target.limits = unlimited(target.limits);
        }
        let connecting = self.inner.connect(io, target, tasks.clone());
        Box::pin(async move {
            let mut connection = connecting.await?;
            connection.service = Broken::new(connection.service, fault, tasks).boxed_client();
            Ok(connection)
        })
    }

    fn serve(
        &self,
        io: Io,
        mut info: ConnectionInfo,
        mut routes: Routes,
        tasks: Tasks,
        drain: Drain,
    ) -> BoxFuture<'static, ()> {
        let fault = self.fault;
        if fault == Fault::IgnoresLimits {
            info.limits = unlimited(info.limits);
        }
        routes.service = Broken::new(routes.service, fault, tasks.clone()).boxed_server();
        match fault {
            Fault::IgnoresTheDrain => {
                let (trigger, never) = Drain::new();
                let serving = self.inner.serve(io, info, routes, tasks, never);
                Box::pin(async move {
                    serving.await;
                    drop(trigger);
                })
            }
            Fault::EndsCallsWhenTheDrainBegins => {
                let (trigger, early) = Drain::new();
                let serving = self.inner.serve(io, info, routes, tasks, early);
                let mut drain = drain;
                Box::pin(async move {
                    tokio::pin!(serving);
                    tokio::select! {
                        () = &mut serving => return,
                        () = drain.reached(DrainPhase::Draining) => drop(trigger.advance(DrainPhase::Stopped)),
                    }
                    serving.await;
                })
            }
            _ => self.inner.serve(io, info, routes, tasks, drain),
        }
    }
}

fn unlimited(limits: Limits) -> Limits {
    limits.with_max_message(1 << 30)
}
