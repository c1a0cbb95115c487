//! All protocols on one port, told apart by their first bytes.

use rpc::{Client, Transports};
use rpc_conformance::{
    columns,
    lab::{Bench, Lab, LabClient, LabServer},
};
use rpc_core::{
    Address,
    client::Channel,
    observer::{Counters, Event},
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{Admission, Running, Server},
};
use rpc_testkit::FaultProxy;
use std::{collections::HashMap, sync::Arc, time::Duration};

const GRPC: &[u8] = b"PRI * HT";
const TARPC: &[u8] = b"\xf5RPC\r\n\x1a\n";
const JSON_LINES: &[u8] = b"{\"@frame";

/// One server, one port, one proxy before it, and a client that knows of all protocols there.
async fn open() -> (Running, FaultProxy, LabClient) {
    let (server, proxy, lab, _) = speaking(|_| true).await;
    (server, proxy, lab)
}

/// The same, of a server that speaks only some of the protocols in its record.
async fn speaking(some: impl Fn(&str) -> bool) -> (Running, FaultProxy, LabClient, Arc<Counters>) {
    let id = Instance::random_id();
    let counters = Arc::new(Counters::default());
    let mut server = Server::new().instance(id.clone()).admission(Admission::Off);
    for transport in columns::wires().into_iter().filter(|transport| some(transport.name())) {
        server = server.transport(transport);
    }
    let server = server.service(LabServer::new(Bench::default())).unwrap();
    let server = server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap();
    let proxy = FaultProxy::start(server.address()).unwrap();

    let service: ServiceName = LabClient::SERVICE.name.parse().unwrap();
    let endpoints = columns::wires().iter().map(|one| Endpoint::new(one.protocol(), proxy.address().into())).collect();
    let instance = Arc::new(Instance::new(id, vec![service.clone()], endpoints));
    let (_, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let mut builder = Channel::builder(service, watch).observer(counters.clone());
    for transport in columns::wires() {
        builder = builder.transport(transport);
    }
    (server, proxy, LabClient::from_channel(builder.build()), counters)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_is_answered_in_its_own_protocol() {
    let (_server, proxy, lab) = open().await;
    for name in ["grpc", "tarpc", "json-lines"] {
        let lab = lab.with_transport(Transports::Only(name));
        for _ in 0..10 {
            assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some(name));
        }
    }
    let mut kinds = HashMap::new();
    for first in proxy.first_bytes() {
        *kinds.entry(first).or_insert(0) += 1;
    }
    assert!([GRPC, TARPC, JSON_LINES].iter().all(|first| kinds.contains_key(*first)), "{kinds:?}");
    assert_eq!(kinds.len(), 3, "the three protocols and nothing else: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_choose_takes_the_faster() {
    let (_server, proxy, lab) = open().await;
    assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some("tarpc"));
    assert!(proxy.first_bytes().iter().all(|first| first == TARPC), "{:?}", proxy.first_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_choose_falls_back_once_and_whoever_chooses_does_not() {
    let (_server, _proxy, lab, counters) = speaking(|name| name == "grpc").await;
    for _ in 0..20 {
        assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some("grpc"));
    }
    assert_eq!(counters.snapshot().of(Event::FellBack), 1, "{:?}", counters.snapshot());

    let tarpc = lab.with_transport(Transports::Only("tarpc")).with_timeout(Duration::from_secs(2));
    let status = tarpc.reflect().await.unwrap_err();
    let why = std::error::Error::source(&status).unwrap().to_string();
    assert!(why.contains("over tarpc"), "{status}: {why}");
    assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some("grpc"), "which disturbs nobody else");
}
