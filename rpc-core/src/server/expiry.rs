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

/// Takes a stream away from whoever holds it when the time comes, and drops it, so that what it holds is free then, be
/// it polled or not. A message is left as it is, and so is what may take any time.
///
/// A wire has a task that sends, and keeps the deadline there. Where a stream is handed over there is none, and what
/// keeps the deadline inside the stream hears of it only when it is polled. `missed` is for a reader who was waiting
/// then.
pub(super) fn expiring(body: Body, at: Option<Instant>, missed: fn() -> Status) -> Body {
    match at {
        Some(at) => body.map_source(|stream| Expiring::new(stream, at, missed)),
        None => body,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Code, Context as CallContext, Kind, Method, Request, Response, Service, ServiceDescriptor,
        client::Channel,
        server::{Fidelity, NamedService, deadline},
        spawn_detached,
    };
    use futures_util::stream;
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_millis(300);

    fn silent(guard: &Arc<()>) -> PayloadStream {
        let held = guard.clone();
        PayloadStream::new(stream::poll_fn(move |_| {
            let _ = &held;
            Poll::Pending
        }))
    }

    fn bounded(stream: PayloadStream) -> PayloadStream {
        expiring(Body::Stream(stream), Some(Instant::now() + LIMIT), deadline::expired).into_stream()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_gone_at_its_deadline_and_its_reader_is_told_so() {
        let guard = Arc::new(());
        let mut unread = bounded(silent(&guard));
        tokio::time::sleep(LIMIT + Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&guard), 1);
        let status = unread.next().await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, PayloadStream::unread().message()));
        assert!(unread.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_and_who_left_off_waiting_holds_nothing() {
        let (guard, began) = (Arc::new(()), Instant::now());
        let mut waited = bounded(silent(&guard));
        let woken = tokio::time::timeout(2 * LIMIT, waited.next()).await.expect("nobody wakes it");
        let status = woken.unwrap().unwrap_err();
        assert_eq!((status.message(), began.elapsed()), (deadline::expired().message(), LIMIT));
        let mut left = bounded(silent(&guard));
        tokio::time::timeout(LIMIT / 2, left.next()).await.unwrap_err();
        tokio::time::sleep(LIMIT).await;
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_timer_outlives_its_stream() {
        let mut ended = bounded(PayloadStream::new(stream::empty()));
        let dropped = bounded(silent(&Arc::default()));
        assert!(ended.next().await.is_none());
        drop(dropped);
        tokio::task::yield_now().await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    }

    static SIT: Method = Method::new("t.T", "Sit", "/t.T/Sit", Kind::ClientStream);
    static GO_ON: Method = Method::new("t.T", "GoOn", "/t.T/GoOn", Kind::ClientStream);
    static SERVICE: ServiceDescriptor = ServiceDescriptor::new("t.T", &[&SIT, &GO_ON], "");

    /// Waits for requests, and says what came of it.
    #[derive(Clone)]
    struct Waiting(tokio::sync::mpsc::UnboundedSender<(Code, Duration)>);

    impl NamedService for Waiting {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &SERVICE
        }
    }

    impl Service for Waiting {
        async fn call(&self, request: Request) -> Result<Response, Status> {
            let (heard, began, mut requests) = (self.0.clone(), Instant::now(), request.body.into_stream());
            let waiting = async move {
                let status = requests.next().await.unwrap().unwrap_err();
                heard.send((status.code(), began.elapsed())).unwrap();
            };
            if request.method.name == "GoOn" {
                drop(request.context.enter(|| spawn_detached(waiting)));
                return std::future::pending().await;
            }
            waiting.await;
            Err(Status::internal("the handler makes something else of it"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_waits_for_requests_does_not_say_how_the_call_ends() {
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let channel = Channel::local(Waiting(sender), Fidelity::Value);
        let guard = Arc::new(());
        for method in [&SIT, &GO_ON] {
            let context = CallContext::default().with_deadline(Instant::now() + LIMIT);
            let call = context.scope(channel.call(method, Body::Stream(silent(&guard)), None));
            assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded, "{method:?}");
        }
        // What goes on without the caller has no requests to go on with.
        let told = tokio::time::timeout(2 * LIMIT, heard.recv()).await.expect("nobody tells it");
        let (code, after) = told.unwrap();
        assert!(heard.is_empty());
        assert_eq!(code, Code::DeadlineExceeded);
        assert!(after > LIMIT && after < 2 * LIMIT, "{after:?}");
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
