//! More clients than a server has room for.

use rpc::{Client, Transports, observer::Counters};
use rpc_conformance::{
    columns,
    lab::{Bench, Lab, LabClient, LabServer},
};
use rpc_core::{
    Address, Observers,
    client::Channel,
    observer::{Event, Tracing},
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{Admission, Running, Server},
    transport::Limits,
};
use rpc_testkit::{Logs, eventually};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// A connection of HTTP/2 that asks for an answer, and what is in it.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0thecrowd";
const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0thecrowd";
const ROOM: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

async fn server(observers: Observers) -> Running {
    let limits = Limits::default().with_max_connections(ROOM);
    let mut server = Server::new().instance("the-server").limits(limits).observer(observers).admission(Admission::Off);
    for wire in columns::wires() {
        server = server.transport(wire);
    }
    let server = server.service(LabServer::new(Bench::default())).unwrap();
    server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
}

fn client(address: &Address) -> LabClient {
    let service: ServiceName = LabClient::SERVICE.name.parse().unwrap();
    let endpoints = columns::wires().iter().map(|wire| Endpoint::new(wire.protocol(), address.clone())).collect();
    let instance = Arc::new(Instance::new("the-server", vec![service.clone()], endpoints));
    let (_, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let mut builder = Channel::builder(service, watch);
    for wire in columns::wires() {
        builder = builder.transport(wire);
    }
    LabClient::from_channel(builder.build())
}

/// Connects from an address of this machine, and greets.
async fn greet(from: &str, server: &Address) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut io = socket.connect(server.to_string().parse::<SocketAddr>().unwrap()).await.unwrap();
    // An error: it has been closed already, which is what is asked next.
    let _ = io.write_all(GREETING).await;
    io
}

/// Whether it is served: it gets an answer, or its end.
async fn is_served(io: &mut TcpStream) -> bool {
    let mut all = Vec::new();
    let answered = async {
        if io.write_all(PING).await.is_err() {
            return false;
        }
        while !all.windows(PONG.len()).any(|window| window == PONG) {
            if io.read_buf(&mut all).await.unwrap_or(0) == 0 {
                return false;
            }
        }
        true
    };
    timeout(PATIENCE, answered).await.expect("an answer or the end")
}

#[tokio::test]
async fn one_host_does_not_keep_the_others_out_and_a_server_has_a_limit() {
    let logs = Logs::install();
    let counters = Arc::new(Counters::default());
    let running = server(Observers::from(counters.clone()).with_tracing(Tracing::On)).await;
    let mut greedy = Vec::new();
    for _ in 0..ROOM {
        greedy.push(greet("127.0.0.1", running.address()).await);
    }
    for io in &mut greedy {
        assert!(is_served(io).await);
    }
    // Nobody of those who are there has to leave for one more from where they come.
    for _ in 0..3 {
        assert!(!is_served(&mut greet("127.0.0.1", running.address()).await).await);
    }
    for io in &mut greedy {
        assert!(is_served(io).await);
    }
    assert_eq!(counters.snapshot().of(Event::Unclassified), 3);

    let mut other = greet("127.0.0.2", running.address()).await;
    assert!(is_served(&mut other).await);
    let (newest, rest) = greedy.split_last_mut().unwrap();
    assert!(!is_served(newest).await);
    for io in rest {
        assert!(is_served(io).await);
    }
    let full = || logs.events().iter().filter(|event| event.text.contains("connections are open")).count();
    assert_eq!(full(), 1, "once a minute");

    // A client waits, and is let in when there is room again.
    let lab = client(running.address()).with_timeout(PATIENCE);
    for wire in ["grpc", "tarpc"] {
        let lab = lab.with_transport(Transports::Only(wire));
        let before = counters.snapshot().of(Event::Unclassified);
        let (answer, ()) = tokio::join!(lab.reflect(), async {
            let refused = || counters.snapshot().of(Event::Unclassified) > before;
            assert!(eventually(PATIENCE, refused).await, "it was not refused over {wire}");
            drop(greedy.drain(..2));
        });
        answer.unwrap_or_else(|status| panic!("{wire}: {status}"));
        // It stays connected; somebody else comes to the other place.
        let mut more = greet("127.0.0.1", running.address()).await;
        assert!(is_served(&mut more).await);
        greedy.push(more);
    }
    assert!(running.shutdown(PATIENCE).await);
}
