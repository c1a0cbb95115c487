//! A panic in a handler is that call's failure and nobody else's.

use crate::{
    Body, Method, Observers, Payload, PayloadStream, Request, Response, Service, Status, observer::target,
    server::pace::Pace,
};
use futures_core::Stream;
use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;

/// Turns a panic, in a handler or in the stream it returned, into `Internal`.
///
/// The peer learns that there was one, not what it said; that stands in the log. Since it is where handlers are polled, it
/// also notices those that hold a worker for long.
#[derive(Clone, Debug, Default)]
pub struct CatchPanicLayer(Arc<Pace>);

impl CatchPanicLayer {
    /// Tells `observers` of handlers that hold a worker.
    pub fn new(observers: Observers) -> Self {
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
pub struct CatchPanic<S> {
    inner: S,
    pace: Arc<Pace>,
}

impl<S: Service> Service for CatchPanic<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let method = request.method;
        // Polled by hand: a combinator would move the future once more.
        let mut call = pin!(self.inner.call(request));
        let caught = poll_fn(|cx| {
            let poll = AssertUnwindSafe(|| self.pace.timed(method, || call.as_mut().poll(cx)));
            match catch_unwind(poll) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        });
        match caught.await {
            Ok(Ok(mut response)) => {
                if let Body::Stream(_) = response.body {
                    let pace = self.pace.clone();
                    response.body = response.body.map_stream(|inner| Guarded { inner: Some(inner), method, pace });
                }
                Ok(response)
            }
            Ok(Err(status)) => Err(status),
            Err(panic) => Err(panicked(method.path, &*panic)),
        }
    }
}

struct Guarded {
    inner: Option<PayloadStream>,
    method: &'static Method,
    pace: Arc<Pace>,
}

impl Stream for Guarded {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { inner: Some(inner), method, pace } = &mut *self else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| pace.timed(method, || Pin::new(inner).poll_next(cx)))) {
            Ok(next) => next,
            Err(panic) => {
                self.inner = None;
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
    use crate::{Code, Kind, Method, service_fn};

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
        let mut stream = service.call(request()).await.unwrap().body.stream();
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(stream.next().await.is_none());
    }
}
