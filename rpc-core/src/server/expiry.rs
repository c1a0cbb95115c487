//! The end of a stream that nobody polls.

use crate::{
    Batch, Body, Payload, PayloadStream, Status, Tasks,
    rider::{Next, Source},
};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tokio::time::{Instant, sleep_until};

/// Takes a stream away from whoever holds it when the time comes, and drops it, so that what it holds is free then, be it
/// polled or not. A message is left as it is.
///
/// A wire has a task that sends, and keeps the deadline there. Where a stream is handed over there is none, and what keeps
/// the deadline inside the stream hears of it only when it is polled. `missed` is for a reader who was waiting then.
pub(super) fn expiring(body: Body, at: Instant, missed: fn() -> Status) -> Body {
    body.map_source(|stream| Expiring::new(stream, at, missed))
}

struct Expiring {
    slot: Arc<Slot>,
    missed: fn() -> Status,
    /// Ends with the stream.
    _timer: Tasks,
}

/// What the reader of a stream and its timer share.
struct Slot(Mutex<Held>);

enum Held {
    Open {
        stream: PayloadStream,
        /// Of a reader who waits for the next item.
        waiting: Option<Waker>,
    },
    Expired {
        waited: bool,
    },
}

impl Expiring {
    fn new(stream: PayloadStream, at: Instant, missed: fn() -> Status) -> Self {
        let slot = Arc::new(Slot(Mutex::new(Held::Open { stream, waiting: None })));
        let (timer, timed) = (Tasks::owner(), Arc::downgrade(&slot));
        timer.spawn(async move {
            sleep_until(at).await;
            if let Some(slot) = timed.upgrade() {
                slot.expire();
            }
        });
        Self { slot, missed, _timer: timer }
    }

    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T> {
        match &mut *self.slot.held() {
            Held::Open { stream, waiting } => {
                let polled = next(stream, cx);
                *waiting = polled.is_pending().then(|| cx.waker().clone());
                polled
            }
            Held::Expired { waited: true } => Poll::Ready(Some(Err((self.missed)()))),
            Held::Expired { waited: false } => Poll::Ready(Some(Err(PayloadStream::unread()))),
        }
    }
}

impl Slot {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expire(&self) {
        let expired = {
            let mut held = self.held();
            let waited = matches!(&*held, Held::Open { waiting: Some(_), .. });
            std::mem::replace(&mut *held, Held::Expired { waited })
        };
        // No longer locked: what is dropped with a stream is anybody's code.
        if let Held::Open { stream, waiting } = expired {
            drop(stream);
            if let Some(reader) = waiting {
                reader.wake();
            }
        }
    }
}

impl Source for Expiring {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next<Payload> {
        self.poll(cx, |stream, cx| futures_core::Stream::poll_next(Pin::new(stream), cx))
    }

    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Next<()> {
        self.poll(cx, |stream, cx| stream.poll_batch(cx, batch))
    }
}
