//! Deadlines, as both sides of a call keep them.

use crate::{
    Body, PayloadStream, Status,
    rider::{Next, Rider},
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep};

/// Ends a stream at `deadline` with the status that `expired` makes. A message is there already.
pub(crate) fn bound(body: Body, deadline: Instant, expired: impl Fn() -> Status + Send + 'static) -> Body {
    match body.ridden(|| Bound { sleep: Box::pin(tokio::time::sleep_until(deadline)), expired }) {
        Body::Stream(stream) => Body::Stream(stream.until(deadline)),
        message => message,
    }
}

struct Bound<F> {
    sleep: Pin<Box<Sleep>>,
    expired: F,
}

impl<F: Fn() -> Status + Send + 'static> Rider for Bound<F> {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T> {
        // The time first: a stream that always has an item ready would go on for ever.
        if self.sleep.as_mut().poll(cx).is_pending() {
            return next(stream, cx);
        }
        // So that the sender stops at once.
        stream.end();
        Poll::Ready(Some(Err((self.expired)())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Payload};
    use bytes::Bytes;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_ends_at_its_deadline() {
        let silent = Body::Stream(PayloadStream::new(futures_util::stream::pending()));
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut stream = bound(silent, deadline, || Status::deadline_exceeded("too late")).into_stream();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(Instant::now(), deadline);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_always_has_an_item_ends_at_its_deadline_as_well() {
        let item = || Ok(Payload::Encoded(Bytes::new()));
        let busy = Body::Stream(PayloadStream::new(futures_util::stream::repeat_with(item)));
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut stream = bound(busy, deadline, || Status::deadline_exceeded("too late")).into_stream();
        let mut items = 0;
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(_) => items += 1,
                Err(error) => break error,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(items < 100, "it goes on and on");
        };
        assert_eq!((error.code(), items), (Code::DeadlineExceeded, 6));
    }
}
