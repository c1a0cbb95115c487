//! The server's half of streams: what pulls and pushes find, and what the call that owns it leaves behind.

use crate::{
    items::{self, Items},
    message::{Resp, StreamEnd, Then},
};
use rpc_core::{Batch, Metadata, Payload, PayloadStream, Status};
use std::{
    collections::HashMap,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout_at,
};
use tokio_util::sync::CancellationToken;

/// A batch of items ends here, so that a stream does not hold up the calls beside it.
pub(crate) const BATCH: usize = 256 * 1024;

/// Items that a client has pushed and the handler has not read. A push waits while there are so many.
const AHEAD: usize = 16;

/// Bytes of those among them that are large. One that is larger than this waits until it is alone.
const AHEAD_BYTES: usize = 2 * BATCH;

/// Larger items are weighed; of smaller ones there are never too many bytes.
const LARGE: usize = BATCH / AHEAD;

/// The streams of one connection, by the ids that the client gave them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<u64, Arc<Slot>>>>);

impl Streams {
    fn table(&self) -> MutexGuard<'_, HashMap<u64, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a stream known, in the order in which calls arrive and before their handlers run: a pull right behind its
    /// call finds it. `None` if the id is in use.
    pub(crate) fn open(&self, id: u64) -> Option<Session> {
        let mut table = self.table();
        if table.contains_key(&id) {
            return None;
        }
        let slot = Arc::new(Slot::new());
        table.insert(id, slot.clone());
        Some(Session { streams: self.clone(), id, slot })
    }

    /// The turn of a pull at a stream.
    pub(crate) fn pull(&self, id: u64) -> Result<Option<Turn>, TooMany> {
        self.turn(id, |slot| &slot.pulls)
    }

    /// The turn of a push at a stream.
    pub(crate) fn push(&self, id: u64) -> Result<Option<Turn>, TooMany> {
        self.turn(id, |slot| &slot.pushes)
    }

    fn turn(&self, id: u64, count: fn(&Slot) -> &AtomicU32) -> Result<Option<Turn>, TooMany> {
        let Some(slot) = self.table().get(&id).cloned() else { return Ok(None) };
        if count(&slot).fetch_add(1, Ordering::Relaxed) >= Turn::AT_ONCE {
            return Err(TooMany);
        }
        Ok(Some(Turn { slot, count }))
    }
}

/// More requests for one stream at once than its client has a use for: each would hold a task here.
#[derive(Debug)]
pub(crate) struct TooMany;

/// One pull or push at work.
#[derive(Debug)]
pub(crate) struct Turn {
    slot: Arc<Slot>,
    count: fn(&Slot) -> &AtomicU32,
}

impl Turn {
    /// A client has one at work. Those that it gave up may not have ended yet.
    const AT_ONCE: u32 = 4;

    /// Takes up to `credits` items, as soon as there is one; with 0, waits for the stream to begin. An item over
    /// `limit` bytes fails the stream.
    pub(crate) async fn pull(self, credits: u32, limit: usize) -> Resp {
        let gone = || Resp::Items { items: Items::default(), end: StreamEnd::Gone };
        // Cancelled when the call ends: a pull would otherwise keep the handler's stream, and wait for it for ever.
        self.slot.closed.run_until_cancelled(self.slot.items(credits, limit)).await.unwrap_or_else(gone)
    }

    /// Hands items to the handler. One over `limit` bytes fails the stream.
    pub(crate) async fn push(self, items: Items, then: Then, limit: usize) -> Resp {
        let pushed = self.slot.closed.run_until_cancelled(self.slot.push(items, then, limit));
        pushed.await.unwrap_or(Resp::Done)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        (self.count)(&self.slot).fetch_sub(1, Ordering::Relaxed);
    }
}

/// An item that the handler has not read, and the room that it takes if it is large.
type Queued = (Result<Payload, Status>, Option<OwnedSemaphorePermit>);

/// One stream call.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The call is over.
    closed: CancellationToken,
    /// The handler has returned its stream; what it says beside it is in `metadata`.
    begun: CancellationToken,
    metadata: OnceLock<Metadata>,
    /// What the handler streams, until it ends. Locked by the pull that reads it.
    out: tokio::sync::Mutex<Option<Out>>,
    /// The end of what the handler streams is on its way.
    ended: CancellationToken,
    /// Where pushes go, until the last.
    into: Mutex<Option<mpsc::Sender<Queued>>>,
    /// Where the handler reads them.
    from: Mutex<Option<mpsc::Receiver<Queued>>>,
    /// What may still be queued of large items.
    room: Arc<Semaphore>,
    /// The client has said that its stream is complete.
    complete: Arc<AtomicBool>,
    pulls: AtomicU32,
    pushes: AtomicU32,
}

/// What the handler streams.
#[derive(Debug)]
struct Out {
    stream: PayloadStream,
    /// How large the last batch was.
    last: usize,
}

impl Slot {
    fn new() -> Self {
        let (into, from) = mpsc::channel(AHEAD);
        Self {
            closed: CancellationToken::new(),
            begun: CancellationToken::new(),
            metadata: OnceLock::new(),
            out: tokio::sync::Mutex::new(None),
            ended: CancellationToken::new(),
            into: Mutex::new(Some(into)),
            from: Mutex::new(Some(from)),
            room: Arc::new(Semaphore::new(AHEAD_BYTES)),
            complete: Arc::default(),
            pulls: AtomicU32::new(0),
            pushes: AtomicU32::new(0),
        }
    }

    async fn items(&self, credits: u32, limit: usize) -> Resp {
        self.begun.cancelled().await;
        if credits == 0 {
            return Resp::Begun { metadata: self.metadata.get().cloned().unwrap_or_default() };
        }
        let mut out = self.out.lock().await;
        let Some(Out { stream, last }) = &mut *out else {
            return Resp::Items { items: Items::default(), end: StreamEnd::Gone };
        };
        let mut batch = Batch::new(items::bounds(credits as usize, limit), *last);
        let end = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| stream.poll_batch(cx, &mut batch)));
            Poll::Ready(match polled {
                Ok(Poll::Pending) if batch.is_empty() => return Poll::Pending,
                Ok(Poll::Pending | Poll::Ready(Some(Ok(())))) => StreamEnd::More,
                Ok(Poll::Ready(Some(Err(status)))) => StreamEnd::Failed(status),
                Ok(Poll::Ready(None)) => match stream.trailers().filter(|trailers| !trailers.is_empty()) {
                    Some(trailers) => StreamEnd::DoneWith(Box::new(trailers.clone())),
                    None => StreamEnd::Done,
                },
                // The layers catch panics of handlers; this one came from outside of them.
                Err(_) => StreamEnd::Failed(Status::internal("the server panicked while streaming")),
            })
        });
        let end = end.await;
        *last = batch.size();
        if !matches!(end, StreamEnd::More) {
            *out = None;
            self.ended.cancel();
        }
        Resp::Items { items: batch.into(), end }
    }

    async fn push(&self, items: Items, then: Then, limit: usize) -> Resp {
        let Some(into) = self.sender().clone() else { return Resp::Done };
        for payload in items {
            let room = self.room_for(payload.encoded_len()).await;
            let item = payload.within(limit).map(|()| payload);
            let failed = item.is_err();
            // Answered when there is room: that is the back-pressure.
            if into.send((item, room)).await.is_err() || failed {
                self.sender().take();
                return Resp::Done;
            }
        }
        if then == Then::Done {
            self.complete.store(true, Ordering::Release);
            self.sender().take();
        }
        Resp::Taken
    }

    /// Waits until there is room for a large item.
    async fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        match bytes {
            // Never closed, so there is never an error.
            LARGE.. => self.room.clone().acquire_many_owned(bytes.min(AHEAD_BYTES) as u32).await.ok(),
            _ => None,
        }
    }

    fn sender(&self) -> MutexGuard<'_, Option<mpsc::Sender<Queued>>> {
        self.into.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call of streams holds for as long as it lives. Dropping it ends all that belongs to the call.
#[derive(Debug)]
pub(crate) struct Session {
    streams: Streams,
    id: u64,
    slot: Arc<Slot>,
}

impl Session {
    /// What the client pushes. An end that the client did not announce is an error and not an end.
    pub(crate) fn pushed(&self) -> PayloadStream {
        let from = self.slot.from.lock().unwrap_or_else(PoisonError::into_inner).take();
        let complete = self.slot.complete.clone();
        PayloadStream::new(futures_util::stream::unfold(from, move |from| {
            let complete = complete.clone();
            async move {
                let mut from = from?;
                match from.recv().await {
                    Some((Ok(payload), _)) => Some((Ok(payload), Some(from))),
                    Some((Err(status), _)) => Some((Err(status), None)),
                    None if complete.load(Ordering::Acquire) => None,
                    None => Some((Err(Status::cancelled("the caller left before its stream was complete")), None)),
                }
            }
        }))
    }

    /// Lets the client pull a stream, and waits until it has the end. What it has not pulled by the deadline is let go.
    pub(crate) async fn stream(&self, metadata: Metadata, stream: PayloadStream) {
        let deadline = stream.deadline();
        *self.slot.out.lock().await = Some(Out { stream, last: 0 });
        let _ = self.slot.metadata.set(metadata);
        self.slot.begun.cancel();
        let ended = self.slot.ended.cancelled();
        let Some(deadline) = deadline else { return ended.await };
        let mut ended = pin!(ended);
        if timeout_at(deadline, &mut ended).await.is_ok() {
            return;
        }
        // The stream itself keeps the deadline, but only a pull polls it. One that is at work has it now.
        if let Some(out) = &mut *self.slot.out.lock().await {
            out.stream = PayloadStream::new(futures_util::stream::iter([Err(PayloadStream::unread())]));
        }
        ended.await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.streams.table().remove(&self.id);
        self.slot.closed.cancel();
        self.slot.sender().take();
        // A pull at work holds it; that one ends now, and drops it with the slot.
        if let Ok(mut out) = self.slot.out.try_lock() {
            *out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;

    fn pushed(count: usize, bytes: usize) -> Items {
        let mut batch = Batch::new(items::bounds(count, bytes), 0);
        for _ in 0..count {
            batch.put_payload(&Payload::Encoded(vec![0; bytes].into())).unwrap();
        }
        batch.into()
    }

    /// How many of as many items as there may be are taken from a client whose handler reads none.
    async fn taken(bytes: usize) -> usize {
        let streams = Streams::default();
        let session = streams.open(1).unwrap();
        let mut unread = session.pushed();
        let turn = streams.push(1).unwrap().unwrap();
        let mut pushing = pin!(turn.push(pushed(2 * AHEAD, bytes), Then::Done, bytes));
        assert!(poll_fn(|cx| Poll::Ready(pushing.as_mut().poll(cx))).await.is_pending(), "nothing holds it back");
        let queued = AHEAD - session.slot.sender().as_ref().unwrap().capacity();
        // None is lost, and the rest comes as there is room.
        let read = async {
            for _ in 0..2 * AHEAD {
                assert_eq!(unread.next().await.unwrap().unwrap().encoded_len(), bytes);
            }
        };
        tokio::join!(pushing, read);
        assert!(unread.next().await.is_none());
        queued
    }

    #[tokio::test]
    async fn what_is_pushed_ahead_is_bounded_in_items_and_in_bytes() {
        assert_eq!(taken(10).await, AHEAD);
        assert_eq!(taken(LARGE - 1).await, AHEAD);
        assert_eq!(taken(AHEAD_BYTES / 4).await, 4);
        assert_eq!(taken(4 * AHEAD_BYTES).await, 1);
    }
}
