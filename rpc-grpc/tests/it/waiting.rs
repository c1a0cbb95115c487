//! Calls that wait until the server takes one more.

use crate::common::*;
use rpc_core::{
    Address, Code, Delivery, Kind, Method, Request, Response, Service, ServiceDescriptor, Status, Tasks,
    client::Channel,
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{NamedService, Running, Server},
    transport::{ConnectTarget, Limits},
};
use rpc_grpc::Grpc;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;

/// A write, which may be made once.
static ENTER: Method = Method::new("t.Ledger", "Enter", "/t.Ledger/Enter", Kind::Unary);
static LEDGER: ServiceDescriptor = ServiceDescriptor::new("t.Ledger", &[&ENTER], "");

/// Notes which numbers were entered, and answers, or never does.
#[derive(Clone)]
struct Ledger {
    answers: bool,
    entries: Arc<Mutex<BTreeMap<i32, usize>>>,
    begun: Arc<watch::Sender<usize>>,
}

impl Ledger {
    fn new(answers: bool, entries: &Arc<Mutex<BTreeMap<i32, usize>>>) -> Self {
        Self { answers, entries: entries.clone(), begun: Arc::new(watch::channel(0).0) }
    }

    async fn serve(&self, limits: Limits) -> Running {
        let server = Server::new().transport(Arc::new(Grpc::default())).limits(limits).service(self.clone()).unwrap();
        server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
    }

    async fn until(&self, begun: usize) {
        self.begun.subscribe().wait_for(|now| *now >= begun).await.unwrap();
    }
}

impl NamedService for Ledger {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &LEDGER
    }
}

impl Service for Ledger {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let entry = take(request.body.into_message()?)?;
        *self.entries.lock().unwrap().entry(entry.count).or_default() += 1;
        self.begun.send_modify(|begun| *begun += 1);
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(body(entry)))
    }
}

fn list(servers: &[(&str, &Running)]) -> Snapshot {
    let service: ServiceName = LEDGER.name.parse().unwrap();
    let instances = servers.iter().map(|(id, running)| {
        let endpoint = Endpoint::new("grpc", running.address().clone());
        Arc::new(Instance::new(*id, vec![service.clone()], vec![endpoint]))
    });
    Snapshot::new(instances.collect(), Availability::Listed, Source::Fixed)
}

#[tokio::test]
async fn writes_that_wait_for_a_server_that_dies_were_never_sent_and_go_to_another() {
    const TAKEN: usize = 4;
    const WAITING: usize = 50;
    let entries = Arc::default();
    let (hangs, answers) = (Ledger::new(false, &entries), Ledger::new(true, &entries));
    let first = hangs.serve(Limits::default().with_max_concurrent_calls(TAKEN)).await;
    let second = answers.serve(Limits::default()).await;
    let (publisher, watch) = Watch::new(list(&[("first", &first)]), ());
    let channel = Channel::builder(LEDGER.name.parse().unwrap(), watch).transport(Arc::new(Grpc::default())).build();
    let calls = (0..TAKEN + WAITING).map(|number| channel.call(&ENTER, body(order("", number as i32)), None));
    let calls = futures_util::future::join_all(calls);
    let dies = async {
        // All calls have been made by then, in one go.
        hangs.until(TAKEN).await;
        publisher.publish(list(&[("first", &first), ("second", &second)]));
        drop(first);
    };
    let outcomes = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(calls, dies).0 });
    let outcomes = outcomes.await.expect("calls that wait for nobody");
    let (done, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    for lost in &lost {
        let lost = lost.as_ref().unwrap_err();
        assert_eq!((lost.code(), lost.delivery()), (Code::Unavailable, Delivery::Unknown), "{lost:?}");
    }
    assert_eq!((done.len(), lost.len()), (WAITING, TAKEN));
    assert_eq!((*hangs.begun.borrow(), *answers.begun.borrow()), (TAKEN, WAITING));
    let entries = entries.lock().unwrap();
    assert!(entries.len() == TAKEN + WAITING && entries.values().all(|times| *times == 1), "{entries:?}");
}

#[tokio::test]
async fn a_client_makes_no_more_calls_at_once_than_it_was_told() {
    let entries = Arc::default();
    let ledger = Ledger::new(false, &entries);
    let running = ledger.serve(Limits::default()).await;
    let tasks = Tasks::owner();
    let target = ConnectTarget::new("ledger").with_limits(Limits::default().with_max_concurrent_calls(2));
    let connection = connect_to(running.address(), target, &tasks).await;
    let call = |number| Box::pin(call(&connection, &ENTER, body(order("", number))));
    let mut open: Vec<_> = (0..3).map(call).collect();
    for call in &mut open {
        assert!(futures_util::poll!(call).is_pending());
    }
    ledger.until(2).await;
    assert!(connection.places.is_full());
    assert!(tokio::time::timeout(Duration::from_millis(100), ledger.until(3)).await.is_err(), "a third is at work");
    drop(open.remove(0));
    tokio::select! {
        _ = &mut open[1] => panic!("nobody answers"),
        () = ledger.until(3) => {}
    }
}
