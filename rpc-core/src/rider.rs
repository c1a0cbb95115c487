//! What a stream of messages is made of, and what rides one.

use crate::{Batch, Payload, PayloadStream, Status};
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What polling a stream gives.
pub(crate) type Next<T> = Poll<Option<Result<T, Status>>>;

/// What a [`PayloadStream`] is made of: messages one by one, or as many as are ready.
pub(crate) trait Source: Send {
    /// The next message.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next<Payload>;

    /// See [`PayloadStream::poll_batch`].
    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Next<()>;
}

/// What rides a stream for as long as a call lasts: it is there when the stream is polled, and hears of its end.
pub(crate) trait Rider: Send + 'static {
    /// Polls the stream through `next`, for one message or for many.
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T>;
}

/// A stream and its rider, which is dropped behind it.
pub(crate) struct Ridden<R> {
    pub(crate) stream: PayloadStream,
    pub(crate) rider: R,
}

// Neither is ever pinned.
impl<R> Unpin for Ridden<R> {}

impl<R: Rider> Source for Ridden<R> {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next<Payload> {
        let Self { stream, rider } = self.get_mut();
        rider.poll(stream, cx, |stream, cx| Pin::new(stream).poll_next(cx))
    }

    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Next<()> {
        let Self { stream, rider } = self.get_mut();
        rider.poll(stream, cx, |stream, cx| stream.poll_batch(cx, batch))
    }
}

pin_project! {
    /// Any stream: it is asked for one message after the other.
    pub(crate) struct OneByOne<S> {
        #[pin]
        stream: S,
    }
}

impl<S> OneByOne<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream }
    }
}

impl<S: Stream<Item = Result<Payload, Status>> + Send> Source for OneByOne<S> {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next<Payload> {
        self.project().stream.poll_next(cx)
    }

    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Next<()> {
        let mut stream = self.project().stream;
        while !batch.is_full() {
            let Some(payload) = ready!(stream.as_mut().poll_next(cx)?) else { return Poll::Ready(None) };
            if let Err(status) = batch.put_payload(&payload) {
                return Poll::Ready(Some(Err(status)));
            }
        }
        Poll::Ready(Some(Ok(())))
    }
}
