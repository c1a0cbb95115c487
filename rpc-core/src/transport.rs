//! The seam below which a wire begins.
//!
//! A transport speaks one protocol on one byte stream, in either role. It knows nothing of addresses, balancing,
//! retries or registries; it turns requests into bytes and bytes into requests.

use crate::{Address, BoxFuture, BoxService, Delivery, Io, Method, Status, Tasks, tls::Security};
use std::{borrow::Cow, error::Error, fmt, sync::Arc};
use tokio::sync::watch;

pub use crate::{
    drain::{Drain, DrainPhase, DrainTrigger},
    places::{Place, Places},
};

/// A protocol that carries calls.
pub trait Transport: Send + Sync + 'static {
    /// Its name in configuration and metrics: `"grpc"`, `"tarpc"`.
    fn name(&self) -> &'static str;

    /// Its name and version in records of instances: `"grpc"`, `"tarpc/1"`. What matters for whether two sides
    /// understand each other.
    fn protocol(&self) -> &'static str {
        self.name()
    }

    /// Its name among those that TLS agrees on before anything is said (ALPN): `"h2"`, `"rpc-tarpc/1"`. One without a
    /// name is recognised by its first bytes, over TLS as in plain text.
    fn alpn(&self) -> Option<&'static str> {
        None
    }

    /// How fast it is beside others; under `auto` a client takes the highest that both sides speak.
    fn preference(&self) -> u8;

    /// Whether a connection that begins with these bytes speaks it. `first` is everything read so far.
    fn recognises(&self, first: &[u8]) -> Recognition;

    /// Becomes the client on a byte stream.
    ///
    /// # Errors
    /// `Unavailable` with [`NeverSent`](crate::Delivery::NeverSent). Its source is a
    /// [`ProtocolRefused`] when somebody was reached who does not speak this protocol, so that another may be tried.
    fn connect(&self, io: Io, target: ConnectTarget, tasks: Tasks) -> BoxFuture<'static, Result<Connection, Status>>;

    /// Becomes the server on a byte stream, until the stream or the drain ends.
    fn serve(&self, io: Io, info: ConnectionInfo, routes: Routes, tasks: Tasks, drain: Drain)
    -> BoxFuture<'static, ()>;
}

/// The answer to "is this your protocol?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// It is.
    Yes,
    /// It is not, whatever follows.
    No,
    /// It may be; that depends on what follows.
    NeedMore,
}

impl Recognition {
    /// Recognises a protocol that begins with fixed bytes.
    pub fn by_prefix(first: &[u8], magic: &[u8]) -> Self {
        let length = first.len().min(magic.len());
        if first[..length] != magic[..length] {
            Self::No
        } else if length == magic.len() {
            Self::Yes
        } else {
            Self::NeedMore
        }
    }
}

/// What a client knows of the server it connects to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectTarget {
    /// What to call the server: gRPC's `:authority`.
    pub authority: String,
    /// Whether the byte stream is encrypted: gRPC's `:scheme`.
    pub security: Security,
    /// The id of the instance that is expected there; ports are reused, and a stale record must not send a call to
    /// somebody else's process.
    pub instance: Option<String>,
    /// What this side accepts.
    pub limits: Limits,
}

impl ConnectTarget {
    /// A server of which only the address is known.
    pub fn new(authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), security: Security::Plain, instance: None, limits: Limits::default() }
    }

    /// The one instance that is expected there.
    #[must_use]
    pub fn with_instance(mut self, id: impl Into<String>) -> Self {
        self.instance = Some(id.into());
        self
    }

    /// On a byte stream that is encrypted, or not.
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// What a server knows of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Who connected.
    pub peer: Option<Address>,
    /// Where it was accepted.
    pub local: Option<Address>,
    /// The protocol that TLS has agreed on, which decides instead of the first bytes. `None` in plain text, and when
    /// the client has named none.
    pub alpn: Option<String>,
    /// Who the peer has proved to be: the name in its certificate. `None` in plain text, and when it has shown none.
    pub identity: Option<Arc<str>>,
    /// The id of this process's instance, if it has one.
    pub instance: Option<String>,
    /// What this side accepts.
    pub limits: Limits,
}

impl ConnectionInfo {
    /// A connection of which nothing is known.
    pub fn new(limits: Limits) -> Self {
        Self { peer: None, local: None, alpn: None, identity: None, instance: None, limits }
    }
}

/// What one side accepts from the other. Metadata has limits of its own, which are the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one encoded message. 4 MiB by default, as in gRPC.
    pub max_message: usize,
    /// Calls that are open on one connection at once, streams among them. 4096 by default. On a client one more waits
    /// until another ends, see [`Places`].
    pub max_concurrent_calls: usize,
    /// Connections that a server has at once, without those that have not said yet what they speak. 10,000 by default.
    /// A client heeds it not.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message: 4 * 1024 * 1024, max_concurrent_calls: 4096, max_connections: 10_000 }
    }
}

impl Limits {
    /// With another limit for messages, in bytes of one as it is encoded.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// With another limit for open calls, streams among them, on each connection.
    #[must_use]
    pub fn with_max_concurrent_calls(mut self, calls: usize) -> Self {
        self.max_concurrent_calls = calls;
        self
    }

    /// How many calls a server lets be at work on one connection: twice as many as it says that it takes. A client has
    /// a place free as soon as it drops a call, while here the handler has to be stopped first, and the next call would
    /// be refused meanwhile. Who opens and cancels without end is bounded all the same.
    pub fn accepted_calls(&self) -> usize {
        self.max_concurrent_calls.saturating_mul(2)
    }

    /// With another limit for the connections that a server has at once.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }
}

/// Somebody was reached who does not speak the protocol, or no version of it that is spoken here.
///
/// The source of the status of [`Transport::connect`]; under [`Transports::Auto`](crate::Transports::Auto) the instance
/// is then spoken to in another protocol for a while. It is not the source when the peer could not be reached, is about
/// to leave or is the wrong one: another protocol would fare no better there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolRefused(Cow<'static, str>);

impl ProtocolRefused {
    /// With a sentence that says what was refused, and which versions either side speaks.
    pub fn new(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self(sentence.into())
    }

    /// What a failed [`Transport::connect`] returns: `Unavailable`, never sent, with this as its source.
    #[must_use]
    pub fn into_status(self) -> Status {
        Status::unavailable(self.0.clone()).with_delivery(Delivery::NeverSent).with_source(self)
    }

    /// Whether this is why a connection failed.
    pub fn caused(status: &Status) -> bool {
        status.source().is_some_and(|source| source.is::<Self>())
    }
}

impl fmt::Display for ProtocolRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ProtocolRefused {}

/// The client's end of a connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Makes calls on it.
    pub service: BoxService,
    /// What has become of it.
    pub state: watch::Receiver<ConnectionState>,
    /// How many calls it takes at once, so that a call goes to a server that has a place for it. `Arc::default()` where
    /// the wire sets no limit.
    pub places: Arc<Places>,
}

/// What has become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionState {
    /// It takes calls.
    Open,
    /// The server is about to leave (GOAWAY): calls on it end in peace, new ones go elsewhere.
    Draining,
    /// It is gone.
    Closed,
}

impl ConnectionState {
    /// Moves a connection on to this, never back, and tells those who look.
    pub fn advance(self, state: &watch::Sender<Self>) {
        state.send_if_modified(|now| {
            let forward = self > *now;
            *now = self.max(*now);
            forward
        });
    }
}

/// What a transport needs to know of the services here: the method that a path names, and the way in.
#[derive(Clone)]
pub struct Routes {
    lookup: Arc<dyn Lookup>,
    /// The layered router.
    pub service: BoxService,
}

/// Finds the description of a method.
pub trait Lookup: Send + Sync + 'static {
    /// The method at `/service/name`.
    ///
    /// # Errors
    /// `Unimplemented`, with the remedy, and marked [`Unprocessed`](crate::Delivery::Unprocessed).
    fn method(&self, path: &[u8]) -> Result<&'static Method, Status>;
}

impl Routes {
    /// From a way to find methods, and the service that takes the calls.
    pub fn new(lookup: Arc<dyn Lookup>, service: BoxService) -> Self {
        Self { lookup, service }
    }

    /// The method at `/service/name`: a text, or what a peer sent for one.
    ///
    /// # Errors
    /// `Unimplemented`; see [`Lookup::method`].
    pub fn method(&self, path: impl AsRef<[u8]>) -> Result<&'static Method, Status> {
        self.lookup.method(path.as_ref())
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_protocol_is_told_from_other_failures() {
        let refused = ProtocolRefused::new("it speaks fast 2, this side 1").into_status();
        assert!(ProtocolRefused::caused(&refused));
        assert_eq!(refused.delivery(), Delivery::NeverSent);
        assert!(!ProtocolRefused::caused(&Status::unavailable("connection reset")));
        assert!(!ProtocolRefused::caused(&Status::unavailable("reset").with_source("broken pipe")));
    }
}
