//! Layers that users bring, on both sides and over every way to a server.
#![cfg(feature = "tarpc")]

use crate::common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{
    App, AppBuilder, BoxService, Client, Code, Delivery, Layer, Observer, Request, Response, Running, Service, Status,
    observer::CallEnded, registry::Memory, tower::TowerLayer,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

type Seen = Arc<Mutex<Vec<&'static str>>>;

/// A layer made of a function.
struct Around<F>(F);

struct Inside<F>(F, BoxService);

impl<F: Clone> Layer<BoxService> for Around<F> {
    type Service = Inside<F>;

    fn layer(&self, inner: BoxService) -> Inside<F> {
        Inside(self.0.clone(), inner)
    }
}

impl<F> Service for Inside<F>
where
    F: Fn(&mut Request) -> Result<(), Status> + Send + Sync + 'static,
{
    async fn call(&self, mut request: Request) -> Result<Response, Status> {
        self.0(&mut request)?;
        self.1.call(request).await
    }
}

/// Notes that a call has come by.
fn note(
    seen: &Seen,
    name: &'static str,
) -> Around<impl Fn(&mut Request) -> Result<(), Status> + Clone + Send + Sync + 'static> {
    let seen = seen.clone();
    Around(move |_: &mut Request| {
        seen.lock().unwrap().push(name);
        Ok(())
    })
}

/// A server and a client of one App, over a wire or in this process.
async fn pair(builder: AppBuilder, local: bool) -> (EchoClient, Option<Running>) {
    if local {
        let app = builder.config(config("[client.Echo]\ntarget = \"local://\"")).build();
        app.serve_local(EchoServer::new(Mirror)).unwrap();
        (app.client().await.unwrap(), None)
    } else {
        let app = builder.registry(Arc::new(Memory::new())).build();
        let running = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
        (app.client().await.unwrap(), Some(running))
    }
}

#[tokio::test]
async fn every_layer_stands_where_it_should() {
    for local in [false, true] {
        let seen = Seen::default();
        let builder = App::builder()
            .client_layer(note(&seen, "call, outside"))
            .client_layer(note(&seen, "call, inside"))
            .client_layer_per_attempt(note(&seen, "attempt"))
            .server_layer(note(&seen, "server"));
        let (client, _running) = pair(builder, local).await;
        client.write("a".to_owned()).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["call, outside", "call, inside", "attempt", "server"], "local: {local}");
    }
}

#[tokio::test]
async fn a_layer_of_one_server_stands_inside_those_of_all() {
    let seen = Seen::default();
    let app = App::builder().registry(Arc::new(Memory::new())).server_layer(note(&seen, "all")).build();
    let server = app.server().layer(note(&seen, "this")).service(EchoServer::new(Mirror));
    let _running = server.start().await.unwrap();
    let client: EchoClient = app.client().await.unwrap();
    client.say("a".to_owned()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["all", "this"]);
}

#[tokio::test]
async fn a_call_that_is_made_again_passes_the_layers_per_attempt_again() {
    let seen = Seen::default();
    let left = Arc::new(AtomicUsize::new(1));
    let unlucky =
        Around(move |_: &mut Request| match left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Err(Status::unavailable("lost on the way")),
            Err(_) => Ok(()),
        });
    let builder = App::builder()
        .client_layer(note(&seen, "call"))
        .client_layer_per_attempt(note(&seen, "attempt"))
        .client_layer_per_attempt(unlucky);
    let (client, _running) = pair(builder, false).await;
    client.say("a".to_owned()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["call", "attempt", "attempt"]);
}

#[tokio::test]
async fn credentials_are_attached_on_one_side_and_asked_for_on_the_other() {
    let asks = Around(|request: &mut Request| match request.context.metadata().get("authorization") {
        Some("Bearer 1234") => Ok(()),
        _ => Err(Status::new(Code::Unauthenticated, "who are you?")),
    });
    let attaches = Around(|request: &mut Request| {
        let mut metadata = request.context.metadata().clone();
        metadata.append("authorization", "Bearer 1234").unwrap();
        request.context = request.context.clone().with_metadata(metadata);
        Ok(())
    });
    for local in [false, true] {
        let builder = App::builder().server_layer(Around(asks.0));
        let (stranger, _running) = pair(builder, local).await;
        assert_eq!(stranger.say("a".to_owned()).await.unwrap_err().code(), Code::Unauthenticated);
        let (known, _running) =
            pair(App::builder().server_layer(Around(asks.0)).client_layer(Around(attaches.0)), local).await;
        known.say("a".to_owned()).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_layer_of_the_server_relays_is_no_fact_about_this_call() {
    let relays = || {
        Around(|_: &mut Request| Err(Status::unavailable("a dependency is away").with_delivery(Delivery::NeverSent)))
    };
    for local in [false, true] {
        let (client, _running) = pair(App::builder().server_layer(relays()), local).await;
        let status = client.write("a".to_owned()).await.unwrap_err();
        assert_eq!((status.code(), status.delivery()), (Code::Unavailable, Delivery::Unknown), "local: {local}");
    }
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Observer for Calls {
    fn call_ended(&self, _: &CallEnded<'_>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn the_observer_of_the_app_hears_of_its_clients_calls() {
    for local in [false, true] {
        let calls = Arc::new(Calls::default());
        let (client, _running) = pair(App::builder().observer(calls.clone()), local).await;
        client.say("a".to_owned()).await.unwrap();
        assert_eq!(calls.0.load(Relaxed), 1, "local: {local}");
    }
}

#[tokio::test]
async fn middleware_of_towers_works_on_both_sides() {
    for local in [false, true] {
        let timeout = tower::timeout::TimeoutLayer::new(Duration::from_secs(60));
        let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
        let builder = App::builder().client_layer(TowerLayer::new(timeout)).server_layer(TowerLayer::new(limit));
        let (client, _running) = pair(builder, local).await;
        for _ in 0..3 {
            client.say("a".to_owned()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn errors_of_towers_middleware_become_statuses() {
    let never = tower::timeout::TimeoutLayer::new(Duration::from_nanos(1));
    let slow = Around(|_: &mut Request| Err(Status::not_found("told by a layer inside")));
    let (client, _running) = pair(App::builder().client_layer(TowerLayer::new(never)).client_layer(slow), true).await;
    let status = client.write("a".to_owned()).await.unwrap_err();
    // What is inside answers at once, and its status comes out of tower's box as it went in.
    assert_eq!(status.code(), Code::NotFound, "{status}");

    let limit = tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(Arc::new(tokio::sync::Semaphore::new(0)));
    let (client, _running) = pair(App::builder().server_layer(TowerLayer::new(limit)), true).await;
    let client = client.with_timeout(Duration::from_millis(100));
    // It is never ready; the deadline of the call is around it all the same.
    assert_eq!(client.write("a".to_owned()).await.unwrap_err().code(), Code::DeadlineExceeded);

    let expired = tower::timeout::TimeoutLayer::new(Duration::from_millis(10));
    let limit = tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(Arc::new(tokio::sync::Semaphore::new(0)));
    let (client, _running) =
        pair(App::builder().client_layer(TowerLayer::new(expired)).server_layer(TowerLayer::new(limit)), true).await;
    let status = client.write("a".to_owned()).await.unwrap_err();
    assert!(status.code() == Code::Unavailable && status.message().contains("timed out"), "{status}");
}

/// A layer that never goes on.
struct Hangs;

impl Layer<BoxService> for Hangs {
    type Service = Stuck;

    fn layer(&self, _: BoxService) -> Stuck {
        Stuck
    }
}

struct Stuck;

impl Service for Stuck {
    async fn call(&self, _: Request) -> Result<Response, Status> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn the_time_of_a_call_is_also_that_of_the_layers_around_it() {
    for local in [false, true] {
        for builder in [App::builder().client_layer(Hangs), App::builder().client_layer_per_attempt(Hangs)] {
            let (client, _running) = pair(builder, local).await;
            let client = client.with_timeout(Duration::from_millis(50));
            let call = client.write("a".to_owned());
            let status = tokio::time::timeout(Duration::from_secs(60), call).await.expect("it outlived its deadline");
            assert_eq!(status.unwrap_err().code(), Code::DeadlineExceeded, "local: {local}");
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_layer_of_a_server_is_that_of_its_call_alone() {
    for local in [false, true] {
        let panics = Around(|request: &mut Request| {
            assert_ne!(request.method.name, "Write", "as it should");
            Ok(())
        });
        let (client, _running) = pair(App::builder().server_layer(panics), local).await;
        assert_eq!(client.write("a".to_owned()).await.unwrap_err().code(), Code::Internal, "local: {local}");
        client.say("a".to_owned()).await.unwrap();
    }
}
