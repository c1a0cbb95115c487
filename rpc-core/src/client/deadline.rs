//! Ends a call whose time is up.

use crate::{
    Body, Delivery, Layer, Request, Response, Service, Status,
    client::{Journey, journey::Within},
    deadline,
};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Ends a call at its deadline: by an error that says where the time went, or, once a stream has begun, by an item
/// that does. A stream has a second limit, for its beginning.
///
/// It sets one timer per call at most, and none where there is no deadline: timers are the dearest thing on the path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeadlineLayer(Within);

impl DeadlineLayer {
    /// Around calls that a balancer sends, and says so when it does.
    pub(crate) const REMOTE: Self = Self(Within::Balancer);
}

impl<S: Service> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, within: self.0 }
    }
}

/// See [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    within: Within,
}

impl<S: Service> Service for Deadline<S> {
    // Here and in the layers below no `async fn`, for it keeps its arguments twice, and the inner future is made where
    // it is polled: what is moved on the way costs more than what is done.
    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let journey = Journey::of(&mut request);
        let deadline = request.context.deadline();
        let late = deadline.is_some_and(|deadline| deadline <= journey.started());
        let opening = request.hints.opening.filter(|opening| deadline.is_none_or(|deadline| *opening < deadline));
        async move {
            match (opening, deadline) {
                _ if late => Err(Status::deadline_exceeded("the deadline had passed before the call was made")
                    .with_delivery(Delivery::NeverSent)),
                (Some(opening), deadline) => {
                    // Boxed: a unary call should not carry what this needs.
                    let response = Box::pin(self.open(request, &journey, opening, deadline)).await?;
                    Ok(bounded(response, deadline, journey))
                }
                (None, None) => self.inner.call(request).await,
                (None, Some(deadline)) => {
                    // Not `timeout_at`: the future would be moved into it, and it is large.
                    let mut call = pin!(self.inner.call(request));
                    let mut sleep = pin!(sleep_until(deadline));
                    let first = poll_fn(|cx| match call.as_mut().poll(cx) {
                        Poll::Ready(result) => Poll::Ready(Some(result)),
                        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
                    });
                    match first.await {
                        Some(response) => Ok(bounded(response?, Some(deadline), journey)),
                        None => Err(journey.expired(deadline, "the deadline", self.within)),
                    }
                }
            }
        }
    }
}

impl<S: Service> Deadline<S> {
    /// Begins a stream. Where the client streams, the answer comes at the end, so the limit is only for finding a
    /// server: at first, and once more when the server goes before it has taken anything.
    async fn open(
        &self,
        request: Request,
        journey: &Arc<Journey>,
        opening: Instant,
        deadline: Option<Instant>,
    ) -> Result<Response, Status> {
        let is_upload = request.method.kind.request_streams();
        let call = pin!(self.inner.call(request));
        if !is_upload {
            let begun = timeout_at(opening, call).await.ok();
            return begun.unwrap_or_else(|| Err(self.unopened(journey, opening)));
        }
        let sent = while_found(call, journey, opening);
        let found = match deadline {
            None => sent.await,
            Some(deadline) => match timeout_at(deadline, sent).await {
                Ok(found) => found,
                Err(_) => return Err(journey.expired(deadline, "the deadline", self.within)),
            },
        };
        found.unwrap_or_else(|| Err(self.unopened(journey, opening)))
    }

    #[cold]
    fn unopened(&self, journey: &Journey, opening: Instant) -> Status {
        journey.expired(opening, "the limit for a stream to begin", self.within)
    }
}

/// The outcome of a call, unless it looks for a server when the limit for that has passed. Where the limit has passed
/// while the call was with a server, it begins anew when the call has to look for another.
async fn while_found<T>(mut call: Pin<&mut impl Future<Output = T>>, journey: &Journey, opening: Instant) -> Option<T> {
    let mut limit = pin!(sleep_until(opening));
    let mut looking = true;
    poll_fn(|cx| {
        if let Poll::Ready(outcome) = call.as_mut().poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        // Only what was polled just now changes this.
        let looked = std::mem::replace(&mut looking, journey.is_waiting());
        if !looking {
            return Poll::Pending;
        }
        if !looked && limit.deadline() <= Instant::now() {
            limit.as_mut().reset(Instant::now() + opening.saturating_duration_since(journey.started()));
        }
        limit.as_mut().poll(cx).map(|()| None)
    })
    .await
}

fn bounded(mut response: Response, deadline: Option<Instant>, journey: Arc<Journey>) -> Response {
    if let (Some(deadline), Body::Stream(_)) = (deadline, &response.body) {
        // It has begun, so somebody has sent it.
        let expired = move || journey.expired(deadline, "the deadline of the whole stream", Within::Unknown);
        response.body = deadline::bound(response.body, deadline, expired);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Context, Kind, Method, Payload, PayloadStream, service_fn};
    use bytes::Bytes;
    use std::time::Duration;

    static FIND: Method = Method::new("s", "Find", "/s/Find", Kind::Unary);
    static FOLLOW: Method = Method::new("s", "Follow", "/s/Follow", Kind::ServerStream);
    static IMPORT: Method = Method::new("s", "Import", "/s/Import", Kind::ClientStream);

    fn empty() -> Body {
        Body::Message(Payload::Encoded(Bytes::new()))
    }

    fn within(method: &'static Method, limit: Option<u64>) -> Request {
        let context = Context::default();
        let context = match limit {
            Some(limit) => context.with_deadline(Instant::now() + Duration::from_millis(limit)),
            None => context,
        };
        Request::new(method, context, empty())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline_and_one_without_waits() {
        let slow = DeadlineLayer::default().layer(service_fn(async |_| {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(Response::new(empty()))
        }));
        let started = Instant::now();
        let status = slow.call(within(&FIND, Some(300))).await.unwrap_err();
        assert_eq!(started.elapsed(), Duration::from_millis(300));
        assert_eq!(status.to_string(), "DeadlineExceeded: the deadline of 300ms exceeded");
        assert!(slow.call(within(&FIND, None)).await.is_ok());
        assert_eq!(started.elapsed(), Duration::from_millis(60_300));
    }

    #[tokio::test]
    async fn a_call_that_is_late_already_is_not_made() {
        let never = DeadlineLayer::default().layer(service_fn(async |_| panic!("it was made")));
        let status = never.call(within(&FIND, Some(0))).await.unwrap_err();
        assert_eq!((status.code(), status.delivery()), (Code::DeadlineExceeded, Delivery::NeverSent));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_its_deadline_and_tells_its_sender() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<()>(1);
        let receiver = std::sync::Mutex::new(Some(receiver));
        let open = DeadlineLayer::default().layer(service_fn(move |_| {
            let mut receiver = receiver.lock().unwrap().take().unwrap();
            let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|_| None));
            async { Ok(Response::new(Body::Stream(PayloadStream::new(stream)))) }
        }));
        let mut body = open.call(within(&FOLLOW, Some(300))).await.unwrap().body.into_stream();
        let status = body.next().await.unwrap().unwrap_err();
        assert!(status.to_string().contains("the deadline of the whole stream of 300ms exceeded"), "{status}");
        assert!(body.next().await.is_none());
        assert!(sender.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn opening_bounds_the_beginning_of_a_stream_but_not_of_an_upload_on_its_way() {
        let slow = DeadlineLayer::default().layer(service_fn(async |_| {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(Response::new(empty()))
        }));
        let opening = |method, limit| {
            let mut request = within(method, limit);
            request.hints.opening = Some(Instant::now() + Duration::from_millis(200));
            request
        };
        let status = slow.call(opening(&FOLLOW, None)).await.unwrap_err();
        assert!(status.message().starts_with("the limit for a stream to begin of 200ms exceeded"), "{status}");
        assert!(slow.call(opening(&IMPORT, None)).await.is_ok());
        let status = slow.call(opening(&IMPORT, Some(1000))).await.unwrap_err();
        assert!(status.message().starts_with("the deadline of 1s exceeded"), "{status}");
    }
}
