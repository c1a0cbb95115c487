//! At most one execution of a call that may not be made twice, whatever happens to its connection; and every call that
//! may be made twice succeeds.
//!
//! Connections are cut; or they carry garbage, so that the client gives them up while the server is there, and still
//! does whatever reaches it.
//!
//! `RPC_SEED=N` repeats the faults of a run, and as much of their order against the calls as the scheduler allows.

use futures_util::StreamExt;
use rpc::{Client, Code, Delivery, Status};
use rpc_conformance::{
    columns::{self, channel},
    lab::{Bench, Lab, LabClient, LabServer},
    outcome,
    saboteur::{Fault, Saboteur},
};
use rpc_core::{
    Address,
    client::{RetryLimits, RetryPolicy},
    observer::Counters,
    registry::Instance,
    server::{Admission, Running, Server},
    transport::Transport,
};
use rpc_testkit::{Cut, Direction, FaultProxy, Mode, Seed, eventually};
use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};
use tokio::time::Instant;

const CALLS: u64 = 10_000;
/// Calls on connections that carry garbage.
const GARBLED: u64 = 4_000;
/// Calls from which it is learnt how many bytes one has.
const CALIBRATION: u64 = 200;

fn main() -> ExitCode {
    outcome::keep_panics();
    let seed = Seed::from_env_or_random();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let wires = columns::wires();
    let (mut passed, mut failed) = (0, 0);
    for wire in wires {
        for kind in [Kind::Write, Kind::Read] {
            for (ill, count) in [(Ill::Cut, CALLS), (Ill::Garbled, GARBLED)] {
                let problems = runtime.block_on(run(wire.clone(), kind, ill, count, seed));
                *(if problems.is_empty() { &mut passed } else { &mut failed }) += 1;
                for problem in problems.iter().take(10) {
                    println!("FAILED {} {kind:?} {ill:?}, RPC_SEED={seed}: {problem}", wire.name());
                }
            }
        }
        // Whether this notices anything: a transport that takes what was lost for what was never sent.
        for ill in [Ill::Cut, Ill::Garbled] {
            let saboteur = Arc::new(Saboteur::new(wire.clone(), Fault::CallsEverythingNeverSent));
            let problems = runtime.block_on(run(saboteur, Kind::Write, ill, CALLS / 4, seed));
            *(if problems.is_empty() { &mut failed } else { &mut passed }) += 1;
            match problems.first() {
                Some(first) => println!("{} sabotaged: caught {} times, first: {first}", wire.name(), problems.len()),
                None => println!("FAILED {} sabotaged {ill:?}, RPC_SEED={seed}: NOT CAUGHT", wire.name()),
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What kind of call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Not idempotent.
    Write,
    /// Idempotent.
    Read,
}

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ill {
    /// They are cut, at both ends.
    Cut,
    /// What the server says becomes garbage.
    Garbled,
}

impl Kind {
    /// How many servers there are.
    fn servers(self) -> usize {
        match self {
            Self::Write => 2,
            Self::Read => 4,
        }
    }

    /// How many calls are in flight.
    fn in_flight(self) -> usize {
        match self {
            Self::Write => 64,
            // A cut takes all calls on its connection with it. 8 on each, and some 40 cuts, is 3 % of the attempts;
            // that a call meets five in a row is then one in forty million, and no accident when it is seen.
            Self::Read => 32,
        }
    }

    /// About how many faults 10,000 calls meet.
    fn faults(self) -> u64 {
        match self {
            Self::Write => 100,
            Self::Read => 60,
        }
    }

    fn retry(self) -> RetryPolicy {
        let mut limits = RetryLimits::default();
        if self == Self::Read {
            limits.attempts = 5;
        }
        RetryPolicy::On(limits)
    }
}

/// One server behind a proxy that cuts its connections.
struct Place {
    id: String,
    proxy: FaultProxy,
    _server: Running,
}

async fn place(wire: &Arc<dyn Transport>, bench: &Bench, seed: u64) -> Place {
    let id = Instance::random_id();
    let server = Server::new().transport(wire.clone()).instance(id.clone()).admission(Admission::Off);
    let server = server.service(LabServer::new(bench.clone())).expect("one service");
    let server = server.bind(&Address::tcp("127.0.0.1", 0)).await.expect("a port");
    let proxy = FaultProxy::with_seed(server.address(), seed).expect("a port");
    Place { id, proxy, _server: server }
}

/// Makes the calls, and says what is wrong with what came of them.
async fn run(wire: Arc<dyn Transport>, kind: Kind, ill: Ill, count: u64, seed: Seed) -> Vec<String> {
    let bench = Bench::default();
    let mut chance = seed.rng();
    let mut places = Vec::new();
    for _ in 0..kind.servers() {
        places.push(place(&wire, &bench, chance.u64(..)).await);
    }
    let instances: Vec<_> = places.iter().map(|place| (place.id.clone(), place.proxy.address().into())).collect();
    let counters = Arc::new(Counters::default());
    let channel = channel(wire.clone(), LabClient::SERVICE.name, &instances, counters.clone());
    let lab = LabClient::from_channel(channel.retry(kind.retry()).build());

    // Wires differ in how many bytes a call takes; how often connections are ill should not.
    for _ in 0..CALIBRATION {
        lab.reflect().await.expect("nothing is ill yet");
    }
    let bytes = |place: &Place| place.proxy.bytes(Direction::ToServer) + place.proxy.bytes(Direction::ToClient);
    let per_call = places.iter().map(bytes).sum::<u64>() / CALIBRATION / 2;
    for place in &places {
        let bytes = 2 * per_call * CALLS / kind.faults();
        let mode = match ill {
            Ill::Cut => Mode::CutAtRandom { bytes: 1..bytes },
            // Behind the hello, which is another matter.
            Ill::Garbled => Mode::GarbleAtRandom { bytes: bytes / 8..bytes / 2 },
        };
        place.proxy.set(mode).await;
        place.proxy.cut(Cut::Finish).await;
    }

    let connections = || places.iter().map(|place| place.proxy.connections()).sum::<u64>();
    let (before, began) = (connections(), Instant::now());
    let calls = futures_util::stream::iter(0..count).map(|job| {
        let lab = lab.clone();
        async move {
            match kind {
                Kind::Write => (job, lab.write(job).await),
                Kind::Read => (job, lab.read(job).await),
            }
        }
    });
    let outcomes: Vec<_> = calls.buffer_unordered(kind.in_flight()).collect().await;
    let took = began.elapsed();
    // A handler may still be at work on a call whose connection is gone.
    eventually(Duration::from_secs(5), || bench.ledger.running() == 0).await;

    let mut problems = Vec::new();
    let mut classes = BTreeMap::<String, usize>::new();
    for (job, outcome) in &outcomes {
        *classes.entry(class(outcome)).or_default() += 1;
        problems.extend(wrong(kind, *job, outcome, &bench));
    }
    // The first connection of each follows the cut that ended calibration.
    let faults = (connections() - before).saturating_sub(places.len() as u64);
    let counts = counters.snapshot();
    println!(
        "{} {kind:?} {ill:?}: {count} calls, {faults} faults, {} attempts, {} retries, {took:.1?}: {classes:?}",
        wire.name(),
        counts.attempts.total(),
        counts.retries()
    );
    if faults < count / 2000 {
        problems.push(format!("only {faults} faults: this has tested nothing"));
    }
    problems
}

fn class(outcome: &Result<u64, Status>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(status) => format!("{:?} {:?}", status.code(), status.delivery()),
    }
}

/// What the caller was told must agree with what the servers did.
fn wrong(kind: Kind, job: u64, outcome: &Result<u64, Status>, bench: &Bench) -> Option<String> {
    let done = bench.ledger.job(job);
    let ids: std::collections::HashSet<_> = done.attempts.iter().map(|(id, _)| id).collect();
    if ids.len() > 1 || ids.contains(&None) {
        return Some(format!("job {job} was executed under several call ids, or none: {done:?}"));
    }
    match (kind, outcome) {
        (_, Ok(answer)) if *answer != job => Some(format!("job {job} was answered with {answer}")),
        (_, Ok(_)) if done.ended == 0 => Some(format!("job {job} succeeded and was never executed: {done:?}")),
        (Kind::Write, Ok(_)) if done.begun == 1 => None,
        (Kind::Write, _) if done.begun > 1 => Some(format!("job {job} was executed {} times: {outcome:?}", done.begun)),
        (Kind::Write, Err(status)) => {
            misclassified(status, done.begun).map(|why| format!("job {job} {why}: {status:?}"))
        }
        (Kind::Read, Ok(_)) => None,
        (_, outcome) => Some(format!("job {job} failed: {outcome:?}, {done:?}")),
    }
}

fn misclassified(status: &Status, begun: usize) -> Option<String> {
    match (status.code(), status.delivery()) {
        (Code::Unavailable | Code::DeadlineExceeded, Delivery::Unknown) => None,
        (Code::Unavailable | Code::DeadlineExceeded, _) if begun == 0 => None,
        (Code::Unavailable | Code::DeadlineExceeded, _) => Some(format!("was executed {begun} times, against")),
        _ => Some("failed in a way that nobody chose".to_owned()),
    }
}
