//! Calls of one message.

use super::*;
use crate::{
    Code, Delivery, Metadata,
    framed::Hello,
    transport::{ConnectionState, DrainPhase, ProtocolRefused},
};

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_with_its_metadata() {
    let served = Served::new();
    let connection = served.connect().await;
    let mut metadata = Metadata::default();
    metadata.append("store", "42").unwrap();
    metadata.append_bytes("token-bin", vec![0, 255]).unwrap();
    let context = Context::default().with_metadata(metadata.clone());
    let response = connection.service.call(Request::new(&ECHO, context, message("hello"))).await.unwrap();
    assert_eq!(response.metadata, metadata);
    assert_eq!(response.body.into_message().unwrap().into_bytes(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_that_calls_failure() {
    let served = Served::new();
    let connection = served.connect().await;
    let error = call(&connection, &PANIC, message("")).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Internal, Delivery::Unknown));
    assert_eq!(echo(&connection).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_cancelled() {
    let served = Served::new();
    let connection = served.connect().await;
    {
        let mut waiting = std::pin::pin!(call(&connection, &WAIT, message("")));
        tokio::select! {
            _ = &mut waiting => panic!("answered"),
            () = until(|| served.seen.running() == 1) => {}
        }
    }
    until(|| served.seen.running() == 0).await;
    assert_eq!(echo(&connection).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_when_nobody_else_keeps_it() {
    let served = Served::new();
    let connection = served.connect().await;
    let began = tokio::time::Instant::now();
    let context = Context::default().child(Some(Duration::from_millis(300)));
    let error = connection.service.call(Request::new(&WAIT, context, message(""))).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DeadlineExceeded, Delivery::Unknown));
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    until(|| served.seen.running() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn messages_over_the_limit_are_refused_on_both_sides_with_the_limit_named() {
    let served = Served::with_limits(Limits::default().with_max_message(1000));
    let connection = served.connect().await;
    let error = call(&connection, &ECHO, message(vec![0; 1001])).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::ResourceExhausted, Delivery::NeverSent));
    assert!(error.message().contains("1000"), "{error}");
    let error = call(&connection, &LARGE, message("")).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("1000"), "{error}");
    assert_eq!(echo(&connection).await.unwrap(), "x");
    // A sender that does not check is checked.
    let mut peer = Peer::new(served.accept(64 * 1024));
    peer.say(&Frame::Hello(Hello::default())).await;
    assert!(matches!(peer.hear().await, Some(Frame::Hello(_))));
    peer.say(&hostile::call(1, &ECHO, Some(payload(vec![0; 1001])))).await;
    let Some(Frame::Failed { id: 1, status }) = peer.hear().await else { panic!() };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(served.seen.begun.load(Ordering::Acquire), 2, "a handler ran with it");
}

#[tokio::test(start_paused = true)]
async fn open_calls_are_bounded_on_both_sides() {
    let served = Served::with_limits(Limits::default().with_max_concurrent_calls(2));
    let connection = served.connect().await;
    let waiting = || async { call(&connection, &WAIT, message("")).await };
    let (mut one, mut two) = (Box::pin(waiting()), Box::pin(waiting()));
    assert!(futures_util::poll!(&mut one).is_pending() && futures_util::poll!(&mut two).is_pending());
    let mut third = Box::pin(echo(&connection));
    assert!(futures_util::poll!(&mut third).is_pending());
    until(|| served.seen.begun.load(Ordering::Acquire) == 2).await;
    drop(one);
    // At once: the handler that was cancelled need not be gone.
    assert_eq!(third.await.unwrap(), "x");

    // A client that does not count is counted. Handlers that were cancelled may be there as well, as many again: more,
    // and opening and cancelling in turn would make tasks without end.
    let mut peer = Peer::new(served.accept(64 * 1024));
    peer.say(&Frame::Hello(Hello::default())).await;
    peer.hear().await;
    for id in 1..=5 {
        peer.say(&hostile::call(id, &WAIT, Some(payload("")))).await;
    }
    let Some(Frame::Failed { id: 5, status }) = peer.hear().await else { panic!() };
    assert_eq!((status.code(), status.delivery()), (Code::ResourceExhausted, Delivery::Unprocessed));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_place_goes_elsewhere_when_the_server_leaves() {
    let served = Served::with_limits(Limits::default().with_max_concurrent_calls(1));
    let connection = served.connect().await;
    let mut open = Box::pin(call(&connection, &WAIT, message("")));
    assert!(futures_util::poll!(&mut open).is_pending());
    let mut waiting = Box::pin(echo(&connection));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    served.trigger.advance(DrainPhase::Draining);
    let error = waiting.await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_knows_not_is_unprocessed() {
    static UNKNOWN: Method = Method::new("t.T", "Unknown", "/t.T/Unknown", Kind::Unary);
    let served = Served::new();
    let connection = served.connect().await;
    let error = call(&connection, &UNKNOWN, message("")).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unimplemented, Delivery::Unprocessed));
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_fails_its_calls_by_how_far_they_got() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (tasks, mut peer) = (Tasks::owner(), Peer::new(far));
    let greeted = tokio::join!(connect(Io::new(near), Bare, ConnectTarget::new("test"), tasks.clone()), async {
        peer.hear().await;
        peer.say(&Frame::Hello(Hello::default())).await;
    });
    let connection = greeted.0.unwrap();
    let (sent, ()) = tokio::join!(call(&connection, &ECHO, message("x")), async {
        assert!(matches!(peer.hear().await, Some(Frame::Call(_))));
        drop(peer);
    });
    let error = sent.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown));
    assert_eq!(*connection.state.borrow(), ConnectionState::Closed);
    let error = echo(&connection).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_left_is_known_to_be_never_sent() {
    let (near, far) = tokio::io::duplex(200);
    let (tasks, mut peer) = (Tasks::owner(), Peer::new(far));
    let greeted = tokio::join!(connect(Io::new(near), Bare, ConnectTarget::new("test"), tasks.clone()), async {
        peer.hear().await;
        peer.say(&Frame::Hello(Hello::default())).await;
    });
    let connection = greeted.0.unwrap();
    // The first fills the way out and is cut in the middle; the second stands behind it.
    let (first, second, ()) =
        tokio::join!(call(&connection, &ECHO, message(vec![0; 1000])), call(&connection, &ECHO, message("x")), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(peer);
        });
    assert_eq!(first.unwrap_err().delivery(), Delivery::Unknown);
    assert_eq!(second.unwrap_err().delivery(), Delivery::NeverSent);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_calls_end_and_begins_none() {
    let served = Served::new();
    let connection = served.connect().await;
    let mut replies = call(&connection, &TALK, Body::Stream(PayloadStream::new(futures_util::stream::pending())))
        .await
        .unwrap()
        .body
        .into_stream();
    served.trigger.advance(DrainPhase::Draining);
    let mut state = connection.state.clone();
    state.wait_for(|state| *state == ConnectionState::Draining).await.unwrap();
    let error = echo(&connection).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
    assert!(futures_util::poll!(std::pin::pin!(replies.next())).is_pending(), "the stream goes on");
    served.trigger.advance(DrainPhase::Stopped);
    let error = replies.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "server draining"));
    drop((replies, connection));
    served.tasks.finished().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_idle_leaves_when_the_server_drains_and_when_it_is_dropped() {
    let served = Served::new();
    let connection = served.connect().await;
    echo(&connection).await.unwrap();
    let dropped = served.connect().await;
    let mut state = dropped.state.clone();
    drop(dropped);
    state.wait_for(|state| *state == ConnectionState::Closed).await.unwrap();
    served.trigger.advance(DrainPhase::Draining);
    served.tasks.finished().await;
    assert_eq!(*connection.state.borrow(), ConnectionState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_and_given_up() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (tasks, mut peer) = (Tasks::owner(), Peer::new(far));
    let greeted = tokio::join!(connect(Io::new(near), Bare, ConnectTarget::new("test"), tasks.clone()), async {
        peer.hear().await;
        peer.say(&Frame::Hello(Hello::default())).await;
    });
    let connection = greeted.0.unwrap();
    let (outcome, ()) = tokio::join!(call(&connection, &ECHO, message("x")), async {
        peer.hear().await;
        let Some(Frame::Ping { number }) = peer.hear().await else { panic!() };
        peer.say(&Frame::Pong { number }).await;
        assert!(matches!(peer.hear().await, Some(Frame::Ping { .. })), "it is asked again");
    });
    let error = outcome.unwrap_err();
    assert!(error.message().contains("ping"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn another_instance_and_another_protocol_are_told_apart() {
    let served = Served::new();
    let meant = ConnectTarget::new("test").with_instance("two");
    let error = connect(Io::new(served.accept(1024)), Bare, meant, served.tasks.clone()).await.unwrap_err();
    assert!(!ProtocolRefused::caused(&error) && error.message().contains("two"), "{error}");
    assert_eq!(error.delivery(), Delivery::NeverSent);

    let (near, mut far) = tokio::io::duplex(1024);
    far.write_all(b"HTTP/1.1 426 Upgrade Required\r\n").await.unwrap();
    let (_, silent) = tokio::io::duplex(1024);
    let (hanging, _far) = tokio::io::duplex(1024);
    for io in [near, silent, hanging] {
        let error = connect(Io::new(io), Bare, ConnectTarget::new("test"), Tasks::owner()).await.unwrap_err();
        assert!(ProtocolRefused::caused(&error), "{error:?}");
    }
    served.trigger.advance(DrainPhase::Draining);
    let io = Io::new(served.accept(1024));
    let error = connect(io, Bare, ConnectTarget::new("test"), Tasks::owner()).await.unwrap_err();
    assert!(!ProtocolRefused::caused(&error) && error.message().contains("draining"), "{error}");
}
