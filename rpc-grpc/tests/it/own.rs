//! Our client and our server, over TCP and over a Unix socket.

use crate::common::*;
use bytes::Bytes;
use futures_util::StreamExt as _;
use rpc_core::{
    Address, Body, CallId, Code, Context, Delivery, Metadata, Origin, Payload, PayloadStream, Service, Status, Tasks,
    TraceContext,
    transport::{ConnectTarget, ConnectionState, DrainPhase, Limits, Transport as _},
};
use rpc_grpc::Grpc;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

fn anywhere() -> Address {
    Address::tcp("127.0.0.1", 0)
}

struct Bench {
    kitchen: Kitchen,
    running: rpc_core::server::Running,
    connection: rpc_core::transport::Connection,
    tasks: Tasks,
}

async fn bench() -> Bench {
    bench_at(&anywhere(), Limits::default()).await
}

async fn bench_at(address: &Address, limits: Limits) -> Bench {
    let (kitchen, tasks) = (Kitchen::new(), Tasks::owner());
    let running = serve(&kitchen, address, limits).await;
    let connection = connect(running.address(), &tasks).await;
    Bench { kitchen, running, connection, tasks }
}

/// Everything in a small compass, so that it can be had on any kind of address.
async fn all_four_kinds(address: &Address) {
    let bench = bench_at(address, Limits::default()).await;
    let connection = &bench.connection;
    let response = call(connection, &ECHO, body(order("김치찌개", 7))).await.unwrap();
    assert_eq!(response.metadata.get("kitchen"), Some("open"));
    assert_eq!(response.metadata.get_bytes("seal-bin").unwrap()[..], [0, 255]);
    assert_eq!(answered(response), order("김치찌개", 7));

    let sum = call(connection, &SUM, stream_of((1..=100).map(|n| order("", n)))).await.unwrap();
    assert_eq!(answered(sum), order("sum", 5050));

    let mut counted = call(connection, &COUNT, body(order("", 1000))).await.unwrap().body.into_stream();
    let mut next = 0;
    while let Some(payload) = counted.next().await {
        assert_eq!(take(payload.unwrap()).unwrap().count, next);
        next += 1;
    }
    assert_eq!(next, 1000);

    // One at a time, so that it is seen to go both ways at once.
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let questions = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let mut answers =
        call(connection, &CHAT, Body::Stream(PayloadStream::new(questions))).await.unwrap().body.into_stream();
    for n in 0..10 {
        sender.send(Ok(Payload::typed(order("chat", n)))).await.unwrap();
        assert_eq!(take(answers.next().await.unwrap().unwrap()).unwrap(), order("chat", n));
    }
    drop(sender);
    assert!(answers.next().await.is_none());
    assert!(bench.running.shutdown(Duration::from_secs(5)).await, "calls are left");
}

#[tokio::test]
async fn all_four_kinds_over_tcp() {
    all_four_kinds(&anywhere()).await;
}

#[tokio::test]
async fn all_four_kinds_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    all_four_kinds(&Address::Unix(folder.path().join("kitchen.sock"))).await;
}

#[tokio::test]
async fn failures_arrive_with_code_message_and_details() {
    let bench = bench().await;
    for code in Code::ALL {
        let asked = order("배달 불가: 100%", code.number().into());
        let error = call(&bench.connection, &FAIL, body(asked.clone())).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (code, "배달 불가: 100%"));
        assert_eq!(error.details(), failure(asked).details());
        assert_eq!((error.origin(), error.delivery()), (Origin::Remote, Delivery::Unknown));
    }
}

#[tokio::test]
async fn the_handler_sees_who_called_and_how() {
    let bench = bench().await;
    let (mut metadata, mut baggage) = (Metadata::default(), Metadata::default());
    metadata.append("tenant", "seoul").unwrap();
    metadata.append_bytes("token-bin", vec![0, 255]).unwrap();
    baggage.append("user", "kim, lee").unwrap();
    let id = CallId::random();
    let trace = TraceContext { trace_id: 5, span_id: 6, flags: 1 };
    let context = Context::default()
        .with_deadline(Instant::now() + Duration::from_secs(10))
        .with_metadata(metadata)
        .with_baggage(baggage)
        .with_trace(trace)
        .with_attempt(id, 2);
    let response = call_in(&bench.connection, &INSPECT, context, body(order("", 0))).await.unwrap();
    let lines = response.body.into_message().unwrap().take::<Seen>().unwrap().lines;
    for expected in [
        "transport=grpc".to_owned(),
        "address=true".to_owned(),
        "attempt=2".to_owned(),
        format!("call={id}"),
        format!("trace={trace}"),
        "user=kim, lee".to_owned(),
        "tenant: seoul".to_owned(),
        "token-bin: [0, 255]".to_owned(),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:?}");
    }
    let remaining = lines.iter().find_map(|line| line.strip_prefix("remaining=")).unwrap().parse::<u64>().unwrap();
    assert!((5_000..=10_000).contains(&remaining), "{remaining} ms are left");
    assert_eq!(lines.len(), 10, "nothing of the protocol is taken for metadata: {lines:?}");
}

#[tokio::test]
async fn limits_hold_to_the_byte_in_both_directions() {
    // number, content and their four bytes of tags and lengths: what is left is what a message may hold.
    let sized = |total: usize| {
        let mut order = order("", 0);
        for content in (total - 10..total).rev() {
            order.content = Bytes::from(vec![7; content]);
            if prost::Message::encoded_len(&order) == total {
                return order;
            }
        }
        panic!("no message has {total} bytes");
    };
    for limit in [1000, 4 * 1024 * 1024] {
        let limits = Limits::default().with_max_message(limit);
        let bench = bench_at(&anywhere(), limits).await;
        let wide = ConnectTarget::new("kitchen").with_limits(Limits::default().with_max_message(usize::MAX));
        let wide = connect_to(bench.running.address(), wide, &bench.tasks).await;
        let narrow = ConnectTarget::new("kitchen").with_limits(limits);
        let narrow = connect_to(bench.running.address(), narrow, &bench.tasks).await;

        let exact = call(&narrow, &ECHO, body(sized(limit))).await.unwrap();
        assert_eq!(answered(exact), sized(limit));
        let sender = call(&narrow, &ECHO, body(sized(limit + 1))).await.unwrap_err();
        assert_eq!((sender.code(), sender.delivery()), (Code::ResourceExhausted, Delivery::NeverSent));
        let receiver = call(&wide, &ECHO, body(sized(limit + 1))).await.unwrap_err();
        assert_eq!((receiver.code(), receiver.origin()), (Code::ResourceExhausted, Origin::Remote), "{receiver}");
        // The connection is none the worse for it.
        assert_eq!(answered(call(&wide, &ECHO, body(order("", 1))).await.unwrap()).count, 1);
    }
    // A reply over the client's limit.
    let bench = bench().await;
    let small = ConnectTarget::new("kitchen").with_limits(Limits::default().with_max_message(100));
    let small = connect_to(bench.running.address(), small, &bench.tasks).await;
    let error = call(&small, &INSPECT, body(order("", 0))).await.map(|_| ()).err();
    let lines = call(&bench.connection, &INSPECT, body(order("", 0))).await.unwrap().body.into_message().unwrap();
    assert_eq!(error.map(|error| error.code()), (lines.encoded_len() > 100).then_some(Code::ResourceExhausted));
    assert_eq!(answered(call(&small, &ECHO, body(sized(100))).await.unwrap()), sized(100));
}

#[tokio::test]
async fn a_call_that_is_dropped_frees_its_handler() {
    let bench = bench().await;
    for method in [&WAIT, &COUNT] {
        let waiting = call(&bench.connection, method, body(order("hang", 1)));
        if method.kind.response_streams() {
            let mut stream = waiting.await.unwrap().body.into_stream();
            stream.next().await.unwrap().unwrap();
            bench.kitchen.busy(1).await;
            drop(stream);
        } else {
            tokio::select! {
                _ = waiting => panic!("it answered"),
                () = bench.kitchen.busy(1) => {}
            }
        }
        bench.kitchen.busy(0).await;
    }
}

#[tokio::test]
async fn dropping_the_answers_stops_the_questions() {
    let bench = bench().await;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let questions = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let answers = call(&bench.connection, &CHAT, Body::Stream(PayloadStream::new(questions))).await.unwrap();
    bench.kitchen.busy(1).await;
    drop(answers);
    tokio::time::timeout(Duration::from_secs(10), sender.closed()).await.expect("the upload goes on without its call");
    bench.kitchen.busy(0).await;
}

#[tokio::test]
async fn a_stream_that_fails_fails_the_call_with_its_own_error() {
    let bench = bench().await;
    let questions = futures_util::stream::iter([
        Ok(Payload::typed(order("", 1))),
        Err(Status::new(Code::DataLoss, "the file ends here")),
    ]);
    let error = call(&bench.connection, &SUM, Body::Stream(PayloadStream::new(questions))).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::DataLoss, "the file ends here"));
    bench.kitchen.busy(0).await;

    let mut counted = call(&bench.connection, &COUNT, body(order("fail", 3))).await.unwrap().body.into_stream();
    for _ in 0..3 {
        counted.next().await.unwrap().unwrap();
    }
    let error = counted.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message(), error.details().len()), (Code::NotFound, "at the end", 1));
    assert!(counted.next().await.is_none());
}

#[tokio::test]
async fn a_panic_fails_its_call_and_no_other() {
    let bench = bench().await;
    let error = call(&bench.connection, &ECHO, body(order("panic", 0))).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    let mut counted = call(&bench.connection, &COUNT, body(order("panic", 1))).await.unwrap().body.into_stream();
    counted.next().await.unwrap().unwrap();
    assert_eq!(counted.next().await.unwrap().unwrap_err().code(), Code::Internal);
    assert_eq!(answered(call(&bench.connection, &ECHO, body(order("", 3))).await.unwrap()).count, 3);
    assert_eq!(*bench.connection.state.borrow(), ConnectionState::Open);
}

#[tokio::test]
async fn the_deadline_is_kept_by_the_server_too() {
    let bench = bench().await;
    let context = Context::default().with_deadline(Instant::now() + Duration::from_millis(100));
    let error = call_in(&bench.connection, &WAIT, context, body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.origin()), (Code::DeadlineExceeded, Origin::Remote));
    bench.kitchen.busy(0).await;
}

#[tokio::test]
async fn what_is_not_there_was_not_begun() {
    let bench = bench().await;
    let named = || Context::default().with_attempt(CallId::random(), 1);
    let error = call_in(&bench.connection, &ABSENT, named(), body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unimplemented, Delivery::Unprocessed));
    assert!(error.message().contains("Echo"), "{error}");
    let error = call(&bench.connection, &ABSENT, body(order("", 0))).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown, "a call without an id cannot be told apart from another");

    let stale = ConnectTarget::new("kitchen").with_instance("kitchen-0");
    let stale = connect_to(bench.running.address(), stale, &bench.tasks).await;
    let error = call_in(&stale, &ECHO, named(), body(order("", 0))).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unprocessed));
    let right = ConnectTarget::new("kitchen").with_instance("kitchen-1");
    let right = connect_to(bench.running.address(), right, &bench.tasks).await;
    call(&right, &ECHO, body(order("", 0))).await.unwrap();
}

#[tokio::test]
async fn as_much_metadata_as_is_allowed_arrives() {
    let bench = bench().await;
    let mut full = Metadata::default();
    for index in 0..Metadata::MAX_ENTRIES {
        full.append(format!("key-{index:02}"), "v".repeat(Metadata::MAX_BYTES / Metadata::MAX_ENTRIES - 6)).unwrap();
    }
    let context = Context::default().with_metadata(full);
    let seen = call_in(&bench.connection, &INSPECT, context, body(order("", 0))).await.unwrap();
    assert_eq!(seen.body.into_message().unwrap().take::<Seen>().unwrap().lines.len(), 8 + Metadata::MAX_ENTRIES);
}

#[tokio::test]
async fn a_server_that_leaves_says_so_and_lets_calls_end() {
    let bench = bench().await;
    let mut state = bench.connection.state.clone();
    let mut stream = call(&bench.connection, &COUNT, body(order("hang", 1))).await.unwrap().body.into_stream();
    stream.next().await.unwrap().unwrap();

    bench.running.advance(DrainPhase::Draining);
    state.wait_for(|state| *state == ConnectionState::Draining).await.unwrap();
    let refused = call(&bench.connection, &ECHO, body(order("", 0))).await.unwrap_err();
    assert_eq!((refused.code(), refused.delivery()), (Code::Unavailable, Delivery::NeverSent));
    bench.kitchen.busy(1).await;

    bench.running.advance(DrainPhase::Stopped);
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "server draining"));
    assert_eq!(error.delivery(), Delivery::Unknown, "it had begun");
    state.wait_for(|state| *state == ConnectionState::Closed).await.unwrap();
}

#[tokio::test]
async fn a_drain_in_the_middle_of_traffic_fails_no_call_that_was_taken() {
    let bench = bench().await;
    let (done, mut so_far) = tokio::sync::watch::channel(0);
    let connection = bench.connection.clone();
    let caller = async {
        loop {
            let calls = (0..16).map(|n| call(&connection, &ECHO, body(order("", n))));
            for outcome in futures_util::future::join_all(calls).await {
                match outcome {
                    Ok(_) => done.send_modify(|done| *done += 1),
                    Err(error) => return error,
                }
            }
        }
    };
    let drain = async {
        so_far.wait_for(|done| *done > 200).await.unwrap();
        bench.running.shutdown(Duration::from_secs(5)).await
    };
    let (error, peaceful) = tokio::join!(caller, drain);
    assert_ne!(error.delivery(), Delivery::Unknown, "{error:?}");
    assert!(peaceful, "calls were cut");
}

#[tokio::test]
async fn a_lost_connection_is_known_and_what_was_on_it_may_have_happened() {
    let bench = bench().await;
    let mut state = bench.connection.state.clone();
    let waiting = call(&bench.connection, &WAIT, body(order("", 0)));
    let lost = async {
        bench.kitchen.busy(1).await;
        drop(bench.running);
    };
    let (error, ()) = tokio::join!(waiting, lost);
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown), "{error:?}");
    state.wait_for(|state| *state == ConnectionState::Closed).await.unwrap();
    let after = bench.connection.service.call(rpc_core::Request::new(&ECHO, Context::default(), body(order("", 0))));
    assert_eq!(after.await.unwrap_err().delivery(), Delivery::NeverSent);
}

#[tokio::test]
async fn no_task_is_left_behind() {
    let bench = bench().await;
    call(&bench.connection, &ECHO, body(order("", 0))).await.unwrap();
    drop(bench.connection);
    tokio::time::timeout(Duration::from_secs(10), bench.tasks.finished())
        .await
        .expect("tasks of a connection are left");
    assert!(bench.running.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn many_calls_at_once_and_many_that_are_cancelled() {
    let bench = bench_at(&anywhere(), Limits::default().with_max_concurrent_calls(8)).await;
    let calls = (0..500).map(|n| {
        let connection = &bench.connection;
        async move {
            if n % 3 == 0 {
                let dropped = call(connection, &WAIT, body(order("", n)));
                assert!(tokio::time::timeout(Duration::from_millis(20), dropped).await.is_err());
            } else {
                let content = Bytes::from(vec![n as u8; (n as usize * 37) % 40_000]);
                let sent = Order { content, ..order("", n) };
                assert_eq!(answered(call(connection, &ECHO, body(sent.clone())).await.unwrap()), sent);
            }
        }
    });
    futures_util::future::join_all(calls).await;
    bench.kitchen.busy(0).await;
}

#[tokio::test]
async fn a_call_waits_for_a_place_and_is_forgotten_when_it_is_dropped() {
    let bench = bench_at(&anywhere(), Limits::default().with_max_concurrent_calls(2)).await;
    let Bench { kitchen, connection, .. } = &bench;
    // What the server takes stands in its settings.
    call(connection, &ECHO, body(order("", 0))).await.unwrap();
    assert_eq!(connection.places.limit(), 2);
    let mut open: Vec<_> = (0..2).map(|n| Box::pin(call(connection, &WAIT, body(order("", n))))).collect();
    for call in &mut open {
        assert!(futures_util::poll!(call).is_pending());
    }
    kitchen.busy(2).await;
    let kept = Arc::new(Order { content: Bytes::from(vec![7; 1_000_000]), ..order("", 9) });
    let message = Arc::downgrade(&kept);
    let mut waiting = Box::pin(call(connection, &ECHO, Body::Message(Payload::Typed(kept))));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert!(message.upgrade().is_some(), "it was handed to HTTP/2, which keeps what is dropped");
    drop(waiting);
    assert!(message.upgrade().is_none(), "a call that was dropped is kept");
    let mut waiting = Box::pin(call(connection, &ECHO, body(order("", 3))));
    assert!(futures_util::poll!(&mut waiting).is_pending() && connection.places.is_full());
    drop(open.pop());
    assert_eq!(answered(waiting.await.unwrap()).count, 3);
    drop(open);
    kitchen.busy(0).await;
}

#[tokio::test]
async fn a_thousand_small_calls_at_once_do_not_look_like_an_attack() {
    // h2 counts small frames of data, to be safe from peers that send nothing else.
    let bench = bench().await;
    for _ in 0..3 {
        let calls = (0..1000).map(|n| call(&bench.connection, &ECHO, body(order("", n))));
        for (n, response) in (0..).zip(futures_util::future::join_all(calls).await) {
            assert_eq!(answered(response.unwrap()).count, n);
        }
    }
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(call(&bench.connection, &COUNT, body(order("", 50))).await.unwrap().body.into_stream());
    }
    for mut stream in streams {
        for n in 0..50 {
            assert_eq!(take(stream.next().await.unwrap().unwrap()).unwrap().count, n);
        }
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn streams_stop_when_nobody_reads_and_go_on_when_somebody_does() {
    let bench = bench().await;
    let chunk = Bytes::from(vec![7; 100_000]);
    let (sent, mut so_far) = tokio::sync::watch::channel(0);
    let questions = futures_util::stream::iter(0..200).map(move |n| {
        sent.send_replace(n);
        Ok(Payload::typed(Order { content: chunk.clone(), ..order("", n) }))
    });
    let mut answers =
        call(&bench.connection, &CHAT, Body::Stream(PayloadStream::new(questions))).await.unwrap().body.into_stream();
    // 20 MB are to be sent, and nobody reads the answers: what is on the way is bounded by windows and buffers.
    let idle = async {
        while tokio::time::timeout(Duration::from_millis(300), so_far.changed()).await.is_ok() {}
        *so_far.borrow()
    };
    let stuck = idle.await;
    assert!((1..150).contains(&stuck), "{stuck} of 200 were taken from a stream that nobody reads");
    // Others are not held up.
    call(&bench.connection, &ECHO, body(order("", 1))).await.unwrap();
    for n in 0..200 {
        assert_eq!(take(answers.next().await.unwrap().unwrap()).unwrap().count, n);
    }
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_server_that_is_silent_and_alive_is_not_given_up() {
    let bench = bench().await;
    let eager = Grpc::default().with_keep_alive(Duration::from_millis(20));
    let io = io(bench.running.address()).await;
    let connection = eager.connect(io, ConnectTarget::new("kitchen"), bench.tasks.clone()).await.unwrap();
    let waiting = call(&connection, &WAIT, body(order("", 0)));
    assert!(tokio::time::timeout(Duration::from_millis(500), waiting).await.is_err(), "it ended");
    assert_eq!(*connection.state.borrow(), ConnectionState::Open);
    call(&connection, &ECHO, body(order("", 1))).await.unwrap();
}
