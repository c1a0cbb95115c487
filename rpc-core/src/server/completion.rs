//! Nobody's write stops between two awaits.

use crate::{BoxFuture, Cancel, Request, Response, Service, Status, Tasks};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;

/// Lets a handler of a [`Cancel::Finish`] method run to its end when its caller leaves.
///
/// The handler is polled in place, so that an ordinary call costs no task. Only when the call is dropped while the
/// handler is at work does the handler move into a task of the server's, which a drain waits for, and its
/// [`Context::cancelled`](crate::Context::cancelled) tells it that nobody waits. One that has not begun is dropped.
#[derive(Clone, Debug)]
pub struct CompletionLayer(Tasks);

impl CompletionLayer {
    /// Handlers go on in `tasks`.
    pub fn new(tasks: Tasks) -> Self {
        Self(tasks)
    }
}

impl<S> Layer<S> for CompletionLayer {
    type Service = Completion<S>;

    fn layer(&self, inner: S) -> Completion<S> {
        Completion { inner: Arc::new(inner), tasks: self.0.clone() }
    }
}

/// See [`CompletionLayer`].
#[derive(Debug)]
pub struct Completion<S> {
    inner: Arc<S>,
    tasks: Tasks,
}

impl<S: Service> Service for Completion<S> {
    async fn call(&self, mut request: Request) -> Result<Response, Status> {
        if request.method.cancel == Cancel::Drop {
            return self.inner.call(request).await;
        }
        let abandoned = CancellationToken::new();
        request.context = request.context.with_cancellation(abandoned.clone());
        let inner = self.inner.clone();
        let handler = Box::pin(async move { inner.call(request).await });
        Finishing { handler: Some(handler), begun: false, abandoned, tasks: &self.tasks }.await
    }
}

struct Finishing<'a> {
    handler: Option<BoxFuture<'static, Result<Response, Status>>>,
    begun: bool,
    abandoned: CancellationToken,
    tasks: &'a Tasks,
}

impl Future for Finishing<'_> {
    type Output = Result<Response, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.begun = true;
        let Some(handler) = &mut self.handler else { return Poll::Pending };
        // Taken out for the poll: a handler that panics is not polled again by `drop`.
        let mut handler = Pin::new(handler);
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handler.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => {
                self.handler = None;
                Poll::Ready(outcome)
            }
            Err(panic) => {
                self.handler = None;
                std::panic::resume_unwind(panic)
            }
        }
    }
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        if let Some(handler) = self.handler.take().filter(|_| self.begun) {
            self.abandoned.cancel();
            self.tasks.spawn(async move { drop(handler.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Kind, Method, Payload, service_fn};
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
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
        let service = CompletionLayer::new(tasks.handle()).layer(handler);
        for method in [&WRITE, &READ] {
            let call = tokio::time::timeout(Duration::from_millis(10), service.call(request(method)));
            call.await.unwrap_err();
        }
        tasks.finished().await;
        assert_eq!(ended.load(Ordering::Relaxed), 1, "the write alone ends");
        assert_eq!(told.load(Ordering::Relaxed), 1, "and is told that nobody waits");
    }

    #[tokio::test]
    async fn what_has_not_begun_is_not_begun() {
        let tasks = Tasks::owner();
        let service = CompletionLayer::new(tasks.handle()).layer(service_fn(async |_| panic!("begun")));
        drop(service.call(request(&WRITE)));
        assert!(tasks.is_empty());
    }
}
