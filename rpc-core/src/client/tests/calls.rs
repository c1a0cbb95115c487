//! What becomes of calls.

use super::world::*;
use crate::{
    BoxFuture, Code, Context, Delivery, Layers, Pushback, Request, Response, Service, ServiceDescriptor, Status,
    Transports,
    client::{Channel, RetryLimits, RetryPolicy, Timeouts},
    registry::{Memory, Registry},
    server::{Fidelity, NamedService},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn a_call_reaches_a_server_over_the_fastest_wire() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    for _ in 0..300 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(world.seen().len(), 300);
    assert!(world.seen().iter().all(|seen| seen.transport == "fast" && seen.attempt == 1));
    for address in ["a:1", "b:1", "c:1"] {
        assert!((60..=140).contains(&world.calls(address)), "{address}: {}", world.calls(address));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_is_left_at_once_and_one_that_comes_is_found() {
    let (world, registry, records) = fleet(&["a:1", "b:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    world.kill("a:1");
    for _ in 0..100 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    world.start("c:1", answers());
    let _c = registry.register(instance("c:1")).await.unwrap();
    drop(records);
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.kill("b:1");
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(world.calls("c:1"), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_at_once_let_others_have_their_turn() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).retry(RetryPolicy::Off).build();
    channel.ready(LIMIT).await.unwrap();
    world.handle("a:1", fails(Status::unavailable("broken").with_delivery(Delivery::NeverSent)));
    let stop = std::cell::Cell::new(false);
    let caller = async {
        let mut calls = 0;
        while !stop.get() && calls < 10_000 {
            channel.call(&PLACE, empty(), None).await.unwrap_err();
            calls += 1;
        }
        calls
    };
    let (calls, ()) = tokio::join!(caller, async { stop.set(true) });
    assert!(calls < 10_000, "nobody else was heard during {calls} calls");
}

fn pushes_back(pushback: Pushback) -> Status {
    let refused =
        Status::resource_exhausted("too much to do").with_delivery(Delivery::Unprocessed).received_from_peer();
    refused.with_incoming_pushback(pushback)
}

#[tokio::test(start_paused = true)]
async fn a_server_is_left_alone_for_as_long_as_it_says() {
    const TIME: Duration = Duration::from_millis(300);
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    world.handle("a:1", fails(pushes_back(Pushback::After(TIME))));
    let began = Instant::now();
    for _ in 0..100 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(world.calls("a:1"), 1, "it wants to be left alone");
    assert_eq!(began.elapsed(), TIME, "one call waited, and then went elsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_server_does_not_want_again_is_not_made_again() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    for pushback in [Pushback::Never, Pushback::After(Duration::from_secs(60))] {
        world.handle("a:1", fails(pushes_back(pushback)));
        let (began, calls) = (Instant::now(), world.calls("a:1"));
        let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
        assert_eq!((status.code(), status.incoming_pushback()), (Code::ResourceExhausted, Some(pushback)));
        assert_eq!((began.elapsed(), world.calls("a:1")), (Duration::ZERO, calls + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_server_up_to_its_deadline() {
    let (world, registry) = (World::default(), Memory::new());
    let channel = world.channel(&registry).build();
    let call = channel.call(&PLACE, empty(), None);
    let start = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        world.start("a:1", answers());
        registry.register(instance("a:1")).await.unwrap()
    };
    let (answer, _record) = tokio::join!(call, start);
    answer.unwrap();

    let started = Instant::now();
    let other = world.channel(&Memory::new()).build();
    let status = other.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(status.delivery(), Delivery::NeverSent);
    assert_eq!(
        status.to_string(),
        "DeadlineExceeded: the deadline of 5s exceeded: 5s waiting for a server, 0 attempts sent, no server of \
         test.Orders has ever been registered; start one with this registry, or check the name"
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_not_left_goes_elsewhere_whatever_the_method() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1"]).await;
    for address in ["a:1", "b:1"] {
        world.handle(address, fails(Status::unavailable("reset").with_delivery(Delivery::NeverSent)));
    }
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let started = Instant::now();
    for _ in 0..50 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    // Elsewhere at once: two are bad, and the third is tried without a wait.
    assert_eq!(started.elapsed(), Duration::ZERO);
    // It did not leave, so no attempt was made at it.
    assert!(world.seen().iter().all(|seen| seen.attempt == 1));
    assert_eq!(log.count("call Place went well after 1"), 50);
    assert!(log.count("retried as 1") > 10);
}

#[tokio::test(start_paused = true)]
async fn nobody_spins_when_every_server_refuses() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    for address in ["a:1", "b:1"] {
        world.handle(address, fails(Status::unavailable("reset").with_delivery(Delivery::NeverSent)));
    }
    let channel = world.channel(&registry).build();
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.delivery(), Delivery::NeverSent);
    assert!(status.message().contains("0 attempts sent"), "{status}");
    assert!((5..=64).contains(&world.seen().len()), "{} tries", world.seen().len());
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_made_again_only_where_twice_is_as_good() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1", "d:1"]).await;
    for address in ["a:1", "b:1", "c:1", "d:1"] {
        world.handle(address, fails(Status::unavailable("connection lost")));
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;

    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(world.seen().len(), 1);

    channel.call(&FIND, empty(), None).await.unwrap_err();
    let seen = world.seen().split_off(1);
    assert_eq!(seen.iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(seen.iter().all(|one| one.id == seen[0].id && one.id.is_some()));
    assert_ne!(seen[0].server, seen[1].server);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_unprocessed_goes_elsewhere_once_for_free() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let unprocessed =
        || fails(Status::unavailable("draining").with_delivery(Delivery::Unprocessed).received_from_peer());
    world.handle("a:1", unprocessed());
    let limits = RetryLimits { attempts: 3, percent: 0, per_second: 0 };
    let channel = world.channel(&registry).retry(RetryPolicy::On(limits)).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    for _ in 0..50 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    world.handle("b:1", unprocessed());
    let before = world.seen().len();
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(status.delivery(), Delivery::Unprocessed);
    assert_eq!(world.seen().len() - before, 2, "one for free, and the budget is empty");
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_retries_of_the_whole_channel() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    for address in ["a:1", "b:1"] {
        world.handle(address, fails(Status::unavailable("connection lost")));
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    for _ in 0..1000 {
        channel.call(&FIND, empty(), None).await.unwrap_err();
    }
    let retries = world.seen().len() - 1000;
    // 20 % of a thousand calls, and ten a second for the window.
    assert!((200..=320).contains(&retries), "{retries}");
}

/// As a rule does that changes a timeout.
#[tokio::test(start_paused = true)]
async fn other_terms_for_the_same_servers_bring_no_new_budget() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    for address in ["a:1", "b:1"] {
        world.handle(address, fails(Status::unavailable("connection lost")));
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    let retries = async || {
        let before = world.seen().len();
        for _ in 0..200 {
            channel.call(&FIND, empty(), None).await.unwrap_err();
        }
        world.seen().len() - before - 200
    };
    // The reserve of ten seconds, and 20 % of two hundred calls.
    let first = retries().await;
    assert!((135..=145).contains(&first), "{first}");
    let like = |policy| Channel::builder(orders(), channel.clone()).retry(policy).build();
    for limit in [LIMIT, LIMIT / 2] {
        let timeouts = Timeouts::default().with_service(limit);
        channel.switch_to(&Channel::builder(orders(), channel.clone()).timeouts(timeouts).build());
        let more = retries().await;
        assert!((35..=45).contains(&more), "{more}: what was done is forgotten");
    }
    // Nor does it help to switch them off in between, and what was done counts under other limits as well.
    channel.switch_to(&like(RetryPolicy::Off));
    assert_eq!(retries().await, 0);
    let limits = RetryLimits { percent: 10, ..RetryLimits::default() };
    channel.switch_to(&like(RetryPolicy::On(limits)));
    assert_eq!(retries().await, 0, "more was done than these allow");
    tokio::time::sleep(Duration::from_secs(11)).await;
    let anew = retries().await;
    assert!((115..=125).contains(&anew), "{anew}");
}

#[tokio::test(start_paused = true)]
async fn off_is_off() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).retry(RetryPolicy::Off).build();
    channel.ready(LIMIT).await.unwrap();
    for delivery in [Delivery::NeverSent, Delivery::Unprocessed, Delivery::Unknown] {
        world.handle("a:1", fails(Status::unavailable("away").with_delivery(delivery)));
        channel.call(&FIND, empty(), None).await.unwrap_err();
    }
    assert_eq!(world.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_retry_of_somebody_upstream_is_made_again_only_where_nobody_did_anything() {
    for (delivery, attempts) in
        [(Delivery::Unknown, &[2][..]), (Delivery::Unprocessed, &[2, 2]), (Delivery::NeverSent, &[2; 65])]
    {
        let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
        for address in ["a:1", "b:1"] {
            world.handle(address, fails(Status::unavailable("connection lost").with_delivery(delivery)));
        }
        let channel = world.channel(&registry).timeouts(Timeouts::default().with_service(LIMIT * 1000)).build();
        channel.ready(LIMIT).await.unwrap();
        let second = Context::default().with_attempt(crate::CallId::random(), 2);
        second.scope(channel.call(&FIND, empty(), None)).await.unwrap_err();
        assert_eq!(world.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), attempts, "{delivery:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_unprocessed_arrives_as_what_it_was() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    for address in ["a:1", "b:1"] {
        world.handle(address, fails(Status::unavailable("draining").with_delivery(Delivery::Unprocessed)));
    }
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(world.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 1, 2]);
}

/// Passes its calls on.
struct Relay(Channel);

impl Service for Relay {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        self.0.call(request.method, request.body, None).await
    }
}

impl NamedService for Relay {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        static ORDERS: ServiceDescriptor = ServiceDescriptor::new("test.Orders", &[&FIND, &PLACE], "");
        &ORDERS
    }
}

/// A > B > C with C refusing, or losing, what B sends: B's failure is its answer to A, not a fact about A's own call.
#[tokio::test(start_paused = true)]
async fn a_relay_is_not_made_again() {
    let (world, registry, _records) = fleet(&["b:1", "b:2"]).await;
    for delivery in [Delivery::NeverSent, Delivery::Unprocessed, Delivery::Unknown] {
        let c =
            crate::service_fn(move |_| async move { Err(Status::unavailable("C is away").with_delivery(delivery)) });
        let b = Channel::local(Relay(Channel::new(c)), Fidelity::Wire);
        for address in ["b:1", "b:2"] {
            let b = b.clone();
            let relay = move |request: Request| {
                let b = b.clone();
                Box::pin(async move { b.call(request.method, request.body, None).await }) as BoxFuture<'static, _>
            };
            world.handle(address, Arc::new(relay));
        }
        let channel = world.channel(&registry).build();
        channel.ready(LIMIT).await.unwrap();
        for method in [&FIND, &PLACE] {
            let before = world.seen().len();
            let status = channel.call(method, empty(), None).await.unwrap_err();
            assert_eq!(status.to_string(), "Unavailable: C is away");
            assert_eq!(world.seen().len() - before, 1, "{delivery:?} {method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_when_its_body_ends() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    channel.ready(LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<()>(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let streaming: Handler = Arc::new(move |_| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let items = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|_| None));
        Box::pin(async { Ok(Response::new(crate::Body::Stream(crate::PayloadStream::new(items)))) })
    });
    world.handle("a:1", streaming.clone());
    world.handle("b:1", streaming);
    let mut body = channel.call(&FOLLOW, empty(), None).await.unwrap().body.into_stream();
    let busy = world.seen()[0].server.clone();
    world.handle("a:1", answers());
    world.handle("b:1", answers());
    // The open stream counts: whenever the other one is idle, it is taken.
    for _ in 0..20 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(world.calls(&busy), 1);
    assert_eq!(log.count("call Follow went"), 0);

    // The stream is the last to hold the channel.
    drop(channel);
    tokio::time::sleep(Duration::from_secs(60)).await;
    drop(sender);
    assert!(body.next().await.is_none());
    assert_eq!(log.count("call Follow went well after 1"), 1);
    assert_eq!(log.count(&format!("attempt at {busy} over fast went well")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_is_told_of() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    world.handle("a:1", Arc::new(|_| Box::pin(std::future::pending())));
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).observer(observers).build();
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(
        status.to_string(),
        "DeadlineExceeded: the deadline of 5s exceeded: 1 attempt sent, no answer over fast"
    );
    assert_eq!(std::error::Error::source(&status).unwrap().to_string(), "no answer from a:1 over fast");
    assert_eq!(
        log.lines(),
        [
            "list of 1+0+0 from Live 0ns ago",
            "call Place begins",
            "connection to a:1 over fast Open",
            "Place goes to a:1 over fast",
            "attempt at a:1 over fast failed with Cancelled",
            "call Place failed with DeadlineExceeded after 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_wire_is_an_error_and_not_a_wait() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).transports(Transports::Only("strange")).build();
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(status.to_string(), "FailedPrecondition: this client does not speak `strange`; it has fast, slow");
}

#[tokio::test(start_paused = true)]
async fn tasks_end_with_the_channel() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    let connection = world.connection("a:1");
    drop(channel.clone());
    assert!(!connection.is_closed());
    drop(channel);
    connection.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_fill_the_memory_with_calls_that_wait() {
    let channel = World::default().channel(&Memory::new()).build();
    let calls = (0..16_500).map(|_| channel.call(&PLACE, empty(), None));
    let outcomes = futures_util::future::join_all(calls).await;
    let refused = outcomes.iter().filter(|outcome| outcome.as_ref().unwrap_err().code() == Code::ResourceExhausted);
    let refused: Vec<_> = refused.map(|outcome| outcome.as_ref().unwrap_err()).collect();
    assert_eq!(refused.len(), 16_500 - crate::client::fleet::MAX_WAITING);
    assert_eq!(refused[0].delivery(), Delivery::NeverSent);
    assert!(refused[0].message().starts_with("16384 calls wait for a server of test.Orders already"), "{}", refused[0]);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_layer_takes_is_not_the_servers() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    world.handle("a:1", answers_after(Duration::from_millis(1)));
    world.handle("b:1", answers_after(Duration::from_millis(20)));
    let slow = Layers::default().and(Slow(Duration::from_millis(200)));
    for builder in [world.channel(&registry).layers(slow.clone()), world.channel(&registry).layers_per_attempt(slow)] {
        let channel = builder.build();
        channel.ready(LIMIT).await.unwrap();
        let before = world.calls("b:1");
        for _ in 0..100 {
            channel.call(&PLACE, empty(), None).await.unwrap();
        }
        let slower = world.calls("b:1") - before;
        assert!(slower < 20, "it takes twenty times as long, and got {slower} of 100 calls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_layer_kept_until_its_time_was_up_was_never_sent() {
    let (world, registry, _records) = fleet(&["a:1"]).await;
    let slow = Layers::default().and(Slow(Duration::from_secs(60)));
    let channel = world.channel(&registry).layers(slow).build();
    channel.ready(LIMIT).await.unwrap();
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    assert_eq!(status.delivery(), Delivery::NeverSent);
    assert_eq!(
        status.to_string(),
        "DeadlineExceeded: the deadline of 5s exceeded: in a layer of this client's, 0 attempts sent"
    );
}

/// The outage is not the fault of the server that ends it.
#[tokio::test(start_paused = true)]
async fn the_time_in_which_nobody_took_a_call_is_not_the_latency_of_who_takes_it() {
    let (world, registry, _records) = fleet(&["a:1", "b:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    let refuses = || fails(Status::unavailable("reset").with_delivery(Delivery::NeverSent));
    world.handle("a:1", refuses());
    world.handle("b:1", refuses());
    let end = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.handle("a:1", answers_after(Duration::from_millis(1)));
    };
    let (answer, ()) = tokio::join!(channel.call(&PLACE, empty(), None), end);
    answer.unwrap();
    world.handle("b:1", answers_after(Duration::from_millis(100)));
    // That both have failed is forgotten, and how long they took is not.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let before = world.calls("b:1");
    for _ in 0..100 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    let slower = world.calls("b:1") - before;
    assert!(slower < 5, "it takes a hundred times as long, and got {slower} of 100 calls");
}
