//! Puts a channel to remote servers together.

use crate::{
    Layers, Observers, Tasks, Transports,
    client::{
        Channel, Connector, Hedges, RetryPolicy, Sockets, Timeouts,
        balancer::Balancer,
        dialer::Dialer,
        fleet::Fleet,
        roster::Roster,
        route::{Reached, Route},
        secure::Lines,
        stack::Stack,
    },
    registry::{ServiceName, Watch},
    server::Local,
    tls::Encryption,
    transport::{Limits, Transport},
};
use std::sync::Arc;

/// Where the servers of a channel are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Servers {
    /// Wherever a registry says.
    Listed(Watch),
    /// In this process. Nothing is connected, balanced or made again then; the other layers are the same.
    Here(Local),
    /// Where another channel's are, over its connections: to call the same servers on other terms. What is known of
    /// them stays: which of them fail, how many retries the last seconds have left, how long the answers take that are
    /// hedged.
    Of(Channel),
}

impl From<Watch> for Servers {
    fn from(watch: Watch) -> Self {
        Self::Listed(watch)
    }
}

impl From<Local> for Servers {
    fn from(local: Local) -> Self {
        Self::Here(local)
    }
}

impl From<Channel> for Servers {
    fn from(channel: Channel) -> Self {
        Self::Of(channel)
    }
}

/// Puts a channel together whose calls go to the servers that a registry lists; see [`Channel::builder`].
///
/// The parts that have defaults: sockets as the connector, retries on, the usual limits and timeouts, the fastest
/// transport that both sides speak, plain text, nobody who watches. Transports have none: name at least one.
#[derive(Clone)]
#[must_use]
pub struct ChannelBuilder {
    service: ServiceName,
    servers: Servers,
    transports: Vec<Arc<dyn Transport>>,
    connector: Arc<dyn Connector>,
    encryption: Encryption,
    limits: Limits,
    stack: Stack,
    timeouts: Timeouts,
    hedges: Hedges,
    wires: Transports,
}

impl ChannelBuilder {
    pub(crate) fn new(service: ServiceName, servers: Servers) -> Self {
        Self {
            service,
            servers,
            transports: Vec::new(),
            connector: Arc::new(Sockets),
            encryption: Encryption::Off,
            limits: Limits::default(),
            stack: Stack::default(),
            timeouts: Timeouts::default(),
            hedges: Hedges::default(),
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

    /// Whether its connections are encrypted. With TLS, servers that do not offer it are of no use to this client, and
    /// without it those that do.
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Whether failed calls are made again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.stack.retry = policy;
        self
    }

    /// What this side accepts.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Who is told of calls and connections: an [`Observer`](crate::Observer) in an `Arc`, or several.
    pub fn observer(mut self, observers: impl Into<Observers>) -> Self {
        self.stack.observers = observers.into();
        self
    }

    /// Layers of the user's that see each call once: inside the deadline, outside the retries.
    pub fn layers(mut self, layers: Layers) -> Self {
        self.stack.per_call = self.stack.per_call.and_all(layers);
        self
    }

    /// Layers of the user's that see every attempt at a call: inside the retries, outside the balancer.
    pub fn layers_per_attempt(mut self, layers: Layers) -> Self {
        self.stack.per_attempt = self.stack.per_attempt.and_all(layers);
        self
    }

    /// What configuration says about how long calls may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Which calls are made at two servers when the answer is late. Not without [retries](Self::retry).
    pub fn hedges(mut self, hedges: Hedges) -> Self {
        self.hedges = hedges;
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
        let servers = match &self.servers {
            Servers::Listed(watch) => self.connect(watch.clone()),
            Servers::Here(local) => Reached::Here(local.clone()),
            Servers::Of(channel) => channel.route().servers.clone(),
        };
        let Self { stack, timeouts, hedges, wires, .. } = self;
        let service = match &servers {
            Reached::Remote { fleet, owner, history } => {
                fleet.ask(wires);
                let balancer = Balancer::new(fleet.clone(), &stack, owner.clone());
                stack.around(balancer, history.clone())
            }
            Reached::Here(local) => stack.around_local(local.clone()),
            Reached::Behind(service) => service.clone(),
        };
        Channel::on(Route { service, servers, timeouts, hedges, transports: wires })
    }

    /// Follows a list of servers.
    fn connect(&self, watch: Watch) -> Reached {
        let owner = Tasks::owner();
        let observers = self.stack.observers.clone();
        let mut roster = Roster::new(self.service.clone(), self.transports.clone(), self.encryption.security());
        roster.ask(self.wires);
        let dialer = Dialer {
            connector: self.connector.clone(),
            lines: Lines::new(self.service.clone(), self.encryption.clone()),
            limits: self.limits,
            tasks: owner.handle(),
        };
        let fleet = Arc::new(Fleet::new(roster, dialer, observers, owner.handle()));
        fleet.follow(watch);
        Reached::Remote { fleet, owner: Arc::new(owner), history: Arc::default() }
    }
}

impl std::fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelBuilder").field("service", &self.service).finish_non_exhaustive()
    }
}
