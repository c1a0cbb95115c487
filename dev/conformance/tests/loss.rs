//! 100,000 items down and as many up, at once, over a line that delivers late and in pieces: none lost, none doubled.
//! And over a line that is long: what is between its ends is not a few items for each way there and back.
//!
//! `RPC_SEED=N` repeats the pieces of a run.

use futures_util::{future::join_all, stream};
use rpc::{Client, Streaming};
use rpc_conformance::{
    columns::{self, channel},
    lab::{Bench, Lab, LabClient, LabServer},
    saboteur::{Fault, Saboteur},
};
use rpc_core::{
    Address,
    observer::Counters,
    registry::Instance,
    server::{Running, Server},
    transport::Transport,
};
use rpc_testkit::{Direction, FaultProxy, Seed};
use std::{process::ExitCode, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

const ITEMS: u64 = 100_000;
/// By how much a piece is late at most.
const LATE: Duration = Duration::from_millis(1);
/// How late everything is on a long line, each way.
const FAR: Duration = Duration::from_millis(20);
/// Items over that, which one for each 40 ms, or 64, would be too slow for.
const FEW: u64 = 10_000;
/// Items of a slow source: a third of a second of its work.
const SLOW: u64 = 200;
/// Far more than it takes.
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let seed = Seed::from_env_or_random();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let wires = columns::wires();
    let (mut passed, mut failed) = (0, 0);
    // Whether this notices anything: wires that send an item twice, or not at all.
    for wire in &wires {
        for (fault, direction) in [(Fault::DoublesAnItem, 0), (Fault::LosesARequestItem, 1)] {
            let saboteur = Arc::new(Saboteur::new(wire.clone(), fault));
            let outcome = &runtime.block_on(run(saboteur, ITEMS / 100, seed))[direction];
            *(if outcome.is_err() { &mut passed } else { &mut failed }) += 1;
            println!("{} {fault:?}, which has to be caught: {outcome:?}", wire.name());
        }
    }
    // All at once: they spend their time waiting for the line.
    let runs = wires.iter().map(|wire| async { (wire.name(), run(wire.clone(), ITEMS, seed).await) });
    for (wire, outcomes) in runtime.block_on(join_all(runs)) {
        for outcome in outcomes {
            match outcome {
                Ok(said) => {
                    passed += 1;
                    println!("{wire} {said}");
                }
                Err(problem) => {
                    failed += 1;
                    println!("FAILED {wire}, RPC_SEED={seed}: {problem}");
                }
            }
        }
    }
    let runs = wires.iter().map(|wire| async { (wire.name(), far(wire.clone(), seed).await) });
    for (wire, outcome) in runtime.block_on(join_all(runs)) {
        println!("{wire} {outcome:?}");
        *(if outcome.is_ok() { &mut passed } else { &mut failed }) += 1;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(wire: Arc<dyn Transport>, items: u64, seed: Seed) -> [Result<String, String>; 2] {
    let (lab, proxy, _server) = line(wire, seed).await;
    proxy.crumble(LATE);
    let (down, up) = tokio::join!(timeout(LIMIT, down(&lab, items)), timeout(LIMIT, up(&lab, items)));
    let with_bytes = |outcome: Result<_, _>, direction| {
        let outcome: Result<String, String> = outcome.unwrap_or_else(|_| Err(format!("not done within {LIMIT:?}")));
        outcome.map(|said| format!("{said}; {} bytes {direction:?}", proxy.bytes(direction)))
    };
    [with_bytes(down, Direction::ToClient), with_bytes(up, Direction::ToServer)]
}

/// Small items over a line of 20 ms: as they are ready, down and up, and up from a source that makes one each
/// millisecond.
async fn far(wire: Arc<dyn Transport>, seed: Seed) -> Result<String, String> {
    let (lab, proxy, _server) = line(wire, seed).await;
    lab.echo(String::new()).await.map_err(|status| status.to_string())?;
    proxy.delay(FAR);
    let began = Instant::now();
    down(&lab, FEW).await?;
    let down = began.elapsed();
    up(&lab, FEW).await?;
    let up = began.elapsed() - down;
    let slow = stream::unfold(0, |made| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        (made < SLOW).then_some((made, made + 1))
    });
    let slow = lab.gather(Streaming::new(slow)).await.map_err(|status| status.to_string())?;
    let slowly = began.elapsed() - down - up;
    let said = format!("far: {FEW} items down in {down:.1?}, up in {up:.1?}, {SLOW} made slowly in {slowly:.1?}");
    let good = slow.count == SLOW && down < FAR * 200 && up < FAR * 200 && slowly < FAR * SLOW as u32;
    if good { Ok(said) } else { Err(said) }
}

/// A server, and a client of it at the other end of a proxy.
async fn line(wire: Arc<dyn Transport>, seed: Seed) -> (LabClient, FaultProxy, Running) {
    let id = Instance::random_id();
    let server = Server::new().transport(wire.clone()).instance(id.clone());
    let server = server.service(LabServer::new(Bench::default())).expect("one service");
    let server = server.bind(&Address::tcp("127.0.0.1", 0)).await.expect("a port");
    let proxy = FaultProxy::with_seed(server.address(), seed.rng().u64(..)).expect("a port");
    let instances = [(id, proxy.address().into())];
    let channel = channel(wire, LabClient::SERVICE.name, &instances, Arc::new(Counters::default()));
    (LabClient::from_channel(channel.build()), proxy, server)
}

async fn down(lab: &LabClient, items: u64) -> Result<String, String> {
    let began = Instant::now();
    let mut numbers = lab.count(items).await.map_err(|status| status.to_string())?;
    for expected in 1..=items {
        match numbers.next().await {
            Some(Ok(number)) if number == expected => {}
            other => return Err(format!("{other:?} came where {expected} should have")),
        }
    }
    match numbers.next().await {
        None => Ok(format!("down: {items} items in order and a clean end, {:.1?}", began.elapsed())),
        more => Err(format!("{more:?} came behind the last item")),
    }
}

async fn up(lab: &LabClient, items: u64) -> Result<String, String> {
    let began = Instant::now();
    let tally = lab.gather(Streaming::from_iter(1..=items)).await.map_err(|status| status.to_string())?;
    if (tally.count, tally.sum, tally.jumps) != (items, items * (items + 1) / 2, 0) {
        return Err(format!("up: {tally:?}"));
    }
    Ok(format!("up: {items} items in order and a clean end, {:.1?}", began.elapsed()))
}
