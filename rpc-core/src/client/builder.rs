//! Puts a channel to remote servers together.

use crate::{
    Layer, Observers, Service, Tasks, Transports,
    client::{
        Channel, Connector, DeadlineLayer, RetryPolicy, Sockets, Timeouts, balancer::Balancer, fleet::Fleet,
        observe::ObserveLayer, retry::RetryLayer, roster::Roster, trace::TraceLayer,
    },
    registry::{ServiceName, Watch},
    transport::{Limits, Transport},
};
use std::sync::Arc;

/// Puts a channel together whose calls go to the servers that a registry lists; see [`Channel::builder`].
///
/// The parts that have defaults: sockets as the connector, retries on, the usual limits and timeouts, the fastest
/// transport that both sides speak, nobody who watches. Transports have none: name at least one.
#[derive(Clone)]
#[must_use]
pub struct ChannelBuilder {
    service: ServiceName,
    watch: Watch,
    transports: Vec<Arc<dyn Transport>>,
    connector: Arc<dyn Connector>,
    retry: RetryPolicy,
    limits: Limits,
    observers: Observers,
    timeouts: Timeouts,
    wires: Transports,
}

impl ChannelBuilder {
    pub(crate) fn new(service: ServiceName, watch: Watch) -> Self {
        Self {
            service,
            watch,
            transports: Vec::new(),
            connector: Arc::new(Sockets),
            retry: RetryPolicy::default(),
            limits: Limits::default(),
            observers: Observers::default(),
            timeouts: Timeouts::default(),
            wires: Transports::default(),
        }
    }

    /// One more protocol that this client speaks.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transports.push(transport);
        self
    }

    /// What opens byte streams.
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Whether failed calls are made again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// What this side accepts.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Who is told of calls and connections: an [`Observer`](crate::Observer) in an `Arc`, or several.
    pub fn observer(mut self, observers: impl Into<Observers>) -> Self {
        self.observers = observers.into();
        self
    }

    /// What configuration says about how long calls may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Which wires calls take that do not say themselves.
    pub fn transports(mut self, wires: Transports) -> Self {
        self.wires = wires;
        self
    }

    /// The channel. It connects at once, in tasks that end with its last clone and the last stream that is read
    /// through it.
    ///
    /// # Panics
    /// Outside a tokio runtime, since it starts tasks.
    #[must_use]
    pub fn build(self) -> Channel {
        let owner = Tasks::owner();
        let mut roster = Roster::new(self.service, self.transports);
        roster.ask(self.wires);
        let fleet = Fleet::new(roster, self.connector, self.limits, self.observers.clone(), owner.handle());
        let fleet = Arc::new(fleet);
        fleet.follow(self.watch);

        let balancer = Balancer::new(fleet.clone(), self.observers.clone(), owner);
        let retry = RetryLayer { policy: self.retry, observers: self.observers.clone() }.layer(balancer);
        let deadline = DeadlineLayer.layer(retry);
        let trace = TraceLayer(self.observers.spans());
        let service = if self.observers.is_some() {
            trace.layer(ObserveLayer(self.observers).layer(deadline)).boxed()
        } else {
            trace.layer(deadline).boxed()
        };
        Channel::remote(service, fleet, self.timeouts, self.wires)
    }
}

impl std::fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelBuilder").field("service", &self.service).finish_non_exhaustive()
    }
}
