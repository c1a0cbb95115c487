//! The layers that every channel has, wherever the servers are.

use crate::{
    BoxService, Layer, Layers, Observers, Service,
    client::{
        DeadlineLayer, RetryPolicy,
        observe::ObserveLayer,
        retry::{History, RetryLayer},
        trace::TraceLayer,
    },
};
use std::sync::Arc;

/// What is around the attempts of a channel, from the outside to the inside: trace, observe, keep the deadline, the
/// user's layers per call, make a failed call again, the user's layers per attempt.
///
/// Where the user has none, the services are joined without a box between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    pub(crate) observers: Observers,
    pub(crate) retry: RetryPolicy,
    pub(crate) per_call: Layers,
    pub(crate) per_attempt: Layers,
}

impl Stack {
    /// Whether the user has layers around the attempts.
    pub(crate) fn has_layers(&self) -> bool {
        !self.per_call.is_empty() || !self.per_attempt.is_empty()
    }

    /// Around the balancer. `history` is that of its servers.
    pub(crate) fn around(self, attempt: impl Service, history: Arc<History>) -> BoxService {
        let retry = RetryLayer { policy: self.retry, history, observers: self.observers.clone() };
        if self.per_attempt.is_empty() {
            self.per_call(retry.layer(attempt), None)
        } else {
            self.per_call(retry.layer(self.per_attempt.around(attempt.boxed())), None)
        }
    }

    /// Around a service in this process: nothing gets lost on the way, and there is nowhere else to go.
    pub(crate) fn around_local(self, local: impl Service) -> BoxService {
        if self.per_attempt.is_empty() {
            self.per_call(local, Some("local"))
        } else {
            self.per_call(self.per_attempt.around(local.boxed()), Some("local"))
        }
    }

    /// `system` is the wire, where it does not depend on the server that is found.
    fn per_call(&self, inner: impl Service, system: Option<&'static str>) -> BoxService {
        let deadline = if system.is_some() { DeadlineLayer::default() } else { DeadlineLayer::REMOTE };
        if self.per_call.is_empty() {
            self.outside(deadline.layer(inner), system)
        } else {
            self.outside(deadline.layer(self.per_call.around(inner.boxed())), system)
        }
    }

    fn outside(&self, inner: impl Service, system: Option<&'static str>) -> BoxService {
        let trace = TraceLayer { tracing: self.observers.spans(), system };
        if self.observers.is_some() {
            trace.layer(ObserveLayer(self.observers.clone()).layer(inner)).boxed()
        } else {
            trace.layer(inner).boxed()
        }
    }
}
