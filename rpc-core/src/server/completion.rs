//! Nobody's write stops between two awaits.

use crate::{BoxFuture, BoxService, Cancel, Context, Request, Response, Service, Status, Tasks};
use std::{
    pin::Pin,
    task::{self, Poll},
};
use tracing::Instrument;

/// Calls a handler, and lets that of a [`Cancel::Finish`] method run to its end when its caller leaves.
///
/// The handler is polled in place, so that an ordinary call costs no task. Only when the call is dropped while the
/// handler is at work does the handler move into a task of the server's, which a drain waits for, and
/// [`Context::cancelled`] tells it that nobody waits. One that has not begun is dropped.
pub(crate) async fn call(handler: &BoxService, mut request: Request, tasks: &Tasks) -> Result<Response, Status> {
    if request.method.cancel == Cancel::Drop {
        return handler.call(request).await;
    }
    request.context = request.context.cancellable();
    let context = request.context.clone();
    Finishing { handler: Some(handler.call_owned(request)), begun: false, context, tasks }.await
}

struct Finishing<'a> {
    handler: Option<BoxFuture<'static, Result<Response, Status>>>,
    begun: bool,
    context: Context,
    tasks: &'a Tasks,
}

impl Future for Finishing<'_> {
    type Output = Result<Response, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.begun = true;
        // Taken out for the poll: one that panics in it must not be polled again in a task.
        let Some(mut handler) = self.handler.take() else { return Poll::Pending };
        let polled = handler.as_mut().poll(cx);
        if polled.is_pending() {
            self.handler = Some(handler);
        }
        polled
    }
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        if let Some(handler) = self.handler.take().filter(|_| self.begun) {
            self.context.cancel();
            // In the span of its call, which is the current one while that is dropped.
            self.tasks.spawn(async move { drop(handler.await) }.in_current_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Kind, Method, Payload, service_fn};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    static WRITE: Method = Method::new("t.T", "Write", "/t.T/Write", Kind::Unary);
    static READ: Method = Method::new("t.T", "Read", "/t.T/Read", Kind::Unary).idempotent();

    fn request(method: &'static Method) -> Request {
        Request::new(method, crate::Context::default(), Body::Message(Payload::Encoded(bytes::Bytes::new())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_ends_without_its_caller_and_a_read_does_not() {
        let (ended, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = Tasks::owner();
        let counters = (ended.clone(), told.clone());
        let handler = service_fn(move |request: Request| {
            let (ended, told) = counters.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                told.fetch_add(usize::from(request.context.is_cancelled()), Ordering::Relaxed);
                ended.fetch_add(1, Ordering::Relaxed);
                Ok(Response::new(request.body))
            }
        });
        let handler = handler.boxed();
        for method in [&WRITE, &READ] {
            let call = call(&handler, request(method), &tasks);
            tokio::time::timeout(Duration::from_millis(10), call).await.unwrap_err();
        }
        tasks.finished().await;
        assert_eq!(ended.load(Ordering::Relaxed), 1, "the write alone ends");
        assert_eq!(told.load(Ordering::Relaxed), 1, "and is told that nobody waits");
    }

    #[tokio::test]
    async fn what_has_not_begun_is_not_begun() {
        let tasks = Tasks::owner();
        let handler = service_fn(async |_| panic!("begun")).boxed();
        drop(call(&handler, request(&WRITE), &tasks));
        assert!(tasks.is_empty());
    }
}
