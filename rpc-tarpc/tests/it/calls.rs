//! Unary calls, our client to our server.
#![expect(clippy::disallowed_methods, reason = "tests spawn what ends with them")]

use crate::common::*;
use bytes::Bytes;
use rpc_core::{
    CallId, Code, Context, Delivery, Io, Metadata, Origin, Tasks, TraceContext,
    transport::{ConnectTarget, Limits, Transport},
};
use rpc_tarpc::Tarpc;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn a_call_over_tcp_and_over_a_pipe() {
    let (running, _) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    assert_eq!(call(&connection, &ECHO, "over tcp").await.unwrap(), "over tcp");
    assert_eq!(call(&connection, &ECHO, "").await.unwrap(), "");

    let (near, _pipe) = pipe(Limits::default());
    let tasks = Tasks::owner();
    let connection = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), tasks.handle()).await.unwrap();
    assert_eq!(call(&connection, &ECHO, "through a pipe").await.unwrap(), "through a pipe");
}

#[tokio::test]
async fn a_failure_arrives_with_everything_that_travels() {
    let (running, _) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let error = call(&connection, &FAIL, "").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Aborted, "한국어: no"));
    assert_eq!(error.details().len(), 1);
    assert_eq!((&*error.details()[0].type_url, &error.details()[0].value[..]), ("type/Why", &b"because"[..]));
    assert_eq!(
        (error.origin(), error.delivery()),
        (Origin::Remote, Delivery::Unknown),
        "its own delivery is no fact here"
    );

    let error = call(&connection, &UNKNOWN, "").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unimplemented, Delivery::Unprocessed));
    assert!(error.message().contains("Echo"), "it names what there is: {error}");

    let error = call(&connection, &PANIC, "").await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert!(!error.message().contains("swordfish"), "{error}");
    assert_eq!(call(&connection, &ECHO, "still there").await.unwrap(), "still there");
}

#[tokio::test]
async fn a_panic_outside_the_layers_is_answered_too() {
    let (near, _pipe) = pipe(Limits::default());
    let tasks = Tasks::owner();
    let connection = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), tasks.handle()).await.unwrap();
    assert_eq!(call(&connection, &PANIC, "").await.unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let (running, _) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let mut metadata = Metadata::default();
    metadata.append("tenant", "seoul").unwrap();
    metadata.append("tenant", "busan").unwrap();
    metadata.append_bytes("token-bin", vec![0, 255]).unwrap();
    let context = Context::default().with_metadata(metadata.clone());
    let (answered, _) = call_in(&connection, &META, context, "").await.unwrap();
    assert_eq!(answered, metadata);

    let mut full = Metadata::default();
    for _ in 0..63 {
        full.append("k", "v".repeat(100)).unwrap();
    }
    let context = Context::default().with_metadata(full.clone());
    assert_eq!(call_in(&connection, &META, context, "").await.unwrap().0, full);
}

#[tokio::test(start_paused = true)]
async fn the_circumstances_of_a_call_arrive() {
    let (near, _pipe) = pipe(Limits::default());
    let tasks = Tasks::owner();
    let connection = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), tasks.handle()).await.unwrap();
    let mut baggage = Metadata::default();
    baggage.append("customer", "42").unwrap();
    let context = Context::default()
        .with_deadline(Instant::now() + Duration::from_millis(300))
        .with_attempt(CallId::from_bits(77), 3)
        .with_trace(TraceContext { trace_id: 1, span_id: 2, flags: 1 })
        .with_baggage(baggage);
    let (_, text) = call_in(&connection, &LEFT, context, "").await.unwrap();
    let trace = "Some(TraceContext { trace_id: 1, span_id: 2, flags: 1 })";
    assert_eq!(text, format!("Some(300) Some(77) 3 {trace} Some((\"tarpc\", false)) Some(\"42\")"));
    let (_, text) = call_in(&connection, &LEFT, Context::default(), "").await.unwrap();
    assert_eq!(text, "None None 1 None Some((\"tarpc\", false)) None");
}

#[tokio::test]
async fn the_server_keeps_the_deadline() {
    let (running, seen) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let context = Context::default().with_deadline(Instant::now() + Duration::from_millis(50));
    let error = call_in(&connection, &HANG, context, "").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    seen.until_hanging(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_watches_ends_soon_after_its_deadline() {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let silent = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        far.write_all(b"\xF5RPC\r\n\x1A\n\0\x01\0\x01\0\x01\0\0").await.unwrap();
        let mut sink = Vec::new();
        far.read_to_end(&mut sink).await.unwrap();
    });
    let tasks = Tasks::owner();
    let connection = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), tasks.handle()).await.unwrap();
    let begun = Instant::now();
    let context = Context::default().with_deadline(begun + Duration::from_secs(2));
    let error = call_in(&connection, &ECHO, context, "").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DeadlineExceeded, Delivery::Unknown));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    silent.abort();
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_handler_along() {
    let (running, seen) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, &HANG, "").await }
    });
    seen.until_hanging(1).await;
    waiting.abort();
    seen.until_hanging(0).await;

    // A write goes on without its caller.
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, &WRITE, "").await }
    });
    seen.until_hanging(1).await;
    waiting.abort();
    assert_eq!(call(&connection, &ECHO, "behind the cancel").await.unwrap(), "behind the cancel");
    assert_eq!(seen.hanging(), 1);
    seen.release.notify_waiters();
    seen.until_hanging(0).await;
}

#[tokio::test]
async fn messages_at_their_limit_pass_and_one_byte_more_does_not() {
    const LIMIT: usize = 1000;
    let small = Limits::default().with_max_message(LIMIT);
    // Whichever side is narrower.
    for (theirs, ours) in [(small, Limits::default()), (Limits::default(), small), (small, small)] {
        let (running, seen) = server(theirs).await;
        let (connection, _tasks) = client(&running, ours).await;
        let bytes = |length| Bytes::from(vec![1; length]);
        assert_eq!(call(&connection, &ECHO, bytes(LIMIT)).await.unwrap().len(), LIMIT);
        let error = call(&connection, &ECHO, bytes(LIMIT + 1)).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::ResourceExhausted, Delivery::NeverSent));
        assert!(error.message().contains("1001 bytes is over the limit of 1000"), "{error}");
        assert_eq!(seen.begun.load(std::sync::atomic::Ordering::SeqCst), 1);

        assert_eq!(call(&connection, &BIG, "1000").await.unwrap().len(), LIMIT);
        let error = call(&connection, &BIG, "1001").await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::ResourceExhausted, Delivery::Unknown));
        assert_eq!(call(&connection, &ECHO, "still there").await.unwrap(), "still there");
    }
}

#[tokio::test]
async fn a_message_of_many_buffers_arrives_whole() {
    let (running, _) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let bytes: Bytes = (0..4 * 1024 * 1024).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    assert!(call(&connection, &ECHO, bytes.clone()).await.unwrap() == bytes);
}

#[tokio::test]
async fn open_calls_are_limited_by_the_narrower_side() {
    let few = Limits::default().with_max_concurrent_calls(2);
    for (theirs, ours) in [(few, Limits::default()), (Limits::default(), few)] {
        let (running, seen) = server(theirs).await;
        let (connection, _tasks) = client(&running, ours).await;
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let connection = connection.clone();
                tokio::spawn(async move { call(&connection, &HANG, "").await })
            })
            .collect();
        seen.until_hanging(2).await;
        let mut third = Box::pin(call(&connection, &ECHO, ""));
        let others = tokio::time::timeout(Duration::from_millis(100), &mut third).await;
        assert!(others.is_err(), "it did not wait");
        assert_eq!(seen.begun.load(std::sync::atomic::Ordering::SeqCst), 2);
        seen.release.notify_waiters();
        for answer in waiting {
            answer.await.unwrap().unwrap();
        }
        third.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_get_their_own_answers() {
    let (running, seen) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let calls: Vec<_> = (0..1000)
        .map(|number: u32| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let sent = Bytes::from(number.to_string().repeat(1 + number as usize % 100));
                assert_eq!(call(&connection, &ECHO, sent.clone()).await.unwrap(), sent);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(seen.begun.load(std::sync::atomic::Ordering::SeqCst), 1000);
}
