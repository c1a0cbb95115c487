//! tonic, as its documentation has it.

use crate::{Outcome, listening, load};
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

struct Echo;

#[tonic::async_trait]
impl generated::echo_server::Echo for Echo {
    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
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

pub(crate) async fn call(address: SocketAddr, calls: u64) -> Outcome {
    let client = generated::echo_client::EchoClient::connect(format!("http://{address}")).await?;
    load::run(calls, |bytes| {
        let mut client = client.clone();
        async move { Ok(client.echo(Payload { bytes }).await?.into_inner().bytes) }
    })
    .await
}
