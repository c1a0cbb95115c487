//! TLS on the one port: who gets in, who does not, and what both sides say of it.

use rpc::{Client, Transports, observer::Counters};
use rpc_conformance::{
    columns::{self, Tls},
    lab::{Bench, Lab, LabClient, LabServer},
};
use rpc_core::{
    Address, Io, Observers,
    client::Channel,
    observer::{Event, Tracing},
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{Running, Server},
    tls::{Encryption, Security},
};
use rpc_testkit::{FaultProxy, Logs, eventually};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tracing::Level;

/// What comes at once, on a busy machine.
const SOON: Duration = Duration::from_secs(12);

async fn server(tls: Option<&Tls>, observers: Observers) -> Running {
    let mut server = Server::new().instance("the-server").observer(observers);
    for wire in columns::wires() {
        server = server.transport(wire);
    }
    if let Some(tls) = tls {
        server = server.tls(tls.acceptor.clone());
    }
    let server = server.service(LabServer::new(Bench::default())).unwrap();
    server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
}

/// A client that believes a record which says this of the server.
fn client(address: &Address, encryption: Encryption, counters: &Arc<Counters>) -> LabClient {
    let service: ServiceName = LabClient::SERVICE.name.parse().unwrap();
    let endpoint = |protocol: &str| {
        let mut endpoint = Endpoint::new(protocol, address.clone());
        endpoint.tls = encryption.security() == Security::Tls;
        endpoint
    };
    let endpoints = columns::wires().iter().map(|wire| endpoint(wire.protocol())).collect();
    let instance = Arc::new(Instance::new("the-server", vec![service.clone()], endpoints));
    let (_, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let mut builder = Channel::builder(service, watch).observer(counters.clone()).encryption(encryption);
    for wire in columns::wires() {
        builder = builder.transport(wire);
    }
    LabClient::from_channel(builder.build())
}

async fn why(lab: &LabClient) -> String {
    let status = lab.with_timeout(Duration::from_secs(3)).reflect().await.unwrap_err();
    std::error::Error::source(&status).expect("the reason").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_is_answered_in_its_own_protocol_and_nobody_reads_along() {
    let tls = Tls::new(&columns::wires());
    let running = server(Some(&tls), Observers::default()).await;
    let proxy = FaultProxy::start(running.address()).unwrap();
    let lab = client(&proxy.address().into(), tls.encryption.clone(), &Arc::default());
    // The third has no name in ALPN, and is known by its first bytes.
    for wire in ["grpc", "tarpc", "json-lines"] {
        let lab = lab.with_transport(Transports::Only(wire));
        assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some(wire));
    }
    assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some("tarpc"), "the fastest");
    let first = proxy.first_bytes();
    assert!(first.len() >= 3 && first.iter().all(|first| first.starts_with(b"\x16\x03")), "{first:?}");
    assert!(running.shutdown(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_that_the_server_lacks_is_given_up_for_the_next() {
    let grpc = || columns::wires().into_iter().filter(|wire| wire.name() == "grpc");
    let tls = Tls::new(&grpc().collect::<Vec<_>>());
    let server = Server::new().instance("the-server").transport(grpc().next().unwrap()).tls(tls.acceptor.clone());
    let server = server.service(LabServer::new(Bench::default())).unwrap();
    let running = server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap();
    let counters = Arc::default();
    let lab = client(running.address(), tls.encryption.clone(), &counters);
    assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some("grpc"));
    assert_eq!(counters.snapshot().of(Event::FellBack), 1, "{:?}", counters.snapshot());
    let tarpc = lab.with_transport(Transports::Only("tarpc"));
    let why = why(&tarpc).await;
    assert!(why.contains("the server speaks TLS, but not rpc-tarpc/1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_stop_in_their_handshake_hold_up_nobody() {
    const STOPPED: usize = 200;
    rpc_testkit::allow_open_files();
    let tls = Tls::new(&columns::wires());
    let running = server(Some(&tls), Observers::default()).await;
    let mut stopped = Vec::new();
    let begun = Instant::now();
    for _ in 0..STOPPED {
        let mut io = TcpStream::connect(running.address().to_string()).await.unwrap();
        // The head of a hello of 512 bytes, and no more of it.
        io.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").await.unwrap();
        stopped.push(io);
    }
    let lab = client(running.address(), tls.encryption.clone(), &Arc::default());
    for wire in ["grpc", "tarpc"] {
        lab.with_transport(Transports::Only(wire)).with_timeout(SOON).reflect().await.unwrap();
    }
    for io in &mut stopped {
        let _ = timeout(Duration::from_secs(10) + SOON, io.read_to_end(&mut Vec::new())).await.expect("it is closed");
    }
    assert!(begun.elapsed() > Duration::from_secs(9), "closed after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_behind_the_handshake_is_closed_and_was_never_a_connection() {
    let tls = Tls::new(&columns::wires());
    let counters = Arc::new(Counters::default());
    let running = server(Some(&tls), counters.clone().into()).await;
    let Encryption::Tls { connector, .. } = &tls.encryption else { panic!("it is TLS") };
    let mut silent = Vec::new();
    let begun = Instant::now();
    for (alpn, word) in
        [(Some("h2"), &b""[..]), (Some("h2"), b"PRI * HTTP/2.0"), (Some("rpc-tarpc/1"), b""), (None, b"")]
    {
        let io = Io::new(TcpStream::connect(running.address().to_string()).await.unwrap());
        let mut secured = connector.connect(io, "127.0.0.1", alpn).await.unwrap();
        assert_eq!(secured.alpn.as_deref(), alpn);
        secured.io.write_all(word).await.unwrap();
        secured.io.flush().await.unwrap();
        silent.push(secured.io);
    }
    let lab = client(running.address(), tls.encryption.clone(), &Arc::default());
    for wire in ["grpc", "tarpc"] {
        lab.with_transport(Transports::Only(wire)).with_timeout(SOON).reflect().await.unwrap();
    }
    for mut io in silent {
        // With an alert or without: it is over.
        let _ = timeout(Duration::from_secs(10) + SOON, io.read_to_end(&mut Vec::new())).await.expect("it is closed");
    }
    assert!(begun.elapsed() > Duration::from_secs(9), "closed after {:?}", begun.elapsed());
    drop(lab);
    assert!(running.shutdown(SOON).await);
    assert_eq!(counters.snapshot().of(Event::Accepted), 4, "two clients have come, and gone");
}

/// Listens to the log of the whole process, so that it is the only one that does.
#[tokio::test(flavor = "multi_thread")]
async fn each_mismatch_is_named_on_both_sides_once_a_minute() {
    let logs = Logs::install();
    let watched = || {
        let counters = Arc::new(Counters::default());
        (counters.clone(), Observers::from(counters).with_tracing(Tracing::On))
    };
    let warnings = |address: &Address, words: &str| {
        let about = |event: &&rpc_testkit::Logged| {
            event.level == Level::WARN && event.text.contains(words) && !event.text.contains("held a worker")
        };
        let all: Vec<_> = logs.events();
        let ours = all.iter().filter(about);
        // The other tests of this program have servers of their own.
        ours.filter(|event| {
            event.text.contains(&address.to_string()) || event.field("network.peer.address").starts_with("127.")
        })
        .count()
    };

    // Plain text where TLS is spoken.
    let tls = Tls::new(&columns::wires());
    let (counters, observers) = watched();
    let running = server(Some(&tls), observers).await;
    let address = running.address().clone();
    let plain = client(&address, Encryption::Off, &Arc::default());
    for wire in ["grpc", "tarpc"] {
        let why = why(&plain.with_transport(Transports::Only(wire))).await;
        assert!(why.contains("speaks TLS, and this client does not"), "{wire}: {why}");
    }
    assert!(eventually(SOON, || counters.snapshot().of(Event::Unclassified) > 3).await, "it goes on trying");
    assert_eq!(warnings(&address, "speaks plain text to a port of TLS"), 1);
    assert_eq!(warnings(&address, "speaks TLS, and this client does not"), 1);

    // A CA that the client does not know.
    let stranger = Tls::new(&columns::wires());
    let lab = client(&address, stranger.encryption, &Arc::default());
    let reason = why(&lab).await;
    assert!(reason.contains("of a CA that is not trusted here: add that CA to `client.ca`"), "{reason}");
    assert_eq!(warnings(&address, "of a CA that is not trusted here"), 1);
    assert_eq!(warnings(&address, "a TLS handshake failed: the client does not go on: UnknownCA"), 1);
    assert!(running.shutdown(SOON).await);

    // TLS where plain text is spoken.
    let (counters, observers) = watched();
    let running = server(None, observers).await;
    let lab = client(running.address(), tls.encryption.clone(), &Arc::default());
    let reason = why(&lab).await;
    assert!(reason.contains("closed the connection instead of shaking hands; it may speak plain text"), "{reason}");
    assert!(eventually(SOON, || counters.snapshot().of(Event::Unclassified) > 2).await, "it goes on trying");
    assert_eq!(warnings(running.address(), "speaks TLS to a port that is served in the clear"), 1);
}
