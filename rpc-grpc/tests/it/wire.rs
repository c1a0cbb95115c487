//! Peers that do what neither we nor grpcio would: their bytes are written by hand.

use crate::common::*;
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server};
use http::{HeaderMap, Request, Response, StatusCode};
use rpc_core::{
    Address, Body, CallId, Code, Context, Delivery, Io, Metadata, Payload, PayloadStream, Status, Tasks,
    transport::{ConnectTarget, Connection, ConnectionState, Limits, ProtocolRefused, Transport},
};
use rpc_grpc::Grpc;
use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

type Respond = server::SendResponse<Bytes>;

/// Our client on a server that gives every request to `answer`, which says whether to go on.
async fn client_of(
    answer: impl Fn(&Request<RecvStream>, &mut Respond) -> Then + Send + 'static,
) -> (Connection, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let tasks = Tasks::owner();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            match answer(&request, &mut respond) {
                Then::GoOn => {}
                Then::Leave => connection.abrupt_shutdown(Reason::NO_ERROR),
                Then::Cut => {
                    // Until what was written has left, then gone without a word.
                    let _ = tokio::time::timeout(Duration::from_millis(100), connection.accept()).await;
                    return;
                }
            }
        }
    });
    (connect(&address, &tasks).await, tasks)
}

#[derive(Clone, Copy)]
enum Then {
    GoOn,
    Leave,
    Cut,
}

fn grpc() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

type Pair = (&'static str, &'static str);

fn trailers(pairs: &[Pair]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
        .collect()
}

fn message(bytes: &'static [u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    frame.extend_from_slice(bytes);
    frame.into()
}

/// What a unary call ends with when the server answers like this.
async fn outcome(answer: impl Fn(&mut SendStream<Bytes>) -> Then + Send + 'static) -> Result<Order, Status> {
    let (connection, _tasks) =
        client_of(move |_, respond| answer(&mut respond.send_response(grpc(), false).unwrap())).await;
    call(&connection, &ECHO, body(order("", 0))).await.map(answered)
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_never_a_good_one() {
    let whole = |body: &mut SendStream<Bytes>| body.send_data(message(b"\x18\x07"), false).unwrap();
    let good = outcome(move |body| {
        whole(body);
        body.send_trailers(trailers(&[("grpc-status", "0")])).unwrap();
        Then::GoOn
    });
    assert_eq!(good.await.unwrap(), order("", 7));

    let no_trailers = outcome(|body| {
        body.send_data(message(b"\x18\x07"), true).unwrap();
        Then::GoOn
    });
    assert_eq!(no_trailers.await.unwrap_err().code(), Code::Internal);

    let trailers_without_status = outcome(move |body| {
        whole(body);
        body.send_trailers(trailers(&[("bill", "later")])).unwrap();
        Then::GoOn
    });
    assert_eq!(trailers_without_status.await.unwrap_err().code(), Code::Internal);

    let inside_a_message = outcome(|body| {
        body.send_data(Bytes::from_static(b"\0\0\0\0\x09\x18"), false).unwrap();
        body.send_trailers(trailers(&[("grpc-status", "0")])).unwrap();
        Then::GoOn
    });
    assert_eq!(inside_a_message.await.unwrap_err().code(), Code::Internal);

    let no_message = outcome(|body| {
        body.send_trailers(trailers(&[("grpc-status", "0")])).unwrap();
        Then::GoOn
    });
    assert_eq!(no_message.await.unwrap_err().code(), Code::Internal);

    let two_messages = outcome(move |body| {
        whole(body);
        whole(body);
        body.send_trailers(trailers(&[("grpc-status", "0")])).unwrap();
        Then::GoOn
    });
    assert_eq!(two_messages.await.unwrap_err().code(), Code::Internal);

    let connection_gone = outcome(move |body| {
        whole(body);
        Then::Cut
    });
    let error = connection_gone.await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown), "{error:?}");

    let reset = outcome(move |body| {
        whole(body);
        body.send_reset(Reason::INTERNAL_ERROR);
        Then::GoOn
    });
    let error = reset.await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Internal, Delivery::Unknown), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_cut_short_ends_with_an_error() {
    for then in [Then::Cut, Then::GoOn] {
        let (connection, _tasks) = client_of(move |_, respond| {
            let mut body = respond.send_response(grpc(), false).unwrap();
            body.send_data(message(b"\x18\x07"), matches!(then, Then::GoOn)).unwrap();
            then
        })
        .await;
        let mut stream = call(&connection, &COUNT, body(order("", 9))).await.unwrap().body.into_stream();
        assert_eq!(take(stream.next().await.unwrap().unwrap()).unwrap().count, 7);
        let error = stream.next().await.expect("an end as if all were well").unwrap_err();
        assert!(matches!(error.code(), Code::Unavailable | Code::Internal), "{error:?}");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn absurd_messages_are_refused_without_room_being_made_for_them() {
    for (prefix, code) in [
        (&b"\0\xff\xff\xff\xff"[..], Code::ResourceExhausted),
        (b"\0\0\x40\0\x01", Code::ResourceExhausted),
        (b"\x01\0\0\0\x02ab", Code::Unimplemented),
    ] {
        let error = outcome(move |body| {
            body.send_data(Bytes::from_static(prefix), true).unwrap();
            Then::GoOn
        });
        assert_eq!(error.await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn what_the_server_has_not_begun_is_known() {
    let (connection, _tasks) = client_of(|_, respond| {
        respond.send_reset(Reason::REFUSED_STREAM);
        Then::GoOn
    })
    .await;
    let error = call(&connection, &ECHO, body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unprocessed));

    // Reset for another reason, it may have begun.
    let (connection, _tasks) = client_of(|_, respond| {
        respond.send_reset(Reason::CANCEL);
        Then::GoOn
    })
    .await;
    let error = call(&connection, &ECHO, body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Cancelled, Delivery::Unknown));

    // A marker from our router, which names the call; the same code without it; and what somebody passes on, who was
    // told so of another call.
    let others = "0123456789abcdef0123456789abcdef";
    for (marker, delivery) in [
        (Some("the call's"), Delivery::Unprocessed),
        (None, Delivery::Unknown),
        (Some(others), Delivery::Unknown),
        (Some("1"), Delivery::Unknown),
    ] {
        let (connection, _tasks) = client_of(move |request, respond| {
            let mut response = grpc();
            response.headers_mut().extend(trailers(&[("grpc-status", "12")]));
            if marker == Some("the call's") {
                response.headers_mut().insert("rpc-unprocessed", request.headers()["rpc-call-id"].clone());
            } else if let Some(marker) = marker {
                response.headers_mut().extend(trailers(&[("rpc-unprocessed", marker)]));
            }
            respond.send_response(response, true).unwrap();
            Then::GoOn
        })
        .await;
        let context = Context::default().with_attempt(CallId::random(), 1);
        let error = call_in(&connection, &ECHO, context, body(order("", 0))).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Unimplemented, delivery));
    }
}

#[tokio::test]
async fn calls_above_the_last_that_a_leaving_server_looks_at_are_unprocessed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let tasks = Tasks::owner();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // Until the second call (stream 3) has been written.
        let mut seen = Vec::new();
        while !seen.windows(9).any(|head| head[3] == 0 && head[5..] == [0, 0, 0, 3]) {
            tokio::io::AsyncReadExt::read_buf(&mut stream, &mut seen).await.unwrap();
        }
        // GOAWAY: last stream 1, no error.
        stream.write_all(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0").await.unwrap();
        tokio::io::AsyncReadExt::read_buf(&mut stream, &mut seen).await.unwrap();
        std::future::pending::<()>().await;
    });
    let connection = connect(&address, &tasks).await;
    let first = call(&connection, &ECHO, body(order("", 1)));
    let second = call(&connection, &ECHO, body(order("", 2)));
    tokio::pin!(first);
    tokio::select! {
        biased;
        _ = &mut first => panic!("nobody answers the first"),
        error = second => {
            let error = error.unwrap_err();
            assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unprocessed), "{error:?}");
        }
    }
    assert_eq!(*connection.state.borrow(), ConnectionState::Draining);
    let third = call(&connection, &ECHO, body(order("", 3))).await.unwrap_err();
    assert_eq!(third.delivery(), Delivery::NeverSent);
    // The first is still on: it ends with its connection, and may have happened.
    tasks.abort();
    assert_eq!(first.await.unwrap_err().delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn a_server_that_leaves_at_once_answers_nobody_and_says_so() {
    let (connection, _tasks) = client_of(|_, _| Then::Leave).await;
    let error = call(&connection, &ECHO, body(order("", 0))).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    let mut state = connection.state.clone();
    state.wait_for(|state| *state != ConnectionState::Open).await.unwrap();
}

#[tokio::test]
async fn answers_of_something_else_than_grpc_are_mapped() {
    for (status, code) in [
        (StatusCode::OK, Code::Unknown),
        (StatusCode::BAD_REQUEST, Code::Internal),
        (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
        (StatusCode::FORBIDDEN, Code::PermissionDenied),
        (StatusCode::NOT_FOUND, Code::Unimplemented),
        (StatusCode::TOO_MANY_REQUESTS, Code::Unavailable),
        (StatusCode::BAD_GATEWAY, Code::Unavailable),
        (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        (StatusCode::GATEWAY_TIMEOUT, Code::Unavailable),
        (StatusCode::IM_A_TEAPOT, Code::Unknown),
    ] {
        let (connection, _tasks) = client_of(move |_, respond| {
            let response = Response::builder().status(status).header("content-type", "text/html").body(()).unwrap();
            respond.send_response(response, false).unwrap().send_data(Bytes::from_static(b"<h1>"), true).unwrap();
            Then::GoOn
        })
        .await;
        let error = call(&connection, &ECHO, body(order("", 0))).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (code, Delivery::Unknown), "{status}: {error}");
    }
}

#[tokio::test]
async fn trailers_of_nonsense_are_an_error_and_no_panic() {
    for pairs in [
        &[("grpc-status", "5"), ("grpc-status-details-bin", "!!!")][..],
        &[("grpc-status", "5"), ("grpc-status-details-bin", "AAAA")],
        &[("grpc-status", "5"), ("grpc-message", "%")],
    ] {
        let error = outcome(move |body| {
            body.send_trailers(trailers(pairs)).unwrap();
            Then::GoOn
        });
        assert_eq!(error.await.unwrap_err().code(), Code::NotFound);
    }
    let error = outcome(|body| {
        body.send_trailers(trailers(&[("grpc-status", "-5")])).unwrap();
        Then::GoOn
    });
    assert_eq!(error.await.unwrap_err().code(), Code::Unknown);
}

#[tokio::test]
async fn a_request_is_as_the_specification_has_it() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let (connection, _tasks) = client_of(move |request, respond| {
        sender.send((request.uri().clone(), request.method().clone(), request.headers().clone())).unwrap();
        let mut response = grpc();
        response.headers_mut().extend(trailers(&[("grpc-status", "5")]));
        respond.send_response(response, true).unwrap();
        Then::GoOn
    })
    .await;
    call(&connection, &ECHO, body(order("", 0))).await.unwrap_err();
    let (uri, method, headers) = seen.recv().await.unwrap();
    assert_eq!((uri.path(), uri.scheme_str(), method.as_str()), ("/t.Kitchen/Echo", Some("http"), "POST"));
    assert!(uri.authority().unwrap().as_str().starts_with("127.0.0.1:"));
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers["content-type"], "application/grpc");
    assert!(!headers.contains_key("content-length") && !headers.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn who_does_not_speak_http2_is_found_out_before_a_call_is_sent() {
    for (greeting, refused) in [(&b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"[..], true), (b"", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::owner();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            // Closed with bytes unread, TCP would throw away what was just written.
            if refused {
                std::future::pending::<()>().await;
            }
        });
        let io = Io::new(TcpStream::connect(address).await.unwrap());
        let error = Grpc::default().connect(io, ConnectTarget::new("ssh"), tasks.clone()).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
        assert_eq!(ProtocolRefused::caused(&error), refused, "{error:?}");
    }
}

#[tokio::test]
async fn the_last_message_of_a_request_ends_it() {
    // HTTP/2 by hand: what counts is in which frame END_STREAM stands.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let (sender, mut frames) = tokio::sync::mpsc::unbounded_channel();
    let tasks = Tasks::owner();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut preface = [0; 24];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut preface).await.unwrap();
        loop {
            let mut head = [0; 9];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut content = vec![0; length as usize];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut content).await.unwrap();
            sender.send((head[3], head[4], length)).unwrap();
        }
    });
    let connection = connect(&address, &tasks).await;
    let seen = async {
        let mut data = Vec::new();
        while data.is_empty() {
            let (kind, flags, length) = frames.recv().await.unwrap();
            if kind == 0 {
                data.push((flags, length));
            }
        }
        data
    };
    tokio::select! {
        _ = call(&connection, &ECHO, body(order("", 7))) => panic!("nobody answers"),
        data = seen => assert_eq!(data, [(1, 7)], "one frame of data, which ends the stream"),
    }
}

#[tokio::test]
async fn a_stream_that_waits_does_not_hold_up_what_it_has() {
    let kitchen = Kitchen::new();
    let running = serve(&kitchen, &Address::tcp("127.0.0.1", 0), Limits::default()).await;
    let tasks = Tasks::owner();
    let connection = connect(running.address(), &tasks).await;
    let first = futures_util::stream::iter([Ok(Payload::typed(order("", 1)))]);
    let waits = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    let mut answers =
        call(&connection, &CHAT, Body::Stream(PayloadStream::new(waits))).await.unwrap().body.into_stream();
    let answer = tokio::time::timeout(Duration::from_secs(10), answers.next()).await.expect("it is held back");
    assert_eq!(take(answer.unwrap().unwrap()).unwrap().count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_without_a_word_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let tasks = Tasks::owner();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        std::future::pending::<()>().await;
    });
    let target = ConnectTarget::new("kitchen").with_instance("kitchen-1");
    let connection = connect_to(&address, target, &tasks).await;
    let begun = tokio::time::Instant::now();
    let request = rpc_core::Request::new(&WAIT, rpc_core::Context::default(), body(order("", 0)));
    let error = rpc_core::Service::call(&connection.service, request).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown), "{error:?}");
    let waited = begun.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(51)).contains(&waited), "{waited:?}");
    assert_eq!(*connection.state.borrow(), ConnectionState::Closed);
}

#[tokio::test]
async fn headers_that_are_too_many_for_a_foreign_server_fail_their_call_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let tasks = Tasks::owner();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // hyper's default, and so tonic's.
        let mut connection =
            server::Builder::new().max_header_list_size(16 * 1024).handshake::<_, Bytes>(stream).await.unwrap();
        while let Some(accepted) = connection.accept().await {
            let Ok((_, mut respond)) = accepted else { return };
            let mut body = respond.send_response(grpc(), false).unwrap();
            body.send_data(message(b"\x18\x07"), false).unwrap();
            body.send_trailers(trailers(&[("grpc-status", "0")])).unwrap();
        }
    });
    let connection = connect(&address, &tasks).await;
    let mut metadata = Metadata::default();
    for index in 0..Metadata::MAX_ENTRIES {
        let key = format!("key-{index:02}-bin");
        let room = Metadata::MAX_BYTES / Metadata::MAX_ENTRIES - key.len();
        metadata.append_bytes(key, vec![255; room]).unwrap();
    }
    // As much metadata as there may be always fits, even as text. Baggage beside it may be too much.
    for (commas, fits) in [(0, true), (8000, false), (300, true)] {
        let mut baggage = Metadata::default();
        baggage.append("commas", ",".repeat(commas)).unwrap();
        let context = Context::default().with_metadata(metadata.clone()).with_baggage(baggage);
        match call_in(&connection, &ECHO, context, body(order("", 0))).await {
            Ok(answer) => assert!(fits && answered(answer).count == 7, "{commas} commas"),
            Err(error) => {
                assert!(!fits && error.message().contains("metadata and baggage"), "{commas} commas: {error}");
                assert_eq!((error.code(), error.delivery()), (Code::Internal, Delivery::Unknown));
            }
        }
        assert_eq!(*connection.state.borrow(), ConnectionState::Open);
    }
}
