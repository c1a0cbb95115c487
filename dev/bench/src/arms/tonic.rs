//! tonic, as its documentation has it.

use crate::{
    Outcome, listening,
    load::{self, Work},
};
use futures_util::{StreamExt, stream};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

mod generated {
    #![expect(unreachable_pub, reason = "tonic-build writes as it writes")]
    include!(concat!(env!("OUT_DIR"), "/bench.Echo.rs"));
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Wish {
    #[prost(uint32, tag = "1")]
    pub(crate) items: u32,
}

struct Echo;

type Flow = stream::Map<stream::Iter<std::ops::Range<u32>>, fn(u32) -> Result<Payload, Status>>;

#[tonic::async_trait]
impl generated::echo_server::Echo for Echo {
    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type FlowStream = Flow;

    async fn flow(&self, request: Request<Wish>) -> Result<Response<Flow>, Status> {
        let items = stream::iter(0..request.into_inner().items);
        Ok(Response::new(items.map(|_| Ok(Payload { bytes: load::payload() }))))
    }
}

pub(crate) async fn serve(end: impl Future<Output = ()>) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    listening(listener.local_addr()?);
    let server = generated::echo_server::EchoServer::new(Echo);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tonic::transport::Server::builder().add_service(server).serve_with_incoming_shutdown(incoming, end).await?;
    Ok(())
}

pub(crate) async fn call(address: SocketAddr, work: Work, times: u64) -> Outcome {
    let client = &generated::echo_client::EchoClient::connect(format!("http://{address}")).await?;
    match work {
        Work::Unary => {
            load::run(
                times,
                |bytes| async move { Ok(client.clone().echo(Payload { bytes }).await?.into_inner().bytes) },
            )
            .await
        }
        Work::ServerStream => {
            load::read(times, |items| async move {
                Ok(client.clone().flow(Wish { items }).await?.into_inner().map(|item| Ok(item?.bytes)))
            })
            .await
        }
    }
}
