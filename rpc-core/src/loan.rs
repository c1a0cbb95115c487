//! A stream that can be had back.

use crate::{Payload, PayloadStream, Status};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

/// A stream of requests that was given to an attempt and can be had back for another, for as long as nothing was taken
/// from it: what is sent elsewhere must be whole.
///
/// With its first item the stream goes over to who took it, so that nothing stands between an item and its reader after
/// that. Until then it stays here, also when the attempt has let go of it: its sender learns of that when the call
/// ends.
#[derive(Clone)]
pub(crate) struct Loan(Arc<Mutex<Option<PayloadStream>>>);

/// What came first of a stream on loan.
pub(crate) enum First {
    /// An item, and the stream behind it.
    Item(Result<Payload, Status>, PayloadStream),
    /// There is none: it was empty, or it was had back.
    End(Option<Status>),
}

impl Loan {
    pub(crate) fn new(stream: PayloadStream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// The stream, if nothing was taken from it. The attempt that had it gets nothing more, wherever it still reads.
    pub(crate) fn recall(self) -> Option<PayloadStream> {
        self.stream().take()
    }

    /// For the attempt.
    pub(crate) fn poll_first(&self, cx: &mut Context<'_>) -> Poll<First> {
        let mut home = self.stream();
        let Some(stream) = home.as_mut() else {
            return Poll::Ready(First::End(Some(Status::cancelled("this attempt at the call is over"))));
        };
        let first = ready!(futures_core::Stream::poll_next(Pin::new(stream), cx));
        Poll::Ready(match (first, home.take()) {
            (Some(item), Some(stream)) => First::Item(item, stream),
            // An empty stream is as good for the next.
            (_, stream) => {
                *home = stream;
                First::End(None)
            }
        })
    }

    fn stream(&self) -> MutexGuard<'_, Option<PayloadStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Code, Payload, PayloadStream, Status};
    use bytes::Bytes;
    use futures_util::{FutureExt, stream};
    use std::sync::Arc;

    fn counting(last: u8) -> PayloadStream {
        PayloadStream::new(stream::iter((1..=last).map(|item| Ok(Payload::Encoded(Bytes::from(vec![item]))))))
    }

    async fn items(mut stream: PayloadStream) -> Vec<u8> {
        let mut items = Vec::new();
        while let Some(item) = stream.next().await {
            items.push(item.unwrap().into_bytes()[0]);
        }
        items
    }

    #[tokio::test]
    async fn it_comes_back_whole_or_not_at_all() {
        let mut lent = counting(3);
        let loan = lent.lend();
        drop(lent);
        let mut lent = loan.recall().unwrap();
        let loan = lent.lend();
        assert_eq!(items(lent).await, [1, 2, 3]);
        assert!(loan.recall().is_none());

        let mut lent = counting(3);
        let loan = lent.lend();
        lent.next().await.unwrap().unwrap();
        drop(lent);
        assert!(loan.recall().is_none(), "without its first item");
    }

    #[tokio::test]
    async fn who_had_it_gets_nothing_more() {
        let mut lent = counting(3);
        let stream = lent.lend().recall().unwrap();
        let status = lent.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Cancelled);
        assert!(lent.next().await.is_none());
        assert_eq!(items(stream).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn waiting_and_finding_nothing_takes_nothing() {
        let mut lent = PayloadStream::new(stream::pending());
        let loan = lent.lend();
        assert!(lent.next().now_or_never().is_none());
        assert!(loan.recall().is_some());

        let mut lent = counting(0);
        let loan = lent.lend();
        assert!(lent.next().await.is_none());
        assert_eq!(items(loan.recall().unwrap()).await, [0_u8; 0]);

        let mut lent = PayloadStream::new(stream::iter([Err(Status::internal("broken"))]));
        let loan = lent.lend();
        assert!(lent.next().await.unwrap().is_err());
        assert!(loan.recall().is_none(), "its error is the call's");
    }

    #[tokio::test]
    async fn its_sender_hears_of_the_end() {
        let guard = Arc::new(());
        let held = guard.clone();
        let mut lent = PayloadStream::new(stream::poll_fn(move |_| {
            let _ = &held;
            std::task::Poll::Pending
        }));
        let loan = lent.lend();
        drop(lent);
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(loan);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
