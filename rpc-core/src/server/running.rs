//! A server: services behind one port.

use crate::{
    Address, Io, Layers, Observers, Tasks,
    notices::Notices,
    observer::{Unclassified, Visitor, target},
    server::{
        Admission, NamedService, Router, RouterError,
        connections::{ConnectionPermit, Connections, Entry, Most},
        listener::Listener,
        lobby::Lobby,
        unfinished::Unfinished,
        visitor::{self, Door},
    },
    tls::{Secured, Security, TlsAcceptor},
    transport::{ConnectionInfo, ConnectionState, Drain, DrainPhase, DrainTrigger, Limits, Routes, Transport},
};
use std::{error::Error, fmt, io, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Services behind one port, on which every transport given is spoken.
///
/// Knows nothing of registries and signals; `rpc::Server` does.
#[derive(Default)]
pub struct Server {
    router: Router,
    transports: Vec<Arc<dyn Transport>>,
    tls: Option<Arc<dyn TlsAcceptor>>,
    limits: Limits,
    instance: Option<String>,
    observers: Observers,
}

impl Server {
    /// A server of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service.
    ///
    /// # Errors
    /// When there is one of that name already.
    pub fn service(mut self, service: impl NamedService) -> Result<Self, RouterError> {
        self.router.add(service)?;
        Ok(self)
    }

    /// Adds a protocol.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transports.push(transport);
        self
    }

    /// Asks everybody who connects for TLS. Who speaks plain text is turned away.
    #[must_use]
    pub fn tls(mut self, acceptor: Arc<dyn TlsAcceptor>) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// Puts the layers of a user around all services: inside those that every server has, outside the router.
    #[must_use]
    pub fn layers(mut self, layers: Layers) -> Self {
        self.router.wrap(layers);
        self
    }

    /// How many calls it lets in at once.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.router.admit(admission);
        self
    }

    /// What it accepts from clients.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The id under which it is registered, by which a client with a stale record notices that it came to another.
    #[must_use]
    pub fn instance(mut self, id: impl Into<String>) -> Self {
        self.instance = Some(id.into());
        self
    }

    /// Who watches: an [`Observer`](crate::Observer) in an `Arc`, or several.
    #[must_use]
    pub fn observer(mut self, observers: impl Into<Observers>) -> Self {
        self.observers = observers.into();
        self
    }

    /// The services added so far.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Listens, and serves until it is told otherwise or dropped.
    ///
    /// # Errors
    /// When there is nothing to serve or the port cannot be had.
    pub async fn bind(self, address: &Address) -> Result<Running, ServerError> {
        if self.transports.is_empty() {
            return Err(ServerError::NoTransport);
        }
        let taken = |source| ServerError::Bind { address: address.clone(), source };
        let listener = Listener::bind(address).await.map_err(taken)?;
        let address = listener.address().map_err(taken)?;
        Ok(self.serve(listener, address))
    }

    fn serve(self, listener: Listener, address: Address) -> Running {
        let tasks = Tasks::owner();
        let (trigger, drain) = Drain::new();
        let mut router = self.router;
        router.ends_with(drain.clone());
        let unfinished = router.unfinished().clone();
        let port = Port {
            routes: router.into_routes(tasks.handle(), self.observers.clone()),
            info: ConnectionInfo {
                local: Some(address.clone()),
                instance: self.instance,
                ..ConnectionInfo::new(self.limits)
            },
            connections: Arc::new(Connections::new(self.limits.max_connections)),
            transports: self.transports,
            tls: self.tls,
            observers: self.observers.clone(),
            notices: Notices::default(),
            tasks: tasks.handle(),
            drain,
        };
        let closed = CancellationToken::new();
        // However that ends.
        let closes = closed.clone().drop_guard();
        tasks.spawn(async move {
            Arc::new(port).accept(listener).await;
            drop(closes);
        });
        Running { address, tasks, trigger, observers: self.observers, unfinished, closed }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transports: Vec<_> = self.transports.iter().map(|transport| transport.name()).collect();
        f.debug_struct("Server")
            .field("services", &self.router)
            .field("transports", &transports)
            .finish_non_exhaustive()
    }
}

/// What the connections of one server share.
struct Port {
    routes: Routes,
    info: ConnectionInfo,
    connections: Arc<Connections>,
    transports: Vec<Arc<dyn Transport>>,
    tls: Option<Arc<dyn TlsAcceptor>>,
    observers: Observers,
    notices: Notices,
    tasks: Tasks,
    drain: Drain,
}

impl Port {
    /// Accepts until the drain begins; then the port closes, and clients are refused before they have sent anything. Or
    /// until it is taken away.
    async fn accept(self: Arc<Self>, listener: Listener) {
        let lobby = Arc::new(Lobby::default());
        let mut drain = self.drain.clone();
        let draining = drain.reached(DrainPhase::Draining);
        tokio::pin!(draining);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut draining => return,
            };
            let (io, peer) = match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    let listening = self.info.local.as_ref().map(tracing::field::display);
                    tracing::error!(target: target::SERVER, listening, %error, "the port is lost, and nobody can connect any more");
                    return;
                }
            };
            let (port, seat) = (self.clone(), lobby.enter());
            self.tasks.spawn(async move {
                let serving = tokio::select! {
                    serving = port.admit(io, peer.clone()) => serving,
                    () = seat.lost() => return port.crowded(peer.as_ref()),
                };
                drop(seat);
                if let Some(serving) = serving {
                    serving.await;
                }
            });
        }
    }

    /// One had to leave without having said anything.
    fn crowded(&self, peer: Option<&Address>) {
        let crowd = Unclassified { peer, visitor: Visitor::Crowd, first: &[] };
        self.observers.tell(|observer| observer.unclassified(&crowd));
        if self.notices.due("crowd".to_owned()) {
            tracing::warn!(
                target: target::SERVER,
                last = peer.map(tracing::field::display),
                "{} connections have not said what they speak; whoever has been silent for longest is closed",
                Lobby::ROOM
            );
        }
    }

    async fn admit(&self, io: Io, peer: Option<Address>) -> Option<impl Future<Output = ()> + use<>> {
        let mut drain = self.drain.clone();
        let (transport, secured) = tokio::select! {
            found = self.recognise(io, peer.as_ref()) => found?,
            // Whoever has not said anything by now will not be served.
            () = drain.reached(DrainPhase::Draining) => return None,
        };
        let permit = self.permit(peer.as_ref())?;
        let guest = Guest::new(&self.observers, peer.clone(), transport.name());
        let Secured { io, alpn, identity, .. } = secured;
        let info = ConnectionInfo { peer, alpn, identity, ..self.info.clone() };
        let serving = transport.serve(io, info, self.routes.clone(), self.tasks.clone(), self.drain.clone());
        Some(async move {
            tokio::select! {
                biased;
                () = serving => {}
                () = permit.lost() => {}
            }
            drop(guest);
        })
    }

    /// Room for one whose protocol is known, unless there is none.
    fn permit(&self, peer: Option<&Address>) -> Option<ConnectionPermit> {
        let (permit, most) = match self.connections.enter(peer) {
            Entry::Free(permit) => return Some(permit),
            Entry::Instead(permit, most) => (Some(permit), most),
            Entry::Refused(most) => (None, most),
        };
        if permit.is_none() {
            let crowd = Unclassified { peer, visitor: Visitor::Crowd, first: &[] };
            self.observers.tell(|observer| observer.unclassified(&crowd));
        }
        if self.notices.due("full".to_owned()) {
            let Most { host, connections } = most;
            tracing::warn!(
                target: target::SERVER,
                most = host,
                connections,
                "{} connections are open, and no more are taken: whoever has the most has one closed for one from elsewhere",
                self.info.limits.max_connections
            );
        }
        permit
    }
}

impl Port {
    /// Finds out what is spoken: what TLS has agreed on, if it is asked for, and else by the first bytes.
    async fn recognise(&self, io: Io, peer: Option<&Address>) -> Option<(Arc<dyn Transport>, Secured)> {
        let door = Door {
            transports: &self.transports,
            security: if self.tls.is_some() { Security::Tls } else { Security::Plain },
            peer,
            observers: &self.observers,
            notices: &self.notices,
            until: Instant::now() + visitor::PATIENCE,
        };
        let mut secured = match &self.tls {
            Some(acceptor) => visitor::secure(io, &**acceptor, &door).await?,
            None => Secured::new(io),
        };
        let agreed = secured.alpn.as_deref();
        let agreed = self.transports.iter().find(|transport| agreed.is_some() && transport.alpn() == agreed).cloned();
        let transport = match agreed {
            Some(transport) => visitor::begins(&mut secured.io, &*transport, &door).await.then_some(transport)?,
            None => visitor::recognise(&mut secured.io, &door).await?,
        };
        Some((transport, secured))
    }
}

/// A client that is here. Tells the observers of its coming and its going.
struct Guest {
    observers: Observers,
    peer: Option<Address>,
    transport: &'static str,
}

impl Guest {
    fn new(observers: &Observers, peer: Option<Address>, transport: &'static str) -> Self {
        let guest = Self { observers: observers.clone(), peer, transport };
        guest.tell(ConnectionState::Open);
        guest
    }

    fn tell(&self, state: ConnectionState) {
        self.observers.tell(|observer| observer.accepted(self.peer.as_ref(), self.transport, state));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.tell(ConnectionState::Closed);
    }
}

/// A server that serves. Dropping it ends everything at once; [`shutdown`](Self::shutdown) ends it in peace.
#[derive(Debug)]
pub struct Running {
    address: Address,
    tasks: Tasks,
    trigger: DrainTrigger,
    observers: Observers,
    unfinished: Arc<Unfinished>,
    closed: CancellationToken,
}

impl Running {
    /// Connections are given this long to say goodbye once their calls are over.
    const FAREWELL: Duration = Duration::from_millis(400);
    /// What is cut needs a moment to be gone.
    const CUT: Duration = Duration::from_millis(50);
    /// How much longer than its `grace` a [`shutdown`](Self::shutdown) takes at most: 450 ms, for goodbyes.
    pub const AFTER_GRACE: Duration = Self::FAREWELL.saturating_add(Self::CUT);

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits until the port is closed: when the drain begins, or before, if the system has taken the port away. Then
    /// who is connected is served on, and nobody can come.
    pub fn port_closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.closed.clone().cancelled_owned()
    }

    /// Moves on towards the end: [`DrainPhase::Draining`] closes the port and sends GOAWAY, [`DrainPhase::Stopped`]
    /// ends the calls that are left.
    pub fn advance(&self, phase: DrainPhase) {
        if self.trigger.advance(phase) {
            self.observers.tell(|observer| observer.drain(phase));
        }
    }

    /// Closes the port, lets the calls in flight end for at most `grace`, answers `Unavailable` to the rest, and closes
    /// the connections. True when every call has ended in peace. It takes `grace` and
    /// [`AFTER_GRACE`](Self::AFTER_GRACE) at most; dropping it cuts what is left.
    pub async fn shutdown(self, grace: Duration) -> bool {
        self.advance(DrainPhase::Draining);
        let peaceful = tokio::time::timeout(grace, self.tasks.finished()).await.is_ok();
        if !peaceful {
            self.unfinished.record();
        }
        self.advance(DrainPhase::Stopped);
        if tokio::time::timeout(Self::FAREWELL, self.tasks.finished()).await.is_err() {
            tracing::warn!(target: target::SERVER, tasks = self.tasks.len(), "connections that would not end are cut");
            self.tasks.abort();
            _ = tokio::time::timeout(Self::CUT, self.tasks.finished()).await;
        }
        if !self.unfinished.is_empty() {
            tracing::warn!(target: target::SERVER, calls = %self.unfinished, "these calls did not end in time, and were cut");
        }
        peaceful
    }
}

/// Why a server cannot be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// No protocol was added.
    NoTransport,
    /// The port cannot be had.
    Bind {
        /// The address asked for.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTransport => f.write_str("a server without a protocol: enable the feature `grpc` or `tarpc`"),
            Self::Bind { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on {address}: somebody else does")
            }
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoTransport => None,
            Self::Bind { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_away_is_told_of() {
        let loopback = Address::tcp("127.0.0.1", 0);
        for loses in [true, false] {
            let listener = Listener::bind(&loopback).await.unwrap();
            let address = listener.address().unwrap();
            let Listener::Tcp(tcp) = &listener else { panic!("no TCP") };
            let same = std::os::fd::AsFd::as_fd(tcp).try_clone_to_owned().unwrap();
            let running = Server::new().serve(listener, address);
            let closed = running.port_closed();
            tokio::pin!(closed);
            assert!(tokio::time::timeout(Duration::from_millis(20), &mut closed).await.is_err(), "it listens");
            if loses {
                std::net::TcpStream::from(same).shutdown(std::net::Shutdown::Both).unwrap();
            } else {
                drop(same);
                running.advance(DrainPhase::Draining);
            }
            tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the port has ended");
            assert!(running.shutdown(Duration::ZERO).await);
        }
    }
}
