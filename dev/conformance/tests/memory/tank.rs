//! The service under test: it pours, or drinks, and tells how far it has come.

use futures_util::{Stream, stream};
use rpc::Status;
use rpc::prelude::*;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a reader reads before it stops.
pub(crate) const SIP: u64 = 1024 * 1024;
/// What there is to be read.
const WHOLE: u64 = 1024 * SIP;
/// What is made ahead where the test has to fail.
const AHEAD: u64 = 48 * SIP;

/// When items are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// When the wire asks for one.
    AsRead,
    /// Many of them before it asks for the first: the memory of a wire that does not wait for its reader.
    Ahead,
}

/// What the server has done.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Gauge {
    /// Bytes that were made, or read, of the current stream.
    pub(crate) bytes: u64,
    /// Handlers that there are: their futures, or the streams that they have returned.
    pub(crate) handlers: u64,
}

/// Streams of any length.
#[rpc_service(package = "memory.v1")]
pub(crate) trait Tank {
    /// Pours 1 GiB in items of so many bytes.
    async fn pour(&self, size: u64, ahead: bool) -> Result<Streaming<Vec<u8>>, Status>;

    /// Reads 1 MiB, and then no more; never answers.
    async fn drink(&self, items: Streaming<Vec<u8>>) -> Result<(), Status>;

    /// Tells how far it is.
    async fn gauge(&self) -> Result<Gauge, Status>;
}

/// The service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cellar(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    handlers: AtomicU64,
}

/// A handler at work.
struct Handler(Arc<Counts>);

impl Handler {
    fn begin(counts: &Arc<Counts>) -> Self {
        counts.bytes.store(0, Ordering::Release);
        counts.handlers.fetch_add(1, Ordering::AcqRel);
        Self(counts.clone())
    }

    fn count(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::AcqRel);
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.handlers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Tank for Cellar {
    async fn pour(&self, size: u64, ahead: bool) -> Result<Streaming<Vec<u8>>, Status> {
        let handler = Handler::begin(&self.0);
        let pace = if ahead { Pace::Ahead } else { Pace::AsRead };
        Ok(Streaming::new(items(size, pace, move |bytes| handler.count(bytes))))
    }

    async fn drink(&self, mut items: Streaming<Vec<u8>>) -> Result<(), Status> {
        let (handler, mut read) = (Handler::begin(&self.0), 0);
        while read < SIP {
            let item = items.next().await.ok_or_else(|| Status::invalid_argument("there was to be more"))??;
            read += item.len() as u64;
            handler.count(item.len() as u64);
        }
        std::future::pending().await
    }

    async fn gauge(&self) -> Result<Gauge, Status> {
        Ok(Gauge { bytes: self.0.bytes.load(Ordering::Acquire), handlers: self.0.handlers.load(Ordering::Acquire) })
    }
}

/// 1 GiB in items of `size` bytes, each of them memory of its own; `made` is told of each.
pub(crate) fn items(
    size: u64,
    pace: Pace,
    made: impl Fn(u64) + Send + 'static,
) -> impl Stream<Item = Result<Vec<u8>, Status>> + Send + 'static {
    // Not zeros: pages of zeros cost nothing until they are written to.
    let mut items = (0..WHOLE / size).map(move |number| {
        made(size);
        vec![(number % 255 + 1) as u8; size as usize]
    });
    let ahead = match pace {
        Pace::AsRead => Vec::new(),
        Pace::Ahead => items.by_ref().take((AHEAD / size) as usize).collect(),
    };
    stream::iter(ahead.into_iter().chain(items).map(Ok))
}
