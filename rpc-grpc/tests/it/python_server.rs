//! We call a server of another language: grpcio, with a `.proto` written by hand.

use crate::common::*;
use bytes::Bytes;
use rpc_core::{
    Address, Body, CallId, Code, Context, Delivery, Metadata, Origin, PayloadStream, Tasks, TraceContext,
    tls::Security,
    transport::{ConnectTarget, Connection, ConnectionState, Limits, Transport},
};
use rpc_grpc::Grpc;
use rpc_testkit::python_with_grpcio;
use rpc_tls::ClientTls;
use std::{path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::Instant,
};

struct Foreign {
    address: Address,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Where the certificates are, where it speaks TLS.
    certificates: Option<TempDir>,
    tasks: Tasks,
    _child: Child,
}

impl Foreign {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    async fn start_over_tls() -> Self {
        Self::begin("127.0.0.1:0", Some(certificates())).await
    }

    async fn start_at(target: &str) -> Self {
        Self::begin(target, None).await
    }

    async fn begin(target: &str, certificates: Option<TempDir>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/server.py");
        let mut command = Command::new(python_with_grpcio().unwrap());
        command.arg(script).arg(target).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(folder) = &certificates {
            command.env("KITCHEN_TLS", folder.path());
        }
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = Address::tcp("127.0.0.1", 0);
        let mut foreign = Self { address, input, output, certificates, tasks: Tasks::owner(), _child: child };
        let line = foreign.line().await;
        let port = line.strip_prefix("listening ").expect("it says where it listens").parse().unwrap();
        foreign.address = match target.strip_prefix("unix:") {
            Some(path) => Address::Unix(path.into()),
            None => Address::tcp("127.0.0.1", port),
        };
        foreign
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(30), self.output.next_line());
        line.await.expect("the server says nothing").unwrap().expect("the server ended")
    }

    async fn connect(&self) -> Connection {
        let Some(folder) = &self.certificates else { return connect(&self.address, &self.tasks).await };
        let file = |name: &str| folder.path().join(name);
        let tls = ClientTls::new(file("ca.pem")).with_certificate(file("client.pem"), file("client.key"));
        let io = io(&self.address).await;
        let secured = tls.connector().unwrap().connect(io, "127.0.0.1", Some("h2")).await.unwrap();
        assert_eq!(secured.alpn.as_deref(), Some("h2"));
        let target = ConnectTarget::new(self.address.to_string()).with_security(Security::Tls);
        Grpc::default().connect(secured.io, target, self.tasks.clone()).await.unwrap()
    }
}

async fn all_four_kinds(foreign: &Foreign) {
    let connection = foreign.connect().await;
    let response = call(&connection, &ECHO, body(order("김치찌개", 7))).await.unwrap();
    assert_eq!(response.metadata.get("kitchen"), Some("open"));
    assert_eq!(response.metadata.get_bytes("seal-bin").unwrap()[..], [0, 255]);
    assert_eq!(response.metadata.get("bill"), Some("later"), "what comes behind the message counts, too");
    assert_eq!(response.metadata.len(), 3, "{:?}", response.metadata);
    assert_eq!(answered(response), order("김치찌개", 7));

    let sum = call(&connection, &SUM, stream_of((1..=100).map(|n| order("", n)))).await.unwrap();
    assert_eq!(answered(sum), order("sum", 5050));

    let mut counted = call(&connection, &COUNT, body(order("fail", 100))).await.unwrap().body.into_stream();
    for n in 0..100 {
        assert_eq!(take(counted.next().await.unwrap().unwrap()).unwrap().count, n);
    }
    let error = counted.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::NotFound, "at the end"));

    let sent: Vec<_> = (0..50).map(|n| Order { content: Bytes::from(vec![1; n * 3001]), ..order("chat", 0) }).collect();
    let mut answers = call(&connection, &CHAT, stream_of(sent.clone())).await.unwrap().body.into_stream();
    for order in sent {
        assert_eq!(take(answers.next().await.unwrap().unwrap()).unwrap(), order);
    }
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn all_four_kinds_over_tcp() {
    all_four_kinds(&Foreign::start().await).await;
}

#[tokio::test]
async fn all_four_kinds_over_tls() {
    all_four_kinds(&Foreign::start_over_tls().await).await;
}

#[tokio::test]
async fn all_four_kinds_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("unix:{}", folder.path().join("kitchen.sock").display());
    all_four_kinds(&Foreign::start_at(&target).await).await;
}

#[tokio::test]
async fn failures_are_understood() {
    let foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    for code in Code::ALL {
        let asked = order("배달 불가: 100%\n", code.number().into());
        let error = call(&connection, &FAIL, body(asked.clone())).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (code, "배달 불가: 100%\n"));
        assert_eq!((error.origin(), error.delivery()), (Origin::Remote, Delivery::Unknown));
        // Python encodes the detail itself: the message counts, not its bytes.
        let [detail] = error.details() else { panic!("{error:?}") };
        assert_eq!(detail.type_url, "type.googleapis.com/t.Order");
        assert_eq!(<Order as prost::Message>::decode(detail.value.clone()).unwrap(), asked);
    }
    let error = call(&connection, &ECHO, body(order("panic", 0))).await.unwrap_err();
    assert_eq!(error.code(), Code::Unknown);
    let error = call(&connection, &ABSENT, body(order("", 0))).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert_eq!(error.delivery(), Delivery::Unknown, "a stranger's word is not enough to call again");
}

#[tokio::test]
async fn the_context_is_understood() {
    let foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    let mut metadata = Metadata::default();
    metadata.append("tenant", "seoul").unwrap();
    metadata.append_bytes("token-bin", vec![0, 255]).unwrap();
    let id = CallId::random();
    let trace = TraceContext { trace_id: 5, span_id: 6, flags: 1 };
    let context = Context::default()
        .with_metadata(metadata)
        .with_trace(trace)
        .with_attempt(id, 2)
        .with_deadline(Instant::now() + Duration::from_secs(100));
    let response = call_in(&connection, &INSPECT, context, body(order("", 0))).await.unwrap();
    let lines = response.body.into_message().unwrap().take::<Seen>().unwrap().lines;
    for expected in [
        "tenant: seoul".to_owned(),
        "token-bin: [0, 255]".to_owned(),
        format!("rpc-call-id: {id}"),
        "rpc-attempt: 2".to_owned(),
        format!("traceparent: {trace}"),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:?}");
    }
    let remaining: u64 = lines.iter().find_map(|line| line.strip_prefix("remaining=")).unwrap().parse().unwrap();
    assert!((90_000..=100_000).contains(&remaining), "{remaining} ms are left");
}

#[tokio::test]
async fn the_server_keeps_the_deadline() {
    let foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    let context = Context::default().with_deadline(Instant::now() + Duration::from_millis(200));
    let error = call_in(&connection, &WAIT, context, body(order("", 0))).await.unwrap_err();
    assert!(matches!(error.code(), Code::DeadlineExceeded | Code::Cancelled), "{error}");
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled_there() {
    let mut foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    tokio::select! {
        _ = call(&connection, &WAIT, body(order("", 0))) => panic!("it answered"),
        line = foreign.line() => assert_eq!(line, "waiting"),
    }
    assert_eq!(foreign.line().await, "cancelled");
    call(&connection, &ECHO, body(order("", 0))).await.unwrap();
}

#[tokio::test]
async fn answers_that_are_dropped_are_cancelled_there() {
    let foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let questions = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    sender.send(Ok(rpc_core::Payload::typed(order("", 0)))).await.unwrap();
    let mut answers =
        call(&connection, &CHAT, Body::Stream(PayloadStream::new(questions))).await.unwrap().body.into_stream();
    answers.next().await.unwrap().unwrap();
    drop(answers);
    tokio::time::timeout(Duration::from_secs(10), sender.closed()).await.expect("the upload goes on without its call");
}

/// More than all windows hold, and not read at first: what is not taken is not sent.
#[tokio::test]
async fn a_large_stream_comes_as_it_is_read() {
    let foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    let asked = Order { content: Bytes::from(vec![7; 256 * 1024]), ..order("", 100) };
    let mut counted = call(&connection, &COUNT, body(asked)).await.unwrap().body.into_stream();
    let small = call(&connection, &ECHO, body(order("", 1)));
    assert_eq!(answered(small.await.unwrap()).count, 1, "a stream that nobody reads holds nobody up");
    for n in 0..100 {
        let order = take(counted.next().await.unwrap().unwrap()).unwrap();
        assert_eq!((order.count, order.content.len()), (n, 256 * 1024));
    }
    assert!(counted.next().await.is_none());
}

#[tokio::test]
async fn a_stream_keeps_its_deadline_and_ends_there_when_it_is_dropped() {
    let mut foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    let context = Context::default().with_deadline(Instant::now() + Duration::from_secs(2));
    let mut counted = call_in(&connection, &COUNT, context, body(order("hang", 2))).await.unwrap().body.into_stream();
    for n in 0..2 {
        assert_eq!(take(counted.next().await.unwrap().unwrap()).unwrap().count, n);
    }
    let error = counted.next().await.unwrap().unwrap_err();
    assert!(matches!(error.code(), Code::DeadlineExceeded | Code::Cancelled), "{error}");

    let mut counted = call(&connection, &COUNT, body(order("hang", 1))).await.unwrap().body.into_stream();
    counted.next().await.unwrap().unwrap();
    drop(counted);
    // grpcio tells the handler of its deadline now or later.
    while foreign.line().await != "cancelled after 1" {}
}

#[tokio::test]
async fn large_messages_and_limits() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let foreign = Foreign::start().await;
    let sized = |total: usize| {
        let content = Bytes::from(vec![7; total - 5]);
        let order = Order { content, ..order("", 0) };
        assert_eq!(prost::Message::encoded_len(&order), total);
        order
    };
    let connection = foreign.connect().await;
    assert_eq!(answered(call(&connection, &ECHO, body(sized(LIMIT))).await.unwrap()), sized(LIMIT));
    let target = ConnectTarget::new("kitchen").with_limits(Limits::default().with_max_message(usize::MAX));
    let wide = connect_to(&foreign.address, target, &foreign.tasks).await;
    let error = call(&wide, &ECHO, body(sized(LIMIT + 1))).await.unwrap_err();
    assert_eq!((error.code(), error.origin()), (Code::ResourceExhausted, Origin::Remote), "{error:?}");
    let narrow = ConnectTarget::new("kitchen").with_limits(Limits::default().with_max_message(1000));
    let narrow = connect_to(&foreign.address, narrow, &foreign.tasks).await;
    // Python's reply has no more bytes than the request, which is within the limit at the sender.
    let mut counted = call(&narrow, &COUNT, body(order("", 3))).await.unwrap().body.into_stream();
    for _ in 0..3 {
        counted.next().await.unwrap().unwrap();
    }
    assert!(counted.next().await.is_none());
    let mut metadata = Metadata::default();
    metadata.append("long", "x".repeat(2000)).unwrap();
    let context = Context::default().with_metadata(metadata);
    let error = call_in(&narrow, &INSPECT, context, body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.origin()), (Code::ResourceExhausted, Origin::Local), "{error:?}");
}

#[tokio::test]
async fn a_server_that_leaves_is_noticed_before_the_next_call() {
    let mut foreign = Foreign::start().await;
    let connection = foreign.connect().await;
    let mut state = connection.state.clone();
    call(&connection, &ECHO, body(order("", 0))).await.unwrap();
    foreign.input.write_all(b"leave\n").await.unwrap();
    let gone = state.wait_for(|state| *state != ConnectionState::Open);
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("GOAWAY was not seen").unwrap();
    let error = call(&connection, &ECHO, body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
    assert_eq!(foreign.line().await, "left");
}
