//! Every kind of method, from a client through a server in this process and back.

use rpc::{Method, prelude::*};
use rpc_core::{Cancel, Kind};
use std::time::Duration;

type Feed = Streaming<u32>;
type Answer<T> = Result<T, Status>;

/// Counts.
#[rpc_service(package = "test.kinds.v1")]
pub trait Counter {
    /// Adds.
    #[rpc(idempotent, timeout = "300ms")]
    async fn add(&self, #[rpc(key)] left: u32, right: u32) -> Result<u32, Status>;

    /// Says nothing.
    async fn ping(&self) -> Result<(), Status>;

    /// Counts down.
    async fn down(&self, from: u32) -> Result<Streaming<u32>, Status>;

    /// Sums up.
    #[rpc(cancel = "finish")]
    async fn sum(&self, numbers: Streaming<u32>) -> Result<u64, Status>;

    /// Doubles each.
    async fn double(&self, numbers: Feed) -> Answer<Feed>;

    /// The number of words.
    async fn words(&self, words: Vec<String>) -> Answer<Option<u32>> {
        Ok(words.len().try_into().ok().filter(|count| *count > 0))
    }
}

struct Abacus;

impl Counter for Abacus {
    async fn add(&self, left: u32, right: u32) -> Result<u32, Status> {
        left.checked_add(right).ok_or_else(|| Status::new(rpc::Code::OutOfRange, "too large"))
    }

    async fn ping(&self) -> Result<(), Status> {
        Ok(())
    }

    async fn down(&self, from: u32) -> Result<Streaming<u32>, Status> {
        Ok(Streaming::from_iter((0..from).rev()))
    }

    async fn sum(&self, mut numbers: Streaming<u32>) -> Result<u64, Status> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number?);
        }
        Ok(sum)
    }

    async fn double(&self, numbers: Feed) -> Answer<Feed> {
        Ok(Streaming::new(futures_util::StreamExt::map(numbers, |number| number.map(|number| number * 2))))
    }
}

async fn all(mut stream: Streaming<u32>) -> Vec<u32> {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        items.push(item.unwrap());
    }
    items
}

#[tokio::test]
async fn all_four_kinds_answer() {
    let counter = CounterClient::local(Abacus);
    assert_eq!(counter.add(2, 3).await.unwrap(), 5);
    counter.ping().await.unwrap();
    assert_eq!(all(counter.down(3).await.unwrap()).await, [2, 1, 0]);
    assert_eq!(counter.sum(Streaming::from_iter([1, 2, 3])).await.unwrap(), 6);
    assert_eq!(all(counter.double(Streaming::from_iter([1, 2])).await.unwrap()).await, [2, 4]);
    assert_eq!(counter.words(vec!["a".into(), "b".into()]).await.unwrap(), Some(2));
    assert_eq!(counter.words(vec![]).await.unwrap(), None);
    assert_eq!(counter.add(u32::MAX, 1).await.unwrap_err().code(), rpc::Code::OutOfRange);
}

#[test]
fn descriptors_say_what_is_written_at_the_methods() {
    let methods = CounterClient::SERVICE.methods;
    assert_eq!(CounterClient::SERVICE.name, "test.kinds.v1.Counter");
    assert_eq!(CounterClient::SERVICE.docs, "Counts.");
    let kinds: Vec<(&str, Kind)> = methods.iter().map(|method| (method.name, method.kind)).collect();
    let expected = [
        ("Add", Kind::Unary),
        ("Ping", Kind::Unary),
        ("Down", Kind::ServerStream),
        ("Sum", Kind::ClientStream),
        ("Double", Kind::Bidi),
        ("Words", Kind::Unary),
    ];
    assert_eq!(kinds, expected);
    let add: &Method = CounterClient::ADD;
    assert_eq!(add.path, "/test.kinds.v1.Counter/Add");
    assert_eq!(add.timeout, Some(Duration::from_millis(300)));
    assert_eq!((add.is_idempotent(), add.cancel, add.key), (true, Cancel::Drop, Some("left")));
    assert_eq!(add.docs, "Adds.");
    assert_eq!((CounterClient::PING.cancel, CounterClient::SUM.cancel), (Cancel::Finish, Cancel::Finish));
    assert_eq!((CounterClient::DOWN.cancel, CounterClient::DOUBLE.cancel), (Cancel::Drop, Cancel::Drop));
}
