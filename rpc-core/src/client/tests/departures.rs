//! What becomes of servers that leave the list.

use super::world::*;
use crate::{
    Response, Status,
    client::Channel,
    registry::{Availability, Identity, Instance, Registry, Snapshot, Source, Watch},
    transport::ConnectionState,
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

const LIMIT: Duration = Duration::from_secs(3);

async fn moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// How many of so many calls go to a server.
async fn share(world: &World, channel: &Channel, address: &str, calls: usize) -> usize {
    let before = world.calls(address);
    for _ in 0..calls {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    world.calls(address) - before
}

#[tokio::test(start_paused = true)]
async fn a_server_that_left_the_list_is_a_last_resort() {
    let (world, registry, mut records) = fleet(&["a:1", "b:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    records.remove(0).close(LIMIT).await;
    moment().await;
    assert_eq!(share(&world, &channel, "a:1", 20).await, 0);
    // Nobody holds its connection any more once the time is over.
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(world.is_connected("a:1"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!world.is_connected("a:1"));

    records.remove(0).close(LIMIT).await;
    for wait in [0, 60] {
        // However long it is alone.
        tokio::time::sleep(Duration::from_secs(wait) + Duration::from_millis(1)).await;
        assert_eq!(share(&world, &channel, "b:1", 10).await, 10);
    }
    world.kill("b:1");
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert!(status.message().ends_with("no server of test.Orders is registered now; start one"), "{status}");
}

/// As when its session at the registry ends, or only the way to the registry is cut.
#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_in_time_was_never_away() {
    let (world, registry, mut records) = fleet(&["a:1", "b:1", "c:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    for wait in [0, 5, 25] {
        drop(records.remove(0));
        moment().await;
        assert_eq!(share(&world, &channel, "a:1", 50).await, 0, "while it is away");
        tokio::time::sleep(Duration::from_secs(wait)).await;
        records.insert(0, registry.register(instance("a:1")).await.unwrap());
        moment().await;
        // One that is new gets a tenth of its share at first.
        let share = share(&world, &channel, "a:1", 300).await;
        assert!((70..130).contains(&share), "{share}");
        assert_eq!(world.connects(), 3, "nobody has connected again");
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.is_connected("a:1"), "it is back for good");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_did_is_not_forgotten_while_it_is_away() {
    let (world, registry, mut records) = fleet(&["a:1", "b:1", "c:1"]).await;
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    let slowly = |outcome: Result<(), Status>| -> Handler {
        Arc::new(move |_| {
            let outcome = outcome.clone();
            Box::pin(async {
                moment().await;
                outcome.map(|()| Response::new(empty()))
            })
        })
    };
    world.handle("a:1", slowly(Err(Status::internal("out of order").received_from_peer())));
    ["b:1", "c:1"].iter().for_each(|address| world.handle(address, slowly(Ok(()))));
    // All are there before the first one fails.
    join_all((0..100).map(|_| channel.call(&PLACE, empty(), None))).await;
    // Its connection is made anew, for the way may be dead.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(log.count("ejected a:1"), 1);
    drop(records.remove(0));
    tokio::time::sleep(Duration::from_millis(100)).await;
    records.insert(0, registry.register(instance("a:1")).await.unwrap());
    moment().await;
    assert_eq!(share(&world, &channel, "a:1", 100).await, 0);
}

/// A server that leaves in earnest says so on its connections, and waits until they are closed.
#[tokio::test(start_paused = true)]
async fn a_server_that_drains_is_let_go_of_at_once() {
    let (world, registry, mut records) = fleet(&["a:1", "b:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    drop(records.remove(0));
    moment().await;
    assert!(world.is_connected("a:1"));
    let connection = world.connection("a:1");
    world.turn("a:1", ConnectionState::Draining);
    tokio::time::timeout(Duration::from_millis(1), connection.closed()).await.expect("it is still waiting");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.connects(), 2, "nobody connects to one that has left");
    channel.call(&PLACE, empty(), None).await.unwrap();
}

/// Sessions that end at once are not found out at once: the lists shrink by and by, and by less than half each time.
#[tokio::test(start_paused = true)]
async fn a_crowd_may_leave_one_after_the_other() {
    let addresses: Vec<_> = (0..10).map(|number| format!("host-{number}:1")).collect();
    let all: Vec<_> = addresses.iter().map(String::as_str).collect();
    let (world, registry, mut records) = fleet(&all).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    while records.len() > 1 {
        records.pop();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for _ in 0..200 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert!(all.iter().all(|address| world.calls(address) > 0));
}

/// A registry that lists other servers every moment does not have all of them kept. (Of the DNS, where nobody is
/// missing.)
#[tokio::test(start_paused = true)]
async fn only_so_many_are_kept_that_have_left() {
    let addresses: Vec<_> = (0..200).map(|number| format!("host-{number}:1")).collect();
    let world = World::default();
    let list = |addresses: &[String]| {
        let made_up = |address: &String| Instance { identity: Identity::MadeUp, ..instance(address) };
        let instances = addresses.iter().map(|address| Arc::new(made_up(address))).collect();
        Snapshot::new(instances, Availability::Listed, Source::Live)
    };
    let (publisher, watch) = Watch::new(list(&[]), ());
    let fast = world.transport("fast", 1);
    let channel = Channel::builder(orders(), watch).transport(fast).connector(Arc::new(world.clone())).build();
    addresses.iter().for_each(|address| world.start(address, answers()));
    for few in addresses.windows(3) {
        publisher.publish(list(few));
        channel.ready(LIMIT).await.unwrap();
        moment().await;
    }
    let kept = || addresses.iter().filter(|address| world.is_connected(address)).count();
    assert_eq!(kept(), 3 + 32);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(kept(), 3);
}
