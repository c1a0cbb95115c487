//! A panic in a handler is that call's failure and nobody else's.

use crate::{Body, Payload, PayloadStream, Request, Response, Service, Status, observer::target};
use futures_core::Stream;
use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tower_layer::Layer;

/// Turns a panic, in a handler or in the stream it returned, into `Internal`.
///
/// The peer learns that there was one, not what it said; that stands in the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic(inner)
    }
}

/// See [`CatchPanicLayer`].
#[derive(Clone, Copy, Debug)]
pub struct CatchPanic<S>(S);

impl<S: Service> Service for CatchPanic<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let path = request.method.path;
        // Polled by hand: a combinator would move the future once more.
        let mut call = pin!(self.0.call(request));
        let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
        match caught.await {
            Ok(Ok(mut response)) => {
                if let Body::Stream(_) = response.body {
                    response.body = response.body.map_stream(|inner| Guarded { inner: Some(inner), path });
                }
                Ok(response)
            }
            Ok(Err(status)) => Err(status),
            Err(panic) => Err(panicked(path, &*panic)),
        }
    }
}

struct Guarded {
    inner: Option<PayloadStream>,
    path: &'static str,
}

impl Stream for Guarded {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_next(cx))) {
            Ok(next) => next,
            Err(panic) => {
                self.inner = None;
                Poll::Ready(Some(Err(panicked(self.path, &*panic))))
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
        let service = CatchPanicLayer.layer(service_fn(async |_| panic!("the password is swordfish")));
        let error = service.call(request()).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(!error.message().contains("swordfish"));
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_error_and_not_a_clean_end() {
        let service = CatchPanicLayer.layer(service_fn(async |_| {
            let body = futures_util::stream::poll_fn(|_| panic!("while streaming"));
            Ok(Response::new(Body::Stream(PayloadStream::new(body))))
        }));
        let mut stream = service.call(request()).await.unwrap().body.stream();
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(stream.next().await.is_none());
    }
}
