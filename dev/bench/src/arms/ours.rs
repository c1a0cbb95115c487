//! `#[rpc_service]`, through everything that a deployed client has: discovery, balancing, retries, deadlines, hooks.

use crate::{Outcome, listening, load};
use rpc::prelude::*;
use rpc_core::{
    Observer, Observers,
    client::Channel,
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::Server,
    transport::Transport,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Gives back what it is given.
#[rpc_service(package = "bench")]
pub(crate) trait Echo {
    /// Gives back what it is given.
    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Status>;
}

struct Mirror;

impl Echo for Mirror {
    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
        Ok(bytes)
    }
}

/// What metrics cost at the least: a count of each thing.
#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    attempts: AtomicU64,
    handled: AtomicU64,
}

impl Observer for Counts {
    fn call_ended(&self, _: &'static rpc::Method, _: Result<(), &Status>, _: u32, _: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn attempt_ended(
        &self,
        _: &'static rpc::Method,
        _: &rpc::Address,
        _: &'static str,
        _: Result<(), &Status>,
        _: Duration,
    ) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    fn handled(&self, _: &'static rpc::Method, _: &'static str, _: Result<(), &Status>, _: Duration) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn grpc() -> Arc<dyn Transport> {
    Arc::new(rpc_grpc::Grpc::default())
}

pub(crate) fn tarpc() -> Arc<dyn Transport> {
    Arc::new(rpc_tarpc::Tarpc::default())
}

pub(crate) async fn serve(transport: Arc<dyn Transport>, end: impl Future<Output = ()>) -> Outcome {
    let server = Server::new().transport(transport).observer(Arc::new(Counts::default()));
    let running = server.service(EchoServer::new(Mirror))?.bind(&"127.0.0.1:0".parse()?).await?;
    listening(running.address());
    end.await;
    running.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

pub(crate) async fn call(transport: Arc<dyn Transport>, address: SocketAddr, calls: u64) -> Outcome {
    let service: ServiceName = EchoClient::SERVICE.name.parse()?;
    let endpoint = Endpoint::new(transport.protocol(), address.into());
    let instance = Arc::new(Instance::new("bench", vec![service.clone()], vec![endpoint]));
    let (_publisher, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let channel = Channel::builder(service, watch)
        .transport(transport)
        .observer(Observers::new(Arc::new(Counts::default())))
        .build();
    let client = EchoClient::from_channel(channel);
    load::run(calls, |bytes| {
        let client = &client;
        async move { Ok(client.echo(bytes).await?) }
    })
    .await
}
