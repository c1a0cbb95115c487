//! Where calls with keys go.

use super::world::*;
use crate::{
    Status,
    client::Channel,
    registry::{Memory, Registry},
};
use std::{collections::BTreeMap, time::Duration};

const LIMIT: Duration = Duration::from_secs(3);

async fn moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Calls once with each key. Gives where the calls went.
async fn owners(world: &World, channel: &Channel, keys: u64) -> BTreeMap<u64, String> {
    let mut owners = BTreeMap::new();
    for key in 0..keys {
        channel.call(&FIND, empty(), Some(crate::fnv::mixed(key))).await.unwrap();
        owners.insert(key, world.seen().last().unwrap().server.clone());
    }
    owners
}

#[tokio::test(start_paused = true)]
async fn a_key_has_one_server_for_every_client_and_others_stay_when_one_dies() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1", "d:1"]).await;
    let channel = world.channel(&registry).build();
    // From the first call on: it waits for the connection to the one that its key belongs to.
    let before = owners(&world, &channel, 200).await;
    for address in ["a:1", "b:1", "c:1", "d:1"] {
        let share = before.values().filter(|owner| *owner == address).count();
        assert!((30..70).contains(&share), "{address}: {share}");
    }
    assert_eq!(owners(&world, &world.channel(&registry).build(), 200).await, before);

    world.kill("b:1");
    moment().await;
    let without = owners(&world, &channel, 200).await;
    for (key, owner) in &before {
        assert!(owner == "b:1" || without[key] == *owner, "{key} moved from {owner} to {}", without[key]);
        assert!(without[key] != "b:1");
    }
    world.start("b:1", answers());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(owners(&world, &channel, 200).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_the_next_one_of_its_key_and_so_do_calls_while_the_first_is_ejected() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1", "d:1"]).await;
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    let before = owners(&world, &channel, 200).await;
    world.handle("a:1", fails(Status::unavailable("connection lost")));
    // Every attempt at a key of the first goes to the same second one.
    let second = owners(&world, &channel, 200).await;
    assert!(second.values().all(|owner| owner != "a:1"));
    assert!(before.iter().all(|(key, owner)| owner == "a:1" || second[key] == *owner));

    world.handle("a:1", fails(Status::internal("broken").received_from_peer()));
    let mut failed = 0;
    for key in (0..200).filter(|key| before[key] == "a:1") {
        let key = Some(crate::fnv::mixed(key));
        failed += usize::from(channel.call(&FIND, empty(), key).await.is_err());
        moment().await;
    }
    assert_eq!((failed, log.count("ejected a:1")), (4, 1), "one of the five was a lost connection");
    assert_eq!(owners(&world, &channel, 200).await, second);

    // Only its own keys probe it.
    world.handle("a:1", answers());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (stranger, own) = (before.iter().find(|(_, owner)| *owner != "a:1"), before.iter().find(|(_, o)| *o == "a:1"));
    let call = async |key: u64| channel.call(&FIND, empty(), Some(crate::fnv::mixed(key))).await.unwrap();
    call(*stranger.unwrap().0).await;
    moment().await;
    assert_eq!(log.count("readmitted"), 0);
    call(*own.unwrap().0).await;
    moment().await;
    assert_eq!(log.count("readmitted a:1"), 1);
    assert_eq!(owners(&world, &channel, 200).await, before);
}

#[tokio::test(start_paused = true)]
async fn keys_reach_all_of_very_many_and_other_calls_only_some() {
    let (world, registry) = (World::default(), Memory::new());
    let mut records = Vec::new();
    for port in 1..=100 {
        let address = format!("host:{port}");
        world.start(&address, answers());
        records.push(registry.register(instance(&address)).await.unwrap());
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    assert_eq!(world.connects(), 32);
    let first = owners(&world, &channel, 50).await;
    assert!((33..=32 + 50).contains(&world.connects()), "{}", world.connects());
    assert!((33..=50).contains(&first.values().collect::<std::collections::BTreeSet<_>>().len()));
    assert_eq!(owners(&world, &channel, 50).await, first);

    // One that cannot be reached is waited for once, and only for as long as it takes to find that out.
    world.kill(&first[&0]);
    let second = owners(&world, &channel, 50).await;
    assert!(first.iter().all(|(key, owner)| *owner == first[&0] || second[key] == *owner));
}

#[tokio::test(start_paused = true)]
async fn calls_with_keys_wait_like_others_when_nobody_is_there() {
    let (world, registry) = (World::default(), Memory::new());
    let channel = world.channel(&registry).build();
    let call = channel.call(&FIND, empty(), Some(7));
    let start = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.start("a:1", answers());
        registry.register(instance("a:1")).await.unwrap()
    };
    let (answer, _record) = tokio::join!(call, start);
    answer.unwrap();
    world.kill("a:1");
    let status = channel.call(&FIND, empty(), Some(7)).await.unwrap_err();
    assert!(status.message().contains("0 of 1 registered servers of test.Orders can be called"), "{status}");
}
