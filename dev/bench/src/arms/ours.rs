//! `#[rpc_service]`, through everything that a deployed client has: discovery, balancing, retries, deadlines,
//! the hooks for metrics with nobody on them, as neither tonic nor tarpc has metrics, and spans that no subscriber asks
//! for, as both have them.

use crate::{
    Outcome, listening,
    load::{self, Work},
};
use futures_util::StreamExt;
use rpc::prelude::*;
use rpc_core::{
    Observers,
    client::Channel,
    observer::Tracing,
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::Server,
    transport::Transport,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// What an `App` has.
fn observers() -> Observers {
    Observers::default().with_tracing(Tracing::On)
}

/// What every arm serves.
#[rpc_service(package = "bench")]
pub(crate) trait Echo {
    /// Gives back what it is given.
    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Status>;

    /// Sends this many messages.
    async fn flow(&self, items: u32) -> Result<Streaming<Vec<u8>>, Status>;
}

pub(crate) struct Mirror;

impl Echo for Mirror {
    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
        Ok(bytes)
    }

    async fn flow(&self, items: u32) -> Result<Streaming<Vec<u8>>, Status> {
        Ok(Streaming::from_iter((0..items).map(|_| load::payload())))
    }
}

pub(crate) fn grpc() -> Arc<dyn Transport> {
    Arc::new(rpc_grpc::Grpc::default())
}

pub(crate) fn tarpc() -> Arc<dyn Transport> {
    Arc::new(rpc_tarpc::Tarpc::default())
}

pub(crate) async fn serve(transport: Arc<dyn Transport>, end: impl Future<Output = ()>) -> Outcome {
    let server = Server::new().transport(transport).observer(observers());
    let running = server.service(EchoServer::new(Mirror))?.bind(&"127.0.0.1:0".parse()?).await?;
    listening(running.address());
    end.await;
    running.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

pub(crate) async fn call(transport: Arc<dyn Transport>, address: SocketAddr, work: Work, times: u64) -> Outcome {
    let service: ServiceName = EchoClient::SERVICE.name.parse()?;
    let endpoint = Endpoint::new(transport.protocol(), address.into());
    let instance = Arc::new(Instance::new("bench", vec![service.clone()], vec![endpoint]));
    let (_publisher, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let channel = Channel::builder(service, watch).transport(transport).observer(observers()).build();
    let client = &EchoClient::from_channel(channel);
    match work {
        Work::Unary => load::run(times, |bytes| async move { Ok(client.echo(bytes).await?) }).await,
        Work::ServerStream => {
            load::read(times, |items| async move { Ok(client.flow(items).await?.map(|item| Ok(item?))) }).await
        }
    }
}
