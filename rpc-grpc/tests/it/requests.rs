//! Requests that neither our client nor grpcio would make: what our server says to them.

use crate::common::*;
use bytes::Bytes;
use h2::client;
use http::{HeaderMap, Request, StatusCode};
use rpc_core::{
    Address, Code, Io, Observers, Tasks,
    server::Router,
    transport::{ConnectionInfo, Drain, Limits, Transport},
};
use rpc_grpc::Grpc;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};

type Pair = (&'static str, &'static str);

/// What our server answers to a request with these headers and this body.
async fn answer_to(headers: &[Pair], body: &'static [u8]) -> (StatusCode, HeaderMap) {
    let kitchen = Kitchen::new();
    let running = serve(&kitchen, &Address::tcp("127.0.0.1", 0), Limits::default()).await;
    let Address::Tcp { host, port } = running.address() else { panic!("TCP was asked for") };
    let stream = TcpStream::connect((host.as_str(), *port)).await.unwrap();
    let (mut requests, connection) = client::handshake(stream).await.unwrap();
    let mut method = "POST";
    let mut path = "/t.Kitchen/Echo";
    let mut request = Request::builder();
    for (name, value) in headers {
        match *name {
            "method" => method = value,
            "path" => path = value,
            name => request = request.header(name, *value),
        }
    }
    let request = request.method(method).uri(format!("http://kitchen{path}")).body(()).unwrap();
    let exchange = async {
        let (response, mut upload) = requests.send_request(request, false).unwrap();
        upload.send_data(Bytes::from_static(body), true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut all = head.headers;
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        all.extend(body.trailers().await.unwrap().unwrap_or_default());
        (head.status, all)
    };
    tokio::select! {
        answer = tokio::time::timeout(Duration::from_secs(20), exchange) => answer.expect("no answer"),
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
}

/// What our server says to whoever comes with something else than gRPC: how, and the whole body.
async fn said_to(method: &str, kind: &str) -> (StatusCode, HeaderMap, String) {
    let running = serve(&Kitchen::new(), &Address::tcp("127.0.0.1", 0), Limits::default()).await;
    let stream = TcpStream::connect(running.address().to_string()).await.unwrap();
    let (mut requests, connection) = client::handshake(stream).await.unwrap();
    let request =
        Request::builder().method(method).uri("http://kitchen/").header("content-type", kind).body(()).unwrap();
    let exchange = async {
        let (response, _) = requests.send_request(request, true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut said = Vec::new();
        while let Some(data) = body.data().await {
            said.extend_from_slice(&data.unwrap());
        }
        (head.status, head.headers, String::from_utf8(said).unwrap())
    };
    tokio::select! {
        answer = exchange => answer,
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
}

#[tokio::test]
async fn a_browser_that_speaks_http2_gets_one_plain_sentence_too() {
    let sentence = "This is the port of an RPC server. Over HTTP/2 it speaks gRPC: call it with an RPC client, not with \
                    a browser.\n";
    for (method, kind, status, said) in [
        ("GET", "", StatusCode::METHOD_NOT_ALLOWED, sentence),
        ("HEAD", "", StatusCode::METHOD_NOT_ALLOWED, ""),
        ("PUT", "application/grpc", StatusCode::METHOD_NOT_ALLOWED, sentence),
        ("POST", "application/json", StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence),
    ] {
        let (answered, headers, body) = said_to(method, kind).await;
        assert_eq!((answered, body.as_str()), (status, said), "{method}");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(headers["content-length"], sentence.len().to_string());
        assert_eq!(headers.get("allow").is_some(), status == StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

/// Our server on one end of a pipe, since paused clocks run on while the system carries bytes; the other end.
fn in_memory(tasks: &Tasks) -> (DuplexStream, impl Future<Output = ()> + Send + 'static) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let (trigger, drain) = Drain::new();
    let mut router = Router::default();
    router.add(Kitchen::new()).unwrap();
    let routes = router.into_routes(tasks.handle(), Observers::default());
    let info = ConnectionInfo::new(Limits::default());
    let serving = Grpc::default().serve(Io::new(near), info, routes, tasks.handle(), drain);
    (far, async move {
        serving.await;
        drop(trigger);
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_given_up() {
    // One that has greeted has ten seconds; one that has answered once is asked every minute, and then has twenty.
    for (answers, seconds) in [(0, 10), (1, 80), (2, 140)] {
        let tasks = Tasks::owner();
        let (mut far, serving) = in_memory(&tasks);
        far.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let listens = async {
            let (mut head, mut answered) = ([0; 9], 0);
            while far.read_exact(&mut head).await.is_ok() {
                let mut content = vec![0; usize::from(head[2])];
                far.read_exact(&mut content).await.unwrap();
                if head[3] == 6 && answered < answers {
                    answered += 1;
                    far.write_all(&[&b"\0\0\x08\x06\x01\0\0\0\0"[..], &content].concat()).await.unwrap();
                }
            }
        };
        let begun = tokio::time::Instant::now();
        let both = async { tokio::join!(serving, listens) };
        tokio::time::timeout(Duration::from_secs(200), both).await.expect("it is asked for ever");
        assert_eq!(begun.elapsed().as_secs(), seconds, "after {answers} answers");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_message_does_not_come_is_not_waited_for_without_end() {
    let tasks = Tasks::owner();
    let (far, serving) = in_memory(&tasks);
    tasks.spawn(serving);
    let (mut requests, connection) = client::handshake(far).await.unwrap();
    // It answers pings.
    tasks.spawn(async move { drop(connection.await) });
    let request = |path: &str| {
        let request = Request::post(format!("http://kitchen/t.Kitchen/{path}"));
        request.header("content-type", "application/grpc").body(()).unwrap()
    };
    let begun = tokio::time::Instant::now();
    let (slow, mut slowly) = requests.send_request(request("Echo"), false).unwrap();
    let (sum, mut stream) = requests.send_request(request("Sum"), false).unwrap();
    let pieces = async {
        // Bytes that come now and then are progress.
        for piece in [&b"\0\0\0"[..], b"\0\x02", b"\x18"] {
            tokio::time::sleep(Duration::from_secs(50)).await;
            slowly.send_data(Bytes::from_static(piece), false).unwrap();
        }
    };
    let (slow, ()) = tokio::join!(slow, pieces);
    assert_eq!(slow.unwrap().headers()["grpc-status"], "4");
    assert_eq!(begun.elapsed().as_secs(), 3 * 50 + 60);
    // A stream may be silent for as long as it likes.
    stream.send_data(Bytes::from_static(b"\0\0\0\0\x02\x18\x07"), true).unwrap();
    let mut sum = sum.await.unwrap().into_body();
    while sum.data().await.is_some() {}
    assert_eq!(sum.trailers().await.unwrap().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn requests_of_nonsense_are_an_error_and_the_connection_lives() {
    const GRPC: Pair = ("content-type", "application/grpc");
    const GOOD: &[u8] = b"\0\0\0\0\x02\x18\x07";
    let (status, headers) = answer_to(&[GRPC, ("te", "trailers")], GOOD).await;
    assert_eq!((status, &headers["grpc-status"]), (StatusCode::OK, &"0".parse().unwrap()));
    assert!(!headers.contains_key("date") && !headers.contains_key("content-length"), "{headers:?}");

    assert_eq!(answer_to(&[GRPC, ("method", "GET")], b"").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer_to(&[], GOOD).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer_to(&[("content-type", "application/json")], GOOD).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    const ID: Pair = ("rpc-call-id", "0123456789abcdef0123456789abcdef");
    const OURS: Pair = ("user-agent", "grpc-rust-rpc/0.1.0");
    // A gateway's own call, with what came with the call that it answers.
    const COPIED: Pair = ("user-agent", "grpc-rust-rpc/0.1.0 tonic/0.14.9");
    let cases: [(&[Pair], &[u8], Code); 12] = [
        (&[GRPC, ("grpc-timeout", "soon")], GOOD, Code::InvalidArgument),
        (&[GRPC, ("grpc-timeout", "123456789m")], GOOD, Code::InvalidArgument),
        (&[GRPC, ("grpc-timeout", "0n")], GOOD, Code::DeadlineExceeded),
        (&[GRPC, ("grpc-encoding", "gzip")], GOOD, Code::Unimplemented),
        (&[GRPC, ID, OURS, ("path", "/")], GOOD, Code::Unimplemented),
        (&[GRPC, ID, OURS, ("path", "/t.Kitchen/Echo/more")], GOOD, Code::Unimplemented),
        (&[GRPC, ID, COPIED, ("path", "/")], GOOD, Code::Unimplemented),
        (&[GRPC, ID, ("path", "/")], GOOD, Code::Unimplemented),
        (&[GRPC], b"", Code::InvalidArgument),
        (&[GRPC], b"\0\0\0\0\x03\x18", Code::InvalidArgument),
        (&[GRPC], b"\0\0\0\0\x02\x18\x07\0\0\0\0\x02\x18\x07", Code::InvalidArgument),
        (&[GRPC], b"\0\xff\xff\xff\xff\x18\x07", Code::ResourceExhausted),
    ];
    for (headers, body, code) in cases {
        let (status, answer) = answer_to(headers, body).await;
        let number = answer["grpc-status"].to_str().unwrap().parse::<u8>().unwrap();
        assert_eq!(
            (status, Code::from_number(number)),
            (StatusCode::OK, Some(code)),
            "{headers:?} {body:?} {answer:?}"
        );
        assert_eq!(answer.get("grpc-accept-encoding").is_some(), code == Code::Unimplemented, "{answer:?}");
        let named = headers.contains(&OURS).then_some(ID.1.as_bytes());
        assert_eq!(answer.get("rpc-unprocessed").map(|value| value.as_bytes()), named, "{headers:?}");
    }
}
