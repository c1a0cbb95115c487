//! What callers and handlers may rely on: errors, defaults, sharing, context, deadlines, keys, presence.

use bytes::Bytes;
use rpc::{Channel, Code, Payload, Request, Response, prelude::*};
use rpc_core::{
    Body, Observers, Tasks,
    server::{Fidelity, NamedService, Router},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Stores.
#[rpc_service(package = "test.behaviour.v1")]
trait Stores {
    /// Whether it is open.
    async fn open(&self, name: String) -> Result<bool, StoreError>;

    /// Whether all are open.
    async fn all_open(&self, names: Vec<String>) -> Result<bool, StoreError> {
        for name in names {
            if !self.open(name).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is left of the caller's time, in milliseconds, here and in a call made from here.
    #[rpc(timeout = "2s")]
    async fn remaining(&self, hops: u32) -> Result<Vec<u64>, Status>;

    /// The same, seen while a stream is polled.
    async fn remaining_while_streaming(&self) -> Result<Streaming<u64>, Status>;

    /// Moves an amount.
    async fn stock(
        &self,
        #[rpc(key)] store: String,
        #[rpc(tag = 7)] item: String,
        count: Option<i64>,
    ) -> Result<String, Status>;

    /// Paints it.
    async fn paint(&self, name: String, color: Color) -> Result<u32, Status> {
        Ok(name.len() as u32 + color as u32)
    }

    /// How many names there are.
    async fn count(&self, mut names: Streaming<String>) -> Result<u32, Status> {
        let mut count = 0;
        while let Some(name) = names.next().await {
            name?;
            count += 1;
        }
        Ok(count)
    }

    /// What a `.proto` of somebody else's has.
    #[rpc(bare)]
    async fn bare(&self, store: Store) -> Result<Store, Status>;
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
enum Color {
    Red,
    Blue,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Store {
    name: String,
    seats: u32,
}

#[derive(Debug)]
enum StoreError {
    Unknown,
    Rpc(Status),
}

impl From<Status> for StoreError {
    fn from(status: Status) -> Self {
        Self::Rpc(status)
    }
}

impl RpcError for StoreError {
    fn into_status(self) -> Status {
        match self {
            Self::Unknown => Status::not_found("no such store"),
            Self::Rpc(status) => status,
        }
    }

    fn from_status(status: Status) -> Self {
        if status.code() == Code::NotFound { Self::Unknown } else { Self::Rpc(status) }
    }
}

#[derive(Default)]
struct Street {
    asked: AtomicU32,
    next: Option<StoresClient>,
}

impl Stores for Street {
    async fn open(&self, name: String) -> Result<bool, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match &*name {
            "baker" => Ok(true),
            "bank" => Ok(false),
            _ => Err(StoreError::Unknown),
        }
    }

    async fn remaining(&self, hops: u32) -> Result<Vec<u64>, Status> {
        let own = Context::current().remaining().map_or(0, |left| left.as_millis() as u64);
        let mut all = vec![own];
        if let (Some(next), true) = (&self.next, hops > 0) {
            all.extend(next.remaining(hops - 1).await?);
        }
        Ok(all)
    }

    async fn remaining_while_streaming(&self) -> Result<Streaming<u64>, Status> {
        let left = || Context::current().remaining().map_or(0, |left| left.as_millis() as u64);
        Ok(Streaming::from_iter(std::iter::once(()).map(move |()| left())))
    }

    async fn stock(&self, store: String, item: String, count: Option<i64>) -> Result<String, Status> {
        Ok(format!("{store} {item} {count:?}"))
    }

    async fn bare(&self, store: Store) -> Result<Store, Status> {
        Ok(store)
    }
}

fn clients(service: impl NamedService + Clone) -> [StoresClient; 2] {
    [Fidelity::Value, Fidelity::Wire]
        .map(|fidelity| StoresClient::from_channel(Channel::local(service.clone(), fidelity)))
}

#[tokio::test]
async fn errors_come_back_as_what_they_were() {
    for stores in clients(StoresServer::new(Street::default())) {
        assert!(stores.open("baker".to_owned()).await.unwrap());
        assert!(matches!(stores.open("cinema".to_owned()).await, Err(StoreError::Unknown)));
    }
}

#[tokio::test]
async fn a_default_body_runs_at_the_server_and_calls_its_other_methods() {
    let street = Arc::new(Street::default());
    for stores in clients(StoresServer::new(street.clone())) {
        assert!(stores.all_open(vec!["baker".to_owned(), "baker".to_owned()]).await.unwrap());
        assert!(!stores.all_open(vec!["bank".to_owned(), "cinema".to_owned()]).await.unwrap());
    }
    assert_eq!(street.asked.load(Ordering::Relaxed), 6);
}

/// Overrides a default, which sharing must not lose.
struct Closed;

impl Stores for Closed {
    async fn open(&self, _name: String) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn all_open(&self, _names: Vec<String>) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn remaining(&self, _hops: u32) -> Result<Vec<u64>, Status> {
        Ok(vec![])
    }

    async fn remaining_while_streaming(&self) -> Result<Streaming<u64>, Status> {
        Err(Status::unavailable("closed"))
    }

    async fn stock(&self, _store: String, _item: String, _count: Option<i64>) -> Result<String, Status> {
        Err(Status::unavailable("closed"))
    }

    async fn bare(&self, store: Store) -> Result<Store, Status> {
        Ok(store)
    }
}

#[tokio::test]
async fn what_is_shared_is_an_implementation_with_all_its_overrides() {
    async fn ask(stores: impl Stores) -> bool {
        stores.all_open(vec!["baker".to_owned()]).await.unwrap()
    }
    assert!(!ask(Arc::new(Closed)).await);
    assert!(!ask(StoresClient::local(Arc::new(Arc::new(Closed)))).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_made_in_a_handler_has_no_more_time_than_its_own_caller() {
    let inner = StoresClient::local(Street::default());
    let outer = StoresClient::local(Street { next: Some(inner), ..Street::default() });
    assert_eq!(outer.remaining(1).await.unwrap(), [2000, 2000]);
    let hurried = outer.with_timeout(Duration::from_millis(700));
    assert_eq!(hurried.remaining(1).await.unwrap(), [700, 700]);
    let patient = outer.with_timeout(Duration::from_secs(60));
    assert_eq!(patient.remaining(1).await.unwrap(), [60_000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_polled_as_part_of_its_call() {
    let stores = StoresClient::local(Street::default());
    let context = Context::default().child(Some(Duration::from_millis(900)));
    let mut stream = context.scope(stores.remaining_while_streaming()).await.unwrap();
    // Read outside of it: what is seen is the handler's.
    assert_eq!(Context::current().remaining(), None);
    assert_eq!(stream.next().await.unwrap().unwrap(), 900);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_requests_is_polled_as_part_of_the_call_that_its_caller_handles() {
    let stores = StoresClient::local(Street::default());
    let names = std::iter::once_with(|| {
        let context = Context::current();
        // The call that the stream is an argument of has an id; the one that made it has none here.
        assert_eq!(context.call_id(), None);
        assert_eq!(context.remaining(), Some(Duration::from_millis(900)));
        "baker".to_owned()
    });
    let context = Context::default().child(Some(Duration::from_millis(900)));
    assert_eq!(context.scope(stores.count(Streaming::from_iter(names))).await.unwrap(), 1);
}

#[tokio::test]
async fn presence_survives_and_numbers_are_what_is_written() {
    for stores in clients(StoresServer::new(Street::default())) {
        let stock = |count| stores.stock("baker".to_owned(), "bun".to_owned(), count);
        assert_eq!(stock(None).await.unwrap(), "baker bun None");
        assert_eq!(stock(Some(0)).await.unwrap(), "baker bun Some(0)");
        assert_eq!(stock(Some(-1)).await.unwrap(), "baker bun Some(-1)");
        let store = Store { name: "baker".to_owned(), seats: 4 };
        assert_eq!(stores.bare(store.clone()).await.unwrap(), store);
    }
    let (bytes, _) = recorded(|stores| async move {
        let _ = stores.stock("s".to_owned(), "i".to_owned(), Some(2)).await;
    })
    .await;
    // store = 1, item = 7, count = 3.
    assert_eq!(&bytes[..], [0x0a, 1, b's', 0x3a, 1, b'i', 0x18, 2]);
    let (bytes, _) = recorded(|stores| async move {
        let _ = stores.bare(Store { name: "s".to_owned(), seats: 2 }).await;
    })
    .await;
    assert_eq!(&bytes[..], [0x0a, 1, b's', 0x10, 2]);
    let (bytes, _) = recorded(|stores| async move {
        let _ = stores.remaining_while_streaming().await;
    })
    .await;
    assert!(bytes.is_empty());
}

/// The bytes and the key of the one call that `make` makes.
async fn recorded<F: Future<Output = ()>>(make: impl FnOnce(StoresClient) -> F) -> (Bytes, Option<u64>) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let channel = Channel::new(rpc::service_fn(move |request: Request| {
        let key = request.hints.key;
        let sent = sender.send((request.body.into_message().unwrap().into_bytes(), key));
        async move {
            sent.unwrap();
            Err::<Response, _>(Status::unavailable("only a recorder"))
        }
    }));
    make(StoresClient::from_channel(channel)).await;
    receiver.recv().await.unwrap()
}

#[tokio::test]
async fn a_key_is_hashed_the_same_for_ever() {
    let key = |store: &'static str, item: &'static str| async move {
        let call = recorded(|stores| async move {
            let _ = stores.stock(store.to_owned(), item.to_owned(), None).await;
        });
        call.await.1
    };
    // These numbers decide where data lives: they may not change.
    assert_eq!(key("baker", "bun").await, Some(BAKER));
    assert_eq!(key("baker", "roll").await, Some(BAKER));
    assert_eq!(key("", "roll").await, Some(NOBODY));
    let (_, none) = recorded(|stores| async move {
        let _ = stores.open("baker".to_owned()).await;
    })
    .await;
    assert_eq!(none, None);
}

// By another implementation of what `stub::key` documents, over `0a 05 "baker"` and over nothing.
const BAKER: u64 = 6_959_912_633_959_512_379;
const NOBODY: u64 = 17_665_956_581_633_026_203;

/// Sends bytes that somebody else wrote.
async fn send(method: &'static rpc::Method, bytes: &'static [u8]) -> Result<Response, Status> {
    let channel = Channel::local(StoresServer::new(Street::default()), Fidelity::Value);
    channel.call(method, Body::Message(Payload::Encoded(Bytes::from_static(bytes))), None).await
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_the_callers_mistake_and_names_the_field() {
    let refused = async |method, bytes| {
        let status = send(method, bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        status.message().to_owned()
    };
    let message = refused(StoresClient::OPEN, &[0x0a, 1, 0xff]).await;
    assert!(message.starts_with("StoresOpenRequest.name: "), "{message}");
    let message = refused(StoresClient::STOCK, &[0x3a, 1, 0xff]).await;
    assert!(message.starts_with("StoresStockRequest.item: "), "{message}");
    let message = refused(StoresClient::STOCK, &[0x3a, 200]).await;
    assert!(!message.is_empty());
    refused(StoresClient::REMAINING_WHILE_STREAMING, &[0x0a, 5]).await;
    refused(StoresClient::BARE, &[0x0a, 1, 0xff]).await;
}

#[tokio::test]
async fn what_is_missing_is_empty_and_what_is_unknown_is_skipped() {
    let reply = send(StoresClient::STOCK, &[0x50, 9]).await.unwrap();
    let text = reply.body.into_message().unwrap().into_bytes();
    assert_eq!(&text[2..], b"  None");
}

#[tokio::test]
async fn an_argument_that_means_nothing_when_it_is_missing_is_asked_for() {
    let reply = send(StoresClient::PAINT, &[0x0a, 1, b'a', 0x10, 2]).await.unwrap();
    assert_eq!(&reply.body.into_message().unwrap().into_bytes()[..], [0x08, 2]);
    for bytes in [&[][..], &[0x0a, 1, b'a'], &[0x0a, 1, b'a', 0x10, 9]] {
        let status = send(StoresClient::PAINT, bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("StoresPaintRequest.color: "), "{status}");
    }
}

#[tokio::test]
async fn an_item_that_makes_no_sense_is_seen_by_the_handler_as_the_callers_mistake() {
    let items = [&[0x0a, 1, b'a'][..], &[0x0a, 1, 0xff]].map(|bytes| Ok(Payload::Encoded(Bytes::from_static(bytes))));
    let channel = Channel::local(StoresServer::new(Street::default()), Fidelity::Value);
    let body = Body::Stream(rpc_core::PayloadStream::new(futures_util::stream::iter(items)));
    let status = channel.call(StoresClient::COUNT, body, None).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_not_the_callers_mistake() {
    let channel = Channel::new(rpc::service_fn(|_| async {
        Ok(Response::new(Body::Message(Payload::Encoded(Bytes::from_static(&[0x0a, 1, 0xff])))))
    }));
    let stores = StoresClient::from_channel(channel);
    let status = stores.bare(Store { name: String::new(), seats: 0 }).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("Store.name"), "{status}");
}

#[tokio::test]
async fn a_method_that_a_server_does_not_know_is_unimplemented() {
    static METHOD: rpc::Method =
        rpc::Method::new("test.behaviour.v1.Stores", "Gone", "/test.behaviour.v1.Stores/Gone", rpc_core::Kind::Unary);
    let status = send(&METHOD, &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "as a user's code does")]
fn generic_code_can_spawn_what_it_calls() {
    async fn both<S: Stores + Clone>(stores: S) -> bool {
        let task = tokio::spawn({
            let stores = stores.clone();
            async move { stores.open("baker".to_owned()).await.is_ok() }
        });
        task.await.unwrap() && stores.open("baker".to_owned()).await.is_ok()
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(both(StoresClient::local(Street::default()))));
}

/// A handler that is no `async fn` begins when it is called, and is part of its own call from there on, not of the one
/// in which it is called.
#[tokio::test]
async fn the_first_part_of_a_handler_is_part_of_its_call() {
    #[rpc_service(package = "test.eager")]
    trait Gates {
        async fn seen(&self) -> Result<Vec<String>, Status>;
    }

    struct Gate;

    impl Gates for Gate {
        fn seen(&self) -> impl Future<Output = Result<Vec<String>, Status>> + Send {
            let context = Context::current();
            let secret = context.metadata().get("authorization").map(str::to_owned);
            let deadline = context.deadline().map(|_| "a deadline".to_owned());
            std::future::ready(Ok([secret, deadline].into_iter().flatten().collect()))
        }
    }

    let mut metadata = rpc::Metadata::default();
    metadata.append("authorization", "secret").unwrap();
    let outer = Context::default().with_metadata(metadata);
    for fidelity in [Fidelity::Value, Fidelity::Wire] {
        let gates = GatesClient::from_channel(Channel::local(GatesServer::new(Gate), fidelity));
        assert_eq!(outer.clone().scope(gates.seen()).await.unwrap(), ["a deadline"]);
    }
}

/// One trait, twice in one server: each client reaches its own.
#[tokio::test]
async fn a_trait_is_served_twice_under_two_names() {
    #[rpc_service(package = "test.twice")]
    trait Shops {
        async fn which(&self) -> Result<String, Status>;
    }

    struct Shop(&'static str);

    impl Shops for Shop {
        async fn which(&self) -> Result<String, Status> {
            Ok(self.0.to_owned())
        }
    }

    let mut router = Router::new();
    router.add(ShopsServer::new(Shop("day"))).unwrap();
    assert!(router.add(ShopsServer::new(Shop("day"))).is_err(), "two of one name");
    router.add(ShopsServer::new(Shop("night")).named("test.twice.Night")).unwrap();
    let tasks = Tasks::owner();
    let routes = router.into_routes(tasks.clone(), Observers::default());
    let service = rpc::service_fn(move |request: Request| {
        let routes = routes.clone();
        async move {
            let method = routes.method(request.method.path)?;
            rpc::Service::call(&routes.service, Request::new(method, request.context, request.body)).await
        }
    });
    let day = ShopsClient::from_channel(Channel::new(service));
    let night = day.with_service(ShopsClient::SERVICE.named("test.twice.Night"));
    let nobody = day.with_service(ShopsClient::SERVICE.named("test.twice.Noon"));
    assert_eq!(day.which().await.unwrap(), "day");
    assert_eq!(night.which().await.unwrap(), "night");
    assert_eq!(nobody.which().await.unwrap_err().code(), rpc::Code::Unimplemented);
}
