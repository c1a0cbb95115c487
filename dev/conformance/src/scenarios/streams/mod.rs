//! Streams, of all kinds.

mod cancellation;
mod circumstances;
mod cuts;
mod deadlines;
mod drain;
mod failures;
mod kinds;
mod limits;
mod load;
mod tasks;
mod trailers;

use crate::{columns::Site, lab::Lab, ledger::SOON, scenario::Scenario};
use futures_util::{StreamExt, stream};
use rpc::{Status, Streaming};

/// Those of each file.
pub(super) const ALL: [&[Scenario]; 11] = [
    kinds::ALL,
    limits::ALL,
    failures::ALL,
    trailers::ALL,
    tasks::ALL,
    circumstances::ALL,
    deadlines::ALL,
    cancellation::ALL,
    load::ALL,
    cuts::ALL,
    drain::ALL,
];

/// Reads a stream to its end: its items, and the error that it ended with, if it did.
async fn drained<T, E>(stream: &mut Streaming<T, E>) -> (Vec<T>, Option<E>) {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => {
                assert!(stream.next().await.is_none(), "something came behind the error");
                return (items, Some(error));
            }
        }
    }
    assert!(stream.next().await.is_none(), "something came behind the end");
    (items, None)
}

/// A stream of numbers that never ends, and the way to see whether it lives and how far it was read.
fn endless(site: &Site, job: u64) -> Streaming<u64> {
    let visit = site.plan.bench.ledger.enter(job);
    Streaming::new(stream::iter(0..).inspect(move |_| visit.made()))
}

/// Opens [`Lab::watch`] and reads from it.
async fn watched(site: &Site, job: u64, read: u64) -> Streaming<u64> {
    let mut stream = site.lab.watch(job, u64::MAX).await.unwrap();
    for expected in 1..=read {
        assert_eq!(stream.next().await.expect("the stream ended early").unwrap(), expected);
    }
    stream
}

/// The one error that is left in a stream.
async fn last_error<T: std::fmt::Debug>(stream: &mut Streaming<T>) -> Status {
    let next = tokio::time::timeout(SOON, stream.next()).await.expect("the stream should have ended");
    let status = next.expect("a clean end").expect_err("an item");
    assert!(stream.next().await.is_none(), "something came behind the error");
    status
}
