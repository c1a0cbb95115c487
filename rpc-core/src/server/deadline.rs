//! The server keeps the caller's deadline as well.

use crate::{Body, Observers, Request, Response, Service, Status, deadline};
use futures_util::future::Either;
use pin_project_lite::pin_project;
use std::{
    future::ready,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;

/// Answers `DeadlineExceeded` at the caller's deadline, and does not start work whose deadline has passed.
///
/// The client has stopped waiting by then; this frees what the call holds here. What becomes of a handler that is at
/// work is decided below, where the handler is called: see [`Cancel`](crate::Cancel).
#[derive(Clone, Debug, Default)]
pub(crate) struct DeadlineLayer(Observers);

impl DeadlineLayer {
    /// Tells `observers` of work that was not started.
    pub(crate) fn new(observers: Observers) -> Self {
        Self(observers)
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, observers: self.0.clone() }
    }
}

/// See [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    observers: Observers,
}

impl<S: Service> Service for Deadline<S> {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let deadline = request.context.deadline();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.observers.tell(|observer| observer.expired(request.method, request.context.transport()));
            return Either::Left(ready(Err(late())));
        }
        Either::Right(Kept { call: self.inner.call(request), deadline, sleep: None })
    }
}

pin_project! {
    struct Kept<F> {
        #[pin]
        call: F,
        deadline: Option<Instant>,
        // For a handler that has to wait.
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl<F: Future<Output = Result<Response, Status>>> Future for Kept<F> {
    type Output = Result<Response, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = this.call.poll(cx);
        let Some(deadline) = *this.deadline else { return polled };
        match polled {
            Poll::Ready(Ok(response)) if matches!(response.body, Body::Stream(_)) => {
                Poll::Ready(Ok(Response { body: deadline::bound(response.body, deadline, expired), ..response }))
            }
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                if this.sleep.is_none() {
                    this.sleep.set(Some(sleep_until(deadline)));
                }
                this.sleep.as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx).map(|()| Err(expired())))
            }
        }
    }
}

#[cold]
fn late() -> Status {
    Status::deadline_exceeded("the deadline had passed before the work began; nothing was done")
}

#[cold]
pub(super) fn expired() -> Status {
    Status::deadline_exceeded("the caller's deadline passed while the handler was at work")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Context, Kind, Method, Payload, service_fn};
    use std::time::Duration;

    static METHOD: Method = Method::new("t.T", "M", "/t.T/M", Kind::Unary);

    fn request(context: Context) -> Request {
        Request::new(&METHOD, context, Body::Message(Payload::Encoded(bytes::Bytes::new())))
    }

    #[tokio::test(start_paused = true)]
    async fn late_work_is_not_started_and_slow_work_is_left() {
        let service = DeadlineLayer::default().layer(service_fn(async |request: Request| {
            assert!(request.context.remaining() > Some(Duration::ZERO), "started too late");
            std::future::pending().await
        }));
        let late = Context::default().with_deadline(Instant::now());
        assert_eq!(service.call(request(late)).await.unwrap_err().code(), Code::DeadlineExceeded);

        let deadline = Instant::now() + Duration::from_millis(20);
        let slow = Context::default().with_deadline(deadline);
        assert_eq!(service.call(request(slow)).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(Instant::now(), deadline);
    }
}
