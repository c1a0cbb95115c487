//! The server keeps the caller's deadline as well.

use crate::{Request, Response, Service, Status, deadline};
use tokio::time::Instant;
use tower_layer::Layer;

/// Answers `DeadlineExceeded` at the caller's deadline, and does not start work whose deadline has passed.
///
/// The client has stopped waiting by then; this frees what the call holds here. What becomes of a handler that is at
/// work is decided below, by [`CompletionLayer`](crate::server::CompletionLayer).
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

/// See [`DeadlineLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Deadline<S>(S);

impl<S: Service> Service for Deadline<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let Some(deadline) = request.context.deadline() else { return self.0.call(request).await };
        if deadline <= Instant::now() {
            return Err(Status::deadline_exceeded("the deadline had passed before the work began; nothing was done"));
        }
        match tokio::time::timeout_at(deadline, self.0.call(request)).await {
            Ok(Ok(response)) => Ok(Response { body: deadline::bound(response.body, deadline, expired), ..response }),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(expired()),
        }
    }
}

#[cold]
fn expired() -> Status {
    Status::deadline_exceeded("the caller's deadline passed while the handler was at work")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Code, Context, Kind, Method, Payload, service_fn};
    use std::time::Duration;

    static METHOD: Method = Method::new("t.T", "M", "/t.T/M", Kind::Unary);

    fn request(context: Context) -> Request {
        Request::new(&METHOD, context, Body::Message(Payload::Encoded(bytes::Bytes::new())))
    }

    #[tokio::test(start_paused = true)]
    async fn late_work_is_not_started_and_slow_work_is_left() {
        let service = DeadlineLayer.layer(service_fn(async |request: Request| {
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
