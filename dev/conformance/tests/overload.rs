//! A server that is offered three times what it gets done goes on with what it can do, and refuses the rest before any
//! work, the less urgent first, over every wire.

use futures_util::future::join_all;
use rpc::{Client, Code, Delivery, Priority, Pushback};
use rpc_conformance::{
    columns::{self, channel},
    lab::{Bench, Lab, LabClient, LabServer},
};
use rpc_core::{
    Address, Request, Response, Service, ServiceDescriptor, Status,
    client::RetryPolicy,
    observer::{Counters, Event},
    registry::Instance,
    server::{Admission, NamedService, Server},
    transport::Transport,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// A laboratory in which everything holds a worker for as long as work would, and lets others at it now and then.
struct Busy {
    lab: LabServer<Bench>,
    work: Arc<Work>,
}

/// What the workers of the server were held for.
#[derive(Default)]
struct Work {
    micros: AtomicU64,
    calls: AtomicU64,
}

impl Busy {
    const WORKERS: usize = 2;
    const TAKES: Duration = Duration::from_millis(20);
    const PARTS: u32 = 4;
}

impl NamedService for Busy {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.lab.descriptor()
    }
}

impl Service for Busy {
    #[expect(
        clippy::disallowed_methods,
        reason = "it stands for work: it takes the worker, on a machine that has no time"
    )]
    async fn call(&self, request: Request) -> Result<Response, Status> {
        for _ in 0..Self::PARTS {
            let begun = Instant::now();
            std::thread::sleep(Self::TAKES / Self::PARTS);
            self.work.micros.fetch_add(begun.elapsed().as_micros() as u64, Relaxed);
            tokio::task::yield_now().await;
        }
        self.work.calls.fetch_add(1, Relaxed);
        self.lab.call(request).await
    }
}

/// A server on workers of its own, so that those who call do not stand in its lines.
struct Host {
    address: Address,
    work: Arc<Work>,
    counters: Arc<Counters>,
    _server: rpc_core::server::Running,
    _workers: Workers,
}

/// Let go of in the background: they must not be waited for on a worker of somebody else's.
struct Workers(Option<tokio::runtime::Runtime>);

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(workers) = self.0.take() {
            workers.shutdown_background();
        }
    }
}

impl Host {
    fn start(wire: Arc<dyn Transport>, id: &str, admission: Admission) -> Self {
        let mut workers = tokio::runtime::Builder::new_multi_thread();
        let workers = workers.worker_threads(Busy::WORKERS).enable_all().build().unwrap();
        let (work, counters) = (Arc::new(Work::default()), Arc::new(Counters::default()));
        let busy = Busy { lab: LabServer::new(Bench::default()), work: work.clone() };
        let server = Server::new().transport(wire).instance(id).admission(admission).observer(counters.clone());
        let server = server.service(busy).unwrap();
        let (sender, server_is_up) = std::sync::mpsc::channel();
        let tasks = rpc_core::Tasks::owner();
        let entered = workers.enter();
        tasks.spawn(async move { sender.send(server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()).unwrap() });
        drop(entered);
        let server = server_is_up.recv().unwrap();
        Self { address: server.address().clone(), work, counters, _server: server, _workers: Workers(Some(workers)) }
    }
}

/// What became of the calls that were offered.
#[derive(Debug, Default)]
struct Offered {
    done: usize,
    refused: usize,
    /// What of either was not sheddable.
    urgent: (usize, usize),
    slowest: Duration,
}

/// Offers so many calls a second, whatever becomes of them. One in five is ordinary, the others are batches.
async fn offer(lab: &LabClient, rate: usize, time: Duration) -> Offered {
    const STEP: Duration = Duration::from_millis(10);
    let (begun, mut sent, mut calls) = (Instant::now(), 0, Vec::new());
    let tasks = rpc_core::Tasks::owner();
    while begun.elapsed() < time {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as usize;
        for number in sent..due {
            let priority = if number % 5 == 0 { Priority::Critical } else { Priority::Sheddable };
            let lab = lab.with_priority(priority);
            let (lab, (answer, answered)) = (lab.clone(), tokio::sync::oneshot::channel());
            tasks.spawn(async move {
                let begun = Instant::now();
                let outcome = lab.with_timeout(Duration::from_secs(10)).reflect().await.map(drop);
                _ = answer.send((outcome, begun.elapsed(), usize::from(priority == Priority::Critical)));
            });
            calls.push(answered);
        }
        sent = due.max(sent);
        sleep(STEP).await;
    }
    let mut offered = Offered::default();
    for call in join_all(calls).await {
        match call.unwrap() {
            (Ok(()), took, urgent) => {
                offered.done += 1;
                offered.urgent.0 += urgent;
                offered.slowest = offered.slowest.max(took);
            }
            (Err(status), _, urgent) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert_eq!(status.delivery(), Delivery::Unprocessed, "{status}");
                assert!(matches!(status.incoming_pushback(), Some(Pushback::After(_))), "{status:?}");
                assert!(status.details().is_empty(), "{status:?}");
                offered.refused += 1;
                offered.urgent.1 += urgent;
            }
        }
    }
    offered
}

/// One after the other: both measure what a machine gets done.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood() {
    three_times_what_a_server_gets_done_costs_it_little().await;
    a_number_is_kept_and_off_refuses_nobody().await;
}

async fn three_times_what_a_server_gets_done_costs_it_little() {
    for wire in columns::wires() {
        let (name, id) = (wire.name(), Instance::random_id());
        let host = Host::start(wire.clone(), &id, Admission::Adaptive);
        let channel = channel(wire, LabClient::SERVICE.name, &[(id, host.address.clone())], Arc::default());
        let lab = LabClient::from_channel(channel.retry(RetryPolicy::Off).build());
        let rate = 3 * Busy::WORKERS * 1000 / Busy::TAKES.as_millis() as usize;

        // From the first call on. What it lets in before it knows is done late.
        let first = offer(&lab, rate, Duration::from_secs(2)).await;
        let (micros, calls) = (host.work.micros.load(Relaxed), host.work.calls.load(Relaxed));
        let begun = Instant::now();
        let flood = offer(&lab, rate, Duration::from_secs(4)).await;
        let (took, calls) = (begun.elapsed(), host.work.calls.load(Relaxed) - calls);
        let each = (host.work.micros.load(Relaxed) - micros) as f64 / 1e6 / calls as f64;
        let capacity = took.as_secs_f64() * Busy::WORKERS as f64 / each;
        assert!(flood.done as f64 > 0.7 * capacity, "{name}: {flood:?} where {capacity:.0} can be done");
        // A fifth of three times what can be done is less than that.
        let sheddable = (flood.done - flood.urgent.0, flood.refused - flood.urgent.1);
        assert!(flood.urgent.1 * 2 <= flood.urgent.0, "{name}: ordinary calls are refused: {flood:?}");
        assert!(sheddable.1 > sheddable.0, "{name}: batches are not: {flood:?}");
        assert!(flood.refused > 200, "{name}: {flood:?}");
        assert!(flood.slowest < Duration::from_secs(4), "{name}: {flood:?}");
        let told = host.counters.snapshot().of(Event::Refused);
        assert_eq!(told, (first.refused + flood.refused) as u64, "{name}");
    }
}

async fn a_number_is_kept_and_off_refuses_nobody() {
    let wire = columns::wires().remove(0);
    for (admission, refuses) in [("1", true), ("off", false)] {
        let id = Instance::random_id();
        let host = Host::start(wire.clone(), &id, admission.parse().unwrap());
        let channel = channel(wire.clone(), LabClient::SERVICE.name, &[(id, host.address.clone())], Arc::default());
        let lab = LabClient::from_channel(channel.retry(RetryPolicy::Off).build());
        let offered = offer(&lab, 300, Duration::from_secs(1)).await;
        assert_eq!(offered.refused > 0, refuses, "{admission}: {offered:?}");
        assert!(offered.done > 10, "{admission}: {offered:?}");
    }
}
