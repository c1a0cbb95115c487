//! Tells the observer how calls end.

use crate::{Layer, Observers, Payload, PayloadStream, Request, Response, Service, Status, client::Journey};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Tells the observer of the end of each call, which is where its body ends. Put on the path only where somebody
/// watches.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer(pub(crate) Observers);

impl<S: Service> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, observers: self.0.clone() }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Observe<S> {
    inner: S,
    observers: Observers,
}

impl<S: Service> Service for Observe<S> {
    async fn call(&self, mut request: Request) -> Result<Response, Status> {
        let (journey, method) = (Journey::of(&mut request), request.method);
        let observers = self.observers.clone();
        // From here on the call ends when this does, be it that its caller leaves.
        let ending = Ending::new(move |outcome| {
            let took = journey.started().elapsed();
            observers.tell(|observer| observer.call_ended(method, outcome, journey.attempts(), took));
        });
        ending.watch(self.inner.call(request).await)
    }
}

/// Says once how a call or an attempt ended.
pub(crate) struct Ending<F: FnOnce(Result<(), &Status>)> {
    tell: Option<F>,
}

impl<F: FnOnce(Result<(), &Status>) + Send + Unpin + 'static> Ending<F> {
    pub(crate) fn new(tell: F) -> Self {
        Self { tell: Some(tell) }
    }

    /// Says it now for a failure or a message, and at the end of a stream.
    pub(crate) fn watch(mut self, result: Result<Response, Status>) -> Result<Response, Status> {
        match result {
            Err(status) => {
                self.end(Err(&status));
                Err(status)
            }
            Ok(mut response) => {
                if let crate::Body::Message(_) = response.body {
                    self.end(Ok(()));
                } else {
                    response.body = response.body.map_stream(|inner| Watched { inner, ending: self });
                }
                Ok(response)
            }
        }
    }
}

impl<F: FnOnce(Result<(), &Status>)> Ending<F> {
    fn end(&mut self, outcome: Result<(), &Status>) {
        if let Some(tell) = self.tell.take() {
            tell(outcome);
        }
    }
}

impl<F: FnOnce(Result<(), &Status>)> Drop for Ending<F> {
    fn drop(&mut self) {
        if self.tell.is_some() {
            self.end(Err(&Status::cancelled("the caller left")));
        }
    }
}

struct Watched<F: FnOnce(Result<(), &Status>)> {
    inner: PayloadStream,
    ending: Ending<F>,
}

impl<F: FnOnce(Result<(), &Status>) + Send + Unpin> Stream for Watched<F> {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.inner).poll_next(cx);
        match &next {
            Poll::Ready(None) => self.ending.end(Ok(())),
            Poll::Ready(Some(Err(status))) => self.ending.end(Err(status)),
            _ => {}
        }
        next
    }
}
