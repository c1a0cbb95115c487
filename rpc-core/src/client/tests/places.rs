//! Connections that have as many calls as they take.

use super::world::*;
use crate::{
    Code, Delivery, Response,
    client::{Hedge, Hedges, Timeouts},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn a_call_goes_where_there_is_a_place_for_it() {
    let addresses = ["a:1", "b:1", "c:1"];
    let (world, registry, _records) = fleet(&addresses).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    world.places("a:1").set_limit(0);
    world.places("b:1").set_limit(0);
    for _ in 0..100 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(world.calls("c:1"), 100);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_place_and_is_sent_once() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    let places = world.places("a:1");
    places.set_limit(0);
    let opened = async {
        sleep(Duration::from_secs(2)).await;
        assert_eq!(world.calls("a:1"), 0);
        places.set_limit(1);
    };
    let (answer, ()) = tokio::join!(channel.call(&PLACE, empty(), None), opened);
    answer.unwrap();
    let [seen] = &world.seen()[..] else { panic!("{:?}", world.seen()) };
    assert_eq!(seen.attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_ends_with_the_deadline_and_nothing_was_sent() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).timeouts(Timeouts::default().with_service(Duration::from_secs(2))).build();
    channel.ready(LIMIT).await.unwrap();
    world.places("a:1").set_limit(0);
    // A stream from the client has no limit for its answer, but one for being sent.
    for method in [&PLACE, &FOLLOW, &IMPORT] {
        let began = Instant::now();
        let status = channel.call(method, empty(), None).await.unwrap_err();
        assert_eq!((status.code(), status.delivery()), (Code::DeadlineExceeded, Delivery::NeverSent), "{status}");
        assert!(status.message().contains("as many calls were open as the connection takes"), "{status}");
        assert!(status.message().contains("2s waiting for a server, 0 attempts sent"), "{status}");
        assert_eq!(began.elapsed().as_secs(), 2);
    }
    assert!(world.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hedge_does_not_wait_for_a_place() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let hedges = Hedges::default().with_service(Hedge::After(Duration::from_millis(50)));
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).hedges(hedges).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    for address in ["a:1", "b:1"] {
        world.handle(
            address,
            Arc::new(|_| {
                Box::pin(async {
                    sleep(Duration::from_secs(1)).await;
                    Ok(Response::new(empty()))
                })
            }),
        );
    }
    world.places("b:1").set_limit(0);
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!((world.calls("a:1"), log.count("Find goes to b:1")), (1, 0));
    world.places("b:1").set_limit(1);
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(world.calls("a:1") + world.calls("b:1"), 3);
}
