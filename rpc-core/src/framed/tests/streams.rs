//! Streams in both directions.

use super::*;
use crate::{
    Code, Delivery,
    framed::{Credit, Hello},
};

fn numbers(last: u64) -> Body {
    Body::Stream(PayloadStream::new(
        futures_util::stream::iter(0..last).map(|number| Ok(payload(number.to_be_bytes().to_vec()))),
    ))
}

async fn count(connection: &Connection, last: u64) -> PayloadStream {
    call(connection, &COUNT, message(last.to_be_bytes().to_vec())).await.unwrap().body.into_stream()
}

#[tokio::test(start_paused = true)]
async fn every_item_arrives_once_and_in_order() {
    let served = Served::new();
    let connection = served.connect().await;
    let mut replies = count(&connection, 10_000).await;
    for expected in 0..10_000 {
        assert_eq!(number(&replies.next().await.unwrap().unwrap().into_bytes()), expected);
    }
    assert!(replies.next().await.is_none());
    until(|| served.seen.running() == 0).await;

    let reply = call(&connection, &SUM, numbers(10_000)).await.unwrap().body.into_message().unwrap();
    assert_eq!(number(&reply.into_bytes()), 10_000 * 9_999 / 2);

    let mut replies = call(&connection, &TALK, numbers(1000)).await.unwrap().body.into_stream();
    for expected in 0..1000 {
        assert_eq!(number(&replies.next().await.unwrap().unwrap().into_bytes()), expected);
    }
    assert!(replies.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_stops_the_sender_in_both_directions() {
    let served = Served::new();
    let connection = served.connect().await;
    let mut replies = count(&connection, 10_000).await;
    for _ in 0..100 {
        replies.next().await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let ahead = Credit::default().items as usize;
    assert!(served.seen.made() <= 100 + ahead, "{} were made, 100 read", served.seen.made());
    assert_eq!(echo(&connection).await.unwrap(), "x", "and stops nobody else");
    drop(replies);
    until(|| served.seen.running() == 0).await;

    // A handler that reads nothing: the client's stream is asked for as much as there is credit for.
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let items = futures_util::stream::iter(0u64..).map(move |number| {
        counter.fetch_add(1, Ordering::AcqRel);
        Ok(payload(number.to_be_bytes().to_vec()))
    });
    let body = Body::Stream(PayloadStream::new(items));
    let _replies = call(&connection, &TALK, body).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let made = made.load(Ordering::Acquire);
    assert!(made <= 2 * ahead + 1, "{made} were made, none read");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_ends_its_handler_also_a_silent_one() {
    let served = Served::new();
    let connection = served.connect().await;
    let replies = call(&connection, &SILENT, message("")).await.unwrap();
    assert_eq!(served.seen.running(), 1);
    drop(replies);
    until(|| served.seen.running() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_reads_no_more_stops_the_clients_stream() {
    struct OnDrop(Arc<AtomicUsize>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }
    let served = Served::new();
    let connection = served.connect().await;
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = OnDrop(dropped.clone());
    let items = futures_util::stream::pending().map(move |item| {
        let _guard = &guard;
        item
    });
    let mut calling = Box::pin(call(&connection, &IGNORE, Body::Stream(PayloadStream::new(items))));
    tokio::select! {
        _ = &mut calling => panic!("answered"),
        () = until(|| dropped.load(Ordering::Acquire) == 1) => {}
    }
    assert_eq!(served.seen.running(), 1, "the call goes on");
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_clients_stream_is_the_calls() {
    let served = Served::new();
    let connection = served.connect().await;
    for method in [&SUM, &TALK] {
        let items = [Ok(payload(vec![0; 8])), Err(Status::invalid_argument("the file has no line 7"))];
        let body = Body::Stream(PayloadStream::new(futures_util::stream::iter(items)));
        let outcome = match call(&connection, method, body).await {
            Ok(response) => {
                let mut replies = response.body.into_stream();
                loop {
                    match replies.next().await {
                        Some(Ok(_)) => {}
                        Some(Err(status)) => break status,
                        None => panic!("a clean end"),
                    }
                }
            }
            Err(status) => status,
        };
        assert_eq!(outcome.code(), Code::InvalidArgument, "{method}: {outcome}");
        until(|| served.seen.running() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_fails_after_the_items_that_came() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (tasks, mut peer) = (Tasks::owner(), Peer::new(far));
    let greeted = tokio::join!(connect(Io::new(near), Bare, ConnectTarget::new("test"), tasks.clone()), async {
        peer.hear().await;
        peer.say(&Frame::Hello(Hello::default())).await;
    });
    let connection = greeted.0.unwrap();
    let (response, ()) = tokio::join!(call(&connection, &COUNT, message(vec![0; 8])), async {
        let Some(Frame::Call(opened)) = peer.hear().await else { panic!() };
        peer.say(&Frame::Begun { id: opened.id, metadata: crate::Metadata::default() }).await;
        for _ in 0..3 {
            peer.say(&Frame::Item { id: opened.id, payload: payload("x") }).await;
        }
        drop(peer);
    });
    let mut replies = response.unwrap().body.into_stream();
    for _ in 0..3 {
        replies.next().await.unwrap().unwrap();
    }
    let error = replies.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown));
    assert!(replies.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_stream_is_kept_when_nobody_else_keeps_it() {
    let served = Served::new();
    let connection = served.connect().await;
    let context = Context::default().child(Some(Duration::from_millis(300)));
    let response = connection.service.call(Request::new(&SILENT, context, message(""))).await.unwrap();
    let error = response.body.into_stream().next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    until(|| served.seen.running() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn many_streams_stand_open_beside_calls() {
    let served = Served::new();
    let connection = served.connect().await;
    let mut open = Vec::new();
    for _ in 0..2000 {
        open.push(count(&connection, 10_000).await);
    }
    assert_eq!(echo(&connection).await.unwrap(), "x");
    for stream in &mut open {
        stream.next().await.unwrap().unwrap();
    }
    drop(open);
    until(|| served.seen.running() == 0).await;
}
