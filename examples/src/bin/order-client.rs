//! Places and finds orders. `order-client --help` says how.

use clap::{Parser, Subcommand};
use orders::{Item, Order, OrderError, Orders, OrdersClient, Payment, args, sheet};
use rpc::{App, Client, Code, Config, Status};
use std::{process::ExitCode, time::Duration};

/// Places and finds orders at whichever order servers the registry lists.
///
/// Reads rpc.toml in the current folder (or the file that RPC_CONFIG names) and RPC_ variables; options overrule them.
///
/// Exit codes: 0 done, 1 a call failed, 2 wrong usage or configuration, 3 no such order, 4 the order was refused.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: args::Common,

    /// How long a call may take, all attempts together [default: 5s to place, 3s to find]
    #[arg(long, value_parser = args::duration, global = true)]
    timeout: Option<Duration>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Place an order. The same order again does no harm: it gets the same receipt.
    Place(Place),
    /// Find an order by its number, and print it as JSON.
    Find {
        /// The order's number
        number: String,
        /// How many times to look, in one process
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        repeat: u64,
        /// From the beginning of one look to the next
        #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = args::duration)]
        every: Duration,
    },
}

#[derive(clap::Args)]
struct Place {
    /// The order's number, which the caller chooses: letters, digits and hyphens
    number: String,
    /// Who orders
    #[arg(long, default_value = "손님")]
    customer: String,
    /// Where it goes
    #[arg(long, default_value = "")]
    address: String,
    /// Who cooks
    #[arg(long)]
    store: String,
    /// What: NAME xQUANTITY @PRICE, as in "짜장면 x2 @7000"; may be repeated
    #[arg(long = "item", value_name = "ITEM", required = true, value_parser = sheet::parse_item)]
    items: Vec<Item>,
    /// How it is paid
    #[arg(long, value_enum, default_value = "card")]
    payment: Payment,
    /// What the rider should know
    #[arg(long)]
    note: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    args::log("warn");
    let mut config = match Config::load() {
        Ok(config) => config,
        Err(error) => return cannot_begin(&error, 2),
    };
    args.common.apply(&mut config);
    match App::builder().config(config).build().client::<OrdersClient>().await {
        Ok(client) => {
            run(args.command, args.timeout.map_or(client.clone(), |timeout| client.with_timeout(timeout))).await
        }
        Err(error) => cannot_begin(&error, 1),
    }
}

fn cannot_begin(error: &rpc::Error, code: u8) -> ExitCode {
    eprintln!("order-client: {error:?}");
    ExitCode::from(code)
}

async fn run(command: Command, client: OrdersClient) -> ExitCode {
    match command {
        Command::Place(place) => match client.place(place.into_order()).await {
            Ok(receipt) => {
                println!("order {} is placed: {} won", receipt.number, receipt.total);
                ExitCode::SUCCESS
            }
            Err(error) => failed(&error),
        },
        Command::Find { number, repeat, every } => find(&client, &number, repeat, every).await,
    }
}

/// Looks `repeat` times and prints the order the first time it is there; the exit code is that of the last failure.
async fn find(client: &OrdersClient, number: &str, repeat: u64, every: Duration) -> ExitCode {
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut found, mut failures, mut code) = (0_u64, 0_u64, ExitCode::SUCCESS);
    for _ in 0..repeat {
        ticks.tick().await;
        match client.find(number.to_owned()).await {
            Ok(order) => {
                found += 1;
                if found == 1 {
                    println!("{}", serde_json::to_string_pretty(&order).expect("an order has only text and numbers"));
                }
            }
            Err(error) => {
                failures += 1;
                code = failed(&error);
            }
        }
    }
    if repeat > 1 {
        println!("order-client: {repeat} calls, {failures} failed");
    }
    code
}

/// Says what went wrong and what to do, and gives the exit code.
fn failed(error: &OrderError) -> ExitCode {
    eprintln!("order-client: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(reason) = cause {
        eprintln!("  because: {reason}");
        cause = reason.source();
    }
    let (code, remedy) = match error {
        OrderError::NotFound { .. } => {
            (3, "see whether the number is right, and whether the servers share a --data folder")
        }
        OrderError::Conflict { .. } | OrderError::Invalid { .. } => (4, "correct the order"),
        OrderError::Storage { .. } => (1, "see the server's log"),
        OrderError::Rpc(status) => (1, remedy(status)),
    };
    eprintln!("  what to do: {remedy}");
    ExitCode::from(code)
}

fn remedy(status: &Status) -> &'static str {
    match status.code() {
        Code::Unavailable => "see whether an order-server runs, with the same --registry, and speaks this --transport",
        Code::DeadlineExceeded => {
            "see whether an order-server runs, with the same --registry, and is not overloaded; or allow more time: --timeout 10s"
        }
        Code::Unimplemented => "see whether server and client are of the same version",
        _ => "see the server's log",
    }
}

impl Place {
    fn into_order(self) -> Order {
        let Self { number, customer, address, store, items, payment, note } = self;
        Order { number, customer, address, store, items, payment, note }
    }
}
