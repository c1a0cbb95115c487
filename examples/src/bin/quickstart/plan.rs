//! What happens, in order.

use crate::{
    Options, Retries, audit,
    fleet::{Fleet, Place},
    load::Lane,
    report::{Blow, Report},
    streams::Streams,
    watch::{Trouble, Watch},
};
use anyhow::{Context, bail, ensure};
use orders::{Order, OrdersClient, resume::Resume, sheet::Sheet};
use rpc::{
    App, Client, Config, Transports,
    registry::{Registry, ServiceName, Target},
};
use std::{
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, interval, timeout};

const SERVERS: usize = 3;

/// How long anything may take that is not a call; far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the whole run. Dropped in the middle, it takes the servers and the temporary folder with it.
pub(crate) async fn follow(options: &Options) -> anyhow::Result<ExitCode> {
    let sheet = read(options.input.as_deref())?;
    let (orders, skipped): (Arc<[Order]>, _) = (sheet.orders.into(), sheet.mistakes.len());
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let data = scratch.path().join("data");
    let target = match &options.registry {
        Some(target) => target.clone(),
        None => format!("file://{}", scratch.path().join("registry").display()).parse()?,
    };
    let registry = open(&target)?;
    let mut list = List::of(&*registry)?;
    list.until(0).await.with_context(|| {
        format!(
            "others serve {} at {target} already: choose another base path for this run",
            OrdersClient::SERVICE.name
        )
    })?;

    // On a registry that other machines read, an address that only this one can reach would be refused.
    let host = if registry.is_remote() { "0.0.0.0" } else { "127.0.0.1" };
    let places = match options.through.len() {
        0 => vec![Place::anywhere_on(host); SERVERS],
        SERVERS => options.through.clone(),
        other => bail!("--through stands {other} times; give it once for each of the {SERVERS} servers"),
    };
    let mut fleet = Fleet::start(&places, &target, &data).await?;
    for server in &fleet.servers {
        println!("{} is process {} and listens on {}", server.name, server.pid, server.address);
    }
    list.until(SERVERS).await.context("the servers do not appear on the list")?;

    let lanes = [lane("grpc", options, &registry, &orders).await?, lane("tarpc", options, &registry, &orders).await?];
    for lane in &lanes {
        lane.place_all(options.in_flight).await;
        println!("{} orders placed over {}, {} failed", lane.calls(), lane.transport, lane.failed());
    }
    let resume = match options.retries {
        Retries::On => Resume::default(),
        Retries::Off => Resume::at_most(0),
    };
    let streams = lanes.each_ref().map(|lane| Streams::new(lane.clone(), resume.clone()));
    let blows = work(options, &mut fleet, &lanes, &streams).await?;
    fleet.close().await?;
    leave(&mut list).await?;

    let counts = audit::audit(&data, streams.map(|streams| streams.counts())).context("what have the servers kept?")?;
    let report = Report::new(&fleet, lanes.iter().zip(&counts), blows, orders.len(), skipped, &data)?;
    if let Some(path) = &options.json {
        report.save(path)?;
    }
    report.print();
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(input: Option<&Path>) -> anyhow::Result<Sheet> {
    let (name, sheet) = match input {
        Some(path) => {
            let sheet = Sheet::open(path).with_context(|| format!("cannot read the orders in {}", path.display()))?;
            (path.display().to_string(), sheet)
        }
        None => ("orders.csv".to_owned(), Sheet::read(Sheet::SAMPLE.as_bytes())),
    };
    for mistake in &sheet.mistakes {
        println!("{name}, {mistake} (skipped)");
    }
    println!("{name}: {} orders, {} malformed lines skipped", sheet.orders.len(), sheet.mistakes.len());
    ensure!(!sheet.orders.is_empty(), "there is no order in {name}");
    Ok(sheet)
}

fn open(target: &Target) -> anyhow::Result<Arc<dyn Registry>> {
    let mut config = Config::default();
    config.registry = Some(target.clone());
    Ok(App::builder().config(config).build().registry()?)
}

/// A discovered client of one transport. Each has an App of its own, so that what goes wrong can be told apart; the
/// registry is one.
async fn lane(
    transport: &'static str,
    options: &Options,
    registry: &Arc<dyn Registry>,
    orders: &Arc<[Order]>,
) -> anyhow::Result<Arc<Lane>> {
    let watch = Arc::new(Watch::default());
    let mut config = Config::default();
    config.client.transport = Some(Transports::Only(transport));
    config.client.retries = match options.retries {
        Retries::On => None,
        Retries::Off => Some(rpc::Retries::Off),
    };
    let app = App::builder().config(config).registry(registry.clone()).observer(watch.clone()).build();
    // A busy machine is no failure; an answer that never comes is.
    let client = app.client::<OrdersClient>().await?.with_timeout(PATIENCE / 2);
    Ok(Arc::new(Lane::new(transport, client, watch, orders.clone())))
}

/// Looks orders up over both transports, and keeps streams open, while the first server is stopped and the second is
/// killed.
async fn work(
    options: &Options,
    fleet: &mut Fleet,
    lanes: &[Arc<Lane>; 2],
    streams: &[Arc<Streams>; 2],
) -> anyhow::Result<[Blow; 2]> {
    let enough = Arc::new(AtomicBool::new(false));
    let script = async {
        let blows = strike(options, fleet, lanes).await;
        enough.store(true, Relaxed);
        blows
    };
    let ([one, two], [here, there]) = (lanes, streams);
    let (blows, (), (), (), ()) = tokio::join!(
        script,
        one.find_all(options.in_flight, &enough),
        two.find_all(options.in_flight, &enough),
        here.run(&enough),
        there.run(&enough),
    );
    blows
}

async fn strike(options: &Options, fleet: &mut Fleet, lanes: &[Arc<Lane>; 2]) -> anyhow::Result<[Blow; 2]> {
    let trouble = || lanes.iter().map(|lane| lane.watch.trouble()).fold(Trouble::default(), |all, one| all + one);
    let in_flight = || lanes.iter().map(|lane| lane.in_flight()).sum();
    progress(options.lookups, lanes).await?;

    let (before, in_flight_then) = (trouble(), in_flight());
    println!("{} is asked to leave (SIGTERM) with {in_flight_then} calls in flight", fleet.servers[0].name);
    fleet.stop(0).await?;
    println!("{} has left", fleet.servers[0].name);
    progress(options.lookups, lanes).await?;
    let stopped = Blow { in_flight: in_flight_then, trouble: trouble() - before };

    let (before, in_flight_then) = (trouble(), in_flight());
    println!("{} is killed (SIGKILL) with {in_flight_then} calls in flight", fleet.servers[1].name);
    fleet.kill(1).await?;
    progress(options.lookups, lanes).await?;
    Ok([stopped, Blow { in_flight: in_flight_then, trouble: trouble() - before }])
}

/// Waits for this many more calls, and says every second how far they are.
async fn progress(more: u64, lanes: &[Arc<Lane>; 2]) -> anyhow::Result<()> {
    let calls = || lanes.iter().map(|lane| lane.calls()).sum::<u64>();
    let failed = || lanes.iter().map(|lane| lane.failed()).sum::<u64>();
    let (goal, begun) = (calls() + more, Instant::now());
    let mut ticks = interval(Duration::from_millis(10));
    let mut said = begun;
    while calls() < goal {
        ticks.tick().await;
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            println!("{} calls, {} failed", calls(), failed());
        }
        if begun.elapsed() > PATIENCE {
            bail!("only {} of {goal} calls after {PATIENCE:?}; the servers' log stands above", calls());
        }
    }
    Ok(())
}

/// A registry may take a while to notice that a server was killed; what this run has put there should go with it.
async fn leave(list: &mut List) -> anyhow::Result<()> {
    if timeout(Duration::from_millis(500), list.until(0)).await.is_err() {
        println!("waiting for the registry to notice that the killed server is gone");
        list.until(0).await.context("a record of this run is still in the registry")?;
    }
    Ok(())
}

/// The list of order servers, as clients see it.
struct List(rpc::registry::Watch);

impl List {
    fn of(registry: &dyn Registry) -> anyhow::Result<Self> {
        let service: ServiceName = OrdersClient::SERVICE.name.parse()?;
        Ok(Self(registry.watch(&service)))
    }

    /// Waits until there are `count` servers on it.
    async fn until(&mut self, count: usize) -> anyhow::Result<()> {
        let there = async {
            let mut now = self.0.known().await;
            while now.instances.len() != count {
                now = self.0.changed().await;
            }
        };
        timeout(PATIENCE, there).await.with_context(|| {
            let now = self.0.snapshot();
            format!(
                "{} servers on the list after {PATIENCE:?}, instead of {count} ({:?})",
                now.instances.len(),
                now.availability
            )
        })
    }
}
