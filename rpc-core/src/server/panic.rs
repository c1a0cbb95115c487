//! A panic in a handler is that call's failure and nobody else's.

use crate::{
    Body, Method, Observers, PayloadStream, Request, Response, Service, Status,
    observer::target,
    rider::{Next, Rider},
    server::pace::Pace,
};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;

/// Turns a panic, in a handler or in the stream it returned, into `Internal`.
///
/// The peer learns that there was one, not what it said; that stands in the log. Since it is where handlers are polled,
/// it also notices those that hold a worker for long.
#[derive(Clone, Debug, Default)]
pub(crate) struct CatchPanicLayer(Arc<Pace>);

impl CatchPanicLayer {
    /// Tells `observers` of handlers that hold a worker.
    pub(crate) fn new(observers: Observers) -> Self {
        Self(Arc::new(Pace::new(observers)))
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner, pace: self.0.clone() }
    }
}

/// See [`CatchPanicLayer`].
#[derive(Clone, Debug)]
pub(crate) struct CatchPanic<S> {
    inner: S,
    pace: Arc<Pace>,
}

impl<S: Service> Service for CatchPanic<S> {
    // No `async fn`, here and in the layers below: it keeps its arguments to the end, twice, and with a few of them the
    // future of a call is too large for what allocators are quick at.
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        Caught { method: request.method, call: self.inner.call(request), pace: &self.pace }
    }
}

pin_project! {
    struct Caught<'a, F> {
        method: &'static Method,
        #[pin]
        call: F,
        pace: &'a Arc<Pace>,
    }
}

impl<F: Future<Output = Result<Response, Status>>> Future for Caught<'_, F> {
    type Output = Result<Response, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (method, pace) = (*this.method, *this.pace);
        match catch_unwind(AssertUnwindSafe(|| pace.timed(method, || this.call.poll(cx)))) {
            Ok(Poll::Ready(Ok(response))) if matches!(response.body, Body::Stream(_)) => {
                let guarded = || Guarded { method, pace: pace.clone() };
                Poll::Ready(Ok(Response { body: response.body.ridden(guarded), ..response }))
            }
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(Err(panicked(method.path, &*panic))),
        }
    }
}

struct Guarded {
    method: &'static Method,
    pace: Arc<Pace>,
}

impl Rider for Guarded {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T> {
        match catch_unwind(AssertUnwindSafe(|| self.pace.timed(self.method, || next(stream, cx)))) {
            Ok(next) => next,
            Err(panic) => {
                stream.end();
                Poll::Ready(Some(Err(panicked(self.method.path, &*panic))))
            }
        }
    }
}

#[cold]
fn panicked(path: &'static str, panic: &(dyn Any + Send)) -> Status {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(target: target::SERVER, method = path, panic = said.unwrap_or("(not a string)"), "a handler panicked");
    Status::internal(format!("the handler of {path} panicked; its server's log says more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Kind, Method, Payload, service_fn};
    use futures_util::StreamExt;

    static METHOD: Method = Method::new("t.T", "M", "/t.T/M", Kind::Unary);

    fn request() -> Request {
        Request::new(&METHOD, crate::Context::default(), Body::Message(Payload::Encoded(bytes::Bytes::new())))
    }

    #[tokio::test]
    async fn a_panic_becomes_internal_without_its_text() {
        let service = CatchPanicLayer::default().layer(service_fn(async |_| panic!("the password is swordfish")));
        let error = service.call(request()).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(!error.message().contains("swordfish"));
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_error_and_not_a_clean_end() {
        let service = CatchPanicLayer::default().layer(service_fn(async |_| {
            let body = futures_util::stream::poll_fn(|_| panic!("while streaming"));
            Ok(Response::new(Body::Stream(PayloadStream::new(body))))
        }));
        let mut stream = service.call(request()).await.unwrap().body.into_stream();
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn what_was_streamed_before_a_panic_is_sent() {
        let service = CatchPanicLayer::default().layer(service_fn(async |_| {
            let items = futures_util::stream::iter([1, 2, 3]).map(|item| match item {
                3 => panic!("at the third"),
                _ => Ok(Payload::Encoded(bytes::Bytes::from_static(b"x"))),
            });
            Ok(Response::new(Body::Stream(PayloadStream::new(items))))
        }));
        let mut stream = service.call(request()).await.unwrap().body.into_stream();
        let bounds = crate::Bounds { head: crate::Head::Length, message: 1, count: 9, bytes: 99 };
        let mut batch = crate::Batch::new(bounds, 0);
        let end = std::future::poll_fn(|cx| stream.poll_batch(cx, &mut batch)).await;
        assert_eq!((end.unwrap().unwrap_err().code(), batch.len()), (Code::Internal, 2));
    }
}
