//! tarpc, as its documentation has it.

use crate::{
    Outcome, listening,
    load::{self, Work},
};
use futures_util::StreamExt;
use std::net::SocketAddr;
use tarpc::{
    client, context,
    server::{self, Channel},
    tokio_serde::formats::Bincode,
};

#[tarpc::service]
pub(crate) trait Echo {
    async fn echo(bytes: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(self, _: context::Context, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

#[expect(clippy::disallowed_methods, reason = "as tarpc's documentation does it")]
pub(crate) async fn serve(end: impl Future<Output = ()>) -> Outcome {
    let mut listener = tarpc::serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
    listening(listener.local_addr());
    let accept = async {
        while let Some(Ok(transport)) = listener.next().await {
            let channel = server::BaseChannel::with_defaults(transport);
            tokio::spawn(channel.execute(Server.serve()).for_each(|response| async move {
                tokio::spawn(response);
            }));
        }
    };
    tokio::select! { () = accept => {}, () = end => {} }
    Ok(())
}

pub(crate) async fn call(address: SocketAddr, work: Work, times: u64) -> Outcome {
    let transport = tarpc::serde_transport::tcp::connect(address, Bincode::default).await?;
    let client = &EchoClient::new(client::Config::default(), transport).spawn();
    match work {
        Work::Unary => load::run(times, |bytes| async move { Ok(client.echo(context::current(), bytes).await?) }).await,
        Work::ServerStream => Err("tarpc has no streams".into()),
    }
}
