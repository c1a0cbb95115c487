//! What becomes of servers that fail, and of those that come.

use super::world::*;
use crate::{Body, Delivery, PayloadStream, Pushback, Status, client::Channel, registry::Registry};
use futures_util::future::join_all;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(3);

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn broken() -> Handler {
    fails(Status::internal("broken").received_from_peer())
}

/// Calls one after the other, with a little time in between. Gives how many failed.
async fn call(channel: &Channel, count: usize) -> usize {
    let mut failed = 0;
    for _ in 0..count {
        failed += usize::from(channel.call(&PLACE, empty(), None).await.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    failed
}

/// Servers of which a channel knows that they answer, and what it tells; the last is to be kept.
async fn acquainted(addresses: &[&str]) -> (World, Channel, Arc<Log>, impl Sized) {
    let (world, registry, records) = fleet(addresses).await;
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    call(&channel, 50).await;
    (world, channel, log, (registry, records))
}

/// How many of so many calls go to a server.
async fn share(world: &World, channel: &Channel, address: &str, count: usize) -> usize {
    let before = world.calls(address);
    call(channel, count).await;
    world.calls(address) - before
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_ejected_and_comes_back_by_way_of_one_probe() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1"]).await;
    world.handle("a:1", broken());
    // It is shunned after each failure, so this takes a while where calls do not overlap.
    let mut failed = 0;
    while log.count("ejected") == 0 {
        failed += call(&channel, 100).await;
        assert!(failed < 20, "{failed} calls failed");
    }
    assert_eq!(log.count("ejected a:1 after 5 failures in a row"), 1);
    assert_eq!(failed, 5);
    assert_eq!(log.count("connection to a:1 over fast Open"), 2, "it is connected to anew");

    // After five seconds at most a single call is its probe, and as it fails, it is left for longer.
    pass(5).await;
    assert_eq!(call(&channel, 500).await, 1);
    assert_eq!(log.count("ejected a:1"), 2);
    world.handle("a:1", answers());
    pass(10).await;
    assert_eq!(log.count("readmitted"), 0, "nobody has called");
    assert_eq!(call(&channel, 2).await, 0);
    assert_eq!(log.count("readmitted a:1"), 1);

    // It gets a tenth of its share at first.
    let cold = share(&world, &channel, "a:1", 300).await;
    assert!((1..40).contains(&cold), "{cold}");
    pass(20).await;
    let warm = share(&world, &channel, "a:1", 300).await;
    assert!((70..130).contains(&warm), "{warm}");
}

/// It is back from a pause, say, and finds more to do than it can. Whoever came first would be its probe.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_its_probe_costs_one_call_an_attempt_and_not_all() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1"]).await;
    world.handle("a:1", broken());
    while log.count("ejected") == 0 {
        call(&channel, 100).await;
    }
    let flooded = Status::resource_exhausted("too much to do").with_delivery(Delivery::Unprocessed);
    world.handle(
        "a:1",
        fails(flooded.with_incoming_pushback(Pushback::After(Duration::from_millis(100))).received_from_peer()),
    );
    pass(5).await;
    let before = world.calls("a:1");
    assert_eq!(call(&channel, 500).await, 0, "the others have room");
    assert_eq!(world.calls("a:1") - before, 1);
    assert_eq!(log.count("ejected a:1"), 2);
    world.handle("a:1", answers());
    pass(5).await;
    assert_eq!(call(&channel, 2).await, 0, "it is asked again, and no later than the first time");
    assert_eq!(log.count("readmitted a:1"), 1);
}

/// Its answer comes when it ends, and nobody would know until then.
#[tokio::test(start_paused = true)]
async fn a_stream_of_requests_is_no_probe() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1"]).await;
    world.handle("a:1", broken());
    while log.count("ejected") == 0 {
        call(&channel, 100).await;
    }
    for address in ["a:1", "b:1", "c:1"] {
        world.handle(address, answers());
    }
    pass(5).await;
    let before = world.calls("a:1");
    for _ in 0..50 {
        let orders = Body::Stream(PayloadStream::new(futures_util::stream::empty()));
        channel.call(&IMPORT, orders, None).await.unwrap();
    }
    assert_eq!(world.calls("a:1"), before);
    call(&channel, 2).await;
    assert_eq!(log.count("readmitted a:1"), 1);
}

/// A wire ends such a call with the error of the stream, which is no word of the server's.
#[tokio::test(start_paused = true)]
async fn a_stream_of_requests_that_fails_is_not_held_against_the_server() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1"]).await;
    // Whatever does not go to the one that reads is answered well by the other.
    world.handle(
        "a:1",
        Arc::new(|request: crate::Request| {
            Box::pin(async move {
                let mut items = request.body.into_stream();
                while items.next().await.transpose()?.is_some() {}
                Ok(crate::Response::new(empty()))
            }) as crate::BoxFuture<'static, _>
        }),
    );
    let upload = async |status: Status| {
        let first = Ok(crate::Payload::Encoded(bytes::Bytes::new()));
        let items = futures_util::stream::iter([first, Err(status)]);
        let outcome = channel.call(&IMPORT, Body::Stream(PayloadStream::new(items)), None).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        outcome.err()
    };
    let mut failed = 0;
    for _ in 0..200 {
        let Some(status) = upload(Status::internal("the file is broken")).await else { continue };
        assert_eq!(status.to_string(), "Internal: the file is broken");
        failed += 1;
    }
    assert!((60..140).contains(&failed), "{failed}: it is not shunned");
    assert_eq!(log.count("ejected"), 0);

    // Of a call elsewhere it may be true that it was not sent, and that the server there wants to be left alone.
    let elsewhere = Status::unavailable("no server of another service")
        .with_delivery(Delivery::NeverSent)
        .with_incoming_pushback(Pushback::After(Duration::from_secs(9)));
    let status = loop {
        if let Some(status) = upload(elsewhere.clone()).await {
            break status;
        }
    };
    assert_eq!((status.delivery(), status.incoming_pushback()), (Delivery::Unknown, None));
    assert_eq!(status.to_string(), "Unavailable: no server of another service");
    let share = share(&world, &channel, "a:1", 100).await;
    assert!((30..70).contains(&share), "{share}");
}

#[tokio::test(start_paused = true)]
async fn where_all_fail_nobody_is_ejected() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1"]).await;
    for address in ["a:1", "b:1", "c:1"] {
        world.handle(address, broken());
    }
    assert_eq!(call(&channel, 500).await, 500);
    // One may be the last to answer well, and the others be ejected meanwhile, but never more than half.
    assert!(log.count("ejected") <= 1);
    for address in ["a:1", "b:1", "c:1"] {
        world.handle(address, answers());
    }
    assert_eq!(call(&channel, 100).await, 0);
}

#[tokio::test(start_paused = true)]
async fn never_more_than_half_are_ejected_and_in_a_panic_all_are_called() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1", "d:1", "e:1"]).await;
    for address in ["a:1", "b:1", "c:1"] {
        world.handle(address, broken());
    }
    for _ in 0..40 {
        call(&channel, 50).await;
        pass(3).await;
    }
    let ejected = |address: &str| log.count(&format!("ejected {address}")) > 0;
    let out: Vec<_> = ["a:1", "b:1", "c:1"].into_iter().filter(|address| ejected(address)).collect();
    assert_eq!(out.len(), 2, "{:?}", log.lines().iter().filter(|line| line.contains("ejected")).collect::<Vec<_>>());
    assert!(!ejected("d:1") && !ejected("e:1"));

    // The failing one that may not be ejected tells who is.
    let source = loop {
        if let Err(status) = channel.call(&PLACE, empty(), None).await {
            break std::error::Error::source(&status).unwrap().to_string();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(source.contains(&format!("; ejected: {} after ", out[0])), "{source}");

    // Only one of four that are connected is left: it would not bear the calls of all.
    world.kill("d:1");
    let left = ["a:1", "b:1", "c:1"].into_iter().find(|address| !ejected(address)).unwrap();
    world.kill(left);
    for address in &out {
        world.handle(address, answers());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let share = share(&world, &channel, out[0], 300).await;
    assert!(share > 50, "{share}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_ejected() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1"]).await;
    world.handle("a:1", Arc::new(|_| Box::pin(std::future::pending())));
    let mut failed = 0;
    while log.count("ejected") == 0 {
        failed += call(&channel, 50).await;
        assert!(failed <= 5, "{failed} calls were not answered");
    }
    assert_eq!(failed, 5);
    assert_eq!(log.count("ejected a:1 after 5 failures in a row"), 1);
    assert_eq!(call(&channel, 100).await, 0);
}

/// One of six fails every third call, so that there is never a run of failures, and is ejected for what it does in ten
/// seconds. Calls overlap: one that fails is shunned where the others are idle, and would hardly be called.
#[tokio::test(start_paused = true)]
async fn a_server_that_fails_more_often_than_the_others_is_ejected() {
    const AT_ONCE: usize = 30;
    let addresses = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"];
    let (world, registry, _records) = fleet(&addresses).await;
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    let one_fails_in = |every: u32| {
        let calls = AtomicU32::new(0);
        let handler = move |_| {
            let fails = calls.fetch_add(1, Relaxed) % every == every - 1;
            let answer = async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if fails {
                    Err(Status::internal("broken").received_from_peer())
                } else {
                    Ok(crate::Response::new(empty()))
                }
            };
            Box::pin(answer) as crate::BoxFuture<'static, _>
        };
        Arc::new(handler) as Handler
    };
    // Of the others each fails now and then as well.
    for address in addresses {
        world.handle(address, one_fails_in(if address == "a:1" { 3 } else { 50 }));
    }
    let begun = tokio::time::Instant::now();
    while log.count("ejected") == 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(25),
            "of {} calls it got {}",
            world.seen().len(),
            world.calls("a:1")
        );
        join_all((0..AT_ONCE).map(|_| call(&channel, 10))).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(10), "that is too soon to compare");
    let ejected: Vec<_> = log.lines().into_iter().filter(|line| line.starts_with("ejected")).collect();
    let [line] = ejected.as_slice() else { panic!("{ejected:?}") };
    assert!(line.starts_with("ejected a:1 after ") && line.contains('%'), "{line}");

    // Alike, they are left alone, however often they fail.
    let before = log.count("ejected");
    for address in addresses {
        world.handle(address, one_fails_in(3));
    }
    while begun.elapsed() < Duration::from_secs(50) {
        join_all((0..AT_ONCE).map(|_| call(&channel, 10))).await;
    }
    let later: Vec<_> = log.lines().into_iter().filter(|line| line.starts_with("ejected")).skip(before).collect();
    // The probe of the first may fail, which is no new verdict.
    assert!(later.iter().all(|line| line.starts_with("ejected a:1")), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_one_failure_however_many_calls_were_on_it() {
    let (world, channel, log, _kept) = acquainted(&["a:1", "b:1", "c:1"]).await;
    let slowly = |outcome: Result<(), Status>| {
        let handler = move |_| {
            let outcome = outcome.clone();
            let answer = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                outcome.map(|()| crate::Response::new(empty()))
            };
            Box::pin(answer) as crate::BoxFuture<'static, _>
        };
        Arc::new(handler) as Handler
    };
    world.handle("a:1", slowly(Err(Status::unavailable("connection lost"))));
    world.handle("b:1", slowly(Ok(())));
    world.handle("c:1", slowly(Ok(())));
    let calls = (0..60).map(|_| channel.call(&PLACE, empty(), None));
    let failed = join_all(calls).await.into_iter().filter(Result::is_err).count();
    assert!(failed >= 10, "{failed}");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(log.count("ejected"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_later_gets_its_share_step_by_step() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Those of the first list have their whole share at once.
    let first = share(&world, &channel, "a:1", 300).await;
    assert!((70..130).contains(&first), "{first}");

    world.start("d:1", answers());
    let _d = registry.register(instance("d:1")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut shares = Vec::new();
    for _ in 0..4 {
        shares.push(share(&world, &channel, "d:1", 400).await);
        pass(6).await;
    }
    assert!((5..30).contains(&shares[0]), "{shares:?}");
    assert!(shares[0] < shares[1] && shares[1] < shares[3], "{shares:?}");
    assert!((75..130).contains(&shares[3]), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn where_most_are_new_nobody_is_held_back() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    let mut records = Vec::new();
    for address in ["b:1", "c:1"] {
        world.start(address, answers());
        records.push(registry.register(instance(address)).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let old = share(&world, &channel, "a:1", 300).await;
    assert!((70..130).contains(&old), "{old}");
}
