//! Serves orders over gRPC and tarpc on one port. `order-server --help` says how.

use clap::{Parser, Subcommand};
use orders::{OrdersClient, args, serve};
use rpc::{App, Client};
use std::process::ExitCode;
use tabled::{builder::Builder, settings::Style};

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

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print every value of the configuration with where it comes from, and leave
    Config,
    /// Print the interface as a .proto file, for callers in other languages, and leave
    Proto,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { serve: options, command } = Args::parse();
    args::log("rpc=info,warn");
    if let Some(Command::Proto) = command {
        return print_proto();
    }
    let mut config = match rpc::Config::load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("order-server: {error:?}");
            return ExitCode::from(2);
        }
    };
    if let Some(Command::Config) = command {
        options.apply(&mut config);
        println!("{}", table(&App::builder().config(config).build()));
        return ExitCode::SUCCESS;
    }
    match serve::serve(options, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("order-server: {error:?}");
            ExitCode::from(if error.is_configuration() { 2 } else { 1 })
        }
    }
}

fn print_proto() -> ExitCode {
    match OrdersClient::SERVICE.schema() {
        Ok(schema) => {
            print!("{}", schema.proto());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("order-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(app: &App) -> String {
    let mut table = Builder::default();
    table.push_record(["key", "value", "from"]);
    for setting in app.settings() {
        table.push_record([setting.key, setting.value, setting.origin.to_string()]);
    }
    table.build().with(Style::sharp()).to_string()
}
