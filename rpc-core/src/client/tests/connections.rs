//! What becomes of connections.

use super::world::*;
use crate::{
    Delivery, Status, Transports,
    client::{Channel, RetryPolicy},
    registry::{Availability, Instance, InstanceStatus, Memory, Registry, Snapshot, Source, Watch},
    transport::ConnectionState,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(3);

async fn moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_hello_is_answered_by_the_next_protocol_for_a_minute() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    world.greet("a:1", "fast", Greeting::Refuse);
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.seen()[0].transport, "slow");
    assert_eq!(log.count("fallback from fast at a:1 because Unavailable: it does not speak this"), 1);

    world.greet("a:1", "fast", Greeting::Accept);
    let hellos = world.hellos("a:1");
    tokio::time::sleep(Duration::from_secs(55)).await;
    assert!(world.hellos("a:1") - hellos <= 1);
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.seen()[1].transport, "slow");
    tokio::time::sleep(Duration::from_secs(6)).await;
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.seen()[2].transport, "fast");
    assert_eq!(log.count("fallback"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_hello_is_a_refused_one() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    world.greet("a:1", "fast", Greeting::Silent);
    let channel = world.channel(&registry).build();
    let started = Instant::now();
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.seen()[0].transport, "slow");
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_explicit_choice_never_falls_back_and_connects_on_demand() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    for address in ["a:1", "b:1"] {
        world.greet(address, "fast", Greeting::Refuse);
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    let fast = channel.over(Transports::Only("fast"));
    let status = fast.call(&PLACE, empty(), None).await.unwrap_err();
    assert!(status.message().contains("0 of 2 registered servers of test.Orders can be called"), "{status}");
    let source = std::error::Error::source(&status).unwrap().to_string();
    assert!(source.contains("a:1 over fast: it does not speak this; b:1 over fast:"), "{source}");

    // It goes on trying, whatever the other protocol does.
    world.greet("b:1", "fast", Greeting::Accept);
    fast.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.seen()[0].transport, "fast");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_is_connected() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    assert_eq!(world.connects(), 2);
    for _ in 0..10 {
        channel.over(Transports::Only("slow")).call(&PLACE, empty(), None).await.unwrap();
        moment().await;
    }
    assert_eq!(world.connects(), 4);
    assert!(world.seen().iter().all(|seen| seen.transport == "slow"));
}

#[tokio::test(start_paused = true)]
async fn each_instance_is_spoken_to_in_the_best_protocol_it_has() {
    let (world, registry) = (World::default(), Memory::new());
    let mut records = Vec::new();
    for (address, protocols) in
        [("a:1", &["slow"][..]), ("b:1", &["fast", "slow"]), ("c:1", &["strange"]), ("d:1", &[])]
    {
        world.start(address, answers());
        records.push(registry.register(speaking(address, protocols)).await.unwrap());
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    for _ in 0..100 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert!(world.calls("a:1") > 20 && world.calls("b:1") > 20);
    assert!(world.seen().iter().all(|seen| (seen.server == "a:1") == (seen.transport == "slow")));

    world.kill("a:1");
    world.kill("b:1");
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    let source = std::error::Error::source(&status).unwrap().to_string();
    for reason in [
        "0 of 4 registered servers",
        "a:1 over slow: connection refused",
        "id-c:1 declares strange, and this client speaks fast, slow",
        "id-d:1 declares no protocol",
    ] {
        assert!(source.contains(reason), "{reason}: {source}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_draining_connection_takes_no_more_calls() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).retry(RetryPolicy::Off).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    world.turn("a:1", ConnectionState::Draining);
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    for _ in 0..20 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(world.calls("a:1"), 0);
    assert_eq!(log.count("connection to a:1 over fast Draining"), 1);
    // It listens, so it is connected to anew.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(log.count("connection to a:1 over fast Open"), 2);
    assert_eq!(log.count("connection to a:1 over fast Closed"), 0);
    world.turn("a:1", ConnectionState::Closed);
    moment().await;
    assert_eq!(log.count("connection to a:1 over fast Closed"), 2, "what drains is closed as well, and once");
    drop(channel);
    moment().await;
    for name in ["a:1", "b:1"] {
        let count = |state| log.count(&format!("connection to {name} over fast {state}"));
        assert_eq!(count("Open"), count("Closed"), "{:?}", log.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn lists_and_failures_to_connect_are_told_of() {
    let (world, registry) = (World::default(), Memory::new());
    world.start("a:1", answers());
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    let _a = registry.register(instance("a:1")).await.unwrap();
    channel.ready(LIMIT).await.unwrap();
    let _nobody = registry.register(instance("b:1")).await.unwrap();
    moment().await;
    let _strange = registry.register(speaking("c:1", &["strange"])).await.unwrap();
    moment().await;
    for list in ["list of 0+0+0 from Live", "list of 1+0+0", "list of 2+0+0", "list of 2+1+0"] {
        assert_eq!(log.count(list), 1, "{list}: {:?}", log.lines());
    }
    assert!(log.count("no connection to b:1 over fast") > 0, "{:?}", log.lines());
    assert_eq!(log.count("no connection to a:1"), 0);
}

#[tokio::test(start_paused = true)]
async fn reconnecting_slows_down_and_never_stops() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    world.kill("a:1");
    tokio::time::sleep(Duration::from_secs(120)).await;
    let connects = world.connects();
    assert!((25..90).contains(&connects), "{connects}");
    world.start("a:1", answers());
    channel.call(&PLACE, empty(), None).await.unwrap();
}

fn listed(addresses: &[&str], source: Source) -> Snapshot {
    let instances = addresses.iter().map(|address| Arc::new(instance(address))).collect();
    Snapshot::new(instances, Availability::Listed, source)
}

#[tokio::test(start_paused = true)]
async fn a_stale_list_proves_no_absence() {
    let (world, _, _) = fleet(&["a:1", "b:1"]).await;
    let (publisher, watch) = Watch::new(listed(&["a:1", "b:1"], Source::Live), ());
    let channel = Channel::builder(orders(), watch)
        .transport(world.transport("fast", 1))
        .connector(Arc::new(world.clone()))
        .build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    let share = async |before: usize| {
        moment().await;
        for _ in 0..50 {
            channel.call(&PLACE, empty(), None).await.unwrap();
        }
        world.calls("a:1") - before
    };
    publisher.publish(listed(&["b:1"], Source::Stale));
    let stale = share(0).await;
    assert!(stale > 10, "{stale}");
    publisher.unreachable("session lost");
    let unreachable = share(stale).await;
    assert!(unreachable > 10, "{unreachable}");
    publisher.publish(listed(&["b:1"], Source::Live));
    assert_eq!(share(stale + unreachable).await, 0);
}

/// Of ten servers nine are missing, as when their sessions end at once: those that are connected go on, each until its
/// connection ends, and come back as if nothing had been. Without that (seen with `crowd::CROWD` beyond reach), one
/// server gets every call.
#[tokio::test(start_paused = true)]
async fn most_servers_do_not_leave_at_once() {
    let addresses: Vec<_> = (0..10).map(|number| format!("host-{number}:1")).collect();
    let all: Vec<_> = addresses.iter().map(String::as_str).collect();
    let (world, _, _) = fleet(&all).await;
    let (publisher, watch) = Watch::new(listed(&all, Source::Live), ());
    let channel = Channel::builder(orders(), watch)
        .transport(world.transport("fast", 1))
        .connector(Arc::new(world.clone()))
        .build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    let called = async || {
        moment().await;
        let before: Vec<_> = all.iter().map(|address| world.calls(address)).collect();
        for _ in 0..200 {
            channel.call(&PLACE, empty(), None).await.unwrap();
        }
        all.iter().zip(before).filter(|(address, before)| world.calls(address) > *before).count()
    };
    publisher.publish(listed(&all[..1], Source::Live));
    assert_eq!(called().await, 10);
    // They are back one after the other; half of them are no crowd any more, and are still there.
    publisher.publish(listed(&all[..7], Source::Live));
    assert_eq!(called().await, 10);
    // Who leaves in earnest is not connected to again.
    world.kill(all[9]);
    assert_eq!(called().await, 9);
    publisher.publish(listed(&all[..9], Source::Live));
    assert_eq!((called().await, world.connects()), (9, 10));
    // Who is marked is listed.
    let mut marked = listed(&all[..2], Source::Live);
    let down = |address: &str| Instance { status: InstanceStatus::Down, ..instance(address) };
    marked.instances.extend(all[2..9].iter().map(|address| Arc::new(down(address))));
    publisher.publish(marked);
    assert_eq!(called().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_be_reached_is_named_in_the_source() {
    let (publisher, watch) = Watch::new(Snapshot::pending(), ());
    let channel = Channel::builder(orders(), watch).transport(World::default().transport("fast", 1)).build();
    let status = channel.wait_known(LIMIT).await.unwrap_err();
    assert_eq!(
        status.to_string(),
        "Unavailable: no server within 3s: the registry has not said yet where test.Orders is"
    );
    publisher.unreachable("zookeeper://z1:2181: connection refused");
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert!(!status.message().contains("z1"), "{status}");
    let source = std::error::Error::source(&status).unwrap().to_string();
    assert!(source.ends_with("check it and its URL: zookeeper://z1:2181: connection refused"), "{source}");
    publisher.publish(listed(&[], Source::Live));
    channel.wait_known(LIMIT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_of_very_many_connects_to_some() {
    let (world, registry) = (World::default(), Memory::new());
    let mut records = Vec::new();
    for port in 1..=100 {
        let address = format!("host:{port}");
        // A third is dead: those do not count.
        if port % 3 != 0 {
            world.start(&address, answers());
        }
        records.push(registry.register(instance(&address)).await.unwrap());
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for _ in 0..2000 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    let used = (1..=100).filter(|port| world.calls(&format!("host:{port}")) > 0).count();
    assert_eq!(used, 32);
}

/// How many servers of these have a connection.
fn connected(world: &World, ports: std::ops::RangeInclusive<u32>) -> usize {
    ports.filter(|port| world.is_connected(&format!("host:{port}"))).count()
}

#[tokio::test(start_paused = true)]
async fn the_subset_of_very_many_changes_little_and_keeps_its_size() {
    let (world, registry) = (World::default(), Memory::new());
    let mut records = Vec::new();
    for port in 1..=100 {
        let address = format!("host:{port}");
        world.start(&address, answers());
        records.push(registry.register(instance(&address)).await.unwrap());
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((connected(&world, 1..=100), world.connects()), (32, 32));

    // Ten go: others come for those of them that were in the subset, and for no one else.
    let left = connected(&world, 91..=100);
    records.drain(90..);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((connected(&world, 1..=90), world.connects()), (32, 32 + left));

    // Others come: it lets go of one for each that it takes.
    for port in 101..=120 {
        let address = format!("host:{port}");
        world.start(&address, answers());
        records.push(registry.register(instance(&address)).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = connected(&world, 101..=120);
    assert!((1..16).contains(&taken), "{taken}");
    assert_eq!(connected(&world, 1..=90) + taken, 32);
    assert!(world.connects() <= 32 + left + 20, "{} connects", world.connects());
    channel.call(&PLACE, empty(), None).await.unwrap();
}

/// The list grows at once, and most of those that were connected fall out of the subset: they go on until others can.
#[tokio::test(start_paused = true)]
async fn nobody_is_let_go_of_before_others_are_connected() {
    let (world, addresses) = (World::default(), (1..=500).map(|port| format!("host:{port}")).collect::<Vec<_>>());
    for address in &addresses {
        world.start(address, answers());
    }
    // The new ones take their time.
    addresses[20..].iter().for_each(|address| world.greet(address, "fast", Greeting::Silent));
    let all: Vec<_> = addresses.iter().map(String::as_str).collect();
    let (publisher, watch) = Watch::new(listed(&all[..20], Source::Live), ());
    let fast = world.transport("fast", 1);
    let channel = Channel::builder(orders(), watch).transport(fast).connector(Arc::new(world.clone())).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    publisher.publish(listed(&all, Source::Live));
    moment().await;
    for _ in 0..200 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(connected(&world, 1..=20), 20);
}

#[tokio::test(start_paused = true)]
async fn weights_are_respected_and_zero_is_none() {
    let (world, registry) = (World::default(), Memory::new());
    let mut records = Vec::new();
    for (address, weight) in [("a:1", 300), ("b:1", 100), ("c:1", 0)] {
        world.start(address, answers());
        let mut instance: Instance = instance(address);
        instance.weight = weight;
        records.push(registry.register(instance).await.unwrap());
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    for _ in 0..4000 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert!((2800..3200).contains(&world.calls("a:1")), "{}", world.calls("a:1"));
    assert_eq!(world.calls("c:1"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_expected_instance_is_named_except_by_configuration() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    assert_eq!(world.expected(), [Some("id-a:1".to_owned())]);
    let (_publisher, watch) = Watch::new(listed(&["a:1"], Source::Fixed), ());
    let fixed = Channel::builder(orders(), watch)
        .transport(world.transport("fast", 1))
        .connector(Arc::new(world.clone()))
        .build();
    fixed.ready(LIMIT).await.unwrap();
    assert_eq!(world.expected().pop(), Some(None));
}

/// The retry layer must not come back to a connection that is gone.
#[tokio::test(start_paused = true)]
async fn a_call_on_a_dying_connection_goes_elsewhere() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    moment().await;
    // Its state is not looked at between this and the call: the client does not know yet.
    world.handle("a:1", fails(Status::unavailable("broken pipe").with_delivery(Delivery::NeverSent)));
    world.kill("a:1");
    for _ in 0..30 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
}

/// One that dies while it greets is not taken for one of another protocol.
#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_spoken_to_in_the_fastest_protocol() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    world.greet("a:1", "fast", Greeting::Refuse);
    world.greet("a:1", "slow", Greeting::Refuse);
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    moment().await;
    world.kill("a:1");
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.start("a:1", answers());
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.seen()[0].transport, "fast");
    assert_eq!(log.count("fallback"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_whose_connections_end_is_left_alone_for_longer_each_time_unless_it_answers() {
    for (answers, at_least, at_most) in [(true, 0, 1), (false, 5, 100)] {
        let (world, registry, _records) = fleet(&["a:1"]).await;
        let channel = world.channel(&registry).build();
        let began = Instant::now();
        for _ in 0..20 {
            channel.ready(LIMIT * 2).await.unwrap();
            if answers {
                channel.call(&PLACE, empty(), None).await.unwrap();
            }
            world.turn("a:1", ConnectionState::Closed);
            moment().await;
        }
        assert!((at_least..=at_most).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
}
