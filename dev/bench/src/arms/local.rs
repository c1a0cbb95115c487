//! Calls that stay in the process.

use crate::{
    Outcome,
    arms::ours::{Echo, EchoClient, EchoServer, Mirror},
    load,
};
use clap::ValueEnum;
use rpc::Client;
use rpc_core::{client::Channel, server::Fidelity};
use tokio::time::Instant;

/// How much is between the caller and the implementation.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Way {
    /// Nothing: the trait's method itself.
    Direct,
    /// `OrdersClient::local`: the layers that a server has; the value is handed over.
    Value,
    /// The same through bytes, as on a wire.
    Wire,
}

/// Makes the calls one after the other, and prints how many nanoseconds each took.
pub(crate) async fn call(way: Way, calls: u64) -> Outcome {
    let local = |fidelity| EchoClient::from_channel(Channel::local(EchoServer::new(Mirror), fidelity));
    match way {
        Way::Direct => repeat(calls, &Mirror).await,
        Way::Value => repeat(calls, &local(Fidelity::Value)).await,
        Way::Wire => repeat(calls, &local(Fidelity::Wire)).await,
    }
}

async fn repeat(calls: u64, echo: &impl Echo) -> Outcome {
    let begun = Instant::now();
    for _ in 0..calls {
        if echo.echo(load::payload()).await?.len() != load::PAYLOAD {
            return Err("something else came back".into());
        }
    }
    println!("{}", begun.elapsed().as_nanos() / u128::from(calls.max(1)));
    Ok(())
}
