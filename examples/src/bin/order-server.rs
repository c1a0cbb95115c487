//! Serves orders over gRPC and tarpc on one port. `order-server --help` says how.

use clap::Parser;
use orders::{args, serve};
use std::process::ExitCode;

/// Serves orders over gRPC and tarpc on one port, until SIGTERM or Ctrl-C; then it leaves the registry, lets the calls
/// in flight end, and goes. A second signal ends it at once.
///
/// Reads rpc.toml in the current folder (or the file that RPC_CONFIG names) and RPC_ variables; options overrule them.
///
/// Exit codes: 0 asked to leave, 1 could not serve, 2 wrong usage or configuration.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { serve: options } = Args::parse();
    args::log("rpc=info,warn");
    let config = match rpc::Config::load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("order-server: {error:?}");
            return ExitCode::from(2);
        }
    };
    match serve::serve(options, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("order-server: {error:?}");
            ExitCode::FAILURE
        }
    }
}
