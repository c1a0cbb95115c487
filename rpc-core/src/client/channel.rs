//! What a generated client holds.

use crate::{
    Body, CallId, Context, Delivery, Hints, Metadata, MetadataError, Method, Priority, Request, Response, Service,
    ServiceDescriptor, Status, Transports,
    client::{
        ChannelBuilder, Hedge, Servers,
        changes::Changes,
        fleet::Fleet,
        route::{Route, Switch},
    },
    context::deadline_in,
    registry::ServiceName,
};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// The way to a service, wherever it is: cheap to clone, and of one type whether the far end is remote or in this
/// process. It carries the options that calls made through it have.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Shared by all clones, whatever their options.
    switch: Arc<Switch>,
    options: Arc<Options>,
}

#[derive(Clone, Debug, Default)]
struct Options {
    /// The service that calls go to, if it is not that of their methods.
    service: Option<&'static ServiceDescriptor>,
    timeout: Option<Duration>,
    metadata: Metadata,
    transports: Option<Transports>,
    hedge: Option<Arc<Hedge>>,
    priority: Option<Priority>,
}

impl Channel {
    /// A channel through which calls go to `service`.
    pub fn new(service: impl Service) -> Self {
        Self::on(Route::to(service.boxed()))
    }

    /// The parts of a channel to the servers of a service: those that a registry lists, or one in this process.
    pub fn builder(service: ServiceName, servers: impl Into<Servers>) -> ChannelBuilder {
        ChannelBuilder::new(service, servers.into())
    }

    pub(crate) fn on(route: Route) -> Self {
        Self { switch: Arc::new(Switch::new(route)), options: Arc::default() }
    }

    pub(crate) fn route(&self) -> Arc<Route> {
        self.switch.route()
    }

    /// From the next call on, the calls of this channel, of all its clones, and of all clients that were made of them
    /// go where those of `other` go: to its servers, through its layers, with its timeouts and hedges and over its
    /// wires. The options of clients hold as before. Calls in flight end where they began, and their connections live
    /// until they have.
    pub fn switch_to(&self, other: &Self) {
        self.switch.lead(other.route());
    }

    /// Waits, at most `limit`, until the registry has said where the servers are, be it that there are none.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, when it has not. The channel goes on asking, so it may still be used.
    pub async fn wait_known(&self, limit: Duration) -> Result<(), Status> {
        self.wait_until(limit, |fleet, _| fleet.is_known()).await
    }

    /// Waits, at most `limit`, until a server can be called.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, when there is none. The channel goes on trying, so it may still be used.
    pub async fn ready(&self, limit: Duration) -> Result<(), Status> {
        self.wait_until(limit, Fleet::is_ready).await
    }

    async fn wait_until(&self, limit: Duration, reached: impl Fn(&Fleet, Transports) -> bool) -> Result<(), Status> {
        let route = self.route();
        let Some(fleet) = route.fleet() else { return Ok(()) };
        let transports = self.options.transports.unwrap_or(route.transports);
        fleet.ask(transports);
        let mut changes: Changes = fleet.changes();
        let wait = async {
            while !reached(fleet, transports) {
                changes.wait().await;
            }
        };
        timeout(limit, wait).await.map_err(|_| {
            let why = fleet.diagnose(transports);
            let message = format!("no server within {limit:?}: {}", why.summary());
            Status::unavailable(message).with_delivery(Delivery::NeverSent).with_source(why)
        })
    }

    /// Takes no new calls, lets those in flight end for at most `grace`, and closes its connections; all clones are the
    /// same channel. That goes for calls, too, which were begun before it was [switched](Self::switch_to) to other
    /// servers. True when every call has ended in peace. A channel into this process has nothing to close.
    pub async fn close(&self, grace: Duration) -> bool {
        let fleets = self.switch.fleets();
        let closing = fleets.iter().map(|fleet| fleet.close(grace));
        futures_util::future::join_all(closing).await.into_iter().all(|peaceful| peaceful)
    }

    /// Makes a call: what every method of every generated client does. `key` is the hash of its `#[rpc(key)]`
    /// argument.
    ///
    /// # Errors
    /// What the call ended with.
    pub async fn call(&self, method: &'static Method, body: Body, key: Option<u64>) -> Result<Response, Status> {
        let route = self.route();
        let request = self.request(&route, method, body, key);
        route.service.call(request).await
    }

    fn request(&self, route: &Route, method: &'static Method, body: Body, key: Option<u64>) -> Request {
        let options = &*self.options;
        let method = options.service.and_then(|service| service.like(method)).unwrap_or(method);
        let limit = route.timeouts.limit(options.timeout, method);
        let parent = Context::current();
        let mut context = parent.child(limit.total).with_attempt(CallId::random(), parent.attempt());
        if !options.metadata.is_empty() {
            context = context.with_metadata(options.metadata.clone());
        }
        if let Some(priority) = options.priority {
            context = context.with_priority(priority);
        }
        let opening = limit.opening.map(|opening| deadline_in(Instant::now(), opening));
        let transports = options.transports.unwrap_or(route.transports);
        let hedge = route.hedges.of(options.hedge.as_ref(), method);
        Request { method, context, hints: Hints { transports, key, opening, hedge, journey: None }, body }
    }

    /// The same channel, its calls over these wires.
    #[must_use]
    pub fn over(&self, transports: Transports) -> Self {
        self.with(|options| options.transports = Some(transports))
    }

    /// The same channel, its calls hedged like this.
    #[must_use]
    pub fn hedged(&self, hedge: Hedge) -> Self {
        self.with(|options| options.hedge = Some(Arc::new(hedge)))
    }

    fn with(&self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = (*self.options).clone();
        change(&mut options);
        Self { switch: self.switch.clone(), options: Arc::new(options) }
    }
}

/// What every generated client has beside the methods of its trait. In the prelude; none of it is an inherent method,
/// so that no method of a user's trait can collide with one.
pub trait Client: Clone + Sized + Send + Sync + 'static {
    /// The service it is a client of.
    const SERVICE: &'static ServiceDescriptor;

    /// The client whose calls go through a channel.
    fn from_channel(channel: Channel) -> Self;

    /// The channel its calls go through.
    fn channel(&self) -> &Channel;

    /// The same client, its calls with this timeout: of a unary call, all attempts together (5 s when nobody says
    /// anything); of a stream, until it begins. Never more than what is left of the deadline of the call that is being
    /// handled where it is used. The documentation of `rpc::Config` has a table of who may say how long a call takes,
    /// and who goes first.
    #[must_use]
    fn with_timeout(&self, timeout: Duration) -> Self {
        Self::from_channel(self.channel().with(|options| options.timeout = Some(timeout)))
    }

    /// The same client, its calls as urgent as this, and those that are made to answer them: a server that has too much
    /// to do refuses the less urgent first. Otherwise they are as urgent as the call that is being handled where they
    /// are made.
    #[must_use]
    fn with_priority(&self, priority: Priority) -> Self {
        Self::from_channel(self.channel().with(|options| options.priority = Some(priority)))
    }

    /// The same client, its calls hedged like this: made at another server as well when the answer is late. Only those
    /// of methods that are idempotent and have no streams are; see [`Hedge`].
    #[must_use]
    fn with_hedge(&self, hedge: Hedge) -> Self {
        Self::from_channel(self.channel().hedged(hedge))
    }

    /// The same client, its calls with one more pair of metadata; the pairs that it had stay. (A whole [`Metadata`]
    /// replaces another, in `with_metadata` of a [`Context`] and of a [`Status`].)
    ///
    /// # Errors
    /// When the pair is not allowed; see [`Metadata`].
    fn with_metadata(
        &self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Result<Self, MetadataError> {
        let mut metadata = self.channel().options.metadata.clone();
        metadata.append(key, value)?;
        Ok(Self::from_channel(self.channel().with(|options| options.metadata = metadata)))
    }

    /// The same client, its calls with one more pair of metadata whose key ends in `-bin` and whose value is bytes.
    ///
    /// # Errors
    /// When the pair is not allowed; see [`Metadata`].
    fn with_metadata_bytes(
        &self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<bytes::Bytes>,
    ) -> Result<Self, MetadataError> {
        let mut metadata = self.channel().options.metadata.clone();
        metadata.append_bytes(key, value)?;
        Ok(Self::from_channel(self.channel().with(|options| options.metadata = metadata)))
    }

    /// The same client, its calls to the service of another name on the same servers: one that serves this trait twice.
    /// `service` is what [`ServiceDescriptor::named`] gives.
    #[must_use]
    fn with_service(&self, service: &'static ServiceDescriptor) -> Self {
        Self::from_channel(self.channel().with(|options| options.service = Some(service)))
    }

    /// The same client, its calls over these wires.
    #[must_use]
    fn with_transport(&self, transports: Transports) -> Self {
        Self::from_channel(self.channel().over(transports))
    }
}
