//! What a generated client holds.

use crate::{
    Body, BoxService, CallId, Context, Delivery, Hints, Metadata, MetadataError, Method, Request, Response, Service,
    ServiceDescriptor, Status, Transports,
    client::{
        ChannelBuilder, Servers, Timeouts,
        fleet::{Changes, Fleet},
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
    service: BoxService,
    options: Arc<Options>,
    /// The servers, unless they are in this process.
    fleet: Option<Arc<Fleet>>,
}

#[derive(Clone, Debug, Default)]
struct Options {
    /// The service that calls go to, if it is not that of their methods.
    service: Option<&'static ServiceDescriptor>,
    timeout: Option<Duration>,
    metadata: Metadata,
    transports: Transports,
    timeouts: Timeouts,
}

impl Channel {
    /// A channel through which calls go to `service`.
    pub fn new(service: impl Service) -> Self {
        Self { service: service.boxed(), options: Arc::default(), fleet: None }
    }

    /// The parts of a channel to the servers of a service: those that a registry lists, or one in this process.
    pub fn builder(service: ServiceName, servers: impl Into<Servers>) -> ChannelBuilder {
        ChannelBuilder::new(service, servers.into())
    }

    pub(crate) fn made(
        service: BoxService,
        fleet: Option<Arc<Fleet>>,
        timeouts: Timeouts,
        transports: Transports,
    ) -> Self {
        let options = Options { timeouts, transports, ..Options::default() };
        Self { service, options: Arc::new(options), fleet }
    }

    /// Waits, at most `limit`, until the registry has said where the servers are, be it that there are none.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, when it has not. The channel goes on asking, so it may still be used.
    pub async fn wait_known(&self, limit: Duration) -> Result<(), Status> {
        self.wait_until(limit, |fleet| fleet.is_known()).await
    }

    /// Waits, at most `limit`, until a server can be called.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, when there is none. The channel goes on trying, so it may still be used.
    pub async fn ready(&self, limit: Duration) -> Result<(), Status> {
        self.wait_until(limit, |fleet| fleet.is_ready(self.options.transports)).await
    }

    async fn wait_until(&self, limit: Duration, reached: impl Fn(&Fleet) -> bool) -> Result<(), Status> {
        let Some(fleet) = &self.fleet else { return Ok(()) };
        fleet.ask(self.options.transports);
        let mut changes: Changes = fleet.changes();
        let wait = async {
            while !reached(fleet) {
                changes.wait().await;
            }
        };
        timeout(limit, wait).await.map_err(|_| {
            let why = fleet.diagnose(self.options.transports);
            let message = format!("no server within {limit:?}: {}", why.summary());
            Status::unavailable(message).with_delivery(Delivery::NeverSent).with_source(why)
        })
    }

    /// Takes no new calls, lets those in flight end for at most `grace`, and closes its connections; all clones are the
    /// same channel. True when every call has ended in peace. A channel into this process has nothing to close.
    pub async fn close(&self, grace: Duration) -> bool {
        match &self.fleet {
            Some(fleet) => fleet.close(grace).await,
            None => true,
        }
    }

    /// Makes a call: what every method of every generated client does. `key` is the hash of its `#[rpc(key)]`
    /// argument.
    ///
    /// # Errors
    /// What the call ended with.
    pub async fn call(&self, method: &'static Method, body: Body, key: Option<u64>) -> Result<Response, Status> {
        let request = self.request(method, body, key);
        self.service.call(request).await
    }

    fn request(&self, method: &'static Method, body: Body, key: Option<u64>) -> Request {
        let options = &*self.options;
        let method = options.service.and_then(|service| service.like(method)).unwrap_or(method);
        let limit = options.timeouts.limit(options.timeout, method);
        let parent = Context::current();
        let mut context = parent.child(limit.total).with_attempt(CallId::random(), parent.attempt());
        if !options.metadata.is_empty() {
            context = context.with_metadata(options.metadata.clone());
        }
        let opening = limit.opening.map(|opening| deadline_in(Instant::now(), opening));
        Request { method, context, hints: Hints { transports: options.transports, key, opening, journey: None }, body }
    }

    /// The same channel, its calls over these wires.
    #[must_use]
    pub fn over(&self, transports: Transports) -> Self {
        self.with(|options| options.transports = transports)
    }

    fn with(&self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = (*self.options).clone();
        change(&mut options);
        Self { service: self.service.clone(), options: Arc::new(options), fleet: self.fleet.clone() }
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

    /// The same client, its calls with this timeout. Never more than what is left of the deadline of the call that is
    /// being handled where it is used.
    #[must_use]
    fn with_timeout(&self, timeout: Duration) -> Self {
        Self::from_channel(self.channel().with(|options| options.timeout = Some(timeout)))
    }

    /// The same client, its calls with one more pair of metadata.
    ///
    /// # Errors
    /// When the pair is not allowed; see [`Metadata`].
    fn with_metadata(
        &self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Result<Self, MetadataError> {
        let mut metadata = self.channel().options.metadata.clone();
        metadata.insert(key, value)?;
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
        metadata.insert_bytes(key, value)?;
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
