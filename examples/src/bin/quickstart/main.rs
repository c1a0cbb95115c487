//! The whole framework in one command: `cargo run --release --bin quickstart`.
//!
//! Starts three order servers as processes of their own, places a thousand orders over gRPC and again over tarpc, and
//! looks them up over both while one server is stopped and another is killed. All the while streams are open: files of
//! orders are imported, riders carry orders and are told where to, and for each order somebody follows it. Ends with
//! two tables, and with exit code 0 only if not one call failed and no item of a stream was lost or came twice.

mod audit;
mod fleet;
mod load;
mod plan;
mod report;
mod streams;
mod watch;

use clap::{Parser, Subcommand};
use orders::{args, serve};
use rpc::{Admission, Config, registry::Target};
use std::{path::PathBuf, process::ExitCode};

/// Starts three order servers, calls them and streams over gRPC and tarpc, stops one and kills another, and counts.
///
/// Needs nothing: no arguments, no installation, no network but loopback. Exit codes: 0 no call failed and no item of a
/// stream was lost or doubled, 1 some were or the run could not be made, 2 wrong usage, 130 and 143 interrupted.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,

    #[command(flatten)]
    options: Options,
}

/// What a run is made with.
#[derive(clap::Args)]
struct Options {
    /// The orders: a CSV file with the columns number, customer, address, store, items, payment, note [default: a
    /// thousand that are compiled in]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Where the servers are found: zookeeper://H1:2181,H2:2181/BASE or file:///DIR [default: a private folder]
    #[arg(long, value_name = "URL", value_parser = args::Url)]
    registry: Option<Target>,

    /// Write what happened to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Whether failed calls are sent again, and streams that were cut opened again
    #[arg(long, value_enum, default_value = "on")]
    retries: Retries,

    /// How many calls are in flight at once, per transport
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(16..=1024))]
    in_flight: u16,

    /// How many look-ups are made before, between and after the two blows, each time
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u64).range(100..))]
    lookups: u64,

    /// One server listens on LISTEN and is reached at ADDRESS, where a proxy stands; once for each of the three
    #[arg(long, value_name = "LISTEN=ADDRESS", value_parser = fleet::Place::parse)]
    through: Vec<fleet::Place>,
}

/// Whether failed calls are sent again, and streams that were cut opened again.
#[derive(clap::ValueEnum, Clone, Copy)]
enum Retries {
    /// By class of failure, within a budget.
    On,
    /// Never: shows what happens without them.
    Off,
}

#[derive(Subcommand)]
enum Role {
    /// Serve: what the processes that quickstart starts do.
    #[command(hide = true)]
    Serve(serve::ServeArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { role, options } = Args::parse();
    args::log("warn");
    let outcome = match role {
        // Neither process reads a configuration: what happens here depends on the command line alone.
        Some(Role::Serve(serve)) => {
            let mut config = Config::default();
            // Three servers and all that call them share this machine, which may be more than it gets done; what is to
            // be seen here are the blows, and not that.
            config.server.admission = Some(Admission::Off);
            serve::serve(serve, config).await.map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from)
        }
        None => run(&options).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("quickstart: {error:#}");
        ExitCode::FAILURE
    })
}

/// Follows the plan unless a signal comes first; either way everything that was started ends before this does.
async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let code = tokio::select! {
        outcome = plan::follow(options) => return outcome,
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    };
    eprintln!("quickstart: interrupted; the servers and the temporary folder are gone");
    Ok(ExitCode::from(code))
}
