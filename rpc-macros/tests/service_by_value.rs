//! A call into this process hands the value over, and what goes through bytes does so once.

use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message, Name,
    encoding::{self, DecodeContext, WireType},
};
use rpc::{Channel, Status, prelude::*};
use rpc_core::{
    Address, BoxFuture, Code, Delivery, Io, Request, Response, Service, Tasks,
    client::Connector,
    registry::{Endpoint, Instance, Memory, Registration, Registry, ServiceName},
    server::{Admission, Fidelity, Local},
    transport::{ConnectTarget, Connection, ConnectionInfo, ConnectionState, Drain, Recognition, Routes, Transport},
};
use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::sync::watch;

thread_local! {
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// How often a [`Parcel`] was written and read since this was asked last. (A test has one thread, and all its tasks.)
fn written_and_read() -> (usize, usize) {
    (WRITTEN.take(), READ.take())
}

/// A message that counts.
#[derive(Clone, Debug, Default, PartialEq)]
struct Parcel {
    content: Vec<u8>,
}

impl Message for Parcel {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        WRITTEN.set(WRITTEN.get() + 1);
        encoding::bytes::encode(1, &self.content, buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        assert_eq!(tag, 1);
        READ.set(READ.get() + 1);
        encoding::bytes::merge(wire, &mut self.content, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        encoding::bytes::encoded_len(1, &self.content)
    }

    fn clear(&mut self) {
        self.content.clear();
    }
}

impl Name for Parcel {
    const NAME: &'static str = "Parcel";
    const PACKAGE: &'static str = "test.by_value.v1";
}

impl Parcel {
    fn new() -> Self {
        Self { content: vec![7; 100] }
    }

    /// Where it is in memory, which a copy is not.
    fn place(&self) -> usize {
        self.content.as_ptr() as usize
    }
}

/// Takes parcels and gives them back.
#[rpc_service(package = "test.by_value.v1")]
trait Depot {
    async fn swap(&self, parcel: Parcel) -> Result<Parcel, Status>;
    #[rpc(idempotent, bare)]
    async fn swap_bare(&self, parcel: Parcel) -> Result<Parcel, Status>;
    async fn swap_many(&self, parcels: Vec<Parcel>, last: Option<Parcel>) -> Result<Vec<Parcel>, Status>;
    async fn give(&self, count: u64) -> Result<Streaming<Parcel>, Status>;
    /// Where they are.
    async fn take(&self, parcels: Streaming<Parcel>) -> Result<Vec<u64>, Status>;
    async fn exchange(&self, parcels: Streaming<Parcel>) -> Result<Streaming<Parcel>, Status>;
}

/// Where they are taken from and put, or the depot that all is passed on to.
#[derive(Clone)]
enum Shed {
    Own,
    Passing(DepotClient),
}

impl Depot for Shed {
    async fn swap(&self, parcel: Parcel) -> Result<Parcel, Status> {
        Ok(parcel)
    }

    async fn swap_bare(&self, parcel: Parcel) -> Result<Parcel, Status> {
        Ok(parcel)
    }

    async fn swap_many(&self, mut parcels: Vec<Parcel>, last: Option<Parcel>) -> Result<Vec<Parcel>, Status> {
        parcels.extend(last);
        Ok(parcels)
    }

    async fn give(&self, count: u64) -> Result<Streaming<Parcel>, Status> {
        match self {
            Self::Own => Ok(Streaming::from_iter((0..count).map(|_| Parcel::new()))),
            Self::Passing(next) => next.give(count).await,
        }
    }

    async fn take(&self, mut parcels: Streaming<Parcel>) -> Result<Vec<u64>, Status> {
        if let Self::Passing(next) = self {
            return next.take(parcels).await;
        }
        let mut places = Vec::new();
        while let Some(parcel) = parcels.next().await {
            places.push(parcel?.place() as u64);
        }
        Ok(places)
    }

    async fn exchange(&self, mut parcels: Streaming<Parcel>) -> Result<Streaming<Parcel>, Status> {
        match self {
            // Read, and written again where there is something to write to.
            Self::Own => {
                let (sender, replies) = Streaming::channel(1);
                rpc::spawn(async move {
                    while let Some(parcel) = parcels.next().await {
                        if sender.send(parcel).await.is_err() {
                            break;
                        }
                    }
                });
                Ok(replies)
            }
            Self::Passing(next) => next.exchange(parcels).await,
        }
    }
}

/// A depot in this process.
fn depot(shed: Shed, fidelity: Fidelity) -> DepotClient {
    match fidelity {
        // As everybody makes one.
        Fidelity::Value => DepotClient::local(shed),
        Fidelity::Wire => DepotClient::from_channel(Channel::local(DepotServer::new(shed), fidelity)),
    }
}

async fn places(mut parcels: Streaming<Parcel>) -> Vec<usize> {
    let mut places = Vec::new();
    while let Some(parcel) = parcels.next().await {
        places.push(parcel.unwrap().place());
    }
    places
}

/// Three parcels as a stream, and where they are.
fn three() -> (Streaming<Parcel>, Vec<usize>) {
    let parcels = vec![Parcel::new(), Parcel::new(), Parcel::new()];
    let places = parcels.iter().map(Parcel::place).collect();
    (Streaming::from_iter(parcels), places)
}

#[tokio::test]
async fn by_value_the_value_itself_arrives_and_nothing_is_written() {
    let depot = depot(Shed::Own, Fidelity::Value);
    let parcel = Parcel::new();
    let place = parcel.place();
    let parcel = depot.swap(parcel).await.unwrap();
    assert_eq!(depot.swap_bare(parcel).await.unwrap().place(), place);
    let back = depot.swap_many(vec![Parcel::new(), Parcel::new()], Some(Parcel::new())).await.unwrap();
    assert_eq!(back.len(), 3);
    assert_eq!(places(depot.give(3).await.unwrap()).await.len(), 3);
    let (parcels, there) = three();
    assert!(depot.take(parcels).await.unwrap().into_iter().eq(there.iter().map(|place| *place as u64)));
    let (parcels, there) = three();
    assert_eq!(places(depot.exchange(parcels).await.unwrap()).await, there);
    assert_eq!(written_and_read(), (0, 0));
}

#[tokio::test]
async fn through_bytes_it_is_written_and_read_once_each_way() {
    let depot = depot(Shed::Own, Fidelity::Wire);
    assert_eq!(depot.swap(Parcel::new()).await.unwrap(), Parcel::new());
    assert_eq!(written_and_read(), (2, 2));
    assert_eq!(depot.swap_bare(Parcel::new()).await.unwrap(), Parcel::new());
    assert_eq!(written_and_read(), (2, 2));
    depot.swap_many(vec![Parcel::new(), Parcel::new()], Some(Parcel::new())).await.unwrap();
    assert_eq!(written_and_read(), (6, 6));
    places(depot.give(3).await.unwrap()).await;
    assert_eq!(written_and_read(), (3, 3));
    depot.take(three().0).await.unwrap();
    assert_eq!(written_and_read(), (3, 3));
    places(depot.exchange(three().0).await.unwrap()).await;
    assert_eq!(written_and_read(), (6, 6));
}

#[tokio::test]
async fn passed_on_unread_nothing_is_written_again() {
    for (fidelity, once) in [(Fidelity::Value, 0), (Fidelity::Wire, 3)] {
        let there = depot(Shed::Own, fidelity);
        let behind = depot(Shed::Passing(there), fidelity);
        let far = depot(Shed::Passing(behind), fidelity);
        assert_eq!(places(far.give(3).await.unwrap()).await.len(), 3);
        assert_eq!(written_and_read(), (once, once), "{fidelity:?}: replies");
        far.take(three().0).await.unwrap();
        assert_eq!(written_and_read(), (once, once), "{fidelity:?}: requests");
        assert_eq!(places(far.exchange(three().0).await.unwrap()).await.len(), 3);
        // There it is read, and written again.
        assert_eq!(written_and_read(), (2 * once, 2 * once), "{fidelity:?}: both");
    }
}

/// A server in this process that is found, connected to and balanced like any other, so that calls to it may be made
/// again. It refuses so many attempts first.
#[derive(Clone)]
struct Found {
    local: Local,
    refusals: Arc<AtomicUsize>,
    state: watch::Sender<ConnectionState>,
}

impl Service for Found {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        if self.refusals.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(Status::new(Code::Unavailable, "not now").with_delivery(Delivery::Unprocessed));
        }
        self.local.call(request).await
    }
}

impl Transport for Found {
    fn name(&self) -> &'static str {
        "found"
    }

    fn preference(&self) -> u8 {
        1
    }

    fn recognises(&self, _: &[u8]) -> Recognition {
        Recognition::No
    }

    fn connect(&self, _: Io, _: ConnectTarget, _: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
        let (service, state) = (self.clone().boxed(), self.state.subscribe());
        let connection = Connection { service, state, places: Arc::default() };
        Box::pin(async { Ok(connection) })
    }

    fn serve(&self, _: Io, _: ConnectionInfo, _: Routes, _: Tasks, _: Drain) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl Connector for Found {
    fn connect<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<Io>> {
        Box::pin(async { Ok(Io::new(tokio::io::duplex(64).0)) })
    }
}

async fn found() -> (DepotClient, Arc<AtomicUsize>, Registration) {
    let name: ServiceName = DepotClient::SERVICE.name.parse().unwrap();
    let local = Local::new(
        DepotServer::new(Shed::Own),
        Fidelity::Value,
        Admission::Off,
        Default::default(),
        Default::default(),
    );
    let found = Found { local, refusals: Arc::default(), state: watch::Sender::new(ConnectionState::Open) };
    let registry = Memory::new();
    let endpoint = Endpoint::new("found", "127.0.0.1:1".parse().unwrap());
    let watch = registry.watch(&name);
    let registration = registry.register(Instance::new("id", vec![name.clone()], vec![endpoint])).await.unwrap();
    let channel = Channel::builder(name, watch).transport(Arc::new(found.clone())).connector(Arc::new(found.clone()));
    (DepotClient::from_channel(channel.build()), found.refusals, registration)
}

#[tokio::test]
async fn a_call_that_may_be_made_again_is_written_once() {
    let (depot, refusals, _registration) = found().await;
    let parcel = Parcel::new();
    let place = parcel.place();
    assert_ne!(depot.swap(parcel).await.unwrap().place(), place, "the value is kept for another attempt");
    assert_eq!(written_and_read(), (1, 1), "and the reply is handed over");
    depot.swap_bare(Parcel::new()).await.unwrap();
    assert_eq!(written_and_read(), (1, 1));
    // Whatever the number of attempts.
    refusals.store(2, Relaxed);
    depot.swap_bare(Parcel::new()).await.unwrap();
    assert_eq!((written_and_read(), refusals.load(Relaxed)), ((1, 1), 0));
    // A stream is lent and not copied.
    refusals.store(1, Relaxed);
    let (parcels, there) = three();
    assert!(depot.take(parcels).await.unwrap().into_iter().eq(there.iter().map(|place| *place as u64)));
    let (parcels, there) = three();
    assert_eq!(places(depot.exchange(parcels).await.unwrap()).await, there);
    assert_eq!(places(depot.give(3).await.unwrap()).await.len(), 3);
    assert_eq!((written_and_read(), refusals.load(Relaxed)), ((0, 0), 0));
}
