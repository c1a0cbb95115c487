//! What `cargo xtask bench` measures: one service, four ways, each a server and a client on one thread; and calls that
//! stay in the process.

mod arms;
mod load;

use clap::{Parser, Subcommand, ValueEnum};
use load::Work;
use std::{error::Error, net::SocketAddr};
use tokio::io::AsyncReadExt;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Prints where it listens, and serves until its input ends.
    Server { arm: Arm },
    /// Does the work this many times.
    Client { arm: Arm, work: Work, address: SocketAddr, times: u64 },
    /// Makes this many calls without leaving the process, one after the other, and prints nanoseconds per call.
    Local { way: arms::local::Way, calls: u64 },
}

#[derive(Clone, Copy, ValueEnum)]
enum Arm {
    /// tonic as its documentation has it: generated code, `Server`, `Channel`, `ProstCodec`.
    Tonic,
    /// tarpc as its documentation has it: `#[tarpc::service]`, bincode over TCP. It has no streams.
    Tarpc,
    /// `#[rpc_service]` over gRPC, through a discovered channel.
    OursOverGrpc,
    /// `#[rpc_service]` over tarpc, through a discovered channel.
    OursOverTarpc,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    // tarpc switches on `tracing`'s `log` feature, whose cost would count against whoever is linked beside it.
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new())?;
    match Arguments::parse().role {
        Role::Server { arm } => match arm {
            Arm::Tonic => arms::tonic::serve(until_input_ends()).await,
            Arm::Tarpc => arms::tarpc::serve(until_input_ends()).await,
            Arm::OursOverGrpc => arms::ours::serve(arms::ours::grpc(), until_input_ends()).await,
            Arm::OursOverTarpc => arms::ours::serve(arms::ours::tarpc(), until_input_ends()).await,
        },
        Role::Client { arm, work, address, times } => match arm {
            Arm::Tonic => arms::tonic::call(address, work, times).await,
            Arm::Tarpc => arms::tarpc::call(address, work, times).await,
            Arm::OursOverGrpc => arms::ours::call(arms::ours::grpc(), address, work, times).await,
            Arm::OursOverTarpc => arms::ours::call(arms::ours::tarpc(), address, work, times).await,
        },
        Role::Local { way, calls } => arms::local::call(way, calls).await,
    }
}

async fn until_input_ends() {
    let mut rest = Vec::new();
    // An error is an end as well.
    let _ = tokio::io::stdin().read_to_end(&mut rest).await;
}

/// Tells whoever started the server where it is.
fn listening(address: impl std::fmt::Display) {
    println!("{address}");
}
