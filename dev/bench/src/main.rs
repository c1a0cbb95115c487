//! What `cargo xtask bench instr` measures: one echo service, four ways, each a server and a client on one thread.

mod arms;
mod load;

use clap::{Parser, Subcommand, ValueEnum};
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
    /// Makes this many calls.
    Client { arm: Arm, address: SocketAddr, calls: u64 },
}

#[derive(Clone, Copy, ValueEnum)]
enum Arm {
    /// tonic as its documentation has it: generated code, `Server`, `Channel`, `ProstCodec`.
    Tonic,
    /// tarpc as its documentation has it: `#[tarpc::service]`, bincode over TCP.
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
        Role::Client { arm, address, calls } => match arm {
            Arm::Tonic => arms::tonic::call(address, calls).await,
            Arm::Tarpc => arms::tarpc::call(address, calls).await,
            Arm::OursOverGrpc => arms::ours::call(arms::ours::grpc(), address, calls).await,
            Arm::OursOverTarpc => arms::ours::call(arms::ours::tarpc(), address, calls).await,
        },
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
