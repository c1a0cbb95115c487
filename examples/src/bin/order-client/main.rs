//! Places, finds, follows, imports and delivers orders. `order-client --help` says how.

mod failure;
mod import;
mod streams;

use clap::{Parser, Subcommand};
use failure::Failure;
use orders::{Item, Order, Orders, OrdersClient, Payment, args, sheet};
use rpc::{App, Client, Config};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Places, finds, follows, imports and delivers orders, at whichever order servers the registry lists.
///
/// Reads rpc.toml in the current folder (or the file that RPC_CONFIG names) and RPC_ variables; options overrule them.
///
/// Exit codes: 0 done, 1 a call failed, 2 wrong usage or configuration, 3 no such order, 4 an order was refused,
/// 130 Ctrl-C.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    #[command(flatten)]
    common: args::Common,

    /// How long a call may take, all attempts together, or a stream to begin, as in 100ms, 2s or 1m [default: what
    /// rpc.toml or RPC_CLIENT_TIMEOUT says, else 5s, and 3s to find]
    #[arg(long, value_name = "TIME", value_parser = args::duration, global = true)]
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
        /// From the beginning of one look to the next, as in 100ms, 2s or 1m
        #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = args::duration)]
        every: Duration,
    },
    /// Follow an order until it is delivered, a line for each stage. Goes on at another server when one leaves or dies.
    Follow {
        /// The order's number
        number: String,
    },
    /// Place all orders of a file. The same file again does no harm.
    Import {
        /// A CSV file with the columns number, customer, address, store, items, payment and note
        file: PathBuf,
    },
    /// Ride: carry orders from stores to doors, until there is nothing left to carry.
    Ride {
        /// The rider's name
        #[arg(default_value = "김라이더")]
        name: String,
        /// How long a way takes, as in 100ms, 2s or 1m
        #[arg(long, value_name = "TIME", default_value = "1s", value_parser = args::duration)]
        every: Duration,
        /// Wait for orders when there are none, until Ctrl-C
        #[arg(long)]
        wait: bool,
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
        Err(error) => return cannot_begin(&error),
    };
    args.common.apply(&mut config);
    let client = match App::builder().config(config).build().client::<OrdersClient>().await {
        Ok(client) => args.timeout.map_or(client.clone(), |timeout| client.with_timeout(timeout)),
        Err(error) => return cannot_begin(&error),
    };
    tokio::select! {
        // Listened for before anything is printed: on a busy machine an answer can be there when it is first looked
        // for.
        biased;
        // What is under way ends with its call; the servers see their caller leave.
        _ = tokio::signal::ctrl_c() => {
            eprintln!("order-client: interrupted");
            ExitCode::from(130)
        }
        outcome = run(args.command, client) => outcome.unwrap_or_else(|failure| failure.report()),
    }
}

fn cannot_begin(error: &rpc::Error) -> ExitCode {
    eprintln!("order-client: {error:?}");
    ExitCode::from(if error.is_configuration() { 2 } else { 1 })
}

async fn run(command: Command, client: OrdersClient) -> Result<ExitCode, Failure> {
    match command {
        Command::Place(place) => {
            let receipt = client.place(place.into_order()).await?;
            println!("order {} is placed: {} won", receipt.number, receipt.total);
            Ok(ExitCode::SUCCESS)
        }
        Command::Find { number, repeat, every } => Ok(find(&client, &number, repeat, every).await),
        Command::Follow { number } => streams::follow(client, number).await,
        Command::Import { file } => import::import(&client, &file).await,
        Command::Ride { name, every, wait } => streams::ride(client, name, every, wait).await,
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
                code = Failure::from(error).report();
            }
        }
    }
    if repeat > 1 {
        // Beside the order, which may be read by a program.
        eprintln!("order-client: {repeat} calls, {failures} failed");
    }
    code
}

impl Place {
    fn into_order(self) -> Order {
        let Self { number, customer, address, store, items, payment, note } = self;
        Order { number, customer, address, store, items, payment, note }
    }
}
