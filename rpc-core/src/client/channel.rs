//! What a generated client holds.

use crate::{
    Body, BoxService, CallId, Context, Hints, Metadata, MetadataError, Method, Request, Response, Service,
    ServiceDescriptor, Status, Transports,
};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// The way to a service, wherever it is: cheap to clone, and of one type whether the far end is remote or in this
/// process. It carries the options that calls made through it have.
#[derive(Clone, Debug)]
pub struct Channel {
    service: BoxService,
    options: Arc<Options>,
}

#[derive(Clone, Debug, Default)]
struct Options {
    timeout: Option<Duration>,
    metadata: Metadata,
    transports: Transports,
}

impl Channel {
    /// How long a unary call may take when nobody has said otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// A channel through which calls go to `service`.
    pub fn new(service: impl Service) -> Self {
        Self { service: service.boxed(), options: Arc::default() }
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
        let streams = method.kind.request_streams() || method.kind.response_streams();
        let default = if streams { None } else { Some(Self::DEFAULT_TIMEOUT) };
        let timeout = options.timeout.or(method.timeout).or(default);
        let parent = Context::current();
        let mut context = parent.child(timeout).with_attempt(CallId::random(), parent.attempt());
        if !options.metadata.is_empty() {
            context = context.with_metadata(options.metadata.clone());
        }
        Request { method, context, hints: Hints { transports: options.transports, key }, body }
    }

    fn with(&self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = (*self.options).clone();
        change(&mut options);
        Self { service: self.service.clone(), options: Arc::new(options) }
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

    /// The same client, its calls over these wires.
    #[must_use]
    fn with_transport(&self, transports: Transports) -> Self {
        Self::from_channel(self.channel().with(|options| options.transports = transports))
    }
}
