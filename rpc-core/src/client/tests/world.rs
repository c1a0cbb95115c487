//! Servers, addresses and wires that exist only here.

use crate::{
    Address, Body, BoxFuture, CallId, Delivery, Io, Kind, Layer, Method, Observer, Observers, Payload, Request,
    Response, Service, Status, Tasks,
    client::{Channel, ChannelBuilder, Connector},
    observer::{AttemptEnded, CallEnded, Ejected, FellBack, Hedged, Listed},
    registry::{Endpoint, Instance, Memory, Registration, Registry, ServiceName},
    service_fn,
    transport::{
        ConnectTarget, Connection, ConnectionInfo, ConnectionState, Drain, Places, ProtocolRefused, Recognition,
        Routes, Transport,
    },
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{io::DuplexStream, sync::watch};

pub(super) static FIND: Method = Method::new("test.Orders", "Find", "/test.Orders/Find", Kind::Unary).idempotent();
pub(super) static PLACE: Method = Method::new("test.Orders", "Place", "/test.Orders/Place", Kind::Unary);
pub(super) static FOLLOW: Method = Method::new("test.Orders", "Follow", "/test.Orders/Follow", Kind::ServerStream);
pub(super) static IMPORT: Method = Method::new("test.Orders", "Import", "/test.Orders/Import", Kind::ClientStream);
pub(super) static LIST: Method =
    Method::new("test.Orders", "List", "/test.Orders/List", Kind::ServerStream).idempotent();

const SEED: u64 = 20_261_123;

pub(super) fn orders() -> ServiceName {
    "test.Orders".parse().unwrap()
}

pub(super) fn empty() -> Body {
    Body::Message(Payload::Encoded(Bytes::new()))
}

/// What a server does with a call.
pub(super) type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, Status>> + Send + Sync>;

pub(super) fn answers() -> Handler {
    Arc::new(|_| Box::pin(async { Ok(Response::new(empty())) }))
}

pub(super) fn answers_after(time: Duration) -> Handler {
    Arc::new(move |_| {
        Box::pin(async move {
            tokio::time::sleep(time).await;
            Ok(Response::new(empty()))
        }) as BoxFuture<'static, _>
    })
}

pub(super) fn fails(status: Status) -> Handler {
    Arc::new(move |_| {
        let status = status.clone();
        Box::pin(async { Err(status) })
    })
}

/// What a server does with a hello.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Greeting {
    Accept,
    Refuse,
    Silent,
}

/// One call as a server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) server: String,
    pub(super) transport: &'static str,
    pub(super) id: Option<CallId>,
    pub(super) attempt: u32,
}

struct Server {
    handler: Handler,
    greetings: HashMap<&'static str, Greeting>,
    connections: Vec<watch::Sender<ConnectionState>>,
    far: Vec<DuplexStream>,
    hellos: usize,
    places: Arc<Places>,
}

#[derive(Default)]
struct State {
    servers: HashMap<String, Server>,
    seen: Vec<Seen>,
    connects: usize,
    expected: Vec<Option<String>>,
}

/// All that there is.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A server listens.
    pub(super) fn start(&self, address: &str, handler: Handler) {
        let (greetings, connections, far) = Default::default();
        let server = Server { handler, greetings, connections, far, hellos: 0, places: Arc::default() };
        self.lock().servers.insert(address.to_owned(), server);
    }

    /// A server is gone, and its connections with it.
    pub(super) fn kill(&self, address: &str) {
        let server = self.lock().servers.remove(address).unwrap();
        for connection in server.connections {
            connection.send_replace(ConnectionState::Closed);
        }
    }

    /// The connections of a server change their state.
    pub(super) fn turn(&self, address: &str, state: ConnectionState) {
        for connection in &self.lock().servers[address].connections {
            connection.send_replace(state);
        }
    }

    pub(super) fn greet(&self, address: &str, transport: &'static str, greeting: Greeting) {
        self.lock().servers.get_mut(address).unwrap().greetings.insert(transport, greeting);
    }

    pub(super) fn handle(&self, address: &str, handler: Handler) {
        self.lock().servers.get_mut(address).unwrap().handler = handler;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    pub(super) fn calls(&self, address: &str) -> usize {
        self.lock().seen.iter().filter(|seen| seen.server == address).count()
    }

    pub(super) fn hellos(&self, address: &str) -> usize {
        self.lock().servers[address].hellos
    }

    /// The places for calls on the connections to a server.
    pub(super) fn places(&self, address: &str) -> Arc<Places> {
        self.lock().servers[address].places.clone()
    }

    /// The far end of the last connection to a server.
    pub(super) fn connection(&self, address: &str) -> watch::Sender<ConnectionState> {
        self.lock().servers[address].connections.last().unwrap().clone()
    }

    /// Whether a client holds a connection to a server.
    pub(super) fn is_connected(&self, address: &str) -> bool {
        self.lock().servers[address].connections.iter().any(|connection| connection.receiver_count() > 0)
    }

    /// The ids of instances that hellos expected.
    pub(super) fn expected(&self) -> Vec<Option<String>> {
        self.lock().expected.clone()
    }

    pub(super) fn connects(&self) -> usize {
        self.lock().connects
    }

    pub(super) fn transport(&self, name: &'static str, preference: u8) -> Arc<dyn Transport> {
        Arc::new(Wire { world: self.clone(), name, preference })
    }

    /// A channel over `fast` and `slow`.
    pub(super) fn channel(&self, registry: &Memory) -> ChannelBuilder {
        // Choices and waits are random; a test runs on one thread, so this makes them the same every time.
        println!("seed {SEED}");
        fastrand::seed(SEED);
        Channel::builder(orders(), registry.watch(&orders()))
            .transport(self.transport("slow", 1))
            .transport(self.transport("fast", 2))
            .connector(Arc::new(self.clone()))
    }

    async fn serve(
        self,
        address: String,
        transport: &'static str,
        request: Request,
        open: watch::Receiver<ConnectionState>,
    ) -> Result<Response, Status> {
        if *open.borrow() == ConnectionState::Closed {
            return Err(Status::unavailable("connection closed").with_delivery(Delivery::NeverSent));
        }
        let places = self.lock().servers.get(&address).map(|server| server.places.clone()).unwrap_or_default();
        let _place = match places.take() {
            None => places.wait(&request).await?,
            place => place,
        };
        let seen = Seen {
            server: address.clone(),
            transport,
            id: request.context.call_id(),
            attempt: request.context.attempt(),
        };
        let handler = {
            let mut state = self.lock();
            state.seen.push(seen);
            state.servers.get(&address).map(|server| server.handler.clone())
        };
        match handler {
            Some(handler) => handler(request).await,
            None => Err(Status::unavailable("connection lost")),
        }
    }
}

impl Connector for World {
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>> {
        let mut state = self.lock();
        state.connects += 1;
        let stream = match state.servers.get_mut(&address.to_string()) {
            Some(server) => {
                let (near, far) = tokio::io::duplex(64);
                server.far.push(far);
                Ok(Io::new(near))
            }
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        };
        Box::pin(async { stream })
    }
}

/// A wire without bytes.
struct Wire {
    world: World,
    name: &'static str,
    preference: u8,
}

impl Transport for Wire {
    fn name(&self) -> &'static str {
        self.name
    }

    fn preference(&self) -> u8 {
        self.preference
    }

    fn recognises(&self, _: &[u8]) -> Recognition {
        Recognition::No
    }

    fn connect(&self, _: Io, target: ConnectTarget, _: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
        let (world, name) = (self.world.clone(), self.name);
        Box::pin(async move {
            let address = target.authority;
            let (sender, state) = watch::channel(ConnectionState::Open);
            world.lock().expected.push(target.instance);
            let mut places = Arc::default();
            let greeting = match world.lock().servers.get_mut(&address) {
                None => Greeting::Refuse,
                Some(server) => {
                    places = server.places.clone();
                    server.hellos += 1;
                    let greeting = server.greetings.get(name).copied().unwrap_or(Greeting::Accept);
                    if greeting == Greeting::Accept {
                        server.connections.push(sender);
                    }
                    greeting
                }
            };
            match greeting {
                Greeting::Silent => std::future::pending().await,
                Greeting::Refuse => Err(ProtocolRefused::new("it does not speak this").into_status()),
                Greeting::Accept => {
                    let open = state.clone();
                    let service =
                        service_fn(move |request| world.clone().serve(address.clone(), name, request, open.clone()));
                    Ok(Connection { service: service.boxed(), state, places })
                }
            }
        })
    }

    fn serve(&self, _: Io, _: ConnectionInfo, _: Routes, _: Tasks, _: Drain) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// The record of a server that speaks both wires.
pub(super) fn instance(address: &str) -> Instance {
    speaking(address, &["fast", "slow"])
}

pub(super) fn speaking(address: &str, protocols: &[&str]) -> Instance {
    let endpoints = protocols.iter().map(|protocol| Endpoint::new(*protocol, address.parse().unwrap()));
    Instance::new(format!("id-{address}"), vec![orders()], endpoints.collect())
}

/// Servers at these addresses that answer, and their records.
pub(super) async fn fleet(addresses: &[&str]) -> (World, Memory, Vec<Registration>) {
    let (world, registry) = (World::default(), Memory::new());
    let mut registrations = Vec::new();
    for address in addresses {
        world.start(address, answers());
        registrations.push(registry.register(instance(address)).await.unwrap());
    }
    (world, registry, registrations)
}

/// What an observer was told, in words.
#[derive(Default)]
pub(super) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(super) fn new() -> (Arc<Self>, Observers) {
        let log = Arc::new(Self::default());
        (log.clone(), Observers::new(log))
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn count(&self, word: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(word)).count()
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Observer for Log {
    fn call_began(&self, method: &'static Method) {
        self.add(format!("call {} begins", method.name));
    }

    fn picked(&self, method: &'static Method, endpoint: &Address, transport: &'static str) {
        self.add(format!("{} goes to {endpoint} over {transport}", method.name));
    }

    fn call_ended(&self, call: &CallEnded<'_>) {
        self.add(format!("call {} {} after {}", call.method.name, word(call.outcome), call.attempts));
    }

    fn attempt_ended(&self, attempt: &AttemptEnded<'_>) {
        let AttemptEnded { endpoint, transport, outcome, .. } = attempt;
        self.add(format!("attempt at {endpoint} over {transport} {}", word(*outcome)));
    }

    fn retried(&self, _: &'static Method, attempt: u32, because: &Status) {
        self.add(format!("retried as {attempt} because {because}"));
    }

    fn hedged(&self, hedged: &Hedged<'_>) {
        let Hedged { method, endpoint, transport, attempt, after } = hedged;
        self.add(format!("{} goes to {endpoint} over {transport} as well as {attempt} after {after:?}", method.name));
    }

    fn hedge_won(&self, method: &'static Method) {
        self.add(format!("{} was answered there first", method.name));
    }

    fn connection(&self, endpoint: &Address, transport: &'static str, state: ConnectionState) {
        self.add(format!("connection to {endpoint} over {transport} {state:?}"));
    }

    fn connect_failed(&self, endpoint: &Address, transport: &'static str, _: &Status) {
        self.add(format!("no connection to {endpoint} over {transport}"));
    }

    fn ejected(&self, ejected: &Ejected<'_>) {
        self.add(format!("ejected {} after {}", ejected.endpoint, ejected.reason));
    }

    fn readmitted(&self, _: &str, endpoint: &Address) {
        self.add(format!("readmitted {endpoint}"));
    }

    fn fell_back(&self, fallback: &FellBack<'_>) {
        let FellBack { endpoint, from, because, .. } = fallback;
        self.add(format!("fallback from {from} at {endpoint} because {because}"));
    }

    fn listed(&self, list: &Listed<'_>) {
        let Listed { usable, unusable, skipped, source, age, .. } = list;
        self.add(format!("list of {usable}+{unusable}+{skipped} from {source:?} {age:?} ago"));
    }
}

fn word(outcome: Result<(), &Status>) -> String {
    match outcome {
        Ok(()) => "went well".to_owned(),
        Err(status) => format!("failed with {}", status.code()),
    }
}

/// A layer that does something that takes time before it calls.
#[derive(Clone, Copy)]
pub(super) struct Slow(pub(super) Duration);

pub(super) struct Slowed<S>(S, Duration);

impl<S: Service> Layer<S> for Slow {
    type Service = Slowed<S>;

    fn layer(&self, inner: S) -> Slowed<S> {
        Slowed(inner, self.0)
    }
}

impl<S: Service> Service for Slowed<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        tokio::time::sleep(self.1).await;
        self.0.call(request).await
    }
}
