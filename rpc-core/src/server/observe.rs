//! Tells the observer of every call that was handled.

use crate::{Body, Method, Observers, Payload, PayloadStream, Request, Response, Service, Status};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;
use tower_layer::Layer;

/// Tells an [`Observer`](crate::Observer) of every call that was handled here, once its body has ended.
#[derive(Clone, Debug)]
pub struct ObserveLayer(Observers);

impl ObserveLayer {
    /// Tells `observers`.
    pub fn new(observers: Observers) -> Self {
        Self(observers)
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, observers: self.0.clone() }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    observers: Observers,
}

impl<S: Service> Service for Observe<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let mut call = Call {
            observers: self.observers.clone(),
            method: request.method,
            transport: request.context.peer().map_or("local", |peer| peer.transport),
            begun: Instant::now(),
            outcome: None,
        };
        match self.inner.call(request).await {
            Ok(response) => {
                if let Body::Message(_) = response.body {
                    call.outcome = Some(Ok(()));
                }
                let body = response.body.map_stream(|inner| Watched { inner, call });
                Ok(Response { body, ..response })
            }
            Err(status) => {
                call.outcome = Some(Err(status.clone()));
                Err(status)
            }
        }
    }
}

/// One call; it is reported when this is dropped, which is when its body has ended or its caller has left.
struct Call {
    observers: Observers,
    method: &'static Method,
    transport: &'static str,
    begun: Instant,
    /// `None` as long as it goes on: a call that is dropped then was left by its caller.
    outcome: Option<Result<(), Status>>,
}

impl Drop for Call {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| Err(Status::cancelled("the caller left")));
        let took = self.begun.elapsed();
        self.observers.tell(|observer| {
            observer.handled(self.method, self.transport, outcome.as_ref().copied(), took);
        });
    }
}

struct Watched {
    inner: PayloadStream,
    call: Call,
}

impl Stream for Watched {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.inner).poll_next(cx);
        match &next {
            Poll::Ready(Some(Err(status))) => self.call.outcome = Some(Err(status.clone())),
            Poll::Ready(None) => drop(self.call.outcome.get_or_insert(Ok(()))),
            _ => {}
        }
        next
    }
}
