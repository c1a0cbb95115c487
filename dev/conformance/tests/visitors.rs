//! Everyone who knocks at a port, while it is busy on both wires: each gets its answer within its limit, no call fails,
//! and nothing is left open.

use bytes::Bytes;
use futures_util::future::join_all;
use rpc::{Client, Code, Transports, observer::Counters};
use rpc_conformance::{
    columns,
    lab::{Bench, Lab, LabClient, LabServer},
};
use rpc_core::{
    Address, BoxFuture, Observers,
    client::Channel,
    observer::{Event, Tracing, target},
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{Admission, Running, Server},
};
use rpc_testkit::{Logged, Logs, eventually};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tracing::Level;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0visitors";
const MAGIC: &[u8] = b"\xF5RPC\r\n\x1A\n";
/// A busy machine is late, but not by this much.
const LATE: Duration = Duration::from_secs(8);
/// What is answered at once.
const SOON: Duration = Duration::from_secs(5);

fn place(address: &Address) -> SocketAddr {
    format!("{}:{}", address.host(), address.port().unwrap()).parse().unwrap()
}

fn client(address: &Address, observers: Observers) -> LabClient {
    let service: ServiceName = LabClient::SERVICE.name.parse().unwrap();
    let endpoints = columns::wires().iter().map(|wire| Endpoint::new(wire.protocol(), address.clone())).collect();
    let instance = Arc::new(Instance::new("the-server", vec![service.clone()], endpoints));
    let (_, watch) = Watch::new(Snapshot::new(vec![instance], Availability::Listed, Source::Fixed), ());
    let mut builder = Channel::builder(service, watch).observer(observers);
    for wire in columns::wires() {
        builder = builder.transport(wire);
    }
    LabClient::from_channel(builder.build())
}

async fn server(observers: Observers) -> Running {
    let mut server = Server::new().instance("the-server").observer(observers).admission(Admission::Off);
    for wire in columns::wires() {
        server = server.transport(wire);
    }
    let server = server.service(LabServer::new(Bench::default())).unwrap();
    server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
}

/// Calls that go on without a pause over one wire, and how many there were.
async fn load(lab: LabClient, wire: &'static str, over: Arc<AtomicBool>) -> u64 {
    let lab = lab.with_transport(Transports::Only(wire)).with_timeout(Duration::from_secs(60));
    let mut calls = 0;
    while !over.load(Relaxed) {
        let answers = join_all((0..4).map(|_| lab.reflect())).await;
        for answer in answers {
            answer.unwrap_or_else(|status| panic!("a call failed over {wire}: {status:?}"));
            calls += 1;
        }
        sleep(Duration::from_millis(5)).await;
    }
    calls
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Everything until the end, which comes within `limit`; a connection that is reset has ended as well.
async fn rest(io: &mut TcpStream, limit: Duration) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(limit, io.read_to_end(&mut all)).await.expect("it is closed in time");
    all
}

/// What comes in answer contains this.
async fn until(io: &mut TcpStream, wanted: &[u8]) {
    let mut all = Vec::new();
    let found = async {
        while !all.windows(wanted.len()).any(|window| window == wanted) {
            assert_ne!(io.read_buf(&mut all).await.unwrap(), 0, "closed after {}", all.escape_ascii());
        }
    };
    timeout(SOON + LATE, found).await.unwrap_or_else(|_| panic!("no {}", wanted.escape_ascii()));
}

async fn knock(server: SocketAddr, words: &[u8]) -> TcpStream {
    let mut io = TcpStream::connect(server).await.unwrap();
    io.set_nodelay(true).unwrap();
    io.write_all(words).await.unwrap();
    io
}

async fn bytewise(server: SocketAddr, words: &[u8]) -> TcpStream {
    let mut io = knock(server, b"").await;
    for byte in words {
        io.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    io
}

fn hello(lowest: u16, highest: u16, fields: &[u8]) -> Vec<u8> {
    let length = fields.len() as u16;
    [MAGIC, &lowest.to_be_bytes(), &highest.to_be_bytes(), &length.to_be_bytes(), fields].concat()
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], body].concat()
}

/// The version that a tarpc server chooses; 0 for a refusal, with which it closes.
async fn chosen(io: &mut TcpStream) -> u16 {
    let mut head = [0; 16];
    timeout(SOON + LATE, io.read_exact(&mut head)).await.expect("an answer").unwrap();
    assert_eq!(&head[..8], MAGIC);
    let [version, lowest, highest, length] =
        [8, 10, 12, 14].map(|at| u16::from_be_bytes(head[at..at + 2].try_into().unwrap()));
    assert_eq!((lowest, highest), (1, 1), "its range");
    io.read_exact(&mut vec![0; length.into()]).await.unwrap();
    version
}

/// One kind of visitor, from its coming to its going.
type Visit = BoxFuture<'static, ()>;

fn those_without_a_protocol(server: SocketAddr) -> Vec<Visit> {
    vec![
        Box::pin(async move {
            for _ in 0..50 {
                drop(TcpStream::connect(server).await.unwrap());
            }
        }),
        Box::pin(async move {
            let begun = Instant::now();
            let mut silent = knock(server, b"").await;
            assert!(rest(&mut silent, Duration::from_secs(10) + LATE).await.is_empty());
            assert!(begun.elapsed() > Duration::from_secs(9), "closed after {:?}", begun.elapsed());
        }),
        Box::pin(async move {
            let request = format!("GET / HTTP/1.1\r\nhost: x\r\ncookie: {}\r\n\r\n", "c".repeat(3000));
            browser(knock(server, request.as_bytes()).await).await;
        }),
        Box::pin(async move { browser(bytewise(server, b"GET / HTTP/1.1\r\n\r\n").await).await }),
        Box::pin(async move {
            for _ in 0..3 {
                let mut tls = knock(server, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").await;
                assert!(rest(&mut tls, SOON + LATE).await.is_empty());
            }
        }),
        Box::pin(async move {
            for header in [&b"PROXY TCP4 10.0.0.1 10.0.0.2 5000 7000\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"] {
                let mut proxy = knock(server, header).await;
                assert!(rest(&mut proxy, SOON + LATE).await.is_empty());
            }
        }),
        Box::pin(async move {
            let mut garbage = knock(server, b"\0\x01garbage and more").await;
            assert!(rest(&mut garbage, SOON + LATE).await.is_empty());
        }),
    ]
}

async fn browser(mut io: TcpStream) {
    let answer = String::from_utf8(rest(&mut io, SOON + LATE).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: text/plain"), "{answer}");
    assert!(answer.contains("\r\n\r\nThis is the port of an RPC server."), "{answer}");
}

fn those_who_speak_tarpc(server: SocketAddr) -> Vec<Visit> {
    vec![
        Box::pin(async move {
            let mut slow = bytewise(server, &hello(1, 1, b"")).await;
            assert_eq!(chosen(&mut slow).await, 1);
            slow.write_all(&frame(4, b"visitors")).await.unwrap();
            until(&mut slow, &frame(5, b"visitors")).await;
        }),
        Box::pin(async move {
            for (lowest, highest, version) in [(0, 0, 0), (99, 99, 0), (2, 1, 0), (1, 99, 1), (0, 1, 1), (1, 1, 1)] {
                let mut io = knock(server, &hello(lowest, highest, b"")).await;
                assert_eq!(chosen(&mut io).await, version, "{lowest} to {highest}");
                if version == 0 {
                    assert!(rest(&mut io, SOON + LATE).await.is_empty(), "a refusal is the last word");
                }
            }
        }),
        Box::pin(async move {
            let mut future = knock(server, &hello(1, 1, b"\x7f\xff\0\x03abc")).await;
            assert_eq!(chosen(&mut future).await, 1, "unknown fields are skipped");
            future.write_all(&[frame(0xb3, b"skipped"), frame(4, b"12345678")].concat()).await.unwrap();
            until(&mut future, &frame(5, b"12345678")).await;
            future.write_all(&frame(0x33, b"not to be skipped")).await.unwrap();
            rest(&mut future, SOON + LATE).await;
        }),
        Box::pin(async move {
            let begun = Instant::now();
            let mut half = knock(server, &hello(1, 1, b"")[..11]).await;
            rest(&mut half, Duration::from_secs(5) + LATE).await;
            assert!(begun.elapsed() > Duration::from_secs(4), "closed after {:?}", begun.elapsed());
        }),
        // Asks for items of a stream that nobody opened, which is answered each time. (Of pings the last is.)
        Box::pin(async move {
            let pull = [&1_u64.to_be_bytes()[..], &[1], &9_u64.to_be_bytes(), &64_u32.to_be_bytes()].concat();
            deaf(knock(server, &hello(1, 1, b"")).await, &frame(1, &pull)).await;
        }),
    ]
}

fn those_who_speak_http2(server: SocketAddr) -> Vec<Visit> {
    vec![
        Box::pin(async move {
            let mut slow = bytewise(server, &[PREFACE, SETTINGS, PING].concat()).await;
            until(&mut slow, b"\0\0\x08\x06\x01\0\0\0\0visitors").await;
        }),
        Box::pin(async move {
            let begun = Instant::now();
            let mut silent = knock(server, PREFACE).await;
            rest(&mut silent, Duration::from_secs(10) + LATE).await;
            assert!(begun.elapsed() > Duration::from_secs(9), "closed after {:?}", begun.elapsed());
        }),
        Box::pin(async move { deaf(knock(server, PREFACE).await, SETTINGS).await }),
        Box::pin(async move { deaf(knock(server, &[PREFACE, SETTINGS].concat()).await, PING).await }),
        Box::pin(headers_over_the_limits(server)),
    ]
}

/// Says the same again and again and never reads: it is not read from either, once what it should read has filled up.
async fn deaf(mut io: TcpStream, words: &[u8]) {
    let many = words.repeat(64 * 1024 / words.len());
    let (begun, mut sent) = (Instant::now(), 0);
    // Not a limit for the server: whoever is answered, or closed, need not be bounded by its own pipe.
    while begun.elapsed() < Duration::from_secs(3) && sent < 256 << 20 {
        match timeout(Duration::from_secs(1), io.write_all(&many)).await {
            Ok(Ok(())) => sent += many.len(),
            _ => return,
        }
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken from one who never reads");
}

async fn headers_over_the_limits(server: SocketAddr) {
    let io = TcpStream::connect(server).await.unwrap();
    let (requests, connection) = h2::client::handshake(io).await.unwrap();
    let exchange = async {
        let mut answers = Vec::new();
        // Over the limit of all headers; over that of metadata; too many; and one who does nothing wrong, on the same
        // connection.
        for headers in [vec!["x".repeat(60_000)], vec!["x".repeat(9_000)], vec!["x".to_owned(); 65], Vec::new()] {
            let mut requests = requests.clone().ready().await.unwrap();
            let reflect = LabClient::SERVICE.methods.iter().find(|method| method.name == "Reflect").unwrap();
            let mut request = http::Request::post(format!("http://server{}", reflect.path));
            request = request.header("content-type", "application/grpc").header("te", "trailers");
            for header in headers {
                request = request.header("visitor", header);
            }
            let (response, mut body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
            let _ = body.send_data(Bytes::from_static(&[0; 5]), true);
            let head = response.await.unwrap();
            let status = head.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
            answers.push((head.status().as_u16(), status));
        }
        answers
    };
    let answers = tokio::select! {
        answers = timeout(SOON + LATE, exchange) => answers.expect("answers in time"),
        ended = connection => panic!("the connection of those who do nothing wrong ended: {ended:?}"),
    };
    // As on every wire: a mistake of the caller, who checks the same limits before.
    let invalid = (200, Some(Code::InvalidArgument.number().to_string()));
    // What went well says so behind its message.
    assert_eq!(answers, [(431, None), invalid.clone(), invalid, (200, None)]);
}

/// So many who say nothing that there is no room for them, and a client that comes among them.
async fn a_crowd(address: &Address, counters: &Counters) {
    const CROWD: usize = 1100;
    let mut silent = Vec::new();
    for _ in 0..CROWD {
        silent.push(TcpStream::connect(place(address)).await.unwrap());
    }
    let turned_away = || counters.snapshot().of(Event::Unclassified) >= (CROWD - 1000) as u64;
    assert!(eventually(SOON + LATE, turned_away).await, "{:?}", counters.snapshot());
    for wire in ["grpc", "tarpc"] {
        let lab = client(address, Observers::default()).with_transport(Transports::Only(wire));
        let begun = Instant::now();
        lab.with_timeout(SOON).reflect().await.unwrap_or_else(|status| panic!("{wire} is kept out: {status}"));
        assert!(begun.elapsed() < SOON, "it waited for {:?}", begun.elapsed());
    }
    let closed = silent.iter().filter(|io| matches!(io.try_read(&mut [0]), Ok(0))).count();
    assert!((CROWD - 1000..CROWD - 900).contains(&closed), "{closed} of {CROWD} were closed");
}

fn text(logged: &[Logged]) -> String {
    logged.iter().map(|event| format!("{event}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_visitor_gets_its_answer_within_its_limit_and_harms_nobody() {
    rpc_testkit::allow_open_files();
    let logs = Logs::install();
    plain_text_to_a_port_of_tls(&logs).await;

    let counters = Arc::new(Counters::default());
    let running = server(Observers::from(counters.clone()).with_tracing(Tracing::On)).await;
    let address = running.address().clone();
    let over = Arc::new(AtomicBool::new(false));
    let lab = client(&address, Observers::default());
    for wire in ["grpc", "tarpc"] {
        lab.with_transport(Transports::Only(wire)).reflect().await.unwrap();
    }
    let loads = ["grpc", "tarpc"].map(|wire| load(lab.clone(), wire, over.clone()));
    let (before, server) = (descriptors(), place(&address));
    let seen = logs.events().len();
    let visits = async {
        let mut visits = those_without_a_protocol(server);
        visits.extend(those_who_speak_tarpc(server));
        visits.extend(those_who_speak_http2(server));
        join_all(visits).await;
        let unclassified = counters.snapshot().of(Event::Unclassified);
        assert_eq!(unclassified, 8, "two browsers, TLS thrice, PROXY twice, garbage: silence is none of them");
        let quiet = logs.events().split_off(seen);
        a_crowd(&address, &counters).await;
        let back = eventually(SOON + LATE, || descriptors() <= before).await;
        assert!(back, "{} descriptors, {before} before", descriptors());
        over.store(true, Relaxed);
        quiet
    };
    let (quiet, calls) = tokio::join!(visits, join_all(loads));
    assert!(calls.iter().all(|&calls| calls > 50), "{calls:?} calls are no load");

    let loud: Vec<_> = quiet.into_iter().filter(|event| event.level <= Level::INFO).collect();
    let named = |what: &str| loud.iter().filter(|event| event.text.contains(what)).count();
    assert_eq!((named("speaks TLS to a port"), named("sends a PROXY protocol header")), (1, 1), "{}", text(&loud));
    // Of a machine that is busy with other things; nothing here blocks.
    assert_eq!(loud.len(), 2 + named("held a worker"), "{}", text(&loud));
    let events = logs.events();
    let garbage = |event: &Logged| event.level == Level::DEBUG && event.field("first") == r"\x00\x01garbag";
    assert!(events.iter().any(garbage), "{}", text(&events));
    let crowd = events.iter().filter(|event| event.text.contains("have not said what they speak")).count();
    assert_eq!(crowd, 1, "once a minute");
    assert!(running.shutdown(SOON).await);
}

/// The reverse of TLS on a plain port: our client at a server that wants TLS, and says so by an alert.
async fn plain_text_to_a_port_of_tls(logs: &Logs) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let tries = AtomicU64::new(0);
    let server = async {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            tries.fetch_add(1, Relaxed);
            let mut first = [0; 5];
            let _ = io.read_exact(&mut first).await;
            // protocol_version, fatal
            let _ = io.write_all(b"\x15\x03\x03\0\x02\x02\x46").await;
            let _ = timeout(SOON, tokio::io::copy(&mut io, &mut tokio::io::sink())).await;
        }
    };
    let sentence = format!("the server at {address} speaks TLS, and this client does not");
    let calls = async {
        for wire in ["grpc", "tarpc"] {
            let lab = client(&address, Observers::default()).with_transport(Transports::Only(wire));
            let status = lab.with_timeout(Duration::from_secs(3)).reflect().await.unwrap_err();
            let why = std::error::Error::source(&status).expect("the reason").to_string();
            assert!(why.contains(&sentence), "{wire}: {status}: {why}");
        }
    };
    tokio::select! {
        () = calls => {}
        () = server => {}
    }
    assert!(tries.load(Relaxed) > 2, "it goes on trying");
    let named = |event: &&Logged| event.level == Level::WARN && event.target == target::CLIENT;
    let warnings: Vec<_> = logs.events().into_iter().filter(|event| named(&event)).collect();
    assert_eq!(warnings.len(), 2, "once a minute for each client: {}", text(&warnings));
    assert!(warnings.iter().all(|warning| warning.text.starts_with(&sentence)), "{}", text(&warnings));
}
