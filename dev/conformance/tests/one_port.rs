//! All protocols on one port, told apart by their first bytes.

use rpc::{Client, Transports};
use rpc_conformance::{
    columns,
    lab::{Bench, Lab, LabClient, LabServer},
};
use rpc_core::{
    Address,
    client::Channel,
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{Running, Server},
};
use rpc_testkit::FaultProxy;
use std::{collections::HashMap, sync::Arc};

const GRPC: &[u8] = b"PRI * HT";
const TARPC: &[u8] = b"\xf5RPC\r\n\x1a\n";
const JSON_LINES: &[u8] = b"{\"@frame";

/// One server, one port, one proxy before it, and a client that knows of all protocols there.
async fn open() -> (Running, FaultProxy, LabClient) {
    let id = Instance::random_id();
    let mut server = Server::new().instance(id.clone());
    for transport in columns::wires() {
        server = server.transport(transport);
    }
    let server = server.service(LabServer::new(Bench::default())).unwrap();
    let server = server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap();
    let proxy = FaultProxy::start(server.address()).unwrap();

    let service: ServiceName = LabClient::SERVICE.name.parse().unwrap();
    let endpoints = columns::wires().iter().map(|one| Endpoint::new(one.protocol(), proxy.address().into())).collect();
    let instance = Arc::new(Instance::new(id, vec![service.clone()], endpoints));
    let (_, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let mut builder = Channel::builder(service, watch);
    for transport in columns::wires() {
        builder = builder.transport(transport);
    }
    (server, proxy, LabClient::from_channel(builder.build()))
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
