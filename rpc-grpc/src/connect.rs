//! The client's end of a connection: from a byte stream to a [`Connection`].

use crate::{
    TARGET,
    caller::Caller,
    frames, headers, keep_alive, late,
    watched::{FrameHeads, Pulse, Watched},
};
use bytes::Bytes;
use h2::client;
use http::{
    HeaderValue,
    uri::{Authority, Scheme},
};
use rpc_core::{
    Delivery, Io, Service, Status, Tasks,
    tls::Security,
    transport::{ConnectTarget, Connection, ConnectionState, ProtocolRefused},
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// How often a silent server is asked whether it is there while calls wait for it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The same for a server that may be of another framework: what those allow without being told otherwise, and a little.
const KEEP_ALIVE_STRANGER: Duration = Duration::from_secs(310);
/// How long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many calls a connection can take: each needs an odd number below 2^31. Behind the last of them h2 takes no more,
/// and leaves the connection as it is; so it is left for a new one.
const MAX_CALLS: u32 = 1 << 30;
/// How many calls are sent before the server has said how many it takes.
const FIRST_CALLS: usize = 100;

/// Becomes the client on a byte stream. Returns when the server has shown that it speaks HTTP/2: what is written to
/// something else is lost in a way that nobody can tell from a call that was made.
pub(crate) async fn connect(
    io: Io,
    target: ConnectTarget,
    tasks: Tasks,
    keep_alive: Option<Duration>,
) -> Result<Connection, Status> {
    connect_for(MAX_CALLS, io, target, tasks, keep_alive).await
}

async fn connect_for(
    max_calls: u32,
    io: Io,
    target: ConnectTarget,
    tasks: Tasks,
    keep_alive: Option<Duration>,
) -> Result<Connection, Status> {
    let authority = authority(&target)?;
    let instance = target.instance.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
    let default = if instance.is_some() { KEEP_ALIVE } else { KEEP_ALIVE_STRANGER };
    let (sender, state) = watch::channel(ConnectionState::Open);
    let (greeting, greeted) = oneshot::channel();
    let most = target.limits.max_concurrent_calls;
    let pulse = Pulse::new(FIRST_CALLS.min(most));
    let (requests, connection) = client::Builder::new()
        .initial_window_size(frames::STREAM_WINDOW)
        .initial_connection_window_size(frames::CONNECTION_WINDOW)
        .initial_max_send_streams(FIRST_CALLS)
        .max_header_list_size(headers::MAX_HEADER_LIST)
        .max_concurrent_reset_streams(late::remembered(most))
        .reset_stream_duration(late::REMEMBERED_FOR)
        .max_local_error_reset_streams(Some(late::forgiven(most)))
        .enable_push(false)
        .handshake(Watched::new(io, sender.clone(), greeting, pulse.clone()))
        .await
        .map_err(|error| refused("the server closed the connection at once").with_source(error))?;
    tasks.spawn(drive(connection, sender.clone(), pulse.clone(), most, keep_alive.unwrap_or(default)));
    match greeted.await {
        Ok(FrameHeads::SETTINGS) => {}
        Ok(_) => {
            let sentence = "the server does not speak HTTP/2: it answered with something else";
            return Err(ProtocolRefused::new(sentence).into_status());
        }
        Err(_) => return Err(refused("the server closed the connection before it said anything")),
    }
    let places = pulse.places.clone();
    let caller = Caller {
        requests,
        scheme: scheme(target.security),
        authority,
        instance,
        max_message: target.limits.max_message,
        state: sender,
        pulse,
        tasks: tasks.handle(),
        calls: AtomicU32::new(0),
        max_calls,
    };
    Ok(Connection { service: caller.boxed(), state, places })
}

/// Moves bytes until the connection ends, or its server turns out to be gone.
async fn drive(
    mut connection: client::Connection<Watched, Bytes>,
    state: watch::Sender<ConnectionState>,
    pulse: Arc<Pulse>,
    most: usize,
    interval: Duration,
) {
    let Some(ping) = connection.ping_pong() else { return };
    let mut connection = pin!(connection);
    let driven = poll_fn(|cx| {
        let driven = connection.as_mut().poll(cx);
        // The server may say at any time that it takes more, or fewer.
        pulse.places.set_limit(connection.max_concurrent_send_streams().min(most));
        driven
    });
    let ended = tokio::select! {
        biased;
        ended = driven => ended,
        () = keep_alive::lost(ping, interval, KEEP_ALIVE_TIMEOUT, || pulse.is_waiting()) => {
            tracing::warn!(
                target: TARGET,
                "a server that calls wait for has not answered for {KEEP_ALIVE_TIMEOUT:?}; it is given up"
            );
            Ok(())
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: TARGET, %error, "an HTTP/2 connection broke");
    }
    ConnectionState::Closed.advance(&state);
}

fn scheme(security: Security) -> Scheme {
    match security {
        Security::Plain => Scheme::HTTP,
        Security::Tls => Scheme::HTTPS,
    }
}

fn authority(target: &ConnectTarget) -> Result<Authority, Status> {
    if target.authority.starts_with("unix:") || target.authority.is_empty() {
        // A path is no authority; this is what others send over a Unix socket.
        return Ok(Authority::from_static("localhost"));
    }
    target.authority.parse().map_err(|_| refused("the server's name cannot stand in `:authority`"))
}

#[cold]
fn refused(message: &'static str) -> Status {
    Status::unavailable(message).with_delivery(Delivery::NeverSent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grpc;
    use rpc_core::{
        Address, Body, BoxFuture, Context, Kind, Method, Payload, Request, Response, ServiceDescriptor,
        client::Channel,
        registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
        server::{NamedService, Running, Server},
        transport::{ConnectionInfo, Drain, Recognition, Routes, Transport},
    };
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
    };
    use tokio::sync::Notify;

    static COUNT: Method = Method::new("t.Turnstile", "Count", "/t.Turnstile/Count", Kind::Unary);
    static WAIT: Method = Method::new("t.Turnstile", "Wait", "/t.Turnstile/Wait", Kind::Unary);
    static TURNSTILE: ServiceDescriptor = ServiceDescriptor::new("t.Turnstile", &[&COUNT, &WAIT], "");

    #[derive(Clone, Default)]
    struct Turnstile {
        passed: Arc<AtomicUsize>,
        waits: Arc<Notify>,
        go_on: Arc<Notify>,
    }

    impl NamedService for Turnstile {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &TURNSTILE
        }
    }

    impl Service for Turnstile {
        async fn call(&self, request: Request) -> Result<Response, Status> {
            if request.method.name == "Wait" {
                self.waits.notify_one();
                self.go_on.notified().await;
            } else {
                self.passed.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Response::new(request.body))
        }
    }

    /// gRPC whose connections can take so many calls. Counts them.
    struct Short {
        max_calls: u32,
        connections: Arc<AtomicUsize>,
    }

    fn short(max_calls: u32) -> Short {
        Short { max_calls, connections: Arc::default() }
    }

    impl Transport for Short {
        fn name(&self) -> &'static str {
            "grpc"
        }
        fn preference(&self) -> u8 {
            1
        }
        fn recognises(&self, first: &[u8]) -> Recognition {
            Grpc::default().recognises(first)
        }
        fn connect(
            &self,
            io: Io,
            target: ConnectTarget,
            tasks: Tasks,
        ) -> BoxFuture<'static, Result<Connection, Status>> {
            self.connections.fetch_add(1, Ordering::SeqCst);
            Box::pin(connect_for(self.max_calls, io, target, tasks, None))
        }
        fn serve(
            &self,
            io: Io,
            info: ConnectionInfo,
            routes: Routes,
            tasks: Tasks,
            drain: Drain,
        ) -> BoxFuture<'static, ()> {
            Grpc::default().serve(io, info, routes, tasks, drain)
        }
    }

    async fn serve(turnstile: &Turnstile) -> Running {
        let server = Server::new().transport(Arc::new(Grpc::default())).service(turnstile.clone()).unwrap();
        server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
    }

    fn request(method: &'static Method) -> Request {
        Request::new(method, Context::default(), Body::Message(Payload::Encoded(Bytes::new())))
    }

    /// Waits for what happens while a call waits.
    async fn until(call: impl Future<Output = Result<Response, Status>>, happens: impl Future<Output = ()>) {
        tokio::select! {
            ended = call => panic!("it ended: {ended:?}"),
            () = happens => {}
        }
    }

    #[tokio::test]
    async fn a_connection_that_has_no_numbers_left_takes_no_more_calls_and_ends_those_that_it_has() {
        let turnstile = Turnstile::default();
        let running = serve(&turnstile).await;
        let Address::Tcp { host, port } = running.address() else { panic!("TCP was asked for") };
        let io = Io::new(tokio::net::TcpStream::connect((host.as_str(), *port)).await.unwrap());
        let tasks = Tasks::owner();
        let connection = short(3).connect(io, ConnectTarget::new("turnstile"), tasks.clone()).await.unwrap();
        let mut waiting = pin!(connection.service.call(request(&WAIT)));
        until(&mut waiting, turnstile.waits.notified()).await;
        connection.service.call(request(&COUNT)).await.unwrap();
        assert_eq!(*connection.state.borrow(), ConnectionState::Open);
        // The last is taken, and those who come at the same time are not.
        let both = tokio::join!(connection.service.call(request(&COUNT)), connection.service.call(request(&COUNT)));
        both.0.unwrap();
        assert_eq!(both.1.unwrap_err().delivery(), Delivery::NeverSent);
        assert_eq!(*connection.state.borrow(), ConnectionState::Draining);
        turnstile.go_on.notify_one();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_takes_another_connection_before_the_numbers_end_and_no_call_fails() {
        let turnstile = Turnstile::default();
        let running = serve(&turnstile).await;
        let service: ServiceName = TURNSTILE.name.parse().unwrap();
        let endpoint = Endpoint::new("grpc", running.address().clone());
        let instance = Arc::new(Instance::new("turnstile-1", vec![service.clone()], vec![endpoint]));
        let (_, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
        let short = short(5);
        let connections = short.connections.clone();
        let channel = Channel::builder(service, watch).transport(Arc::new(short)).build();
        let body = || Body::Message(Payload::Encoded(Bytes::new()));
        let mut waiting = pin!(channel.call(&WAIT, body(), None));
        until(&mut waiting, turnstile.waits.notified()).await;
        for _ in 0..21 {
            channel.call(&COUNT, body(), None).await.unwrap();
        }
        assert_eq!(turnstile.passed.load(Ordering::SeqCst), 21);
        assert_eq!(connections.load(Ordering::SeqCst), 5, "22 calls, five on each");
        turnstile.go_on.notify_one();
        waiting.await.unwrap();
    }
}
