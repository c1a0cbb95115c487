//! Streams are made again while they have not begun.

use super::world::{FOLLOW, Handler, IMPORT, LIST, World, answers, empty, fails, fleet, instance};
use crate::{
    Body, BoxFuture, Code, Delivery, Kind, Method, Payload, PayloadStream, Request, Response, Status,
    client::{RetryLimits, RetryPolicy, Timeouts},
    registry::{Memory, Registry},
};
use bytes::Bytes;
use futures_util::stream;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(3);
static UPSERT: Method = Method::new("test.Orders", "Upsert", "/test.Orders/Upsert", Kind::ClientStream).idempotent();

fn numbers() -> Body {
    Body::Stream(PayloadStream::new(stream::iter((1..=3_u8).map(|item| Ok(Payload::Encoded(Bytes::from(vec![item])))))))
}

/// Reads all items, and answers with them.
fn gathers() -> Handler {
    Arc::new(|request: Request| {
        Box::pin(async move {
            let (mut items, mut all) = (request.body.into_stream(), Vec::new());
            while let Some(item) = items.next().await {
                all.extend(item?.into_bytes());
            }
            Ok(Response::new(Body::Message(Payload::Encoded(all.into()))))
        })
    })
}

/// Fails once it has taken this many items.
fn fails_behind(taken: usize, status: Status) -> Handler {
    Arc::new(move |request: Request| {
        let status = status.clone();
        Box::pin(async move {
            let mut items = request.body.into_stream();
            for _ in 0..taken {
                items.next().await.unwrap()?;
            }
            Err(status)
        })
    })
}

fn lost(delivery: Delivery) -> Status {
    Status::unavailable("connection lost").with_delivery(delivery)
}

/// Makes one call where the first server does this and the second that.
async fn call(
    method: &'static Method,
    body: Body,
    first: Handler,
    second: Handler,
) -> (World, Result<Response, Status>) {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let begun = Arc::new(AtomicBool::new(false));
    let handler: Handler =
        Arc::new(move |request| if begun.swap(true, Relaxed) { second(request) } else { first(request) });
    for address in ["a:1", "b:1"] {
        world.handle(address, handler.clone());
    }
    // So that it ends with what the attempts ended with.
    let channel = world.channel(&registry).timeouts(Timeouts::default().with_service(LIMIT * 100)).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let outcome = channel.call(method, body, None).await;
    (world, outcome)
}

fn whole(outcome: Result<Response, Status>) -> bool {
    outcome.unwrap().body.into_message().unwrap().into_bytes() == [1, 2, 3][..]
}

#[tokio::test(start_paused = true)]
async fn requests_of_which_nothing_was_taken_go_elsewhere_whole() {
    for delivery in [Delivery::NeverSent, Delivery::Unprocessed] {
        let (world, outcome) = call(&IMPORT, numbers(), fails(lost(delivery)), gathers()).await;
        assert!(whole(outcome), "{delivery:?}");
        let [first, second] = &world.seen()[..] else { panic!("{delivery:?}: {:?}", world.seen()) };
        assert_ne!(first.server, second.server, "{delivery:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_have_begun_are_not_made_again() {
    for delivery in [Delivery::NeverSent, Delivery::Unprocessed, Delivery::Unknown] {
        let (world, outcome) = call(&UPSERT, numbers(), fails_behind(1, lost(delivery)), gathers()).await;
        assert_eq!(outcome.unwrap_err().delivery(), delivery);
        assert_eq!(world.seen().len(), 1, "{delivery:?}: an item is missing");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_lost_before_their_first_item_are_made_again_where_twice_is_as_good() {
    let (_, outcome) = call(&UPSERT, numbers(), fails(lost(Delivery::Unknown)), gathers()).await;
    assert!(whole(outcome));
    let (world, outcome) = call(&IMPORT, numbers(), fails(lost(Delivery::Unknown)), gathers()).await;
    outcome.unwrap_err();
    assert_eq!(world.seen().len(), 1);
}

/// A transport may have given the stream to a task, which learns of the end of the call in its own time.
#[tokio::test(start_paused = true)]
async fn who_still_reads_for_an_attempt_that_is_over_gets_nothing() {
    let kept = Arc::new(Mutex::new(None));
    let slot = kept.clone();
    let keeps: Handler = Arc::new(move |request: Request| {
        *slot.lock().unwrap() = Some(request.body.into_stream());
        Box::pin(async { Err(lost(Delivery::NeverSent)) })
    });
    let (_, outcome) = call(&IMPORT, numbers(), keeps, gathers()).await;
    assert!(whole(outcome));
    let mut stream = kept.lock().unwrap().take().unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn requests_are_made_again_from_the_budget_and_three_times_at_most() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    for address in ["a:1", "b:1"] {
        world.handle(address, fails(lost(Delivery::Unprocessed)));
    }
    let limits = RetryLimits { attempts: 3, percent: 0, per_second: 1 };
    let channel = world.channel(&registry).retry(RetryPolicy::On(limits)).build();
    channel.ready(LIMIT).await.unwrap();
    for _ in 0..20 {
        channel.call(&IMPORT, numbers(), None).await.unwrap_err();
    }
    // Each once for free, and ten more.
    assert_eq!(world.seen().len(), 20 + 20 + 10);
    assert!(world.seen().iter().all(|seen| seen.attempt <= 3));
}

#[tokio::test(start_paused = true)]
async fn replies_are_asked_for_again_until_they_have_begun() {
    for (method, delivery, attempts) in [
        (&FOLLOW, Delivery::NeverSent, 2),
        (&FOLLOW, Delivery::Unprocessed, 2),
        (&FOLLOW, Delivery::Unknown, 1),
        (&LIST, Delivery::Unknown, 2),
    ] {
        let (world, outcome) = call(method, empty(), fails(lost(delivery)), answers()).await;
        assert_eq!((outcome.is_ok(), world.seen().len()), (attempts == 2, attempts), "{method} {delivery:?}");
    }
}

/// What begins has its metadata with the caller: nothing takes that back.
#[tokio::test(start_paused = true)]
async fn replies_that_have_begun_are_not_asked_for_again() {
    let breaks: Handler = Arc::new(|_| {
        let items = stream::iter([Err(lost(Delivery::Unknown))]);
        Box::pin(async { Ok(Response::new(Body::Stream(PayloadStream::new(items)))) })
    });
    let (world, outcome) = call(&LIST, empty(), breaks, answers()).await;
    let mut items = outcome.unwrap().body.into_stream();
    assert_eq!(items.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(items.next().await.is_none());
    assert_eq!(world.seen().len(), 1);
}

/// A stream that has sent nothing yet, at a server that leaves `after` this time without having begun.
async fn idle(after: Duration) -> (World, Memory, BoxFuture<'static, Outcome>) {
    let (world, registry, records) = fleet(&["a:1"]).await;
    let leaves: Handler = Arc::new(move |_| {
        Box::pin(async move {
            tokio::time::sleep(after).await;
            Err(lost(Delivery::Unprocessed))
        })
    });
    world.handle("a:1", leaves);
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    // It is gone by the time it refuses the call, or the call might come back to it.
    let leaving = (world.clone(), tokio::time::Instant::now() + after - Duration::from_millis(1));
    let call = async move {
        let silent = Body::Stream(PayloadStream::new(stream::pending()));
        let call = channel.call(&IMPORT, silent, None);
        let (world, at) = leaving;
        let leave = async move {
            tokio::time::sleep_until(at).await;
            world.kill("a:1");
            drop(records);
            std::future::pending().await
        };
        tokio::select! {
            outcome = call => outcome,
            never = leave => never,
        }
    };
    (world, registry, Box::pin(call))
}

type Outcome = Result<Response, Status>;

#[tokio::test(start_paused = true)]
async fn a_stream_whose_server_leaves_looks_for_another_no_longer_than_at_its_beginning() {
    let begun = tokio::time::Instant::now();
    let (_world, _registry, call) = idle(Duration::from_secs(60)).await;
    let status = tokio::time::timeout(Duration::from_secs(600), call).await.unwrap().unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(65));
    assert_eq!((status.code(), status.delivery()), (Code::DeadlineExceeded, Delivery::Unprocessed));
    assert!(status.message().starts_with("the limit for a stream to begin of 5s exceeded: "), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_server_leaves_goes_to_one_that_comes_in_time() {
    let (world, registry, call) = idle(Duration::from_secs(60)).await;
    let comes = async {
        tokio::time::sleep(Duration::from_secs(63)).await;
        world.start("b:1", answers());
        registry.register(instance("b:1")).await.unwrap()
    };
    let (outcome, _record) = tokio::join!(call, comes);
    outcome.unwrap();
    assert_eq!(world.calls("b:1"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_may_have_done_is_said_of_the_call() {
    use Delivery::{NeverSent, Unknown, Unprocessed};
    for (first, then, whole) in
        [(Unknown, NeverSent, Unknown), (Unknown, Unprocessed, Unknown), (Unprocessed, NeverSent, Unprocessed)]
    {
        let (world, outcome) = call(&LIST, empty(), fails(lost(first)), fails(lost(then))).await;
        assert!(world.seen().len() > 1);
        assert_eq!(outcome.unwrap_err().delivery(), whole, "{first:?}, {then:?}");
    }
}
