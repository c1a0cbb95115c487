//! An order server, as `order-server` and the children of `quickstart` run it.

use crate::{
    Kitchen, OrdersServer,
    args::{self, Common},
};
use rpc::{Address, App, Config, Error};
use std::{io::Read, path::PathBuf, time::Duration};

/// The command line of an order server.
#[derive(clap::Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    common: Common,

    /// Where to listen; port 0 is any free one [default: what rpc.toml or RPC_SERVER_LISTEN says, else 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT", global = true)]
    listen: Option<Address>,

    /// Where others reach this server [default: what rpc.toml or RPC_SERVER_ADVERTISE says, else where it listens]
    #[arg(long, value_name = "HOST:PORT", global = true)]
    advertise: Option<Address>,

    /// The folder of the orders, which several servers may share
    #[arg(long, value_name = "DIR", default_value = "orders-data")]
    data: PathBuf,

    /// How long the stores take for an order, as in 100ms, 2s or 1m
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = args::duration)]
    cooking_time: Duration,

    /// The name under which this server counts its calls in the folder [default: server-PID]
    #[arg(long)]
    name: Option<String>,

    /// Leave when standard input ends: a server that was started by another program then never outlives it
    #[arg(long)]
    until_stdin_closes: bool,
}

impl ServeArgs {
    /// Puts what the command line says over what the configuration says.
    pub fn apply(&self, config: &mut Config) {
        self.common.apply(config);
        config.server.listen = self.listen.clone().or(config.server.listen.take());
        config.server.advertise = self.advertise.clone().or(config.server.advertise.take());
    }
}

/// Serves until it is asked to leave, and says in one line on standard output when it is ready.
///
/// # Errors
/// When it cannot keep its orders, or [`rpc::Server::run`] fails.
pub async fn serve(options: ServeArgs, mut config: Config) -> rpc::Result<()> {
    options.apply(&mut config);
    let name = options.name.unwrap_or_else(|| format!("server-{}", std::process::id()));
    let kitchen = Kitchen::open(&options.data, &name, options.cooking_time).map_err(|error| {
        Error::new(format!("cannot keep orders in {}", options.data.display()))
            .with_source(error)
            .with_remedy("name a folder that can be written: --data DIR")
    })?;
    let leave_with_stdin = options.until_stdin_closes;
    App::builder()
        .config(config)
        .build()
        .server()
        .service(OrdersServer::new(kitchen))
        .on_ready(move |running| {
            println!("order-server: ready on {}", running.address());
            if leave_with_stdin {
                std::thread::spawn(leave_when_stdin_closes);
            }
        })
        .run()
        .await
}

/// A thread of its own: the runtime would wait for a task that reads, and at a terminal nothing ever comes.
fn leave_when_stdin_closes() {
    let mut rest = [0; 256];
    let mut stdin = std::io::stdin().lock();
    while stdin.read(&mut rest).is_ok_and(|read| read > 0) {}
    // The way out is the one of every other server: it withdraws and drains.
    if let Err(error) = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM) {
        tracing::error!(%error, "cannot ask this process to leave; exiting at once");
        std::process::exit(1);
    }
}
