//! The server keeps the caller's deadline as well.

use crate::{Body, Observers, Request, Response, Service, Status, deadline};
use std::{future::poll_fn, pin::pin, task::Poll};
use tokio::time::{Instant, sleep_until};
use tower_layer::Layer;

/// Answers `DeadlineExceeded` at the caller's deadline, and does not start work whose deadline has passed.
///
/// The client has stopped waiting by then; this frees what the call holds here. What becomes of a handler that is at
/// work is decided below, where the handler is called: see [`Cancel`](crate::Cancel).
#[derive(Clone, Debug, Default)]
pub struct DeadlineLayer(Observers);

impl DeadlineLayer {
    /// Tells `observers` of work that was not started.
    pub fn new(observers: Observers) -> Self {
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
pub struct Deadline<S> {
    inner: S,
    observers: Observers,
}

impl<S: Service> Service for Deadline<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let Some(deadline) = request.context.deadline() else { return self.inner.call(request).await };
        if deadline <= Instant::now() {
            self.observers.tell(|observer| observer.expired(request.method, request.context.transport()));
            return Err(Status::deadline_exceeded("the deadline had passed before the work began; nothing was done"));
        }
        // Not `timeout_at`: the future would be moved into it, and what is moved costs more than what is done here.
        let mut call = pin!(self.inner.call(request));
        let mut sleep = pin!(sleep_until(deadline));
        let answered = poll_fn(|cx| match call.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        });
        let response = answered.await.unwrap_or_else(|| Err(expired()))?;
        Ok(match response.body {
            Body::Message(_) => response,
            body => Response { body: deadline::bound(body, deadline, expired), ..response },
        })
    }
}

#[cold]
fn expired() -> Status {
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
