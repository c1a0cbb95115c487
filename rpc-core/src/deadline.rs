//! Deadlines, as both sides of a call keep them.

use crate::{Body, Payload, PayloadStream, Status};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep};

/// Ends a stream at `deadline` with the status that `expired` makes. A message is there already.
pub(crate) fn bound(body: Body, deadline: Instant, expired: impl Fn() -> Status + Send + Unpin + 'static) -> Body {
    let bounded = body.map_stream(|inner| Bounded {
        inner: Some(inner),
        sleep: Box::pin(tokio::time::sleep_until(deadline)),
        expired,
    });
    match bounded {
        Body::Message(_) => bounded,
        Body::Stream(stream) => Body::Stream(stream.until(deadline)),
    }
}

struct Bounded<F> {
    /// Dropped at the deadline, so that the sender stops at once.
    inner: Option<PayloadStream>,
    sleep: Pin<Box<Sleep>>,
    expired: F,
}

impl<F: Fn() -> Status + Unpin> Stream for Bounded<F> {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        // What has arrived in time is delivered, even when it is read late.
        if let Poll::Ready(item) = Pin::new(inner).poll_next(cx) {
            return Poll::Ready(item);
        }
        std::task::ready!(self.sleep.as_mut().poll(cx));
        self.inner = None;
        Poll::Ready(Some(Err((self.expired)())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_ends_at_its_deadline() {
        let silent = Body::Stream(PayloadStream::new(futures_util::stream::pending()));
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut stream = bound(silent, deadline, || Status::deadline_exceeded("too late")).stream();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(Instant::now(), deadline);
        assert!(stream.next().await.is_none());
    }
}
